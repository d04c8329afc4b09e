"""Failures that may pass, told by what a tool wrote: a busy or restarting server, a broken connection.

The words are those of Go's HTTP client, of go-containerregistry, and of sigstore-go's clients of Fulcio,
Rekor and timestamp authorities.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from gocdnext_sdk.runtime.runner import Completed

WAITS = (2.0, 8.0)
"""Seconds before something is tried again. Tools have tried two or three times themselves by then."""

_PASSING = re.compile(
    r"(?i)(?:returned|status code|status|response:|error|\]\[)[ :\"]*(?:429|50[02-9]|5[1-9]\d)\b"
    r"|too many requests|service unavailable|bad gateway|gateway time-?out|internal server error"
    r"|connection reset|connection refused|broken pipe|unexpected EOF|: EOF\b|i/o timeout"
    r"|TLS handshake timeout|Client\.Timeout exceeded|server closed idle connection"
    # What is left of an answer 429 or 5xx of Fulcio or of a timestamp authority: sigstore-go closes it.
    r"|read on closed response body|temporary failure in name resolution"
)


def passing_failure(said: bytes) -> str | None:
    """Return the line of a tool's standard error that names a failure that may pass; None if none does."""
    for line in said.decode(errors="replace").splitlines():
        if _PASSING.search(line):
            return line.strip().removeprefix("Error: ")
    return None


def patiently(work: Callable[[], Completed], pause: Callable[[float], object] = time.sleep) -> Completed:
    """Run a tool, again after a failure that may pass, and return how it ended the last time.

    Args:
        work: runs it; it may end with any code.
        pause: waits for some seconds.
    """
    for wait in WAITS:
        done = work()
        reason = passing_failure(done.stderr) if done.exit_code != 0 else None
        if reason is None:
            return done
        print(f"==> this may pass, and is tried again in {wait:g} s: {reason}")
        pause(wait)
    return work()
