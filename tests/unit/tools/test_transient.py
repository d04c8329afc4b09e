"""What may pass is tried again, bounded; what does not fails at once."""

from __future__ import annotations

import pytest

from gocdnext_sdk.runtime.runner import Completed
from gocdnext_sdk.tools.transient import WAITS, passing_failure, patiently

PASSING = [
    b"Error: signing: Fulcio returned 503: busy",
    b"error signing bundle: timestamp authority returned 429: slow down",
    b"Error: GET https://r.example/v2/: unexpected status code 502 Bad Gateway: <html>",
    b"unexpected response: 500 Internal Server Error",
    b'Post "https://rekor/api": dial tcp 10.0.0.1:443: connect: connection refused',
    b"read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer",
    b'Post "http://tsa/api/v1/timestamp": EOF: oops',
    b"Error: http: read on closed response body",
    b"lookup r.example: Temporary failure in name resolution",
    b'Get "https://r/v2/": net/http: TLS handshake timeout',
]
LASTING = [
    b"Error: Fulcio returned 400: the token's aud is not sigstore",
    b"Error: Fulcio returned 401: unauthorized",
    b"unexpected status code 403 Forbidden: DENIED",
    b"Error: decrypt: encrypted: decryption failed",
    b"Error: no matching signatures: sha256:5030000000000000000000000000000000000000000000000000000000000503",
    b"dial tcp: lookup nowhere.example: no such host",
    b"listening on 127.0.0.1:503",
    b"unexpected status code 501 Not Implemented",
]


@pytest.mark.parametrize("said", PASSING)
def test_what_may_pass_is_named(said: bytes) -> None:
    assert passing_failure(b"some words\n" + said + b"\nmore") == said.decode().removeprefix("Error: ")


@pytest.mark.parametrize("said", LASTING)
def test_what_does_not_pass_is_not_tried_again(said: bytes) -> None:
    runs, waits = tries([Completed(1, b"", said)] * 3)
    assert runs == 1
    assert waits == []


def test_it_is_tried_again_until_it_works() -> None:
    assert tries([Completed(1, b"", PASSING[0]), Completed(0)]) == (2, [WAITS[0]])


def test_tries_are_bounded() -> None:
    assert tries([Completed(1, b"", PASSING[0])] * 9) == (1 + len(WAITS), list(WAITS))


def test_a_tool_that_only_talks_of_an_error_has_not_failed() -> None:
    assert tries([Completed(0, b"", PASSING[0])]) == (1, [])


def tries(answers: list[Completed]) -> tuple[int, list[float]]:
    """Return how often a tool was run, and the waits between."""
    left, waits = list(answers), []
    patiently(lambda: left.pop(0), waits.append)
    return len(answers) - len(left), waits
