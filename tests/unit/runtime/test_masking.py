"""Nothing a secret can look like in a log gets through, however the log is cut into writes."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.utils import requote_uri

from gocdnext_sdk.runtime import masking
from gocdnext_sdk.runtime.log import MaskedText, MaskedWriter
from gocdnext_sdk.runtime.masking import Masker, MaskingDecoder
from gocdnext_sdk.runtime.spellings import is_run, spellings

PASSWORD = "p@$$w0rd &<'\"/+ü?=\\ end"
SIGNS = "Corr(ect)*Horse!~\x01'Battery#[7]\x7f;$"
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


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def go_q(text: str) -> str:
    """Quote as Go's `%q`: strconv.Quote."""
    known = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    known |= {'"': '\\"', "\\": "\\\\"}
    return "".join(known.get(each, each if each.isprintable() else f"\\x{ord(each):02x}") for each in text)


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
        pytest.param(lambda text: json.dumps(text, ensure_ascii=False).replace("/", "\\/"), id="json-of-php"),
        pytest.param(lambda text: quote(quote(text, safe=""), safe=""), id="url-in-url"),
        pytest.param(lambda text: quote(text, safe=""), id="percent"),
        pytest.param(lambda text: quote(text), id="percent-path"),
        pytest.param(lambda text: f"https://user:{quote(text, safe='$&+,;=')}@host/", id="go-userinfo"),
        pytest.param(lambda text: quote(text, safe="$&+,/:;=@"), id="percent-go-path"),
        pytest.param(lambda text: quote(text, safe="$&+:=@"), id="percent-go-segment"),
        pytest.param(lambda text: quote(text, safe="!*'()~"), id="percent-javascript"),
        pytest.param(lambda text: quote(text, safe=";,/?:@&=+$-_.!~*'()#"), id="percent-javascript-uri"),
        pytest.param(lambda text: quote(text, safe="!$&'()*+,;=:@/~"), id="percent-urllib3"),
        pytest.param(requote_uri, id="percent-requests"),
        pytest.param(lambda text: quote_plus(text, safe="*").replace("~", "%7E"), id="form-java"),
        pytest.param(quote_plus, id="form"),
        pytest.param(
            lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")), id="percent-lower"
        ),
        pytest.param(lambda text: json.dumps(json.dumps(text)), id="json-in-json"),
        pytest.param(lambda text: json.dumps(go_json(text)), id="json-of-go-in-json"),
        pytest.param(repr, id="repr"),
        pytest.param(lambda text: repr(repr(text)), id="repr-in-repr"),
        pytest.param(go_q, id="go-q"),
        pytest.param(lambda text: repr(text.encode()), id="repr-of-bytes"),
        pytest.param(lambda text: text.encode().hex(), id="hex"),
        pytest.param(lambda text: "'" + text.replace("'", "'\\''") + "'", id="sh-x"),
        pytest.param(lambda text: re.sub(r"([^\w@%+=:,./-])", r"\\\1", text), id="bash-q"),
        pytest.param(shlex.quote, id="shell"),
        pytest.param(lambda text: '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"', id="shell-double-quotes"),
        pytest.param(lambda text: "$'" + re.sub(r"([\\'])", r"\\\1", text) + "'", id="ansi-c"),
        pytest.param(lambda text: "'" + text.replace("'", "''") + "'", id="sql"),
        pytest.param(
            lambda text: yaml.safe_dump(text, default_style="'", width=1000, allow_unicode=True), id="yaml"
        ),
        pytest.param(
            lambda text: yaml.safe_dump(text, default_style='"', width=1000), id="yaml-double-quotes"
        ),
        pytest.param(lambda text: '"' + text.replace('"', '""') + '"', id="csv"),
        pytest.param(html.escape, id="html"),
        pytest.param(escape, id="xml"),
        pytest.param(quoteattr, id="xml-attribute"),
        pytest.param(lambda text: escape(text, {'"': "&#34;", "'": "&#39;"}), id="xml-of-go"),
        pytest.param(lambda text: text.encode().hex().upper(), id="hex-upper"),
        pytest.param(lambda text: text.encode().hex(":").upper(), id="hex-of-openssl"),
        pytest.param(lambda text: encoded(encoded(text)), id="base64-in-base64"),
        pytest.param(lambda text: encoded(f'"{encoded(f"me:{text}")}"'), id="login-in-base64"),
        pytest.param(lambda text: shlex.join(["--password=" + text]), id="shell-within-a-word"),
        pytest.param(lambda text: base64.b64encode(text.encode()).decode(), id="base64"),
        pytest.param(lambda text: base64.urlsafe_b64encode(text.encode()).decode(), id="base64url"),
        pytest.param(lambda text: base64.b64encode(f"me:{text}".encode()).decode(), id="basic-auth"),
        pytest.param(lambda text: base64.b64encode(f"you:{text}\n".encode()).decode(), id="basic-auth-2"),
        pytest.param(lambda text: base64.b64encode(f"user:{text};".encode()).decode(), id="basic-auth-3"),
    ],
)
@pytest.mark.parametrize("secret", [PASSWORD, TOKEN, SIGNS])
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


