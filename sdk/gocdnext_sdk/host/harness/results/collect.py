"""The reports that a job declares, taken out of its container."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence

from gocdnext_sdk.host.harness.archive import BROKEN, as_file
from gocdnext_sdk.host.harness.engine.interface import NoSuchPath
from gocdnext_sdk.host.harness.results import coverage, globs, junit
from gocdnext_sdk.host.harness.results.coverage import Coverage
from gocdnext_sdk.host.harness.results.junit import TestResults
from gocdnext_sdk.host.harness.results.unreadable import UnreadableReport
from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.model import CoverageReport

Get = Callable[[str], Iterator[bytes]]
"""Returns a path below the workspace as a tar, as an engine packs it; raises `NoSuchPath`."""

_MAGIC = re.compile(r"[*?\[{]")


def tests(patterns: Sequence[str], get: Get) -> tuple[TestResults | None, list[str]]:
    """Return the results of the tests of a job, and what is wrong with its reports.

    Args:
        patterns: `test_reports:`.
        get: reads the container.

    Raises:
        DaemonError: the engine is gone.
    """
    found: dict[str, bytes] = {}
    try:
        expressions = {pattern: globs.compiled(pattern) for pattern in patterns if pattern}
    except ValueError as error:
        return None, [f"glob error: {error}"]
    for pattern, expression in expressions.items():
        for path, data in _files(_fixed(pattern), get, junit.LIMIT):
            if len(found) < junit.MOST_FILES and expression.fullmatch(path):
                found[path] = data
    return junit.read(sorted(found.items()))


def measured(declared: CoverageReport, get: Get) -> Coverage:
    """Return the coverage that a job reports.

    Args:
        declared: `coverage_report:`.
        get: reads the container.

    Raises:
        UnreadableReport: it is missing, too large, or not of its format.
        DaemonError: the engine is gone.
    """
    path = posixpath.normpath(declared.path)
    data = dict(_files(path, get, coverage.LIMIT)).get(path)
    if data is None:
        raise UnreadableReport(f"{declared.path} is not there")
    if len(data) > coverage.LIMIT:
        raise UnreadableReport(f"{declared.path} is larger than {coverage.LIMIT >> 20} MiB")
    try:
        return coverage.read(declared.format, data)
    except UnreadableReport as error:
        raise UnreadableReport(f"{declared.path} cannot be read as {declared.format}: {error}") from None


def _fixed(pattern: str) -> str:
    """Return the directory, or the file, in which everything lies that a pattern fits."""
    parts = posixpath.normpath(pattern.lstrip("/")).split("/")
    wild = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    return "/".join(parts[:wild])


def _files(path: str, get: Get, limit: int) -> Iterator[tuple[str, bytes]]:
    """Yield the regular files at or below a path, each with at most one byte more than `limit`."""
    if syntax.relative_path(path or "."):
        return
    above = posixpath.dirname(path)
    chunks = get(path)
    try:
        with tarfile.open(fileobj=as_file(chunks), mode="r|") as archive:
            for member in archive:
                if member.isreg():
                    content = archive.extractfile(member)
                    # Of the workspace itself, the engine puts its own name in front.
                    name = member.name if path else member.name.partition("/")[2]
                    yield posixpath.join(above, name), content.read(limit + 1) if content else b""
    except (NoSuchPath, *BROKEN):
        return
    for _ in chunks:  # what follows the archive's end, so that the connection is free again
        pass
