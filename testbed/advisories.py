"""Public advisories in OSV's format, as the builder of Trivy's database reads them.

The builder has one source of OSV documents for any package: GitHub's, which adds a severity. So documents of
others are put into that form. What says no severity counts as high: a scan that has to be clean had better
find too much.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from testbed import tools
from testbed.cache import SetupError, step
from testbed.pins import pins

Document = dict[str, Any]
"""One advisory (https://ossf.github.io/osv-schema/)."""

PYTHON = "https://github.com/pypa/advisory-database/archive/refs/heads/main.zip"
PYTHON_FOLDER = "GOCDNEXT_PYTHON_ADVISORIES"
"""The variable that names a folder of OSV documents about Python packages, where GitHub cannot be reached."""

SEVERITIES = {0.1: "LOW", 4.0: "MODERATE", 7.0: "HIGH", 9.0: "CRITICAL"}
"""GitHub's words, each with the CVSS score from which it is used."""
UNRATED = "HIGH"


@dataclass(frozen=True)
class Source:
    """The advisories of one publisher.

    Args:
        name: what they are about.
        until: the day up to which it is known what was published.
        documents: all of them.
    """

    name: str
    until: date
    documents: tuple[Document, ...]


def go() -> Source:
    """Give those of the Go team, about Go's standard library and modules, at the pinned version.

    Raises:
        SetupError: the module proxy does not have it, or Go is missing.
    """
    pin = pins()["go-advisories"]
    folder = tools.module_folder(pin, pin.advisories)
    day = pin.version.split("-")[1][:8]
    until = datetime.strptime(day, "%Y%m%d").date()  # noqa: DTZ007 - a day has no time zone
    return Source("go", until, read(folder / "data" / "osv"))


def python() -> Source:
    """Give those about Python packages: of the folder that the variable names, else of the PyPA at GitHub.

    Raises:
        SetupError: there are none, and how to have them.
    """
    given = os.environ.get(PYTHON_FOLDER)
    documents = read(Path(given)) if given else _downloaded()
    until = max(str(each.get("modified", ""))[:10] for each in documents)
    return Source("python", date.fromisoformat(until), documents)


def read(folder: Path) -> tuple[Document, ...]:
    """Return the documents of a folder, of its folders too.

    Raises:
        SetupError: it has none.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[Document] = [json.loads(file.read_bytes()) for file in sorted(folder.rglob("*.json"))]
    found += [yaml.load(file.read_bytes(), loader) for file in sorted(folder.rglob("*.yaml"))]
    documents = tuple(each for each in found if isinstance(each, dict) and "affected" in each)
    if not documents:
        raise SetupError(f"{folder} has no OSV documents")
    return documents


def _downloaded() -> tuple[Document, ...]:
    try:
        with step("downloading the Python advisories"), urllib.request.urlopen(PYTHON, timeout=60) as answer:
            archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    except OSError as error:
        raise SetupError(
            f"{PYTHON}: {error}. "
            f"Where it cannot be reached, {PYTHON_FOLDER} names a directory of OSV documents"
        ) from None
    with archive, tempfile.TemporaryDirectory() as folder:
        archive.extractall(folder)
        return read(Path(folder))


def reviewed(document: Document) -> Document:
    """Return a document in the form of GitHub's database: by GitHub's name for it, and with a severity."""
    aliases = document.get("aliases") or ()
    return {
        **document,
        "id": next((each for each in aliases if each.startswith("GHSA-")), document["id"]),
        "aliases": [*aliases, document["id"]],
        "affected": [{**each, "ranges": ranges(each)} for each in document["affected"]],
        "database_specific": {"severity": severity(document)},
    }


def ranges(affected: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the ranges of versions that are affected.

    Where a module's versions are not those that Go knows it by, Go's database gives ranges for both, and
    leaves the one open that says nothing (https://go.dev/doc/security/vuln/database, `custom_ranges`).
    """
    custom = (affected.get("ecosystem_specific") or {}).get("custom_ranges") or ()
    listed = [*(affected.get("ranges") or ()), *custom]
    bounded = [each for each in listed if any("fixed" in event for event in each["events"])]
    return bounded if custom and bounded else listed


def severity(document: Document) -> str:
    """Return how severe it is: what the publisher says, else its worst CVSS vector, else ``UNRATED``."""
    said = str((document.get("database_specific") or {}).get("severity", "")).upper()
    if said in SEVERITIES.values():
        return said
    places = (document, *document["affected"])
    rated = [each for place in places for each in place.get("severity") or ()]
    scores = [base_score(each["score"]) for each in rated if each.get("type") == "CVSS_V3"]
    if not scores:
        return UNRATED
    return next((word for least, word in reversed(SEVERITIES.items()) if max(scores) >= least), "LOW")


WEIGHTS: dict[str, dict[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    **{name: {"H": 0.56, "L": 0.22, "N": 0.0} for name in "CIA"},
}
CHANGED_SCOPE = {"L": 0.68, "H": 0.5}


def base_score(vector: str) -> float:
    """Return the base score of a CVSS vector of version 3.

    Source: https://www.first.org/cvss/v3.1/specification-document, sections 7.1 and 7.4; appendix A rounds.
    """
    metrics = dict(part.split(":", 1) for part in vector.rstrip("/").split("/")[1:])
    is_changed = metrics["S"] == "C"
    weight = {name: weights[metrics[name]] for name, weights in WEIGHTS.items()}
    if is_changed:
        weight["PR"] = CHANGED_SCOPE.get(metrics["PR"], weight["PR"])
    missed = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (missed - 0.029) - 3.25 * (missed - 0.02) ** 15 if is_changed else 6.42 * missed
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    score = min((1.08 if is_changed else 1) * (impact + exploitability), 10)
    tenths = round(score * 100_000)
    return tenths / 100_000 if tenths % 10_000 == 0 else (tenths // 10_000 + 1) / 10


def text(document: Document) -> str:
    """Return a document as JSON; YAML has dates where OSV has text."""
    return json.dumps(document, default=lambda moment: f"{moment.replace(tzinfo=None).isoformat()}Z")


def count(sources: Iterable[Source]) -> str:
    """Return what is known, as a line a source."""
    return "\n".join(f"{each.name}: {len(each.documents)} advisories, until {each.until}" for each in sources)
