"""All facts that a plugin's class declares (`gocdnext_sdk.inputs.facts`), and their form in ``plugin.yaml``.

Each fact has its own key, which begins with ``x-``; the server ignores such keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from gocdnext_sdk.inputs.facts import (
    DaemonUse,
    Downloads,
    Gates,
    Publishes,
    Reads,
    ReadsWorkspace,
    Signs,
    Writes,
)
from gocdnext_sdk.plugin import Plugin

_PREFIX: Final = "x-"
_CONDITIONS: Final = frozenset({"when", "unless", "offline"})
_PLAIN: Final = frozenset({"needed", "without_daemon", "variable", "folder", "token", "optional"})
"""Fields that do not name an input."""


@dataclass(frozen=True)
class Facts:
    """The facts of one plugin, named as on its class."""

    publishes: Publishes | None = None
    writes: tuple[Writes, ...] = ()
    reads: tuple[Reads, ...] = ()
    signs: tuple[Signs, ...] = ()
    gates: Gates | None = None
    daemon: DaemonUse | None = None
    workspace: ReadsWorkspace | None = None
    downloads: Downloads | None = None
    caches: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @classmethod
    def of(cls, plugin: type[Plugin[Any]]) -> Facts:
        """Return the facts that a class declares.

        Raises:
            ValueError: one is none.
        """
        return cls.read(cls(**{each.name: getattr(plugin, each.name) for each in fields(cls)}).render())

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Facts:
        """Return the facts in the content of a ``plugin.yaml``.

        Raises:
            ValueError: one does not have the form that `render` gives it.
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
        """Return the facts in the form of ``plugin.yaml``, without those that are not declared."""
        found = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {_PREFIX + name: _plain(value) for name, value in found if value not in (None, ())}

    def inputs(self) -> Iterator[tuple[str, str]]:
        """Yield every input that a fact names, with the name of the fact."""
        yield from ((key, "caches") for key in self.caches)
        yield from ((key, "keeps") for key in self.keeps)
        alone = (
            (name, getattr(self, name)) for name in ("publishes", "gates", "daemon", "workspace", "downloads")
        )
        several = ((name, each) for name in ("writes", "reads", "signs") for each in getattr(self, name))
        for name, fact in (*alone, *several):
            for field, value in fact._asdict().items() if fact else ():
                if field in _CONDITIONS:
                    yield from ((key, name) for key in value)
                elif field not in _PLAIN:
                    yield from ((key, name) for key in ([value] if isinstance(value, str) else value) if key)


@cache
def _adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


def _plain(value: Any) -> Any:
    """Return a value for YAML: a fact becomes a mapping without defaults."""
    if hasattr(value, "_asdict"):
        defaults = value._field_defaults
        said = ((key, each) for key, each in value._asdict().items() if each != defaults.get(key))
        return {key.replace("_", "-"): _plain(each) for key, each in said}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _python(value: Any) -> Any:
    """Return a fact with its fields spelled as on the class."""
    if isinstance(value, list):
        return [_python(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key).replace("-", "_"): each for key, each in value.items()}
    return value
