"""How many runs of a tool fit: by processors and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.runtime import room


@pytest.mark.parametrize(
    ("limit", "size", "expected"),
    [("max", 1, 2), ("600000000", 400_000_000, 1), ("1", 400_000_000, 1), (None, 1, 2)],
)
def test_memory_bounds_what_runs_at_once(
    limit: str | None, size: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "memory.max"
    if limit is not None:
        file.write_text(f"{limit}\n")
    monkeypatch.setattr(room, "_LIMITS", (str(file),))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    assert room.at_once(size) == expected
