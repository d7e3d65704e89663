"""Reading times: the one place that defines what a time is.

A time is text in the extended form of ISO 8601 / RFC 3339 (`2019-09-01T12:00:00.123Z`), with the variations found in
real events: a space or a lowercase `t` between date and time, a lowercase `z`, no seconds, a date alone, `24:00`, a
leap second (`:60` is the next second), and Go's `2020-05-09 23:54:49.2 +0000 UTC m=+7.1`.  Without an offset it is
UTC.  Digits beyond microseconds are cut off.  Or it is a number, or text that is one by JSON's grammar: seconds since
1970, and milliseconds where its absolute value is 1e11 or more.

`datetime.fromisoformat` is the fastest parser available, but it accepts more than that (weeks, the basic form, any
character instead of the `T`), so its input is checked first: the two most common forms by their decisive characters,
everything else by a pattern.  Text of four or eight digits is refused although it is a number: it is a year or a date
(`2019`, `20190901`), and reading it as seconds since 1970 would silently be wrong.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from engine.language.texts import read_number
from engine.records import Json

MILLISECONDS_FROM = 1e11

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_AFTER_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp() + 1
_LONGEST = 80
_WHOLE = len("2019-09-01T12:00:00Z")
_FRACTION = len("2019-09-01T12:00:00.Z")
_WHOLE_AND_OFFSET = len("2019-09-01T12:00:00+02:00")
_FRACTION_AND_OFFSET = len("2019-09-01T12:00:00.123+02:00")
_BEFORE_OFFSET = ("-T::+", "-T::-")
_SECOND_YEAR, _LAST_YEAR = "0002", "9999"
_MILLISECOND = timedelta(milliseconds=1)
_YEAR_OR_DATE = frozenset({4, 8})

_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<clock>[0-9]{2}:[0-9]{2})(?::(?P<second>[0-9]{2})(?P<fraction>[.,][0-9]+)?)?"
    r"(?: ?[Zz]| ?(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?)(?: [A-Z0-9+-]{2,6}(?: m=[+-][0-9]+\.[0-9]+)?)?)?)?"
)


_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(duration: str) -> float:
    """Read a duration such as `30s`, `500ms` or `24h`; raise ValueError if it is none."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f'"{duration}" is not a duration; write a whole number and ms, s, m, h or d, e.g. 30s')
    return int(found[1]) * _UNITS[found[2]]


def read_time(value: Json) -> float | None:
    """Read a time as seconds since 1970; None if `value` is not a time between the years 1 and 9999."""
    if isinstance(value, str):
        moment = _common_moment(value) or _moment(value)
        return _seconds_of_text(value) if moment is None else (moment - _EPOCH).total_seconds()
    return _seconds_of_number(value) if type(value) is int or type(value) is float else None


def read_moment(value: Json) -> datetime | None:
    """Read a time as a moment in UTC; None where `read_time` returns None."""
    found = read_both(value)
    return None if found is None else found[1]


def read_both(value: Json) -> tuple[float, datetime | None] | None:
    """Return what `read_time` and `read_moment` do, read once; None where they return None."""
    if isinstance(value, str):
        moment = _common_moment(value) or _moment(value)
        if moment is not None:
            return (moment - _EPOCH).total_seconds(), moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        seconds = _seconds_of_text(value)
    else:
        seconds = read_time(value)
    return None if seconds is None else (seconds, moment_at(seconds))


def moment_at(seconds: float) -> datetime | None:
    """Return the moment that is `seconds` after 1970, to the nearest microsecond; None outside the years 1 to 9999."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def read_offset(value: Json) -> str | None:
    """Read the UTC offset of a time, such as `+02:00`; a time without one is UTC, `+00:00`."""
    moment = _moment(value) if isinstance(value, str) else None
    if moment is not None:
        return moment.isoformat()[-6:]
    return None if read_time(value) is None else "+00:00"


def in_milliseconds(value: Json) -> bool:
    """Whether `value` is a number (or the text of one) so large that it is read as milliseconds."""
    number = read_number(value) if isinstance(value, str) else value
    return type(number) in (int, float) and abs(number) >= MILLISECONDS_FROM  # type: ignore[arg-type]


def milliseconds_of(moment: datetime) -> int:
    """Return whole milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def iso_text(moment: datetime) -> str:
    """Write a moment in UTC as ISO 8601: `2019-09-01T12:00:00Z`, with milliseconds if it has any."""
    timespec = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.isoformat(timespec=timespec)[:-6] + "Z"


def _seconds_of_number(number: float) -> float | None:
    if abs(number) >= MILLISECONDS_FROM:
        number = number / 1000 if abs(number) < _AFTER_LAST * 1000 else _AFTER_LAST
    return float(number) if _FIRST <= number < _AFTER_LAST else None


def _seconds_of_text(text: str) -> float | None:
    text = text.strip()
    if len(text) in _YEAR_OR_DATE and text.isdecimal():
        return None
    number = read_number(text)
    return None if number is None else _seconds_of_number(number)


def _common_moment(text: str) -> datetime | None:
    """Read the forms that nearly every event has: `2019-09-01T12:00:00Z` and `2019-09-01T12:00:00.123Z`."""
    marks = text[7:20:3]  # the characters after the month, the day, the hour, the minute and the second
    if (
        (marks == "-T::." and _FRACTION < len(text) <= _LONGEST and text[-1] == "Z")
        or (marks == "-T::Z" and len(text) == _WHOLE)
        or _has_common_offset(text, marks)
    ):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None  # may be 24:00 or a leap second
    return None


def _has_common_offset(text: str, marks: str) -> bool:
    """Whether a time is written like `2019-09-01T12:00:00+02:00` or `2019-09-01T12:00:00.123+02:00`.

    By the pattern these take a third of the time of an event; it still reads those of the first and the last year.
    """
    return (
        (marks == "-T::." and len(text) == _FRACTION_AND_OFFSET and text[-6] in "+-")
        or (marks in _BEFORE_OFFSET and len(text) == _WHOLE_AND_OFFSET)
    ) and _SECOND_YEAR <= text < _LAST_YEAR


def _moment(text: str) -> datetime | None:
    """Read a time written as text, keeping its offset."""
    match = _TIME.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        return None
    date, clock, second, fraction, offset = (match[name] or "" for name in match.re.groupindex)
    rest = f"{second or '00'}{fraction}"
    if clock == "24:00" and not rest.strip("0.,"):
        return _later(f"{date}T00:00:00{offset or 'Z'}", timedelta(days=1))
    if second == "60":
        return _later(f"{date}T{clock}:59{fraction}{offset or 'Z'}", timedelta(seconds=1))
    return _later(f"{date}T{clock or '00:00'}:{rest}{offset or 'Z'}", timedelta())


def _later(text: str, wait: timedelta) -> datetime | None:
    """Return the moment `wait` after `text`, in its own offset; None outside the years 1 to 9999."""
    try:
        moment = datetime.fromisoformat(text) + wait
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment
