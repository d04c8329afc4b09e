"""The text of `tags` and `flavor`, read into rules. Nothing here knows the run.

A line is a rule if it has a `=`, a `"` or a `{{`, none of which can be in a tag. Any other line holds plain
tags, with commas or blanks between; each is a rule of the type `raw`.

Unlike metadata-action, an attribute that means nothing is a mistake, and so is one that is there twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

from gocdnext_sdk.errors import Invalid, closest, quoted
from gocdnext_sdk.inputs.parsers import parse_lines, parse_words
from gocdnext_sdk.inputs.tagging import expressions
from gocdnext_sdk.inputs.tagging.patterns import JsPattern
from gocdnext_sdk.oci.reference import is_tag

GLOBALS: Final = frozenset(
    {"branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch", "date", "commit_date"}
)
"""Expressions of `enable`, `prefix`, `suffix` and `value`."""

_SEMVER = frozenset({"raw", "version", "major", "minor", "patch", "prerelease", "build"})
_PEP440 = frozenset({"raw", "version", "major", "minor", "patch"})

EXPRESSIONS: Final = GLOBALS.union(_SEMVER, _PEP440)
"""All that a rule may have somewhere."""

_COMMON = frozenset({"type", "enable", "priority", "prefix", "suffix"})
_UNRESOLVED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_QUOTE = 'quote a whole attribute: "pattern=a,b"'
_CELL = re.compile(r',(?:"((?:[^"]|"")*)"(?=,|\Z)|([^",]*)(?=,|\Z)|(.+))', re.DOTALL)
"""A cell after its comma: in quotes, without any, or what is neither and all that follows."""


class _Kind(NamedTuple):
    """What a type of rule takes.

    Args:
        priority: unless the rule has its own.
        attributes: beside the common ones.
        required: attributes it cannot do without.
        defaults: of attributes that are not given.
        pattern: the expressions of its `pattern`, where that is a template.
    """

    priority: float
    attributes: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    defaults: Mapping[str, str] = MappingProxyType({})
    pattern: frozenset[str] | None = None


_KINDS: Final[Mapping[str, _Kind]] = {
    "schedule": _Kind(
        1000, frozenset({"pattern"}), defaults={"pattern": "nightly"}, pattern=expressions.DATES
    ),
    "semver": _Kind(900, frozenset({"pattern", "value", "match"}), ("pattern",), pattern=_SEMVER),
    "pep440": _Kind(900, frozenset({"pattern", "value", "match"}), ("pattern",), pattern=_PEP440),
    "match": _Kind(800, frozenset({"pattern", "value", "group"}), ("pattern",), {"group": "0"}),
    "edge": _Kind(700, frozenset({"branch"})),
    "ref": _Kind(600, frozenset({"event"}), ("event",)),
    "raw": _Kind(200, frozenset({"value"}), ("value",)),
    "sha": _Kind(100, frozenset({"format"}), defaults={"format": "short", "prefix": "sha-"}),
}

_CHOICES: Final = {"event": ("branch", "tag", "pr"), "format": ("short", "long")}


@dataclass(frozen=True)
class TagRule:
    """One rule.

    Args:
        text: as it is written.
        type: of what it makes a tag.
        attributes: what else it says, defaults included.
        priority: the highest comes first.
        is_plain: a tag, written without any rule: it has to be one already, but for a variable that the run
            does not have.
    """

    text: str
    type: str
    attributes: Mapping[str, str]
    priority: float
    is_plain: bool = False

    def get(self, name: str) -> str:
        """Return an attribute, empty if it is not given."""
        return self.attributes.get(name, "")

    @property
    def unresolved(self) -> str | None:
        """The variable that the rule names and the run does not have: the platform left it as it was."""
        found = _UNRESOLVED.search(self.text)
        return found[1] if found else None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TagRules:
    """The rules of one `tags:`, in the order written."""

    rules: tuple[TagRule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> TagRules:
        """Read the text of `tags`.

        Raises:
            Invalid: a line is no rule, or a plain tag cannot be one.
        """
        rules: dict[str, TagRule] = {}
        for line in parse_lines(text):
            found = (_rule(line),) if is_rule(line) else _plain(line)
            rules.update((rule.text, rule) for rule in found)
        return cls(tuple(rules.values()))

    @property
    def is_plain(self) -> bool:
        """Whether there are plain tags only, which are the same in every run."""
        return all(rule.is_plain for rule in self.rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def __str__(self) -> str:
        return (",".join if self.is_plain else "\n".join)(rule.text for rule in self.rules)


@dataclass(frozen=True)
class Flavor:
    """What holds for all rules.

    Args:
        latest: `true`, `false`, or `auto`: the first rule that makes a tag decides.
        prefix: of the tags of rules without a prefix of their own.
        suffix: likewise.
        prefix_on_latest: whether `latest` has the prefix too.
        suffix_on_latest: likewise.
        text: as it is written.
    """

    latest: str = "auto"
    prefix: str = ""
    suffix: str = ""
    prefix_on_latest: bool = False
    suffix_on_latest: bool = False
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Flavor:
        """Read the text of `flavor`.

        Raises:
            Invalid: an entry means nothing.
        """
        found: dict[str, str] = {}
        for line in parse_lines(text):
            last = ""
            for cell in _cells(line):
                name, equals, value = (part.strip() for part in cell.partition("="))
                key = name.lower()
                if key == "onlatest" and last:
                    key = f"{last}_on_latest"
                elif not equals or key not in ("latest", "prefix", "suffix"):
                    forms = '"latest=auto", "prefix=…,onlatest=true" or "suffix=…"'
                    raise Invalid(f"{quoted(cell)} means nothing", f"write {forms}")
                if key in found:
                    raise Invalid(f"{quoted(cell)} repeats an earlier entry")
                if key in ("prefix", "suffix"):
                    expressions.check(value, GLOBALS)
                    last = key
                elif value not in ("true", "false") and (key, value) != ("latest", "auto"):
                    raise Invalid(f"{quoted(cell)} is neither true nor false", "latest may also be auto")
                found[key] = value
        return cls(
            found.get("latest", "auto"),
            found.get("prefix", ""),
            found.get("suffix", ""),
            found.get("prefix_on_latest") == "true",
            found.get("suffix_on_latest") == "true",
            text.strip(),
        )

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text


def is_rule(line: str) -> bool:
    """Tell whether a line of `tags` is a rule, and not plain tags."""
    return re.search(r"[=\"]|\{\{", line) is not None


def _plain(line: str) -> Iterable[TagRule]:
    for word in parse_words(line):
        tag = word.replace("/", "-")  # of a branch name
        if not is_tag(tag) and not _UNRESOLVED.search(tag):  # which the run drops, or refuses
            raise Invalid(f"{quoted(tag)} is not a tag", 'letters, digits, "_", "." and "-", at most 128')
        yield TagRule(tag, "raw", MappingProxyType({"value": tag}), _KINDS["raw"].priority, is_plain=True)


def _cells(line: str) -> list[str]:
    """Split at commas; quotes are around a whole cell, and doubled in it, as for metadata-action."""
    cells: list[str] = []
    for found in _CELL.finditer(f",{line}"):
        quoted_cell, plain, rest = found.groups()
        if rest:
            raise Invalid(
                f"{quoted(line)} has a quote inside an attribute, or one that does not end",
                _QUOTE,
            )
        cells.append(plain if quoted_cell is None else quoted_cell.replace('""', '"'))
    return cells


def _rule(line: str) -> TagRule:
    given: dict[str, str] = {}
    bare: list[str] = []
    for cell in _cells(line):
        name, equals, value = (part.strip() for part in cell.partition("="))
        if not equals or name.startswith("{{"):
            key, value = "value", cell.strip()
            bare.append(value)
        else:
            key = name.lower()
        if key in given:
            raise Invalid(f"{quoted(line)} has {key} twice")
        given[key] = value
    kind = _kind(given.get("type", "raw"), line)
    if bare and given.get("type", "raw") != "raw":  # most likely what follows a comma of a pattern
        raise Invalid(f"{quoted(line)}: {quoted(bare[0])} is no attribute", _QUOTE)
    _check_attributes(given, kind, line)
    if given.get("event") == "pr":
        given.setdefault("prefix", "pr-")
    attributes = {**kind.defaults, **given}
    _check_values(attributes, kind, line)
    return TagRule(line, given.get("type", "raw"), MappingProxyType(attributes), _priority(given, kind, line))


def _kind(name: str, line: str) -> _Kind:
    if name in _KINDS:
        return _KINDS[name]
    raise Invalid(f"{quoted(line)}: {quoted(name)} is not a type", _meant(name, _KINDS))


def _meant(word: str, known: Iterable[str]) -> str:
    close = closest(word, known)
    return f'did you mean "{close}"?' if close else f"choose from {', '.join(sorted(known))}"


def _check_attributes(given: Mapping[str, str], kind: _Kind, line: str) -> None:
    known = _COMMON | kind.attributes
    for name in given:
        if name not in known:
            raise Invalid(f"{quoted(line)}: {quoted(name)} is none of its attributes", _meant(name, known))
    for name in kind.required:
        if name not in given:
            raise Invalid(f"{quoted(line)} has no {name}", f"add {name}=…")


def _check_values(attributes: Mapping[str, str], kind: _Kind, line: str) -> None:
    for name, choices in _CHOICES.items():
        if name in attributes and attributes[name] not in choices:
            raise Invalid(f"{quoted(line)}: {name} is none of {', '.join(choices)}")
    checks: dict[str, Callable[[str], object]] = {
        name: partial(expressions.check, known=GLOBALS) for name in ("prefix", "suffix", "value")
    }
    checks["enable"] = _check_enable
    if kind.pattern is not None:
        checks["pattern"] = partial(expressions.check, known=kind.pattern)
    elif "pattern" in kind.attributes:
        checks["pattern"] = JsPattern.parse
        checks["group"] = _check_group
    if attributes.get("match"):
        checks["match"] = _check_match
    for name, check in checks.items():
        if name in attributes:
            try:
                check(attributes[name])
            except Invalid as error:
                raise Invalid(f"{quoted(line)}: {name}: {error.what}", error.advice) from None


def _check_enable(text: str) -> None:
    expressions.check(text, GLOBALS)
    if "{{" not in text and "${" not in text and text not in ("true", "false"):
        raise Invalid(f"{quoted(text)} is neither true nor false")


def _check_group(text: str) -> None:
    if not (text.isascii() and text.isdigit()):
        raise Invalid(f"{quoted(text)} is not the number of a group")


def _check_match(text: str) -> None:
    if not JsPattern.plain(text).groups:
        raise Invalid("has no group for what it takes out", r'write it as "v(\d+\.\d+\.\d+)$"')


def _priority(given: Mapping[str, str], kind: _Kind, line: str) -> float:
    text = given.get("priority")
    if text is None:
        return kind.priority
    if not re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII):
        raise Invalid(f"{quoted(line)}: priority is not a number")
    return float(text)
