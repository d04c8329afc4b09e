"""Build a plugin's image from its directory, with buildx.

Named build contexts replace stages of the Dockerfile. A host that cannot pull an official image provides its
own this way (``GOCDNEXT_BUILD_CONTEXTS``), and a plugin can be built on a base that is not published yet.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from gocdnext_sdk.errors import ToolError

BASE_IMAGE = "ghcr.io/klinux/gocdnext-plugin-base:v1"
"""What a plugin's Dockerfile starts from."""

CONTEXTS_VARIABLE = "GOCDNEXT_BUILD_CONTEXTS"
BUILDX_VARIABLE = "GOCDNEXT_BUILDX"

_CLI_PLUGINS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)


def build_contexts(pairs: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the named build contexts: those of `GOCDNEXT_BUILD_CONTEXTS`, overridden by `pairs`.

    Args:
        pairs: ``NAME=VALUE`` each, VALUE as `docker buildx build --build-context` takes it.

    Raises:
        ToolError: one of them is not NAME=VALUE.
    """
    contexts: dict[str, str] = {}
    for pair in (*os.environ.get(CONTEXTS_VARIABLE, "").split(), *pairs):
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise ToolError(f"build context {pair!r}: write NAME=VALUE, as for `docker buildx build`")
        contexts[name] = value
    return contexts


@cache
def find_buildx() -> tuple[str, ...]:
    """Return the command that runs buildx.

    Raises:
        ToolError: it is not installed.
    """
    if configured := os.environ.get(BUILDX_VARIABLE):
        return (configured,)
    if (docker := shutil.which("docker")) and _works(docker, "buildx"):
        return (docker, "buildx")
    folders = [os.environ.get("PATH", ""), *(os.path.expanduser(each) for each in _CLI_PLUGINS)]  # noqa: PTH111
    for name in ("buildx", "docker-buildx"):
        if (found := shutil.which(name, path=os.pathsep.join(folders))) and _works(found):
            return (found,)
    raise ToolError(
        f"buildx is not installed; install the docker-buildx plugin or point {BUILDX_VARIABLE} at the binary"
    )


def _works(*command: str) -> bool:
    return subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0


def build_image(
    folder: Path, tag: str, contexts: Mapping[str, str], *, dockerfile: Path | None = None
) -> None:
    """Build `folder`'s Dockerfile and leave the image on the engine as `tag`.

    Args:
        folder: the build context.
        tag: the image's reference.
        contexts: named build contexts, each replacing the stage of its name.
        dockerfile: its path, if it is not in `folder`.

    Raises:
        ToolError: the build failed; the message ends with what buildx printed.
    """
    dockerfile = dockerfile or folder / "Dockerfile"
    if not dockerfile.is_file():
        raise ToolError(f"{folder}: no Dockerfile to build {tag} from; name the directory of a plugin")
    command = [*find_buildx(), "build", "--load", "--progress", "plain", "--tag", tag]
    for name, value in contexts.items():
        command += ["--build-context", f"{name}={value}"]
    command += ["--file", os.fspath(dockerfile), os.fspath(folder)]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False
    )
    if result.returncode:
        output = "\n".join(result.stdout.decode(errors="replace").splitlines()[-40:])
        # What BuildKit says of an image that it finds neither at its registry nor on the engine.
        if re.search(rf"{re.escape(BASE_IMAGE)}: failed to resolve source metadata", output):
            raise ToolError(
                f"building {tag} from {folder} failed: there is no {BASE_IMAGE}",
                "make it once with: gocdnext-plugin base build",
            )
        raise ToolError(f"building {tag} from {folder} failed:\n{output}")
