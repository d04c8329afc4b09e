"""A second private engine that keeps images as engines did before containerd's store: as `docker:24` does.

Its containers share the host's network. It has an empty bridge of its own: told to have none, an engine
removes docker0, which is the first one's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed import engine
from testbed.cache import SetupError, cache_dir, run

BRIDGE = "gocdnext1"


@contextmanager
def running() -> Iterator[str]:
    """Run one as long as the block, with nothing in it; give its address.

    Raises:
        SetupError: it does not start, or this host has an engine that nobody made here.
    """
    tree = engine.tree()
    if not tree.exists():
        raise SetupError("the classic engine needs the private one's tree, which make setup-test makes")
    home = cache_dir() / "classic"
    shutil.rmtree(home, ignore_errors=True)
    (home / "run").mkdir(parents=True)
    host = f"unix://{home}/run/docker.sock"
    config = home / "daemon.json"
    config.write_text(json.dumps(_settings(home, host)))
    subprocess.run(["ip", "link", "delete", BRIDGE], stderr=subprocess.DEVNULL, check=False)
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", "192.0.2.1/30", "dev", BRIDGE)  # for documentation only (RFC 5737)
    log = home / "dockerd.log"
    script = Path(engine.__file__).with_name("private-engine.sh")
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["unshare", "--mount", "--", script, tree / "tree", home, config],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + engine.START_SECONDS
        while not engine.answers(host):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
                raise SetupError(f"the classic engine did not start:\n{tail}")
            time.sleep(0.1)
        yield host
    finally:
        process.terminate()  # it stops its containers
        process.wait(60)
        run("ip", "link", "delete", BRIDGE)
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, host: str) -> dict[str, object]:
    return {
        "data-root": str(home / "data"),
        "exec-root": "/run/gocdnext-classic",
        "pidfile": "/run/gocdnext-classic.pid",
        "hosts": [host],
        "group": "root",
        "cgroup-parent": "/gocdnext-classic",
        "bridge": BRIDGE,
        "iptables": False,
        "ip6tables": False,
        "features": {"containerd-snapshotter": False},
        "storage-driver": "overlay2",
        "shutdown-timeout": 5,
    }
