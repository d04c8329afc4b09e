"""In what spellings a secret shows up in a log: as it is, encoded, quoted, wrapped, and in parts.

A tool prints what it was given in its own way: JSON in an error of an API, base64 in a header, the path of a
URL without its host. The platform masks whole values only (`contract.masks`).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, urlsplit

from gocdnext_sdk.contract.masks import MIN_BYTES
from gocdnext_sdk.secret import looks_secret

_MIN_PART = 8
"""Bytes a part of a URL has at least: `/v2/` and `main` stand in every log."""

_MIN_FOLDED = 12
"""Bytes a value has at least to be known in lower and upper case too, as a host's name is written."""

_UNQUOTED = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
"""What every way of quoting leaves as it is, but for URLs."""

_IN_URLS = re.compile(r"[A-Za-z0-9_.-]*")
"""What URLs take as it is."""

_GO_JSON = re.compile("[<>&]")
"""What Go's encoding/json escapes beside what JSON demands."""

_LEFT_ALONE = (
    "",
    "/",
    "$&+,;=",  # Go's net/url in the user part of a URL,
    "$&+,/:;=@",  # in its path,
    "$&+:=@",  # and in one segment of it: PathEscape
    "!*'()",  # JavaScript's encodeURIComponent
    ";,/?:@&=+$!*'()#",  # and encodeURI
    "!$&'()*+,;=:@/",  # urllib3 in a path,
    "!$&'()*+,;=:@/?",  # and in a query
    "!#$%&'()*+,/:;=?@[]",  # Python's requests
)
"""What libraries leave as it is where they percent-encode, beside letters, digits and `_.-~`."""

_SHORT = dict(zip(b'\a\b\f\n\r\t\v"\\', ("\\" + letter for letter in 'abfnrtv"\\'), strict=True))

_GO_QUOTED = str.maketrans({code: f"\\x{code:02x}" for code in (*range(32), 127)} | _SHORT)
"""What Go's strconv.Quote, which is `%q`, escapes."""

_YAML_QUOTED = str.maketrans(
    {code: f"\\x{code:02X}" for code in (*range(32), *range(127, 256))} | _SHORT | {0: "\\0", 27: "\\e"}
)
"""What YAML escapes between double quotes, where only ASCII is written."""

_PERCENT = re.compile("%..")

_SHELL = re.compile(r"(?=[\x00-\x7f])[^\w@%+=:,./-]", re.ASCII)
"""What a shell needs a backslash for."""

_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')
"""What a shell needs a backslash for between double quotes."""

_IN_SINGLE_QUOTES = re.compile(r"[\\']")
"""What a backslash stands before in `$'…'` of a shell, and in MySQL's strings."""

_XML_TABLES = [
    str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': double, "'": single})
    for double in ('"', "&quot;", "&#34;")
    for single in ("'", "&apos;", "&#39;", "&#x27;")
]
"""Text, attributes in either quotes, Python's html.escape, Go's encoding/xml and html/template."""

_PEM_BORDER = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")

_BRACKETS = re.compile(r"[\[\]{},\s]*")

_ENTRY = re.compile(
    r"""(?:-\s+)?(?P<quote>["']?)(?P<key>[\w.-]+)(?P=quote)\s*:(?=\s|$)\s*["']?(?P<value>.*?)["']?[,\[{\s]*"""
)
"""A line of YAML, or of JSON in many lines: a key and its value."""

_MIN_ENTRY = 16
"""Bytes of such a line that nobody writes by chance, as `kind: Config` or `"version": 1,`."""

_USER_AND_PASSWORD = re.compile(r"[^\s:/@]+:([^\s:/@]+)@?")


def spellings(secret: str) -> Iterator[bytes]:
    """Yield every spelling of `secret`, none with a line break in it; nothing for what is too short to hide.

    A value of several lines is known by each of its lines, and whole where an encoding makes one line of it.
    """
    text = secret.strip()
    if len(_bytes(text)) < MIN_BYTES:
        return
    for part in dict.fromkeys((text, *_lines(text), *_parts(text))):
        raw = _bytes(part)
        for form in _encoded(part, raw):
            # What is encoded and comes out as one letter over and over (`AAAA`) is no secret any more.
            if len(form) >= MIN_BYTES and b"\n" not in form and (form == raw or not is_run(form)):
                yield form
    for once in set(
        in_base64(_bytes(text))
    ):  # such as a login in a Docker configuration in a Kubernetes secret
        if len(once) >= MIN_BYTES:
            yield from in_base64(once)
    octets = _bytes(text).hex(":")  # as OpenSSL and debuggers print bytes
    yield from (octets.encode(), octets.upper().encode())
    for raw in {_bytes(secret), _bytes(text)}:
        yield from _wrapped_base64(raw)


