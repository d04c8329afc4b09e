"""Nothing a secret can look like in a log gets through, however the log is cut into writes."""

from __future__ import annotations

import base64
import io
import json
import random
import re
import shlex
import string
from urllib.parse import quote, quote_plus

import pytest

from gocdnext_sdk.runtime.masking import MAX_LINE, MaskedText, MaskedWriter, Masker

PASSWORD = "p@$$w0rd &<'\"/+ü?=\\ end"
TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
PEM = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWv5hT0JrWv0q1p9j
0h0B2sZkq0dX1m1nXbR7x1vV5r2hRANCAAR0Qm9uZSBvZiB0aGUga2V5cyB0aGF0
IHdhcyBuZXZlciB1c2VkIQ==
-----END PRIVATE KEY-----"""


def written(masker: Masker, pieces: list[bytes]) -> bytes:
    sink = io.BytesIO()
    writer = MaskedWriter(masker, sink)
    for piece in pieces:
        writer.write(piece)
    writer.finish()
    return sink.getvalue()


def go_json(text: str) -> str:
    escaped = json.dumps(text)[1:-1]
    return escaped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(str, id="raw"),
        pytest.param(lambda text: json.dumps(text), id="json"),
        pytest.param(lambda text: json.dumps(text, ensure_ascii=False), id="json-unicode"),
        pytest.param(go_json, id="json-of-go"),
        pytest.param(lambda text: quote(text, safe=""), id="percent"),
        pytest.param(lambda text: quote(text), id="percent-path"),
        pytest.param(lambda text: f"https://user:{quote(text, safe='$&+,;=')}@host/", id="go-userinfo"),
        pytest.param(quote_plus, id="form"),
        pytest.param(
            lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")), id="percent-lower"
        ),
        pytest.param(lambda text: json.dumps(json.dumps(text)), id="json-in-json"),
        pytest.param(lambda text: json.dumps(go_json(text)), id="json-of-go-in-json"),
        pytest.param(repr, id="repr"),
        pytest.param(lambda text: repr(text.encode()), id="repr-of-bytes"),
        pytest.param(lambda text: text.encode().hex(), id="hex"),
        pytest.param(lambda text: "'" + text.replace("'", "'\\''") + "'", id="sh-x"),
        pytest.param(lambda text: re.sub(r"([^\w@%+=:,./-])", r"\\\1", text), id="bash-q"),
        pytest.param(shlex.quote, id="shell"),
        pytest.param(lambda text: shlex.join(["--password=" + text]), id="shell-within-a-word"),
        pytest.param(lambda text: base64.b64encode(text.encode()).decode(), id="base64"),
        pytest.param(lambda text: base64.urlsafe_b64encode(text.encode()).decode(), id="base64url"),
        pytest.param(lambda text: base64.b64encode(f"me:{text}".encode()).decode(), id="basic-auth"),
        pytest.param(lambda text: base64.b64encode(f"you:{text}\n".encode()).decode(), id="basic-auth-2"),
        pytest.param(lambda text: base64.b64encode(f"user:{text};".encode()).decode(), id="basic-auth-3"),
    ],
)
@pytest.mark.parametrize("secret", [PASSWORD, TOKEN])
def test_every_spelling_of_a_secret_is_masked(secret: str, spelling) -> None:
    text = spelling(secret)
    masked = Masker([secret]).mask(f"before {text} after")
    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    # What is left may be the few base64 characters that the neighbours share in, and no more.
    left = masked.removeprefix("before ").removesuffix(" after").replace("***", "\n")
    for piece in left.split("\n"):
        for at in range(len(piece) - 7):
            assert piece[at : at + 8] not in (secret + text).replace("https://user:", "").replace(
                "--password=", ""
            ), f"{piece!r} of {text!r} is left"


@pytest.mark.parametrize("width", [64, 76, 10_000])
def test_a_wrapped_base64_of_a_key_is_masked_line_by_line(width: int) -> None:
    encoded = base64.b64encode(PEM.encode()).decode()
    wrapped = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    masked = Masker([PEM]).mask("\n".join(wrapped)).splitlines()
    assert [line for line in masked if len(line.replace("***", "")) > 4] == []


def test_every_line_of_a_key_is_masked_and_its_borders_are_not() -> None:
    shown = Masker([PEM]).mask(f"{PEM}\n")
    assert shown.splitlines() == [
        "-----BEGIN PRIVATE KEY-----",
        "***",
        "***",
        "***",
        "-----END PRIVATE KEY-----",
    ]


def test_a_key_with_windows_line_ends_and_indentation_is_masked() -> None:
    masker = Masker([PEM.replace("\n", "\r\n")])
    indented = "\n".join(f"    {line}" for line in PEM.splitlines())
    for line in PEM.splitlines()[1:-1]:
        assert line not in masker.mask(indented)


def test_a_secret_that_is_not_utf8_is_masked_as_bytes() -> None:
    secret = b"caf\xe9-\xff\xfe-token".decode(errors="surrogateescape")
    assert Masker([secret]).mask_bytes(b"a caf\xe9-\xff\xfe-token b") == b"a *** b"
    sink = io.BytesIO()
    writer = MaskedWriter(Masker([secret]), sink)
    MaskedText(writer).write(f"a {secret} b\n")
    writer.finish()
    assert sink.getvalue() == b"a *** b\n"


@pytest.mark.parametrize("secret", ["", " ", "abc", "abc\n", "\n\n\n\n", "  a  "])
def test_values_that_would_blank_the_log_are_left_alone(secret: str) -> None:
    text = "abc YWJj a b c  a   %20%20a%20%20\n"
    assert Masker([secret]).mask(text) == text


def test_the_longest_of_overlapping_secrets_wins() -> None:
    assert Masker(["abcd", "abcdef"]).mask("abcdefg abcd") == "***g ***"
    assert written(Masker(["abcd", "abcdef"]), [b"abcd", b"efg abcd"]) == b"***g ***"


def test_a_secret_added_later_is_masked_from_then_on() -> None:
    masker = Masker()
    assert masker.mask(TOKEN) == TOKEN
    masker.add(TOKEN)
    assert masker.mask(TOKEN) == "***"


@pytest.mark.parametrize("seed", range(40))
def test_random_cuts_give_what_the_whole_text_gives(seed: int) -> None:
    """With a small alphabet, so that secrets overlap each other, themselves and their own beginnings."""
    rng = random.Random(seed)
    letters = rng.choice(["ab", "abc\n", string.ascii_lowercase[:5] + "\n"])
    secrets = ["".join(rng.choices(letters, k=rng.randint(4, 12))) for _ in range(rng.randint(1, 5))]
    masker = Masker(secrets)
    for _ in range(50):
        text = "".join(rng.choices([*letters, *secrets], k=rng.randint(0, 30))).encode()
        pieces, at = [], 0
        while at < len(text):
            size = rng.randint(1, 9)
            pieces.append(text[at : at + size])
            at += size
        assert written(masker, pieces) == masker.mask_bytes(text), (secrets, pieces)


@pytest.mark.parametrize("secret", [PASSWORD, TOKEN, PEM])
def test_byte_by_byte_nothing_is_lost_and_nothing_shows(secret: str) -> None:
    masker = Masker([secret])
    text = f"\n>{secret}<\n{json.dumps(secret)}\n{quote(secret)}{secret}{secret[:-1]}".encode()
    assert written(masker, [bytes([byte]) for byte in text]) == masker.mask_bytes(text)


def test_a_line_is_shown_at_once_when_no_secret_can_begin_in_it() -> None:
    sink = io.BytesIO()
    writer = MaskedWriter(Masker([TOKEN]), sink)
    writer.write(b"progress 10 %")
    assert sink.getvalue() == b"progress 10 %"
    writer.write(f"\rtoken {TOKEN[:8]}".encode())
    assert sink.getvalue() == b"progress 10 %\rtoken "
    writer.write(b" is cut\n")
    assert sink.getvalue() == f"progress 10 %\rtoken {TOKEN[:8]} is cut\n".encode()


def test_no_line_is_longer_than_the_platform_takes() -> None:
    line = b"x" * (2 * MAX_LINE + 10) + b"\n"
    out = written(Masker(), [line[at : at + 5000] for at in range(0, len(line), 5000)])
    assert max(map(len, out.splitlines())) == MAX_LINE
    assert out.replace(b"\n", b"") == line.strip()


def test_a_progress_bar_of_carriage_returns_is_one_line_to_the_platform() -> None:
    bar = b"".join(b"\r%7d of 9999999" % n for n in range(40_000))
    out = written(Masker(), [bar])
    assert max(len(line) for line in out.split(b"\n")) <= MAX_LINE
    assert out.replace(b"\n", b"") == bar
