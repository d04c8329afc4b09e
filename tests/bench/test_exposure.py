"""How long a job with many secrets looks for them in its labels: ``make bench``."""

from __future__ import annotations

import time

import pytest

from gocdnext_sdk.runtime.exposure import Exposure


@pytest.mark.parametrize(("count", "most"), [(100, 0.3), (9000, 3)])
def test_labels_and_a_thousand_secrets(capsys: pytest.CaptureFixture[str], count: int, most: float) -> None:
    """At most some seconds of the processor, four times of what a quiet host takes."""
    secrets = {f"S{number}_TOKEN": f"secret-value-{number:08d}" for number in range(1000)}
    labels = [f"org.example.label.{number}=value {number}" for number in range(count)]
    begin = time.thread_time()
    found = Exposure(secrets).given_away([*labels, "x=secret-value-00000123"])
    seconds = time.thread_time() - begin
    with capsys.disabled():
        print(f"\n{count} labels and {len(secrets)} secrets: {seconds:.3f} s (at most {most})")
    assert found == {count: "S123_TOKEN"}
    assert seconds < most
