"""Versions in the two schemes that rules know: SemVer as npm reads it, and PEP 440."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_NUMBER = r"0|[1-9]\d*"
_IDENTIFIER = rf"(?:{_NUMBER}|\d*[a-zA-Z-][a-zA-Z0-9-]*)"
_SEMVER = re.compile(
    rf"v?(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER})"
    rf"(?:-(?P<prerelease>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+(?P<build>[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*))?",
    re.ASCII,
)
"""Source: node-semver 7, `internal/re.js`, FULL: metadata-action asks `valid`, which is not loose."""

_MAX_LENGTH = 256
_MAX_NUMBER = 2**53 - 1
"""node-semver's limits, of a version and of a number in it."""

_PEP440 = re.compile(
    r"""v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)
    (?P<pre>[-_.]?(?P<pre_l>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<pre_n>\d+)?)?
    (?P<post>-(?P<post_n1>\d+)|[-_.]?(?P<post_l>post|rev|r)[-_.]?(?P<post_n2>\d+)?)?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_n>\d+)?)?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
"""Source: PEP 440, appendix B."""

_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


class Version(NamedTuple):
    """A version, as the patterns of rules see it.

    Args:
        is_release: neither a prerelease nor, of PEP 440, a post or development release.
        parts: what `{{NAME}}` stands for.
    """

    is_release: bool
    parts: Mapping[str, str]


def parse_semver(text: str) -> Version | None:
    """Read a semantic version; a `v` may come first. `{{version}}` has no build metadata."""
    found = _SEMVER.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
    if found is None or any(int(found[name]) > _MAX_NUMBER for name in ("major", "minor", "patch")):
        return None
    parts = {name: found[name] or "" for name in ("major", "minor", "patch")}
    version = ".".join(parts.values())
    before = [_identifier(each) for each in (found["prerelease"] or "").split(".") if each]
    parts |= {
        "raw": text,
        "version": f"{version}-{'.'.join(before)}" if before else version,
        "prerelease": ",".join(before),  # a list, as Handlebars prints one
        "build": (found["build"] or "").replace(".", ","),
    }
    return Version(not before, parts)


def _identifier(text: str) -> str:
    # JavaScript's numbers are exact up to here only; npm leaves larger ones as they are.
    return str(int(text)) if text.isdigit() and int(text) < _MAX_NUMBER else text


def parse_pep440(text: str) -> Version | None:
    """Read a version of a Python package; `{{version}}` is its normal form."""
    found = _PEP440.fullmatch(text.strip())
    if found is None:
        return None
    release = [str(int(each)) for each in found["release"].split(".")]
    version = ".".join(release)
    if found["epoch"] and int(found["epoch"]):
        version = f"{int(found['epoch'])}!{version}"
    if found["pre"]:
        letter = found["pre_l"].lower()
        version += f"{_PRE.get(letter, letter)}{int(found['pre_n'] or 0)}"
    if found["post"]:
        version += f".post{int(found['post_n1'] or found['post_n2'] or 0)}"
    if found["dev"]:
        version += f".dev{int(found['dev_n'] or 0)}"
    if found["local"]:
        pieces = re.split(r"[-_.]", found["local"].lower())
        # With a comma, unlike PEP 440: metadata-action prints a list there, and a dash becomes of it.
        version += "+" + ",".join(str(int(each)) if each.isdigit() else each for each in pieces)
    major, minor, patch = (*release, "0", "0")[:3]
    parts = {"raw": text, "version": version, "major": major, "minor": minor, "patch": patch}
    return Version(not (found["pre"] or found["post"] or found["dev"]), parts)
