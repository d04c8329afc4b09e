"""Lists and maps that arrived as one text, taken apart again into what an input's own reader takes: lines.

Three things can be known of such a text: the form of the input, whether the system joins lists by commas, and
whether somebody wrote lines. Where these do not say how many values there are, that is an error: two labels
must not become one, nor one two.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from gocdnext_sdk.contract.errors import ContractError

WHOLE_LINES: Final = frozenset(
    {"lines", "pairs", "cache-entries", "annotations", "tag-rules", "tag-flavor", "logins", "buildkit-nodes"}
)
"""Formats of lists whose values may hold commas, by the names in `gocdnext_sdk.inputs` and of buildx."""

LISTS: Final = WHOLE_LINES | {"items", "words", "tags", "branch-tags", "oci-references", "hostnames"}
"""Formats of all lists. What the others hold is text, and stays as it is."""

BLOCK: Final = "write a block with one value a line, a JSON list, or a map"
"""How several values are written so that they arrive as several."""

_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_NAMED = r"[A-Za-z_][\w./-]*=[^,]*"
_LEVEL = r"[a-z-]+(?:\[[\w/-]+\])?"
_ENTRIES: Final = {
    "lines": _NAMED,
    "pairs": _NAMED,
    "annotations": rf"(?:{_LEVEL}(?:,{_LEVEL})*:)?{_NAMED}",
    "logins": r"[^\s,]+\s+[^\s,]+\s+\w+",
    "buildkit-nodes": r"tcp://[^\s,]+(?:[\s,]+(?!tcp://)[^\s,]+)*",
}
"""What an entry looks like, as far as it tells where the next one begins."""

_RULE = r'type=[^,"]*(?:,(?!type=)[^,="]+=[^,"]*)*'
_RULES = re.compile(rf'(?P<tags>(?:[^,="]+,)*)(?P<rules>{_RULE}(?:,{_RULE})*)')
_UPPER_PAIRS = re.compile(r"[A-Z_][A-Z0-9_]*=[^\s,]*(,[A-Z_][A-Z0-9_]*=[^\s,]*)+")


def reshape(text: str, form: str, *, joined: bool) -> str:
    """Return a value as the input's own reader takes it.

    Args:
        text: as the system hands it over.
        form: the input's format.
        joined: whether the system hands a YAML list over as one text with commas between.

    Raises:
        ContractError: how many values there are, or what they are, cannot be known.
    """
    if form not in LISTS:
        return text
    if text.strip().startswith(("[", "{")) and (lines := _from_json(text, form)) is not None:
        return "\n".join(lines)
    # A line break, even one at the end, says that somebody wrote lines: each of them is one value.
    if form not in WHOLE_LINES or "," not in text or "\n" in text:
        return text
    match form:
        case "cache-entries":
            entries = _caches(text)
        case "tag-rules" if joined:
            entries = _rules(text)
        case "tag-rules" | "tag-flavor":  # whose own readers know what a comma is
            entries = [text]
        case _:
            entries = _split(text, form, joined=joined)
    return "\n".join(entries)


def _split(text: str, form: str, *, joined: bool) -> list[str]:
    parts = text.split(",")
    if form == "pairs" and _UPPER_PAIRS.fullmatch(text):
        return parts  # as gocdnext's own reader does
    entry = _ENTRIES[form]
    entries = re.findall(entry, text) if re.fullmatch(f"{entry}(?:,{entry})*", text) else []
    if not joined:
        if _NAMED in entry and len(entries) > 1:
            raise ContractError(f"is one value with commas, or {len(entries)} values; {BLOCK}")
        return [text]
    if entries or (form == "pairs" and all(map(_NAME.fullmatch, parts))):
        return entries or parts
    raise ContractError(f"a list was joined by commas, and a value may hold one; {BLOCK}")


def _rules(text: str) -> list[str]:
    """Take rules of `tags` apart that were joined: each begins with `type=`, plain tags come before them.

    Raises:
        ContractError: nothing tells where a rule ends.
    """
    count = len(re.findall("(?:^|,)type=", text))
    if not count or (count == 1 and "type=raw" in text):  # whose value may stand without its name
        return [text]
    if found := _RULES.fullmatch(text):
        return [*found["tags"].split(",")[:-1], *re.findall(_RULE, found["rules"])]
    if count == 1 and ('"' in text or all("=" in part for part in text.split(","))):
        return [text]
    raise ContractError(f"a list was joined by commas, and a rule may hold some; {BLOCK}")


def _caches(text: str) -> list[str]:
    """Take cache entries apart: each begins with `type=`, or is a reference, which holds no `=`.

    Raises:
        ContractError: the order of the attributes does not tell where an entry begins.
    """
    if '"' in text:  # CSV within the entry, whose quoted commas are no ends
        if text.count("type=") > 1:
            raise ContractError(f"holds several entries on one line, with quotes; {BLOCK}")
        return [text]
    entries: list[list[str]] = []
    for field in text.split(","):
        begins = field.strip().startswith("type=") or "=" not in field
        if begins or not entries:
            entries.append([field])
        elif "=" not in entries[-1][0]:
            raise ContractError(f"has an attribute after a reference; {BLOCK}")
        else:
            entries[-1].append(field)
    if "=" in entries[0][0] and not entries[0][0].strip().startswith("type="):
        if len(entries) > 2:
            raise ContractError(f"has entries that do not begin with type=; {BLOCK}")
        return [text]
    for entry in entries:
        names = [field.partition("=")[0].strip() for field in entry]
        if len(set(names)) < len(names):
            raise ContractError(f"has an entry with an attribute twice; {BLOCK}")
    return [",".join(entry) for entry in entries]


def _from_json(text: str, form: str) -> list[str] | None:
    """Return the lines that a JSON list or object of scalars stands for; None if it is no JSON.

    Raises:
        ContractError: it is JSON that no lines can carry, or begins as if it were.
    """
    try:
        # Numbers keep their text: 1.0 is a tag, and 1 another one.
        value = json.loads(text, object_pairs_hook=_Map, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        if re.match(r"""\s*(\{\s*["}]|\[\s*["{\]])""", text):
            raise ContractError(f"begins like JSON and is none; {BLOCK}") from None
        return None
    if isinstance(value, _Map):
        return [_pair(key, each) for key, each in value.unique()]
    return [_item(each, form) for each in value]


class _Map(list[tuple[str, Any]]):
    """The pairs of a JSON object, as written."""

    def unique(self) -> _Map:
        """Return it.

        Raises:
            ContractError: a key is there twice.
        """
        if len({key for key, _ in self}) < len(self):
            raise ContractError("is a map with a key twice")
        return self


def _pair(key: str, value: Any) -> str:
    if not key.strip() or re.search(r"[=\n\r]", key) or key.lstrip().startswith("#"):
        raise ContractError("is a map with a key that is no name")
    return f"{key}={_scalar(value)}"


def _item(value: Any, form: str) -> str:
    text = _scalar(value)
    if not text.strip():
        raise ContractError("is a list with an empty item; leave it out, or check which variable is empty")
    if text.lstrip().startswith("#"):
        raise ContractError("is a list with an item that begins with #, which starts a comment")
    lines = form in WHOLE_LINES and (form != "tag-rules" or "=" in text)
    ends = r"\n" if lines else r"[,\n]" if form == "items" else r"[,\s]"
    if re.search(ends, text.strip()):
        raise ContractError("is a list with an item that is several; write each as an item of its own")
    return text


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        # Drone also leaves a secret in a list as {"from_secret": …}.
        raise ContractError("is a list or a map of lists or maps; write single values")
    if value is None:
        raise ContractError("holds null; give a value, or leave the entry out")
    if isinstance(value, bool):
        return "true" if value else "false"
    if "\n" in value.strip("\n"):
        raise ContractError("holds a value of several lines, which a list cannot carry")
    return str(value)
