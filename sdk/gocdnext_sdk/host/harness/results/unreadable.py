"""A report that cannot be read, and the XML that the platform's agent reads."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from gocdnext_sdk.errors import quoted

_DECLARED: Final = re.compile(r"<\?xml\s([^>]*)\?>")
_ATTRIBUTE: Final = re.compile(r"(version|encoding)\s*=\s*[\"']([^\"']*)[\"']")


class UnreadableReport(ValueError):
    """It is not what it should be; no reason to end a run."""


def read_xml(data: bytes) -> ET.Element:
    """Return the root of a document, names without their namespaces.

    Source: Go's `encoding/xml`, by which the agent reads: UTF-8 only, version 1.0, any namespace.

    Raises:
        UnreadableReport: it is not such a document.
    """
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise UnreadableReport("it is not UTF-8") from None
    found = _DECLARED.match(text)
    declared = dict(_ATTRIBUTE.findall(found[1])) if found else {}
    if declared.get("encoding", "").lower() not in ("", "utf-8"):
        raise UnreadableReport(
            f"its encoding is {quoted(declared['encoding'])}, and the agent reads UTF-8 only"
        )
    if declared.get("version", "1.0") not in ("", "1.0"):
        raise UnreadableReport(f"it is XML {declared['version']}, and the agent reads 1.0 only")
    try:
        root = ET.fromstring(text)  # noqa: S314 - expat fetches nothing and stops at bombs; the size is limited
    except (ET.ParseError, LookupError, ValueError) as error:
        raise UnreadableReport(f"it is not XML: {error}") from None
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
    return root


def integer(text: str) -> int:
    """Return a number as Go's `strconv.ParseInt` reads one, in base 10 and 64 bits.

    Raises:
        UnreadableReport: it is none.
    """
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not -(2**63) <= int(text) < 2**63:
        raise UnreadableReport(f"{quoted(text)} is not a number")
    return int(text)
