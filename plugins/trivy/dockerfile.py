"""The base images of a Dockerfile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gocdnext_sdk import Invalid, Reference, quoted
from gocdnext_sdk.tools.dockerfile import parse
from gocdnext_sdk.tools.dockerfile_images import Base, bases
from gocdnext_sdk.workspace import is_directory, read_text

DEFAULT = "Dockerfile"


def read_bases(target: str, arguments: Mapping[str, str], workspace: Path) -> dict[Base, Reference]:
    """Return the images that a Dockerfile's stages are built from, each once.

    Args:
        target: the Dockerfile, or the directory that has one.
        arguments: the build arguments, by name.
        workspace: the checkout.

    Raises:
        Invalid: it cannot be read, or leaves open which image is meant.
    """
    path = f"{target}/{DEFAULT}" if is_directory(workspace / target) else target
    try:
        dockerfile = parse(read_text(workspace / path))
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"there is no Dockerfile {quoted(path)} in the workspace") from None
    except ValueError as error:
        raise Invalid(f"{path} is no Dockerfile: {error}") from None
    found = dict(_references(path, bases(dockerfile, arguments)))
    if not found:
        raise Invalid(f"{path} has no base image", "every stage is built from scratch")
    return found


def _references(path: str, found: tuple[Base, ...]) -> Iterator[tuple[Base, Reference]]:
    for base in found:
        if not base.name:
            what = f"{path}:{base.line}: `FROM {base.text}` holds a variable without a value"
            raise Invalid(what, "give it in `build-args`")
        try:
            yield base, Reference.parse(base.name)
        except ValueError:
            raise Invalid(f"{path}:{base.line}: {quoted(base.name)} is no image") from None
