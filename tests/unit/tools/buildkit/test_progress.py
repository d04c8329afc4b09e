"""What is read out of the progress that buildx 0.36 prints."""

from __future__ import annotations

import pytest

from gocdnext_sdk.tools.buildkit.progress import Progress

BUCKET = b"""\
#4 importing cache manifest from s3:3717423862190423126
#4 ERROR: operation error S3: HeadObject, lookup layers.minio on 127.0.0.1:53: no such host
#12 exporting cache to Amazon S3
#12 preparing build cache for export 0.1s done
#12 ERROR: failed to check file presence in cache: no such host
"""


def read(*pieces: bytes) -> Progress:
    progress = Progress()
    for piece in pieces:
        progress(piece)
    return progress


def test_a_cache_that_failed_is_told_once_whatever_the_pieces() -> None:
    halves = BUCKET[:70], BUCKET[70:]
    for progress in (read(BUCKET), read(*halves), read(*(bytes([byte]) for byte in BUCKET))):
        first, second = progress.failed_caches
        assert first.startswith("a cache could not be read: s3:3717423862190423126: operation error S3")
        assert second.startswith("a cache could not be written: Amazon S3: failed to check")


def test_a_cache_that_nobody_has_written_yet_is_no_news() -> None:
    empty = b"#4 importing cache manifest from ghcr.io/a/b:cache\n#4 ERROR: ghcr.io/a/b:cache: not found\n"
    assert read(empty).failed_caches == ()
    refused = b"#4 importing cache manifest from ghcr.io/a/b:cache\n#4 ERROR: 403 Forbidden\n"
    assert len(read(refused).failed_caches) == 1
    written = b"#9 exporting cache to registry\n#9 ERROR: error writing manifest blob: 404: not found\n"
    assert len(read(written).failed_caches) == 1


def test_another_steps_error_is_no_caches() -> None:
    assert read(b"#9 exporting cache to registry\n#10 ERROR: process failed\n").failed_caches == ()


PUSH = "ERROR: failed to build: failed to solve: failed to push localhost:5000/a/b:v1: {}\n"


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        (
            "unexpected status from POST request to http://h/v2/a/b/: 429 Too Many Requests",
            True,
        ),
        ("unexpected status from HEAD request to https://h/v2/a: 503 Service Unavailable", True),
        ('failed to do request: Put "http://h/": read tcp 1->2: read: connection reset by peer', True),
        ('failed to do request: Head "http://h/": EOF', True),
        ("unexpected status from PUT request to https://h/v2/a: 412 Precondition Failed", False),
        ("failed to authorize: failed to fetch oauth token: unauthorized", False),
    ],
)
def test_a_push_that_failed_for_what_may_pass(reason: str, passes: bool) -> None:
    assert (read(PUSH.format(reason).encode()).passing_failure is not None) is passes


def test_a_step_that_failed_is_no_push() -> None:
    progress = read(b"ERROR: failed to build: failed to solve: process 429 Too Many Requests\n")
    assert progress.passing_failure is None
