"""Public advisories become what the builder of Trivy's database reads: none is lost, none is belittled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testbed import advisories
from testbed.advisories import Document, base_score, ranges, read, reviewed, severity, text
from testbed.cache import SetupError
from testbed.pins import pins

BY_LINES = """
id: PYSEC-2020-1
modified: 2020-02-03T04:05:06Z
affected:
- package: {ecosystem: PyPI, name: thing}
  ranges: [{type: ECOSYSTEM, events: [{introduced: "0"}, {fixed: "1.1"}]}]
"""


def document(**more: Any) -> Document:
    return {
        "id": "GO-2026-1",
        "affected": [{"package": {"ecosystem": "Go", "name": "example.org/thing"}}],
        **more,
    }


@pytest.mark.parametrize(
    ("vector", "score"),
    [  # the first and the fourth are examples of https://www.first.org/cvss/v3.1/examples
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
        ("CVSS:3.0/AV:N/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L", 4.7),
        ("CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:H", 9.1),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
    ],
)
def test_a_vector_has_the_score_that_its_specification_gives(vector: str, score: float) -> None:
    assert base_score(vector) == score


def vectors(*scores: str, kind: str = "CVSS_V3") -> list[dict[str, str]]:
    return [{"type": kind, "score": score} for score in scores]


LOW = "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"
HIGH = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"


def test_what_says_no_severity_is_high() -> None:
    assert severity(document()) == "HIGH"
    assert severity(document(severity=vectors("CVSS:4.0/AV:N", kind="CVSS_V4"))) == "HIGH"
    assert severity(document(database_specific={"severity": None})) == "HIGH"


def test_the_publishers_word_decides_then_the_worst_vector() -> None:
    assert severity(document(severity=vectors(LOW))) == "LOW"
    assert severity(document(severity=vectors(LOW, HIGH))) == "HIGH"
    assert (
        severity(document(severity=vectors(HIGH), database_specific={"severity": "moderate"})) == "MODERATE"
    )
    ours = {**document()["affected"][0], "severity": vectors(HIGH)}
    assert severity(document(severity=vectors(LOW), affected=[ours])) == "HIGH"


def affected(*events: dict[str, str], custom: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"ranges": [{"type": "SEMVER", "events": list(events)}]}
    if custom:
        found["ecosystem_specific"] = {"custom_ranges": [{"type": "ECOSYSTEM", "events": list(custom)}]}
    return found


ALL, FIXED = {"introduced": "0"}, {"fixed": "25.0.5"}


def test_of_two_kinds_of_versions_the_open_range_says_nothing() -> None:
    (only,) = ranges(affected(ALL, custom=({"introduced": "25.0.0"}, FIXED)))
    assert only["type"] == "ECOSYSTEM"
    (only,) = ranges(affected(ALL, FIXED, custom=({"introduced": "19.03.0"},)))
    assert only["type"] == "SEMVER"


def test_an_open_range_counts_where_nothing_else_is_known() -> None:
    assert len(ranges(affected(ALL))) == 1
    assert len(ranges(affected(ALL, custom=(ALL,)))) == 2
    assert len(ranges(affected(ALL, FIXED, custom=({"introduced": "1"}, FIXED)))) == 2


def test_githubs_name_comes_before_another_as_in_trivys_own_database() -> None:
    known = reviewed(document(aliases=["CVE-2026-1", "GHSA-aaaa-bbbb-cccc"]))
    assert (known["id"], known["aliases"][-1]) == ("GHSA-aaaa-bbbb-cccc", "GO-2026-1")
    assert reviewed(document())["id"] == "GO-2026-1"


def test_documents_are_read_as_json_and_as_yaml_whose_dates_are_text_again(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "PYSEC-2020-1.yaml").write_text(BY_LINES)
    (tmp_path / "GO-2026-1.json").write_text(json.dumps(document()))
    (tmp_path / "index.json").write_text("[]")
    first, second = read(tmp_path)
    assert (first["id"], second["id"]) == ("GO-2026-1", "PYSEC-2020-1")
    assert json.loads(text(second))["modified"] == "2020-02-03T04:05:06Z"


def test_a_folder_without_any_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no OSV documents"):
        read(tmp_path)


def test_python_advisories_come_from_the_folder_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PYSEC-2020-1.yaml").write_text(BY_LINES)
    monkeypatch.setenv(advisories.PYTHON_FOLDER, str(tmp_path))
    source = advisories.python()
    assert (len(source.documents), str(source.until)) == (1, "2020-02-03")


def test_gos_are_pinned_by_the_sum_of_their_module() -> None:
    pin = pins()["go-advisories"]
    folder = Path(advisories.__file__).parent / "tools" / pin.name
    assert f"{pin.advisories} v{pin.version} h1:" in (folder / "go.sum").read_text()
    assert f"{pin.advisories} v{pin.version}" in (folder / "go.mod").read_text()
