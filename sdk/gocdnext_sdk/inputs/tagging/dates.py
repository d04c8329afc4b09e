"""Dates in the format of Moment.js. Source: https://momentjs.com/docs/#/displaying/format/, locale `en`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from gocdnext_sdk.errors import Invalid, quoted

_TOKENS = re.compile(
    r"\[[^\[]*\]|\\.|Mo|MM?M?M?|Do|DDDo|DD?D?D?|ddd?d?|do|w[ow]?|W[oW]?|Qo?|N{1,5}"
    r"|YYYYYY|YYYYY|YYYY|YY|y{2,4}|yo?|gg(?:ggg?)?|GG(?:GGG?)?|e|E|a|A|hh?|HH?|kk?|mm?|ss?|S{1,9}|x|X|zz?|ZZ?"
    r"|.",
    re.DOTALL,
)
_LONG_TOKENS = re.compile(r"\[[^\[]*\]|\\?(?:LTS|LT|LL?L?L?|l{1,4})")
_LONG: Final = {
    "LTS": "h:mm:ss A",
    "LT": "h:mm A",
    "L": "MM/DD/YYYY",
    "LL": "MMMM D, YYYY",
    "LLL": "MMMM D, YYYY h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
    "l": "M/D/YYYY",
    "ll": "MMM D, YYYY",
    "lll": "MMM D, YYYY h:mm A",
    "llll": "ddd, MMM D, YYYY h:mm A",
}
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def format_date(moment: datetime, pattern: str) -> str:
    """Return a date as a pattern such as `YYYYMMDD` wants it.

    Args:
        moment: in the time zone it is to be shown in.
        pattern: in Moment's tokens; text in square brackets, and letters that are no token, stay.
    """
    # First, as Moment does it: `MMLL` is `MMMMMM D, YYYY`.
    pattern = _LONG_TOKENS.sub(lambda found: _LONG.get(found[0], found[0]), pattern)
    return "".join(_piece(moment, token) for token in _TOKENS.findall(pattern))


def in_zone(moment: datetime, zone: str) -> datetime:
    """Return the same moment in a time zone such as `Asia/Tokyo`.

    Raises:
        Invalid: there is no such zone, or none is known here.
    """
    if zone == "UTC":
        return moment.astimezone(UTC)
    from zoneinfo import ZoneInfo, available_timezones

    names = {name.lower(): name for name in available_timezones()}  # moment-timezone takes any case
    if not names:
        raise Invalid("there is no time zone data here", "pip install tzdata")
    if zone.lower() not in names:
        raise Invalid(f"{quoted(zone)} is not a time zone", 'write it as "Europe/Berlin"')
    return moment.astimezone(ZoneInfo(names[zone.lower()]))


def _piece(moment: datetime, token: str) -> str:
    if token in _FORMATS:
        return _FORMATS[token](moment)
    if token.startswith("S"):
        return f"{moment.microsecond:06}000"[: len(token)]
    if token.startswith("["):
        return token[1:-1]
    return token.removeprefix("\\") if len(token) == 2 else token


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _day(moment: datetime) -> int:
    """Return the day of the week, Sunday 0."""
    return moment.isoweekday() % 7


def _year_day(moment: datetime) -> int:
    return moment.timetuple().tm_yday


def _week(moment: datetime) -> tuple[int, int]:
    """Return year and number of the week in the locale `en`: from Sunday on, the first with January 1."""
    saturday = moment + timedelta(days=6 - _day(moment))
    return saturday.year, (_year_day(saturday) - 1) // 7 + 1


def _offset(moment: datetime, colon: str) -> str:
    seconds = (moment.utcoffset() or timedelta()).total_seconds()
    sign, minutes = "-" if seconds < 0 else "+", int(abs(seconds)) // 60
    return f"{sign}{minutes // 60:02}{colon}{minutes % 60:02}"


def _half(moment: datetime) -> str:
    return "PM" if moment.hour >= 12 else "AM"


def _quarter(moment: datetime) -> int:
    return (moment.month + 2) // 3


def _zone(moment: datetime) -> str:
    return moment.tzname() or ""


_FORMATS: Final[dict[str, Callable[[datetime], str]]] = {
    "M": lambda at: str(at.month),
    "Mo": lambda at: _ordinal(at.month),
    "MM": lambda at: f"{at.month:02}",
    "MMM": lambda at: _MONTHS[at.month - 1][:3],
    "MMMM": lambda at: _MONTHS[at.month - 1],
    "D": lambda at: str(at.day),
    "Do": lambda at: _ordinal(at.day),
    "DD": lambda at: f"{at.day:02}",
    "DDD": lambda at: str(_year_day(at)),
    "DDDo": lambda at: _ordinal(_year_day(at)),
    "DDDD": lambda at: f"{_year_day(at):03}",
    "d": lambda at: str(_day(at)),
    "do": lambda at: _ordinal(_day(at)),
    "dd": lambda at: _DAYS[_day(at)][:2],
    "ddd": lambda at: _DAYS[_day(at)][:3],
    "dddd": lambda at: _DAYS[_day(at)],
    "e": lambda at: str(_day(at)),
    "E": lambda at: str(at.isoweekday()),
    "w": lambda at: str(_week(at)[1]),
    "wo": lambda at: _ordinal(_week(at)[1]),
    "ww": lambda at: f"{_week(at)[1]:02}",
    "W": lambda at: str(at.isocalendar().week),
    "Wo": lambda at: _ordinal(at.isocalendar().week),
    "WW": lambda at: f"{at.isocalendar().week:02}",
    "Y": lambda at: str(at.year),
    "YY": lambda at: f"{at.year % 100:02}",
    "YYYY": lambda at: f"{at.year:04}",
    "YYYYY": lambda at: f"{at.year:05}",
    "YYYYYY": lambda at: f"+{at.year:06}",
    "y": lambda at: str(at.year),
    "yo": lambda at: _ordinal(at.year),
    "yy": lambda at: f"{at.year:02}",
    "yyy": lambda at: f"{at.year:03}",
    "yyyy": lambda at: f"{at.year:04}",
    "N": lambda at: "AD",
    "NN": lambda at: "AD",
    "NNN": lambda at: "AD",
    "NNNN": lambda at: "Anno Domini",
    "NNNNN": lambda at: "AD",
    "gg": lambda at: f"{_week(at)[0] % 100:02}",
    "gggg": lambda at: f"{_week(at)[0]:04}",
    "ggggg": lambda at: f"{_week(at)[0]:05}",
    "GG": lambda at: f"{at.isocalendar().year % 100:02}",
    "GGGG": lambda at: f"{at.isocalendar().year:04}",
    "GGGGG": lambda at: f"{at.isocalendar().year:05}",
    "Q": lambda at: str(_quarter(at)),
    "Qo": lambda at: _ordinal(_quarter(at)),
    "A": _half,
    "a": lambda at: _half(at).lower(),
    "H": lambda at: str(at.hour),
    "HH": lambda at: f"{at.hour:02}",
    "h": lambda at: str(at.hour % 12 or 12),
    "hh": lambda at: f"{at.hour % 12 or 12:02}",
    "k": lambda at: str(at.hour or 24),
    "kk": lambda at: f"{at.hour or 24:02}",
    "m": lambda at: str(at.minute),
    "mm": lambda at: f"{at.minute:02}",
    "s": lambda at: str(at.second),
    "ss": lambda at: f"{at.second:02}",
    "X": lambda at: str(int(at.timestamp())),
    "x": lambda at: str(int(at.timestamp() * 1000)),
    "Z": lambda at: _offset(at, ":"),
    "ZZ": lambda at: _offset(at, ""),
    "z": _zone,
    "zz": _zone,
}
