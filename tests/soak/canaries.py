"""Secrets of every shape, and where a piece of one shows."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape

_RANDOM = "Zq7Xv9Kw2Lp4Tn8Rb6Yc3Md5"


def _pem() -> str:
    body = base64.b64encode(f"{_RANDOM}-key-material-".encode() * 12).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"]) + "\n"


CANARIES: Mapping[str, str] = {
    "plain": f"canary-{_RANDOM}",
    "blanks": f"canary {_RANDOM} with blanks",
    "quotes": f"can'ary\"{_RANDOM}'\"",
    "dollar": f"$canary${_RANDOM}$$(id)`id`",
    "backslash": f"canary\\{_RANDOM}\\n",
    "percent": f"canary%41{_RANDOM}%",
    "markup": f"<canary>&{_RANDOM};",
    "unicode": f"kanarienvögel-{_RANDOM}-ß✓",
    "equals": f"canary={_RANDOM}==",
    "comma": f"canary,{_RANDOM},x",
    "colon": f"canary:{_RANDOM}@host/path",
    "dash": f"--canary-{_RANDOM}",
    "hash": f"#canary-{_RANDOM}",
    "slashes": f"/canary/{_RANDOM}/x",
    "braces": f"${{canary-{_RANDOM}}}",
    "long": f"canary-{_RANDOM}-" * 40,
    "pem": _pem(),
    "json": json.dumps({"token": f"canary-{_RANDOM}"}),
}


@dataclass(frozen=True)
class Canary:
    """A secret, in every form that gives it away.

    Args:
        text: the secret.
    """

    text: str

    def pieces(self) -> Iterator[bytes]:
        """Yield what must not show: the secret, its usual encodings, each of its longer lines."""
        forms = {
            self.text,
            json.dumps(self.text)[1:-1],
            quote(self.text, safe=""),
            shlex.quote(self.text),
            escape(self.text),
            base64.b64encode(self.text.encode()).decode(),
            self.text.encode().hex(),
            repr(self.text)[1:-1],
        }
        forms |= {line for line in self.text.splitlines() if len(line) >= 16 and "-----" not in line}
        for form in forms:
            yield form.encode()
        if _RANDOM in self.text:
            yield _RANDOM.encode()

    def shows_in(self, data: bytes) -> bool:
        """Return whether a form of it is in `data`."""
        return any(piece in data for piece in self.pieces())
