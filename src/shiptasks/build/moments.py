"""Dates written by a pattern such as `YYYYMMDD-HHmmss`: the notation of moment.js, which tag rules use."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone, tzinfo

_TOKENS = re.compile(
    r"(?P<literal>\[[^\[]*\])|\\(?P<escaped>.)|"
    r"(?P<token>[Hh]mm(?:ss)?|Mo|MM?M?M?|DDDo|Do|DD?D?D?|ddd?d?|do|d|wo|ww?|Wo|WW?|Qo?|YYYYYY|YYYYY|YYYY|YY|Y|"
    r"gggg|gg|GGGG|GG|e|E|a|A|hh?|HH?|kk?|mm?|ss?|S{1,9}|x|X|zz?|ZZ?)|(?P<other>.)",
    re.DOTALL,
)
# Not by strftime: that speaks the language of the machine.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def zone(name: str) -> tzinfo:
    """The time zone of that name, as in `Asia/Tokyo`. Raises ValueError when this machine does not know it."""
    if name.upper() in ("UTC", "ETC/UTC"):
        return timezone.utc
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise ValueError(f'there is no time zone "{name}" on this machine; its package tzdata has them') from None


def moment(when: datetime, pattern: str | None, zone_name: str = "UTC") -> str:
    """`when` in that zone by a pattern; without one in ISO 8601. Raises ValueError for an unknown zone."""
    when = when.astimezone(zone(zone_name))
    if pattern is None:
        offset = "Z" if zone_name == "UTC" else _offset(when, ":")
        return when.strftime("%Y-%m-%dT%H:%M:%S") + offset
    return _TOKENS.sub(lambda match: _written(when, match), pattern)


def _written(when: datetime, match: re.Match[str]) -> str:
    if match["token"]:
        return _part(when, match["token"])
    if match["literal"]:
        return match["literal"][1:-1]
    return match["escaped"] or match["other"] or ""


def _part(when: datetime, token: str) -> str:
    if token in _SIMPLE:
        return _SIMPLE[token](when)
    if token[0] == "S":
        return f"{when.microsecond:06}000"[: len(token)]
    if token.endswith("o"):
        return _ordinal(int(_SIMPLE[token[:-1]](when)))
    head, rest = token[0], token[1:]  # Hmm, hmmss
    return _SIMPLE[head](when) + "".join(_SIMPLE[rest[i : i + 2]](when) for i in range(0, len(rest), 2))


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}" + {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _offset(when: datetime, separator: str) -> str:
    text = when.strftime("%z")
    return f"{text[:3]}{separator}{text[3:5]}"


def _weekday(when: datetime) -> int:
    return when.isoweekday() % 7


def _week(when: datetime) -> tuple[int, int]:
    """Year and number of the week that begins on Sunday, as in the United States: the one with 1 January is week 1."""
    day = when.timetuple().tm_yday
    first = (_weekday(when) - (day - 1)) % 7
    number = (day - 1 + first) // 7 + 1
    last = 366 if _leap(when.year) else 365
    after = (first + last) % 7
    if number == (last - 1 + first) // 7 + 1 and after:
        return when.year + 1, 1
    return when.year, number


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


_SIMPLE: dict[str, Callable[[datetime], str]] = {
    "YYYYYY": lambda w: f"+{w.year:06}",
    "YYYYY": lambda w: f"{w.year:05}",
    "YYYY": lambda w: f"{w.year:04}",
    "YY": lambda w: f"{w.year % 100:02}",
    "Y": lambda w: str(w.year),
    "Q": lambda w: str((w.month + 2) // 3),
    "M": lambda w: str(w.month),
    "MM": lambda w: f"{w.month:02}",
    "MMM": lambda w: _MONTHS[w.month - 1][:3],
    "MMMM": lambda w: _MONTHS[w.month - 1],
    "D": lambda w: str(w.day),
    "DD": lambda w: f"{w.day:02}",
    "DDD": lambda w: str(w.timetuple().tm_yday),
    "DDDD": lambda w: f"{w.timetuple().tm_yday:03}",
    "d": lambda w: str(_weekday(w)),
    "dd": lambda w: _DAYS[_weekday(w)][:2],
    "ddd": lambda w: _DAYS[_weekday(w)][:3],
    "dddd": lambda w: _DAYS[_weekday(w)],
    "e": lambda w: str(_weekday(w)),
    "E": lambda w: str(w.isoweekday()),
    "w": lambda w: str(_week(w)[1]),
    "ww": lambda w: f"{_week(w)[1]:02}",
    "gg": lambda w: f"{_week(w)[0] % 100:02}",
    "gggg": lambda w: f"{_week(w)[0]:04}",
    "W": lambda w: str(w.isocalendar()[1]),
    "WW": lambda w: f"{w.isocalendar()[1]:02}",
    "GG": lambda w: f"{w.isocalendar()[0] % 100:02}",
    "GGGG": lambda w: f"{w.isocalendar()[0]:04}",
    "H": lambda w: str(w.hour),
    "HH": lambda w: f"{w.hour:02}",
    "h": lambda w: str(w.hour % 12 or 12),
    "hh": lambda w: f"{w.hour % 12 or 12:02}",
    "k": lambda w: str(w.hour or 24),
    "kk": lambda w: f"{w.hour or 24:02}",
    "m": lambda w: str(w.minute),
    "mm": lambda w: f"{w.minute:02}",
    "s": lambda w: str(w.second),
    "ss": lambda w: f"{w.second:02}",
    "a": lambda w: "am" if w.hour < 12 else "pm",
    "A": lambda w: "AM" if w.hour < 12 else "PM",
    "X": lambda w: str(int(w.timestamp())),
    "x": lambda w: str(int(w.timestamp() * 1000)),
    "z": lambda w: w.tzname() or "",
    "zz": lambda w: w.tzname() or "",
    "Z": lambda w: _offset(w, ":"),
    "ZZ": lambda w: _offset(w, ""),
}
