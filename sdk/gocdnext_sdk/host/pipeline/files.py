"""Files a job keeps, hands on, or reports: caches, artifacts, coverage.

Source: upstream `server/pkg/parser/parse_job.go`, `coverage.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, cast

from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.decode import Decoder, Fields
from gocdnext_sdk.host.pipeline.model import Artifacts, Cache, CoverageReport, NeededArtifacts

_COVERAGE_FORMATS: Final = ("go-cover", "lcov", "cobertura", "jacoco")


def read_cache(decoder: Decoder, name: str, job: Fields) -> Iterator[Cache]:
    """Read the `cache:` list of the job called `name`; problems go to the decoder."""
    for entry in job.get("cache", cast("list[Fields]", [])):
        key, paths = entry.text("key"), entry.texts("paths")
        if not key or not paths:
            decoder.error(entry.mark, f"job `{name}`: a cache needs `key` and `paths`")
        elif wrong := syntax.cache_key(key):
            decoder.error(entry.at("key"), f"job `{name}`: cache key {key!r} {wrong}")
        yield Cache(key, paths)


def read_artifacts(decoder: Decoder, name: str, job: Fields) -> Artifacts | None:
    """Read the `artifacts:` of the job called `name`; problems go to the decoder."""
    entry: Fields | None = job.values.get("artifacts")
    if entry is None:
        return None
    if entry.text("expire_in"):
        decoder.notice(
            entry.at("expire_in"),
            f"job `{name}`: the platform ignores artifacts.expire_in",
            "remove it",
        )
    when = entry.text("when").strip() or "on_success"
    if when not in {"on_success", "on_failure", "always"}:
        decoder.error(
            entry.at("when"),
            f"job `{name}`: artifacts.when is `{when}`",
            "use on_success, on_failure or always",
        )
    # `dist` and `dist/` are one path, and a required path is not optional too.
    required: dict[str, str] = {}
    for path in entry.texts("paths"):
        required.setdefault(_canonical(path), path)
    optional: dict[str, str] = {}
    for path in entry.texts("optional"):
        if _canonical(path) not in required:
            optional.setdefault(_canonical(path), path)
    return Artifacts(
        tuple(required.values()),
        tuple(optional.values()),
        cast("Literal['on_success', 'on_failure', 'always']", when),
    )


def read_needed(decoder: Decoder, name: str, job: Fields) -> Iterator[NeededArtifacts]:
    """Read the `needs_artifacts:` list of the job called `name`; problems go to the decoder."""
    for entry in job.get("needs_artifacts", cast("list[Fields]", [])):
        if not entry.text("from_job"):
            decoder.error(entry.mark, f"job `{name}`: needs_artifacts needs `from_job`")
        yield NeededArtifacts(
            entry.text("from_job"),
            entry.text("from_pipeline"),
            entry.texts("paths"),
            entry.text("dest"),
        )


def read_coverage_report(decoder: Decoder, name: str, job: Fields) -> CoverageReport | None:
    """Read the `coverage_report:` of the job called `name`; problems go to the decoder."""
    entry: Fields | None = job.values.get("coverage_report")
    if entry is None:
        return None
    report = CoverageReport(entry.text("path"), entry.text("format"), entry.get("fail_under", 0.0))
    where = f"job `{name}`: coverage_report"
    if wrong := syntax.relative_path(report.path):
        decoder.error(entry.at("path"), f"{where}.path {wrong}")
    if report.format not in _COVERAGE_FORMATS:
        formats = ", ".join(_COVERAGE_FORMATS)
        decoder.error(entry.at("format"), f"{where}.format is `{report.format}`", f"use one of {formats}")
    # Written so that NaN fails too.
    if not 0 <= report.fail_under <= 100:
        decoder.error(entry.at("fail_under"), f"{where}.fail_under is not between 0 and 100")
    return report


def _canonical(path: str) -> str:
    return path.rstrip("/") or path[:1]
