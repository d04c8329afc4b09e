"""The entries of a `.trivyignore`, in lines or YAML.

Source: aquasecurity/trivy 0.74, `pkg/result/ignore.go`: what an entry is, and when it has expired.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from gocdnext_sdk import Invalid, quoted
from gocdnext_sdk.workspace import read_text

if TYPE_CHECKING:
    from yaml import Node, SafeLoader

SECTIONS = ("vulnerabilities", "misconfigurations", "secrets", "licenses")
"""Those of a YAML file."""

_KEYS = ("id", "paths", "purls", "expired_at", "statement")
"""Those of an entry in it. Trivy passes over others, and accepts what they were to except."""


_DATE = r"\d{4}-\d{2}-\d{2}"
_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
_TIME = r"\d{1,2}:\d{1,2}:\d{1,2}([.,]\d+)?"
_RFC_3339 = rf"{_DAY}[Tt]{_TIME}(Z|[+-]\d\d:\d\d)"
"""Of a text in quotes. Source: `UnmarshalText` of Go's `time.Time`."""
_TIMESTAMP = rf"{_RFC_3339}|{_DAY}( {_TIME})?"
"""Source: gopkg.in/yaml.v3 3.0.1, `allowedTimestampFormats` of `resolve.go`."""


@dataclass(frozen=True)
class Entry:
    """An accepted finding.

    Args:
        where: its place, for messages.
        id: what is accepted.
        expires: when it ends; None: never.
        reason: why it is accepted; empty if nobody said.
    """

    where: str
    id: str
    expires: datetime | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.id}"


def read_entries(name: str, workspace: Path) -> tuple[Entry, ...]:
    """Return the entries of a file of the checkout; none, if it is not there.

    Raises:
        Invalid: Trivy would not read it, or would leave out an entry without a word.
    """
    path = workspace / name
    if not path.exists():
        return ()
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"{quoted(name)} cannot be read", "it is a text of at most 4 MiB") from None
    return tuple(_of_yaml(name, text) if name.endswith((".yaml", ".yml")) else _of_lines(name, text))


def _of_lines(name: str, text: str) -> Iterator[Entry]:
    comment: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if not words:
            comment = []
        elif words[0].startswith("#"):
            comment.append(line.strip().lstrip("#").strip())
        else:
            where = f"{name}:{number}"
            if words[0].removesuffix(":") in SECTIONS:
                raise Invalid(
                    f"{where} is YAML, which Trivy reads from .yaml files", "rename it; write `ignorefile`"
                )
            for word in takewhile(lambda word: not word.startswith("#"), words[1:]):
                if not word.startswith("exp:"):
                    what = f"{where}: Trivy does not read {quoted(word)}"
                    raise Invalid(what, "a line is an id, exp:2026-12-31 if it ends, and # with the reason")
            # Trivy looks for a date in the comment too.
            given = next((each[4:] for each in words[1:] if each.startswith("exp:")), None)
            behind = line.partition("#")[2].strip()
            expires = None if given is None else _expiry(given, _DATE, where)
            yield Entry(where, words[0], expires, behind or " ".join(filter(None, comment)))


def _of_yaml(name: str, text: str) -> Iterator[Entry]:
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        root = _fields(loader, loader.get_single_node(), name, SECTIONS)
        for section, entries in root.items():
            if isinstance(entries, yaml.SequenceNode):
                for number, entry in enumerate(entries.value, start=1):
                    where = f"{name}: {section}[{number}]"
                    yield _entry(_fields(loader, entry, where, _KEYS), section, where)
            elif not _is_null(entries):
                raise Invalid(f"{name}: {section} is not a list", "each entry begins with `- id:`")
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise Invalid(f"{where} is not YAML") from None


def _fields(loader: SafeLoader, node: Node | None, where: str, known: Collection[str]) -> dict[str, Node]:
    """Return the fields of a mapping, none of an empty file."""
    from yaml import MappingNode

    if node is None or _is_null(node):
        return {}
    if not isinstance(node, MappingNode):
        raise Invalid(f"{where} has no fields", f"known are {', '.join(known)}")
    names = [key.value for key, _ in node.value]
    for each in names:
        if each not in (*known, "<<"):
            raise Invalid(f"{where}: Trivy does not read {quoted(each)}", f"it reads {', '.join(known)}")
        if names.count(each) > 1:
            raise Invalid(f"{where} has {each} twice", "keep one")
    loader.flatten_mapping(node)  # puts what `<<` names before the mapping's own
    fields = {key.value: (key, value) for key, value in node.value}
    node.value = list(fields.values())  # an alias may name it again
    return {name: value for name, (_, value) in fields.items()}


def _entry(fields: Mapping[str, Node], section: str, where: str) -> Entry:
    from yaml import ScalarNode, SequenceNode

    texts = {key: _text(fields[key], f"{where}: {key}") for key in ("id", "statement") if key in fields}
    if not texts.get("id"):
        raise Invalid(f"{where} has no id")
    for key in fields.keys() & {"paths", "purls"}:
        if not isinstance(fields[key], SequenceNode) or not fields[key].value:
            what = f"{where}: {key} is not a list with something in it"
            raise Invalid(what, f"write {key}: [FIRST, SECOND], or leave it out to accept it everywhere")
    if "purls" in fields and section != "vulnerabilities":
        raise Invalid(f"{where}: Trivy reads purls of vulnerabilities only", "say where, with paths")
    expires = None
    if "expired_at" in fields:
        written = fields["expired_at"]
        is_plain = isinstance(written, ScalarNode) and written.style is None
        text = _text(written, f"{where}: expired_at")
        expires = _expiry(text, _TIMESTAMP if is_plain else _RFC_3339, where)
    return Entry(where, texts["id"], expires, texts.get("statement", "").strip())


def _text(node: Node, where: str) -> str:
    """Return a scalar as it is written, as yaml.v3 does where Trivy wants a text."""
    from yaml import ScalarNode

    if not isinstance(node, ScalarNode):
        raise Invalid(f"{where} is not a text")
    return "" if _is_null(node) else str(node.value)


def _is_null(node: Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _expiry(text: str, form: str, where: str) -> datetime:
    try:
        if not re.fullmatch(form, text, re.ASCII) or text.startswith("0001-"):  # Go's zero time: never
            raise ValueError(text)
        parts = re.findall(r"\d+", re.split(r"[.,Z]|[+-]\d\d:", text)[0])
        sign, hours, minutes = (re.findall(r"([+-])(\d\d):(\d\d)\Z", text) or [("+", "0", "0")])[0]
        zone = timezone(timedelta(hours=int(sign + hours), minutes=int(sign + minutes)))
        year, month, day, hour, minute, second, *_ = (*map(int, parts), 0, 0, 0)  # of a date without a time
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        raise Invalid(
            f"{where}: {quoted(text)} is no date", "write it as 2026-12-31, without quotes"
        ) from None
