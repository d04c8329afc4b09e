"""What a plugin's class declares by `gocdnext_sdk.inputs.facts`, together, and as ``plugin.yaml`` has it.

Each fact is a key of its own that begins with ``x-``; the server ignores those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from gocdnext_sdk.inputs.facts import DaemonUse, Gates, Publishes, Reads, ReadsWorkspace, Signs
from gocdnext_sdk.plugin import Plugin

_PREFIX: Final = "x-"
_CONDITIONS: Final = frozenset({"when", "unless"})
_PLAIN: Final = frozenset({"needed", "without_daemon"})
"""Fields that name no input."""


@dataclass(frozen=True)
class Facts:
    """The facts of one plugin, by the names that the class has for them."""

    publishes: Publishes | None = None
    reads: tuple[Reads, ...] = ()
    signs: Signs | None = None
    gates: Gates | None = None
    daemon: DaemonUse | None = None
    workspace: ReadsWorkspace | None = None
    caches: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @classmethod
    def of(cls, plugin: type[Plugin[Any]]) -> Facts:
        """Return those that a class declares."""
        return cls(**{each.name: getattr(plugin, each.name) for each in fields(cls)})

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Facts:
        """Return those in the content of a ``plugin.yaml``.

        Raises:
            ValueError: one is not of the form that `render` gives it.
        """
        names = [each.name for each in fields(cls)]
        found = {name: _python(content[_PREFIX + name]) for name in names if _PREFIX + name in content}
        try:
            return _adapter().validate_python(found)
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]
            where = _PREFIX + ".".join(map(str, wrong["loc"]))
            raise ValueError(f"{where.replace('_', '-')}: {wrong['msg']}") from None

    def render(self) -> dict[str, Any]:
        """Return them as ``plugin.yaml`` has them, without what is not said."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {_PREFIX + name: _plain(value) for name, value in found if value not in (None, ())}

    def inputs(self) -> Iterator[tuple[str, str]]:
        """Yield every input that is named, and the fact that names it."""
        yield from ((key, "caches") for key in self.caches)
        alone = (
            (name, getattr(self, name)) for name in ("publishes", "signs", "gates", "daemon", "workspace")
        )
        for name, fact in (*alone, *(("reads", each) for each in self.reads)):
            for field, value in fact._asdict().items() if fact else ():
                if field in _CONDITIONS:
                    yield from ((key, name) for key in value)
                elif field not in _PLAIN:
                    yield from ((key, name) for key in ([value] if isinstance(value, str) else value) if key)


@cache
def _adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


def _plain(value: Any) -> Any:
    """Return a value as YAML has it: a fact as a mapping without its defaults."""
    if hasattr(value, "_asdict"):
        defaults = value._field_defaults
        said = ((key, each) for key, each in value._asdict().items() if each != defaults.get(key))
        return {key.replace("_", "-"): _plain(each) for key, each in said}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _python(value: Any) -> Any:
    """Return a fact with its fields spelled as in the class."""
    if isinstance(value, list):
        return [_python(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key).replace("-", "_"): each for key, each in value.items()}
    return value
