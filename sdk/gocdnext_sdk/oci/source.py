"""Where an image can come from, and how users write that.

Source: the transports of containers-transports(5), which skopeo, podman and buildah share.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.oci.reference import HUB, Reference
from gocdnext_sdk.workspace import workspace_of, workspace_path

_FILE_TRANSPORTS = ("oci", "oci-archive", "docker-archive")
_ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz")


class Transport(StrEnum):
    """How an image is fetched."""

    ANY = "any"
    """A bare reference: from the daemon if there is one with this image, else from the registry."""

    REGISTRY = "docker"
    """`docker://`: from the registry."""

    DAEMON = "docker-daemon"
    """`docker-daemon:`: from the daemon."""

    FILES = "files"
    """A directory in the OCI image layout, an archive of one, or an archive that `docker save` wrote."""


@dataclass(frozen=True)
class Source:
    """An image, wherever it is.

    Args:
        transport: how it is fetched.
        text: the source as it was written.
        reference: its name in the registry or the daemon.
        path: of the layout or archive, in the workspace.
        name: selects one of several images there.
    """

    transport: Transport
    text: str
    reference: Reference | None = None
    path: str | None = None
    name: str | None = None

    @classmethod
    def parse(cls, text: str, workspace: Path | None = Path()) -> Self:
        """Parse a source: a reference, `docker://REF`, `docker-daemon:REF`, or files.

        Files are written `oci:PATH[:NAME]`, `oci-archive:…`, `docker-archive:…`; or just as a path that
        begins with `./` or `/` or ends like an archive. Whether the path exists does not matter: the content
        of the checkout must not change what a source means.

        Raises:
            ValueError: it has none of these forms, or the path leaves the workspace.
        """
        scheme, _, rest = text.partition(":")
        if text.startswith("docker://"):
            return cls(Transport.REGISTRY, text, Reference.parse(rest.removeprefix("//")))
        if scheme == "docker-daemon":
            return cls(Transport.DAEMON, text, Reference.parse(rest))
        if scheme in _FILE_TRANSPORTS:
            return cls._files(text, rest, workspace)
        if text.startswith(("./", "/")) or text.endswith(_ARCHIVE_SUFFIXES):
            return cls._files(text, text, workspace)
        return cls(Transport.ANY, text, Reference.parse(text))

    @classmethod
    def parse_files(cls, text: str, workspace: Path | None = Path()) -> Self:
        """Parse a source that can only be files, so that any path is one: `dist/app` too.

        Raises:
            ValueError: it is something else, or the path leaves the workspace.
        """
        scheme, _, rest = text.partition(":")
        return cls._files(text, rest if scheme in _FILE_TRANSPORTS else text, workspace)

    @classmethod
    def _files(cls, text: str, location: str, workspace: Path | None) -> Self:
        path, _, name = location.partition(":")
        if not path:
            raise Invalid(f"{quoted(text)} has no path")
        return cls(Transport.FILES, text, path=workspace_path(path, workspace), name=name or None)

    @property
    def names_registry(self) -> bool:
        """Whether it names a registry explicitly, so it cannot mean an image of an earlier step."""
        return self.reference is not None and (self.reference.registry.host != HUB or f"{HUB}/" in self.text)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, info: core_schema.ValidationInfo) -> Source:
            return value if isinstance(value, Source) else cls.parse(str(value), workspace_of(info))

        return core_schema.with_info_plain_validator_function(
            validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "string"}