def is_run(form: bytes) -> bool:
    """Whether `form` is one byte over and over, as `0000`."""
    return form.count(form[:1]) == len(form)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _lines(secret: str) -> Iterator[str]:
    if len(lines := secret.splitlines()) > 1:
        for line in map(str.strip, lines):
            if _PEM_BORDER.fullmatch(line) or _BRACKETS.fullmatch(line) or is_run(_bytes(line)):
                continue
            entry = _ENTRY.fullmatch(line)
            if entry is None or len(line) >= _MIN_ENTRY:
                yield line
            if entry is not None and (looks_secret(entry["key"]) or len(line) < _MIN_ENTRY):
                yield from _long(entry["value"])


def _parts(secret: str) -> Iterator[str]:
    """Yield what a log shows of a URL whose host it names apart, and the password of `user:password`."""
    if found := _USER_AND_PASSWORD.fullmatch(secret):
        yield from _long(found[1])
    if "://" not in secret:
        return
    try:
        url = urlsplit(secret)
    except ValueError:  # of a bad address; what is not read as a URL is shown by nobody as one
        return
    userinfo = url.netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    yield from (password, unquote(password))
    query = [pair.partition("=")[2] for pair in url.query.split("&")]
    path = f"{url.path}?{url.query}" if url.query else url.path
    for part in (userinfo, user, path, url.path, url.path.rstrip("/").rpartition("/")[2], url.query, *query):
        yield from _long(part, unquote(part))
    yield from _long(url.fragment)


def _long(*texts: str) -> Iterator[str]:
    return (text for text in texts if len(_bytes(text)) >= _MIN_PART)


def _encoded(text: str, raw: bytes) -> Iterator[bytes]:
    yield raw
    if len(raw) >= _MIN_FOLDED:
        yield from map(_bytes, (text.lower(), text.upper()))
    if not _UNQUOTED.fullmatch(text):
        yield from map(_bytes, _quoted(text))
        yield repr(raw)[2:-1].encode()
    if "/" in text:  # as PHP's and some of Java's JSON has it
        yield _bytes(json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/"))
    if not _IN_URLS.fullmatch(text):
        yield quote(quote(raw, safe=""), safe="").encode()  # a URL in the query of another one
        java = quote_plus(raw, safe="*").replace("~", "%7E")
        left_alone = {"".join(sorted({*text}.intersection(safe))) for safe in _LEFT_ALONE}
        for percent in (*(quote(raw, safe=safe) for safe in left_alone), quote_plus(raw), java):
            yield percent.encode()
            yield _PERCENT.sub(lambda code: code[0].lower(), percent).encode()
    encoded = raw.hex()
    yield from (encoded.encode(), encoded.upper().encode())
    yield from in_base64(raw)


def _quoted(text: str) -> Iterator[str]:
    escaped = json.dumps(text)[1:-1]
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    for each in (escaped, _GO_JSON.sub(lambda char: f"\\u{ord(char[0]):04x}", escaped), plain):
        yield each
        # An API's error is JSON, and the tool that got it logs JSON.
        yield json.dumps(each, ensure_ascii=False)[1:-1]
    yield text.translate(_GO_QUOTED)
    yield repr(text)[1:-1]
    twice = repr(repr(text))[1:-1]
    yield twice[2:-2] if twice.startswith("\\") else twice[1:-1]
    yield text.translate(_YAML_QUOTED)
    yield text.replace("'", "'\"'\"'")  # within shlex.quote
    yield text.replace("'", "'\\''")  # as `sh -x` prints it
    yield _SHELL.sub(r"\\\g<0>", text)  # as bash's `printf %q` does
    yield _IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text)
    yield _IN_SINGLE_QUOTES.sub(r"\\\g<0>", text)
    yield text.replace("'", "''")  # in SQL and YAML
    yield text.replace('"', '""')  # in CSV
    yield from map(text.translate, _XML_TABLES)


def in_base64(value: bytes) -> Iterator[bytes]:
    """Yield the base64 text of `value` at each of the three alignments it can have in a longer text.

    The first and last characters also depend on the neighbours, so they are left out.
    """
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(b"\0" * offset + value).rstrip(b"=")
            skip = (0, 2, 3)[offset]
            incomplete = (offset + len(value)) % 3
            yield encoded[skip : len(encoded) - (1 if incomplete else 0)]


def _wrapped_base64(value: bytes) -> Iterator[bytes]:
    encoded = base64.b64encode(value).rstrip(b"=")
    for width in (76, 64):  # as base64(1) and openssl wrap it
        if len(encoded) > width:
            lines = (encoded[at : at + width] for at in range(0, len(encoded), width))
            yield from (line for line in lines if len(line) >= MIN_BYTES)
