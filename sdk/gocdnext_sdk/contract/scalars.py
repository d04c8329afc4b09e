"""What a YAML scalar means to the platform.

The server decodes with Go's yaml.v3 into typed fields. Text fields (`with`, `variables`, …) keep
the scalar's text as written: no boolean, number or date is normalised. Only three things change
it: null becomes the empty string, `!!binary` is decoded, and an explicit core tag that does not
fit the text is an error.
"""

from __future__ import annotations

import base64
import contextlib
import math
import re
from dataclasses import dataclass
from typing import Final

from gocdnext_sdk.contract.errors import ContractError

NULL_TEXTS: Final = frozenset({"", "~", "null", "Null", "NULL"})
"""Plain scalars that mean null."""

_CORE = "tag:yaml.org,2002:"
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
# yaml.v3 knows the YAML 1.1 words only where a boolean is asked for, quoted or not.
_YES = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
_NO = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF"})
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].+)?"  # more than yaml.v3's, by what nobody writes
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar as it stands in the file."""

    text: str
    """The text after YAML's own work: quotes, escapes, block indentation and chomping."""
    tag: str | None = None
    """The explicit tag, as `!!binary` or as `tag:yaml.org,2002:binary`; none if not written."""
    plain: bool = True
    """Neither quoted nor a block: only such text can be null, a boolean or a number."""

    @property
    def core_tag(self) -> str | None:
        """`binary` for `!!binary` and so on; none without a tag or with one of another kind."""
        for prefix in ("!!", _CORE):
            if self.tag is not None and self.tag.startswith(prefix):
                return self.tag.removeprefix(prefix)
        return None


def is_null(scalar: Scalar) -> bool:
    """Tell whether the scalar is null (`~`, `null`, nothing at all)."""
    if scalar.core_tag == "null":
        return scalar.text in NULL_TEXTS
    return scalar.tag is None and scalar.plain and scalar.text in NULL_TEXTS


def is_string(scalar: Scalar) -> bool:
    """Tell whether the scalar's own type is text: quoted, or plain and neither number nor date."""
    if scalar.tag is not None:
        return scalar.core_tag == "str"
    if not scalar.plain:
        return True
    typed = scalar.text in NULL_TEXTS | _TRUE | _FALSE
    return not typed and not any(p.fullmatch(scalar.text) for p in (_INTEGER, _FLOAT, _DATE))


def as_text(scalar: Scalar) -> str:
    """Return the value of a text field, such as one in `with:`.

    Raises:
        ContractError: a `!!binary` that is not base64, or a core tag the text does not fit.
    """
    if is_null(scalar):
        return ""
    match scalar.core_tag:
        case "binary":
            return _decoded(scalar.text)
        case "null":
            fits = False
        case "bool":
            fits = scalar.text in _TRUE | _FALSE
        case "int":
            fits = _INTEGER.fullmatch(scalar.text) is not None
        case "float":
            fits = any(p.fullmatch(scalar.text) for p in (_FLOAT, _INTEGER))
        case _:
            fits = True
    if not fits:
        raise ContractError(f"`{scalar.text}` is not a !!{scalar.core_tag}; remove the tag or fix the value")
    return scalar.text


def as_bool(scalar: Scalar) -> bool:
    """Return the value of a true-or-false field, such as `docker:`. Null is false.

    `yes`, `on` and their like count even in quotes, `"true"` does not: that is yaml.v3.

    Raises:
        ContractError: anything else.
    """
    if is_null(scalar):
        return False
    text = scalar.text
    if text in _YES or (_untyped(scalar) and text in _TRUE):
        return True
    if text in _NO or (_untyped(scalar) and text in _FALSE):
        return False
    hint = "; remove the quotes" if text in _TRUE | _FALSE else "; use true or false"
    raise ContractError(f"{text!r} is text, not a boolean{hint}")


def as_int(scalar: Scalar) -> int:
    """Return the value of a whole-number field, such as `retry:`. Null is 0, a fraction is cut off.

    Raises:
        ContractError: not a plain number, or one beyond 64 bits, which the platform's fields have.
    """
    number = 0 if is_null(scalar) else _number(scalar)
    if number is None or not -(2**63) <= number < 2**63:
        raise ContractError(f"{scalar.text!r} is not a whole number of 64 bits")
    return int(number)


def as_float(scalar: Scalar) -> float:
    """Return the value of a number field, such as `fail_under:`. Null is 0.

    Raises:
        ContractError: not a plain number.
    """
    number = 0 if is_null(scalar) else _number(scalar)
    if number is None:
        raise ContractError(f"{scalar.text!r} is not a number")
    return float(number)


def _number(scalar: Scalar) -> int | float | None:
    if not _untyped(scalar):
        return None
    text = scalar.text.replace("_", "").lower()
    if _INTEGER.fullmatch(scalar.text):
        # A leading zero is octal to Go; Python wants 0o.
        text = re.sub(r"^([-+]?)0([0-7]+)$", r"\g<1>0o\2", text)
        with contextlib.suppress(ValueError):
            number = int(text, 0)
            if -(2**63) <= number < 2**64:  # a larger one is a float to Go
                return number
    if _FLOAT.fullmatch(scalar.text):
        value = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        return value if math.isfinite(value) or "." in text[:2] else None  # Go takes no 1e400
    return None


def _untyped(scalar: Scalar) -> bool:
    return scalar.plain and (scalar.tag is None or scalar.core_tag in {"bool", "int", "float"})


def _decoded(text: str) -> str:
    try:
        data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:  # not base64, or not even ASCII
        raise ContractError("a !!binary value that is not base64") from None
    # A variable holds bytes; surrogateescape keeps those that are not UTF-8.
    return data.decode("utf-8", "surrogateescape")
