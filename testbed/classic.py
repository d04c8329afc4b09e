"""A second private engine that keeps images as engines did before containerd's store: as `docker:24` does.

Its containers share the host's network. It has an empty bridge of its own: told to have none, an engine
removes docker0, which is the first one's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed import engine, images
from testbed.cache import SetupError, cache_dir, lock, run, step

BRIDGE = "gocdnext1"

# As the official image's: its arguments are the daemon's.
ENTRYPOINT = """#!/bin/sh
exec dockerd --storage-driver overlay2 "$@"
"""
NOT_PACKED = ("./usr/share", "./var/cache", "./var/lib/apt", "./boot", "./proc", "./sys", "./dev")


IMAGE = "docker:24-dind"
"""Such an engine in a container, as the platform starts it beside a job."""


def image() -> str:
    """Give `IMAGE` where the engine can pull it, or what stands in for it; that is made if missing."""
    return IMAGE if engine.can_pull(engine.up()) else stand_in()


def stand_in() -> str:
    """Give the image that stands in for `IMAGE`; made if missing.

    Raises:
        SetupError: this host has an engine that nobody made here.
    """
    tree = engine.tree()
    tag = f"localhost/gocdnext-dind:{tree.name.rpartition('-')[2]}"
    with lock("image-dind"):
        if not images.exists(tag):
            _need_tree()
            with step(f"making a stand-in for {IMAGE}"), tempfile.TemporaryDirectory() as scratch:
                _import(tree / "tree", Path(scratch), tag)
    return tag


def _import(tree: Path, scratch: Path, tag: str) -> None:
    script = scratch / "usr" / "local" / "bin" / "dockerd-entrypoint.sh"
    script.parent.mkdir(parents=True)
    script.write_text(ENTRYPOINT)
    script.chmod(0o755)
    left_out = [f"--exclude={each}" for each in NOT_PACKED]
    packed = ["-C", tree, ".", "-C", scratch, "usr/local/bin/dockerd-entrypoint.sh"]
    run("tar", "--create", "--one-file-system", *left_out, "--file", scratch / "image.tar", *packed)
    changes = (
        'ENTRYPOINT ["dockerd-entrypoint.sh"]',
        "VOLUME /var/lib/docker",
        "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )
    environ = {**os.environ, "DOCKER_HOST": engine.up()}
    run(
        "docker", "import", *(f"--change={each}" for each in changes), scratch / "image.tar", tag, env=environ
    )


def _need_tree() -> None:
    if not engine.tree().exists():
        raise SetupError("the classic engine needs the private one's tree, which make setup-test makes")


@contextmanager
def running() -> Iterator[str]:
    """Run one as long as the block, with nothing in it; give its address.

    Raises:
        SetupError: it does not start, or this host has an engine that nobody made here.
    """
    _need_tree()
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
