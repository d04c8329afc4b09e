"""What make, the tests and the harness are told about this host, as environment variables.

``DOCKER_HOST``              the engine
``GOCDNEXT_BUILD_CONTEXTS``  ``name=value`` pairs: what replaces which stage of the Dockerfiles; empty where images pull
``GOCDNEXT_REGISTRY_IMAGE``  the image of the throw-away registry
``GOCDNEXT_BUILDX``          the buildx to build with, where the docker command brings none
``BASE``                     the base image of the example applications
``PATH``                     with the pinned tools in front, for plugins that run as a process
"""

from __future__ import annotations

import os
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from testbed import bases, engine, tools
from testbed.pins import ROOT, pins

# What the release recipe runs on, and what the other plugins and the tests add.
DEMO = ("buildx", "trivy", "cosign")
TEST = (*DEMO, "kaniko", "regctl", "crane", "olareg")
STAGES = ("buildx", "trivy", "cosign", "kaniko", "regctl")


def setup(extent: str) -> None:
    """Make whatever is missing for the demo, or for all tests; nothing when nothing is.

    Downloads go beside builds: the engine and the stand-ins for bases wait for the network, the tools for the CPU.
    """
    host = engine.up()
    names = TEST if extent == "test" else DEMO
    if engine.can_pull(host) and extent == "demo":
        return
    with ThreadPoolExecutor(max_workers=2) as workers:
        pending = [workers.submit(tools.get, *names)]
        if not engine.can_pull(host):
            pending.append(workers.submit(lambda: (bases.image("python"), bases.image("registry"))))
        for each in pending:
            each.result()


def environment() -> dict[str, str]:
    """Give the variables for what is there by now; ``setup`` brings the rest."""
    host = engine.up()
    made = [name for name in TEST if tools.folder(name).exists()]
    path = [str(tools.binary(name).parent) for name in made if name != "kaniko"]
    variables = {"DOCKER_HOST": host, "PATH": os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])}
    if engine.can_pull(host):
        images = {name: pins()[name].image for name in ("python", "registry")}
        contexts = {}
    else:
        images = {name: bases.image(name) for name in ("python", "registry")}
        contexts = {name: str(tools.folder(name)) for name in made if name in STAGES}
        contexts["python"] = f"docker-image://{images['python']}"
    if not _docker_has_buildx():
        variables["GOCDNEXT_BUILDX"] = str(tools.get("buildx")[0] / "buildx")
    return variables | {
        "GOCDNEXT_BUILD_CONTEXTS": " ".join(f"{name}={value}" for name, value in contexts.items()),
        "GOCDNEXT_REGISTRY_IMAGE": images["registry"],
        "BASE": images["python"],
    }


def exports() -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment().items())


def _docker_has_buildx() -> bool:
    try:
        done = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)  # noqa: S607
    except FileNotFoundError:
        return False
    return done.returncode == 0
