"""What BuildKit's plain progress tells and its exit code does not: caches that failed, and how a push failed.

Source: the names that moby/buildkit 0.33 gives its steps (`solver/llbsolver/bridge.go`,
`cache/remotecache/export.go`), and how docker/buildx 0.36 prints them with `--progress plain`.
"""

from __future__ import annotations

import re

_STEP = re.compile(r"#(?P<number>\d+) (?:\[\w+\] )?(?P<text>\S.*)")
_CACHE = re.compile(r"importing cache manifest from (?P<source>\S+)|exporting cache to (?P<target>.+)")
_FAILED = re.compile(r"ERROR: (?P<reason>.+)")
_PUSH = re.compile(r"ERROR: .*failed to push (?P<where>\S+): (?P<reason>.+)")
_PASSING = re.compile(
    r"(?i)status .*: (?:429|5\d\d)\b|too many requests|connection reset|broken pipe|unexpected EOF|: EOF$"
    r"|connection refused|i/o timeout|TLS handshake timeout|no response"
)
"""What the same push may not meet again."""

_ABSENT = re.compile(r"(?:^|: )not found$")
"""A cache that nobody has written yet."""


class Progress:
    """Reads the progress of one build as it comes, for `Tool.run(…, watch=progress)`."""

    def __init__(self) -> None:
        self._rest = b""
        self._caches: dict[str, str] = {}
        self._failed: dict[str, None] = {}
        self._push: str | None = None

    def __call__(self, data: bytes) -> None:
        """Read the next piece."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._read(line.decode(errors="replace").strip())

    @property
    def failed_caches(self) -> tuple[str, ...]:
        """What to say of each cache that could not be read or written, though the build went on."""
        return tuple(self._failed)

    @property
    def passing_failure(self) -> str | None:
        """Why a push failed for what may pass, as a busy server; None if nothing of the kind was said."""
        return self._push if self._push and _PASSING.search(self._push) else None

    def _read(self, line: str) -> None:
        if found := _PUSH.match(line):
            self._push = found["reason"]
        step = _STEP.match(line)
        if step is None:
            return
        number, text = step["number"], step["text"]
        if cache := _CACHE.match(text):
            source, target = cache["source"], cache["target"]
            self._caches[number] = f"read: {source}" if source else f"written: {target}"
        elif (failed := _FAILED.match(text)) and number in self._caches:
            what, reason = self._caches[number], failed["reason"]
            if what.startswith("written") or not _ABSENT.search(reason):
                self._failed[f"a cache could not be {what}: {reason}"] = None
