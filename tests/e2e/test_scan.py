"""What is released is clean: the seven images and the locks, by the release's gate and public advisories."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed import scanning

pytestmark = pytest.mark.soak


def test_what_is_released_has_no_finding_that_nobody_accepted(tmp_path: Path) -> None:
    known = scanning.sources()
    assert len(known[0].documents) > 4000
    problems, table = scanning.scan(known, tmp_path)
    print(table)
    assert problems == []
