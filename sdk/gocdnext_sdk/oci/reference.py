"""Image references, by the grammar and the Docker Hub rules of `distribution/reference`.

A registry has up to three names, and mixing them up is the most common login defect: what a user writes
(``docker.io``), where its API answers (``registry-1.docker.io``), and its key in a Docker configuration
(``https://index.docker.io/v1/``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.oci.plain_http import is_loopback, may_be_plain

HUB = "docker.io"
"""The one host that `Registry` has for Docker Hub, whichever of its names was given."""

_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_MAX_PORT = 65535
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")

_IMAGE_ID = re.compile(r"[0-9a-f]{64}")

_MAX_NAME = 255


def is_tag(text: str) -> bool:
    """Tell whether `text` is a valid tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Tell whether `text` is a digest with an algorithm that registries accept."""
    return _DIGEST.fullmatch(text) is not None


def _begins_with_host(name: str) -> bool:
    """Tell whether the first part of a name is a host, and not a repository of Docker Hub's."""
    head, slash, _ = name.partition("/")
    return bool(slash) and (head == "localhost" or any(c in head for c in ".:["))


def _is_host(text: str) -> bool:
    if not _HOST.fullmatch(text):
        return False
    port = text.rpartition("]")[2].partition(":")[2]
    if port and (len(port) > 5 or not 0 < int(port) <= _MAX_PORT):
        return False
    if text.startswith("["):
        try:
            ip_address(text[1 : text.index("]")])
        except ValueError:
            return False
    return True


@dataclass(frozen=True, order=True)
class Registry:
    """A registry host; `docker.io` stands for all names of Docker Hub.

    Args:
        host: `host[:port]`.
    """

    host: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a registry as users write it: a host, or a URL as `docker login` takes it.

        Raises:
            ValueError: `text` names no host.
        """
        # Messages quote nothing: a token may be pasted here by mistake, and no mask matches it in lower case.
        host = re.sub(r"^https?://", "", text.strip(), flags=re.IGNORECASE).rstrip("/")
        head, _, path = host.lower().partition("/")
        if "@" in head:
            raise Invalid("a registry has no user in its name", 'give "username" and "password"')
        if path not in ("", "v1", "v2"):
            raise Invalid("it is an image, not a registry", 'write only the host, such as "ghcr.io"')
        if not _is_host(head):
            raise Invalid("it is not a registry host", 'write it as "ghcr.io"')
        return cls(HUB if head in _HUB_ALIASES else head)

    @property
    def api_host(self) -> str:
        """The host that answers API calls."""
        return "registry-1.docker.io" if self.host == HUB else self.host

    @property
    def config_key(self) -> str:
        """The registry's key in the `auths` of a Docker configuration."""
        return "https://index.docker.io/v1/" if self.host == HUB else self.host

    @property
    def plain_http(self) -> bool:
        """Whether plain http is tried where the registry does not speak TLS; see `oci/plain_http.py`."""
        return may_be_plain(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, whichever that is for whoever asks it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True, order=True)
class Reference:
    """An image reference.

    Args:
        registry: its registry.
        repository: the path there, with Docker Hub's `library/` written out.
        tag: without its colon.
        digest: `sha256:<64 hex>`.
    """

    registry: Registry
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a reference.

        Raises:
            ValueError: it is not one; the message says which part is wrong.
        """
        rest, at, digest = text.strip().partition("@")
        if at and not is_digest(digest):
            raise Invalid(f"{quoted(digest)} is not a digest", 'write it as "sha256:<64 hex digits>"')
        if "://" in rest:
            raise Invalid(f"{quoted(text)} has a scheme", f"write it as {quoted(rest.split('://', 1)[1])}")
        host, path = HUB, rest
        if _begins_with_host(rest):
            host, _, path = rest.partition("/")
        tag: str | None = None
        if ":" in path:
            path, _, tag = path.partition(":")
            if not is_tag(tag):
                branch = (
                    "of a branch, `tags: type=ref,event=branch` makes one, and the output REFERENCE names it"
                )
                usual = 'letters, digits, "_", "." and "-", at most 128'
                raise Invalid(f"{quoted(tag)} is not a tag", branch if "/" in tag else usual)
        if not _is_host(host):
            raise Invalid(f"{quoted(host)} is not a registry host")
        registry = Registry.parse(host)
        if registry.host == HUB and path and "/" not in path:
            path = f"library/{path}"
        if not at and _IMAGE_ID.fullmatch(rest):
            raise Invalid("it is the ID of an image, not a name", "give the name, and tags")
        if not path or len(path) > _MAX_NAME or not _PATH.fullmatch(path):
            hint = f"; write it as {quoted(path.lower())}" if path != path.lower() else ""
            raise Invalid(
                f"{quoted(text)} is not an image reference: the repository {quoted(path)} is not valid{hint}"
            )
        return cls(registry, path, tag, digest if at else None)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def short_name(self) -> str:
        """The name as users write it, without Docker Hub's host and `library/` where it names the same."""
        short = self.repository.removeprefix("library/")
        return short if self.registry.host == HUB and not _begins_with_host(short) else self.name

    @property
    def version(self) -> str:
        """The digest if there is one, else the tag, else `latest`: what a request for the manifest names."""
        return self.digest or self.tag or "latest"

    def with_tag(self, tag: str) -> Self:
        """Return the reference of `tag` in the same repository."""
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> Self:
        """Return the reference of `digest` in the same repository."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any) -> Reference:
            return value if isinstance(value, Reference) else cls.parse(str(value))

        return core_schema.no_info_plain_validator_function(
            validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "string", "format": "oci-reference"}