KUBECONFIG = """\
apiVersion: v1
kind: Config
users:
- name: ci
  user:
    token: 4815162342-abcdef
    pin: hunter2x
current-context: prod
"""
SETTINGS = json.dumps(
    {"version": 1, "parts": [{"token": "ghp_16C7e42F292c", "kind": "app"}], "name": "a-longer-name-of-it"},
    indent=2,
)


@pytest.mark.parametrize("secret", [KUBECONFIG, SETTINGS])
def test_the_frame_of_a_document_is_no_secret(secret: str) -> None:
    log = 'kind: Config, users: 3 found\n- name: ci\n{\n  "version": 1,\n  "kind": "app"\n}\n'
    assert Masker([secret]).mask(log) == log


@pytest.mark.parametrize(
    ("secret", "value"),
    [(KUBECONFIG, "4815162342-abcdef"), (KUBECONFIG, "hunter2x"), (SETTINGS, "ghp_16C7e42F292c")],
)
def test_a_secret_in_a_document_is_masked_by_itself(secret: str, value: str) -> None:
    assert Masker([secret]).mask(f"login with {value} failed") == "login with *** failed"


def test_a_line_of_a_document_is_masked_unless_it_is_written_by_chance() -> None:
    masker = Masker([SETTINGS, "hunter2\nuser:pass"])
    for line in ('"name": "a-longer-name-of-it"', "hunter2", "user:pass"):
        assert masker.mask(f"  {line}") == "  ***"


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


@pytest.mark.parametrize("first", ["abcdef", "abcdefghijklmnop"])
def test_of_secrets_that_overlap_no_piece_is_left(first: str) -> None:
    second = f"{first[-3:]}-the-other"
    assert Masker([first, second]).mask(f"<{first}{second[3:]}>") == "<***>"
    assert Masker([second, first]).mask(f"<{first}{second[3:]}>") == "<***>"


def test_a_secret_of_one_letter_blanks_its_own_word_and_not_every_number() -> None:
    masker = Masker(["0000"])
    log = "pin 0000, 10000 files at 00000000 (0x00001), id 0000\n"
    assert masker.mask(log) == "pin ***, 10000 files at 00000000 (0x00001), id ***\n"
    assert written(masker, [log[at : at + 1].encode() for at in range(len(log))]) == masker.mask_bytes(
        log.encode()
    )


def test_a_lookup_is_made_once_however_many_secrets_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(masking, "_Forms", lambda forms: made.append(len(forms)))
    masker = Masker()
    for number in range(20):
        masker.add(f"{TOKEN}{number}")
    assert made == []
    masker.mask("a")
    masker.mask("b")
    assert len(made) == 1


def test_where_there_is_no_secret_nothing_is_imported() -> None:
    probe = "from gocdnext_sdk.runtime.masking import Masker; Masker().mask('a'); Masker(['']).mask('a')"
    loaded = f"import sys; {probe}; sys.exit('ahocorasick_rs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0


