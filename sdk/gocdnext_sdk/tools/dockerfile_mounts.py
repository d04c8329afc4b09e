"""What a `RUN --mount` of a Dockerfile asks for."""

from __future__ import annotations

from dataclasses import dataclass

from gocdnext_sdk.errors import Invalid, closest, quoted
from gocdnext_sdk.tools import csv

TYPES = frozenset({"bind", "cache", "secret", "ssh", "tmpfs"})
"""The types of a mount."""

_ATTRIBUTES = {each: each for each in ("type", "from", "source", "target", "id", "required")} | {
    "src": "source",
    "dst": "target",
    "destination": "target",
}
_FLAGS = frozenset({"ro", "readonly", "rw", "readwrite", "required"})
_OTHERS = frozenset({"env", "gid", "mode", "sharing", "size", "uid"})
_KEYS = _FLAGS | _OTHERS | _ATTRIBUTES.keys()


@dataclass(frozen=True)
class Mount:
    """A mount of a RUN step, variables as they are written.

    Args:
        type: one of `TYPES`, or a text with a variable.
        from_: the stage or image that it is from; empty: the build context, or nothing.
        source: the path in that, or the id of a secret.
        target: where the step sees it.
        id: of a secret, an ssh agent or a cache.
        required: whether the build fails without the secret or agent; True if only a variable says it.
    """

    type: str = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    id: str = ""
    required: bool = False

    @classmethod
    def parse(cls, text: str) -> Mount:
        """Parse the value of a `--mount`.

        Source: `parseMount` of moby/buildkit 0.33.1, `frontend/dockerfile/instructions/commands_runmount.go`.
        What it reads as a size, a number or a sharing mode is left to the builder.

        Raises:
            Invalid: BuildKit refuses it.
        """
        found: dict[str, str] = {}
        try:
            fields = csv.fields(text)
        except ValueError as error:
            raise Invalid(str(error)) from None
        for field in fields:
            key, equals, value = field.partition("=")
            key = key.lower()
            if not equals and key not in _FLAGS:
                raise Invalid(f"{quoted(key)} lacks a value")
            if key not in _KEYS:
                known = closest(key, _KEYS)
                raise Invalid(f"{quoted(key)} is unknown", f"did you mean {known}?" if known else "")
            _check(key, value if equals else "true", found.get("type", "bind"))
            found[_ATTRIBUTES.get(key, key)] = value if equals else "true"
        kind = found.get("type", "bind")
        mount = cls(
            type=kind if "$" in kind else kind.lower(),
            from_=found.get("from", ""),
            source=found.get("source", ""),
            target=found.get("target", ""),
            id=found.get("id", ""),
            required=csv.BOOLEANS.get(found.get("required", "false"), True),
        )
        if mount.type == "secret":
            mount._check_secret()
        return mount

    def _check_secret(self) -> None:
        if self.from_:
            raise Invalid("a secret has no from")
        if not (self.source or self.target or self.id):
            raise Invalid("a secret needs an id or a target")
        if self.source and self.id:
            raise Invalid("a secret has a source or an id, not both")


def _check(key: str, value: str, type_: str) -> None:
    """Check one option; `type_` is the type as far as it is known before it."""
    if key == "from" and "$" in value[:-1]:
        raise Invalid("from takes no variable", "name a stage with `FROM … AS`")
    if "$" in value:
        return
    if key == "type" and value.lower() not in TYPES:
        raise Invalid(f"{quoted(value)} is no type of a mount", ", ".join(sorted(TYPES)))
    if key == "required" and type_.lower() not in ("secret", "ssh") and "$" not in type_:
        raise Invalid("required is of secret and ssh only", "write it after their type=")
    if key in _FLAGS and value not in csv.BOOLEANS:
        raise Invalid(f"{key} is neither true nor false: {quoted(value)}")
