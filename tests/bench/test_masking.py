"""How fast a log is masked, beside plain copying in the same run: ``make bench``."""

from __future__ import annotations

import base64
import random
import statistics
import string
import time
from collections.abc import Callable

import pytest

from gocdnext_sdk.runtime.log import MaskedWriter
from gocdnext_sdk.runtime.masking import Masker

ROUNDS = 9
CHUNK = 65536
SIZE = 8 * 1024 * 1024

LEAST = 150
"""MB a second, in the processor's time: over 200 on a quiet host, less where others use its caches."""


def lines(count: int) -> bytes:
    """Give what a build, a scan and a push print, with digests and addresses."""
    text = random.Random(0)
    return b"".join(
        b"#%d 0.%d https://registry.example/v2/blobs sha256:%s extracting %s\n"
        % (at % 40, at, text.randbytes(32).hex().encode(), base64.b64encode(text.randbytes(12)))
        for at in range(count)
    )


def secrets() -> list[str]:
    """Give 50 secrets: tokens, passwords, keys of several lines, and a URL."""
    text = random.Random(1)
    letters = string.ascii_letters + string.digits
    key = "\n".join(base64.b64encode(text.randbytes(48)).decode() for _ in range(26))
    return [
        *("".join(text.choices(letters, k=40)) for _ in range(30)),
        *("".join(text.choices(f"{letters}$&/ '<", k=24)) for _ in range(15)),
        *(f"-----BEGIN PRIVATE KEY-----\n{number}{key}\n-----END PRIVATE KEY-----\n" for number in range(4)),
        "https://robot:wJalrXUtnFEMI@hooks.example/services/T0001/B0002/xyzXYZ123456",
    ]


class Nowhere:
    """Takes what is written as a file would, and copies it once, as the kernel does."""

    def __init__(self) -> None:
        self.taken = bytearray(CHUNK * 2)

    def write(self, data: bytes) -> int:
        self.taken[: len(data)] = data
        return len(data)

    def flush(self) -> None:
        pass


def seconds(write: Callable[[bytes], object], chunks: list[bytes]) -> float:
    begin = time.thread_time()
    for chunk in chunks:
        write(chunk)
    return time.thread_time() - begin


@pytest.mark.parametrize("count", [0, 1, 50])
def test_masking(capsys: pytest.CaptureFixture[str], count: int) -> None:
    log = lines(SIZE // 128)
    chunks = [log[at : at + CHUNK] for at in range(0, len(log), CHUNK)]
    masker = Masker(secrets()[:count])
    begin = time.thread_time()
    masker.mask("")
    made = time.thread_time() - begin
    ours, copy = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(MaskedWriter(masker, Nowhere()).write, chunks))  # type: ignore[arg-type]
        copy.append(seconds(Nowhere().write, chunks))
    rate, copied = (len(log) / 1e6 / min(times) for times in (ours, copy))
    ratio = statistics.median(a / b for a, b in zip(ours, copy, strict=True))
    with capsys.disabled():
        print(
            f"\n{count} secrets: {rate:.0f} MB/s (at least {LEAST}); copying {copied:.0f} MB/s, "
            f"{ratio:.0f} times that; ready in {made * 1000:.1f} ms"
        )
    assert rate >= LEAST
