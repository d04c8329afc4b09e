"""Layer caches, as `--cache-from` and `--cache-to` take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gocdnext_sdk.errors import Invalid, quoted
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.secret import Secret, looks_secret
from gocdnext_sdk.tools.csv import comma_separated, fields

_SECRET_ATTRIBUTES = {
    ("s3", "access_key_id"): "AWS_ACCESS_KEY_ID",
    ("s3", "secret_access_key"): "AWS_SECRET_ACCESS_KEY",
    ("s3", "session_token"): "AWS_SESSION_TOKEN",
    ("gha", "token"): "ACTIONS_RUNTIME_TOKEN",
}
"""Attributes that buildx also takes from a variable of its own environment, off the command line.

Source: docker/buildx `build/opt.go`, `addAwsCredentials` and `addGithubToken`.
"""

_VARIABLES = {"s3": "AWS_", "gha": "ACTIONS_"}
"""What the variables begin with that a backend's client reads."""

_TOLERANT = frozenset({"registry", "local", "gha", "s3", "azblob"})
"""Backends that know `ignore-error`."""

_DAEMON_CACHES = frozenset({"registry", "local", "gha", "inline"})
"""Backends that are part of the Docker daemon. Source: moby `builder-next/controller.go`."""


@dataclass(frozen=True)
class CacheEntry:
    """One `--cache-from` or `--cache-to`.

    Args:
        attributes: its attributes in order, `type` among them; none of them secret.
        environ: the secret ones, by the variable that carries them.
    """

    attributes: Mapping[str, str]
    environ: Mapping[str, Secret]

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that a local cache is read from and written to."""
        places = (self.attributes.get(each) for each in ("src", "dest"))
        return tuple(filter(None, places)) if self.type == "local" else ()

    @classmethod
    def parse(cls, text: str) -> CacheEntry:
        """Parse a BuildKit cache entry (`type=…,key=value`), or the reference of an image in a registry.

        Raises:
            ValueError: it is neither, or has a secret that could only go onto the command line. As there
                may be a secret in it, the message does not quote the entry.
        """
        if "=" not in text.partition(",")[0]:
            return cls({"type": "registry", "ref": str(Reference.parse(text))}, {})
        pairs = [field.partition("=") for field in _fields(text)]
        if any(not equals for _, equals, _ in pairs):
            raise Invalid('a cache entry is not of the form "type=…,key=value"')
        attributes = {key.strip().lower(): value for key, _, value in pairs}
        if len(attributes) < len(pairs):
            raise Invalid("a cache entry has an attribute twice", "write one entry a line")
        if not attributes.get("type"):
            raise Invalid("a cache entry has no type", 'write "type=registry,ref=…" or the reference alone')
        environ: dict[str, Secret] = {}
        for key in [key for key in attributes if looks_secret(key)]:
            variable = _SECRET_ATTRIBUTES.get((attributes["type"], key))
            if variable is None:
                raise Invalid(f"{quoted(key)} would stand on a command line", "buildx takes it no other way")
            environ[variable] = Secret(attributes.pop(key))
        return cls(attributes, environ)

    @property
    def type(self) -> str:
        """The backend."""
        return self.attributes["type"]

    @property
    def needs_container(self) -> bool:
        """Whether only a BuildKit of one's own has the backend, and the Docker daemon's lacks it."""
        return self.type not in _DAEMON_CACHES

    @property
    def variables(self) -> str | None:
        """What the variables begin with that buildx reads for it, if it reads any."""
        return _VARIABLES.get(self.type)

    def is_active(self, environ: Mapping[str, str]) -> bool:
        """Tell whether buildx will use it: it drops `gha` entries without a word when there is no token.

        Source: docker/buildx `build/opt.go`, `isActive`.
        """
        if self.type != "gha":
            return True
        token = "ACTIONS_RUNTIME_TOKEN" in self.environ or environ.get("ACTIONS_RUNTIME_TOKEN")
        url = "url" in self.attributes or "url_v2" in self.attributes
        urls = ("ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL")
        return bool(token) and (url or any(environ.get(each) for each in urls))

    def as_export(self) -> CacheEntry:
        """Return the entry for `--cache-to`.

        A failed export must not fail a build whose image is fine, and a cache in a registry has the form of
        an image: Harbor and others refuse the other form, which older BuildKits write if not told.
        """
        usual = {"image-manifest": "true"} if self.type == "registry" else {}
        usual |= {"ignore-error": "true"} if self.type in _TOLERANT else {}
        lacking = {key: value for key, value in usual.items() if key not in self.attributes}
        return CacheEntry({**self.attributes, **lacking}, self.environ)

    def __str__(self) -> str:
        return comma_separated(f"{key}={value}" for key, value in self.attributes.items())


def _fields(text: str) -> tuple[str, ...]:
    try:
        return fields(text)
    except ValueError as error:
        raise Invalid(f"a cache entry {error}") from None
