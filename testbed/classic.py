"""A second private engine that keeps images as engines did before containerd's store: as `docker:24` does.

Its containers share the host's network. It has an empty bridge of its own: told to have none, an engine
removes docker0, which is the first one's.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from testbed import engine
from testbed.cache import SetupError, cache_dir, run

BRIDGE = "gocdnext1"


@contextmanager
def running() -> Iterator[str]:
    """Run one as long as the block, with nothing in it; give its address.

    Raises:
        SetupError: it does not start, or this host has an engine that nobody made here.
    """
    if not engine.tree().exists():
        raise SetupError("the classic engine needs the private one's tree, which make setup-test makes")
    home = cache_dir() / "classic"
    shutil.rmtree(home, ignore_errors=True)
    host = f"unix://{home}/run/docker.sock"
    own = {"bridge": BRIDGE, "iptables": False, "ip6tables": False, **engine.CLASSIC_STORE}
    subprocess.run(["ip", "link", "delete", BRIDGE], stderr=subprocess.DEVNULL, check=False)
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", "192.0.2.1/30", "dev", BRIDGE)  # for documentation only (RFC 5737)
    process = engine.launch(home, engine.settings(home / "data", host, "gocdnext-classic") | own)
    try:
        engine.wait_for(process, host, home)
        yield host
    finally:
        process.terminate()  # it stops its containers
        process.wait(60)
        run("ip", "link", "delete", BRIDGE)
        shutil.rmtree(home, ignore_errors=True)
