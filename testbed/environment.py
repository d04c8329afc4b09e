"""What make, the tests and the harness are told about this host, as environment variables.

``DOCKER_HOST``              the engine
``GOCDNEXT_BUILD_CONTEXTS``  ``name=value`` pairs: what replaces which stage of the Dockerfiles
``GOCDNEXT_REGISTRY_IMAGE``  the image of the throw-away registry
``GOCDNEXT_SIGSTORE_IMAGE``  the image of the local Sigstore; once the tests' set-up made it
``GOCDNEXT_BUILDX``          the buildx to build with, where the docker command brings none
``BUILDX_BUILDER``           the engine's own builder, which alone sees the engine's images
``BASE``                     the base image of the example applications
``BUILDKIT_IMAGE``           the image of a builder in a container; once the tests' set-up made it
``PATH``                     with the pinned tools in front, for plugins that run as a process
"""

from __future__ import annotations

import os
import shlex
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor

from gocdnext_sdk.host.harness.build import BASE_IMAGE
from testbed import bases, engine, images, tools
from testbed.cache import cache_dir
from testbed.pins import pins

PLUGIN_TOOLS = ("buildx", "trivy", "cosign", "kaniko", "regctl")
STAGES = (*PLUGIN_TOOLS, "busybox", "rekor", "timestamp-server")
ORIGINALS = ("dockerfile-parser", "dockerignore-matcher", "reference-parser", "yaml-parser")
# What each extent of the set-up needs: the demo runs the release recipe; tests run all there is.
TOOLS = {
    "demo": PLUGIN_TOOLS[:3],
    "images": PLUGIN_TOOLS,
    "test": (*STAGES, "crane", "olareg", "gofakes3", "cosign-2", "moto", *ORIGINALS),
}
BASES = {"demo": ("python", "registry"), "images": ("python", "registry"), "test": tuple(bases.PLATFORMS)}
IMAGES = {"demo": PLUGIN_TOOLS[:3], "images": (), "test": ()}  # none named: all plugins


def setup(extent: str) -> list[str]:
    """Make what is missing for *extent*, and nothing when nothing is; give the plugins' images.

    The stand-ins for bases, which wait for the network, are made beside the tools, which wait for the CPU.
    """
    host = engine.up()
    engine.make_room(host)
    needed = _needed(extent, host)
    made = () if engine.can_pull(host) else BASES[extent]
    tools.check(*needed, *(name for name in made if pins()[name].go))
    with ThreadPoolExecutor(max_workers=2) as workers:
        pending: list[Future[object]] = [workers.submit(tools.get, *needed)]
        pending.append(workers.submit(lambda: [bases.image(name) for name in made]))
        for each in pending:
            each.result()
    if extent == "test" and engine.can_pull(host):
        bases.pulled("python")  # which tests put into registries of their own
    os.environ |= environment()
    images.base()
    os.environ |= environment()
    if extent == "test":
        images.sigstore()
    return images.plugins(*IMAGES[extent])


def _needed(extent: str, host: str) -> tuple[str, ...]:
    """Where images can be pulled, only tests want the tools as files."""
    if engine.can_pull(host) and extent != "test":
        return () if _docker_has_buildx() else ("buildx",)
    return TOOLS[extent]


def environment() -> dict[str, str]:
    """Give the variables for what is there by now; ``setup`` brings the rest."""
    host = engine.up()
    made = [name for name in TOOLS["test"] if tools.folder(name).exists()]
    path = [str(tools.binary(name).parent) for name in made if name != "kaniko"]
    variables = {"DOCKER_HOST": host, "PATH": _in_front(path)}
    if engine.can_pull(host):
        official = {name: pins()[name].image for name in bases.PLATFORMS}
        contexts = {}
    else:
        official = {name: bases.image(name) for name in BASES["demo"]}
        official |= {name: bases.tag(name) for name in bases.PLATFORMS if images.exists(bases.tag(name))}
        contexts = {name: str(tools.folder(name)) for name in made if name in STAGES}
        for name in ("python", "native"):  # of the platform that is built for, and of the one that builds
            contexts[name] = f"docker-image://{official['python']}"
    if images.exists(images.BASE):
        # By the stage's name, and by the reference where a stage of ours has another.
        for name in ("base", BASE_IMAGE):
            contexts[name] = f"docker-image://{images.BASE}"
    if not _docker_has_buildx():
        variables["GOCDNEXT_BUILDX"] = str(tools.get("buildx")[0] / "buildx")
    return (
        variables
        | {
            "BUILDX_BUILDER": "default",
            "GOCDNEXT_BUILD_CONTEXTS": " ".join(f"{name}={value}" for name, value in contexts.items()),
            "GOCDNEXT_REGISTRY_IMAGE": official["registry"],
            "BASE": official["python"],
        }
        | ({"BUILDKIT_IMAGE": official["buildkit"]} if "buildkit" in official else {})
        | ({"GOCDNEXT_SIGSTORE_IMAGE": images.SIGSTORE} if images.exists(images.SIGSTORE) else {})
    )


def exports() -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment().items())


def _in_front(folders: list[str]) -> str:
    """Return PATH with these folders in front, and none that an earlier set-up put there."""
    own = os.fspath(cache_dir() / "tools") + os.sep
    found = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*folders, *(each for each in found if not each.startswith(own))])


def _docker_has_buildx() -> bool:
    try:
        done = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0