URL = "https://me%21:hunter%24two@hooks.example:8443/services/T0001/B0002/xyzXYZ123456?private_token=abcdEFGH1234&v=1#frag-ment-1"


@pytest.mark.parametrize(
    "part",
    [
        *(
            "me%21:hunter%24two",
            "hunter%24two",
            "hunter$two",
            "xyzXYZ123456",
            "private_token=abcdEFGH1234&v=1",
        ),
        *("/services/T0001/B0002/xyzXYZ123456", "abcdEFGH1234", "frag-ment-1"),
    ],
)
def test_a_url_is_hidden_in_parts_too(part: str) -> None:
    assert Masker([URL]).mask(f"POST <{part}> failed") == "POST <***> failed"


def test_parts_of_a_url_that_stand_in_every_log_are_not_hidden() -> None:
    line = "https://ghcr.io/v2/ main latest admin a:8443/v1 =1"
    assert Masker(["https://admin:secret-word@ghcr.io/v2/main?x=1", "https://x.io/latest"]).mask(line) == line


def test_the_password_of_a_pair_is_hidden_alone() -> None:
    assert Masker(["robot$ci:hunter2hunter2"]).mask("password hunter2hunter2") == "password ***"


def test_a_host_is_written_in_lower_case_and_so_is_a_token_in_its_place() -> None:
    assert Masker([TOKEN]).mask(f"cannot reach {TOKEN.lower()}:443") == "cannot reach ***:443"


def test_a_secret_added_later_is_masked_from_then_on() -> None:
    masker = Masker()
    assert masker.mask(TOKEN) == TOKEN
    masker.add(TOKEN)
    assert masker.mask(TOKEN) == "***"


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[str], list[bytes]]:
    """Secrets and a log in pieces, of few letters, so that they overlap each other and themselves."""
    letters = draw(st.sampled_from(["ab", "0a ", "abc\n", "ab\n-0", "aé\n"]))
    secrets = draw(st.lists(st.text(letters, min_size=4, max_size=16), min_size=1, max_size=5))
    word = st.sampled_from([*letters, *secrets]).map(str.encode)
    pieces = draw(st.lists(st.lists(word, max_size=4).map(b"".join), max_size=20))
    whole = b"".join(pieces)
    borders = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    return secrets, [whole[a:b] for a, b in pairwise([0, *borders, len(whole)])]


@given(logs())
@settings(max_examples=100, deadline=None)
def test_however_a_log_is_cut_it_is_masked_as_the_whole(log: tuple[list[str], list[bytes]]) -> None:
    secrets, pieces = log
    decoder = MaskingDecoder(masker := Masker(secrets))
    assert b"".join([*map(decoder.decode, pieces), decoder.flush()]) == masker.mask_bytes(b"".join(pieces))


@given(logs())
@settings(max_examples=100, deadline=None)
def test_what_is_left_of_a_log_holds_no_byte_of_a_secret(log: tuple[list[str], list[bytes]]) -> None:
    """By the plainest means there is: mark every byte of every occurrence, and look at what is not marked."""
    secrets, pieces = log
    text = b"".join(pieces)
    forms = {form for secret in secrets for form in spellings(secret) if not is_run(form)}
    marked = bytearray(len(text))
    for form in forms:
        for at in range(len(text)):
            if text.startswith(form, at):
                marked[at : at + len(form)] = b"\1" * len(form)
    left = bytes(byte for byte, mark in zip(text, marked, strict=True) if not mark)
    shown = Masker([secret for secret in secrets if not is_run(secret.strip().encode())]).mask_bytes(text)
    if not any(is_run(form) for secret in secrets for form in spellings(secret)):
        assert shown.replace(b"***", b"") == left


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


@pytest.mark.parametrize("value", [None, 5, b"bytes"])
def test_only_text_is_masked_and_what_is_none_hides_no_other(value: object) -> None:
    """An optional secret that is not given, passed on to `job.mask` as it is."""
    masker = Masker()
    with pytest.raises(TypeError, match="not a text"):
        masker.add(value)  # type: ignore[arg-type]
    masker.add("s3cr3t-value")
    assert masker.mask("s3cr3t-value") == "***"
