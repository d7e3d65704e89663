"""Times: unix, unix_seconds, unix_ms, iso8601, date, utc_offset.

`engine.language.times` defines and reads times.  `date` does not use `strftime`, which takes names from the locale and
drops the zeros of early years on some systems.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from math import floor
from typing import cast

from engine.language.functions.arguments import wrong_kind
from engine.language.functions.model import LIST, NUMBER, TEXT, CannotConvert, Example, Function, Noted, Parameter
from engine.language.times import (
    in_milliseconds,
    iso_text,
    milliseconds_of,
    read_moment,
    read_offset,
    read_time,
)
from engine.records import Json

MILLISECONDS = "milliseconds"
_NOT_A_TIME = "not a time"
_NOTE = "the number is too large for seconds and was read as milliseconds"
_PARTS: dict[str, tuple[str, Callable[[datetime], int]]] = {
    "Y": ("%04d", lambda moment: moment.year),
    "y": ("%02d", lambda moment: moment.year % 100),
    "m": ("%02d", lambda moment: moment.month),
    "d": ("%02d", lambda moment: moment.day),
    "j": ("%03d", lambda moment: moment.timetuple().tm_yday),
    "H": ("%02d", lambda moment: moment.hour),
    "M": ("%02d", lambda moment: moment.minute),
    "S": ("%02d", lambda moment: moment.second),
    "L": ("%03d", lambda moment: moment.microsecond // 1000),
    "f": ("%06d", lambda moment: moment.microsecond),
    "u": ("%d", lambda moment: moment.isoweekday()),
    "G": ("%04d", lambda moment: moment.isocalendar().year),
    "V": ("%02d", lambda moment: moment.isocalendar().week),
}
_UNPADDED = "dmjHMS"
_KNOWN = ", ".join(f"%{letter}" for letter in [*_PARTS, *(f"-{letter}" for letter in _UNPADDED), "%"])
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,30}(?:/[A-Za-z0-9_+-]{1,30}){0,2}")


def unix(value: Json) -> Json | Noted:
    # The forms that nearly every event has, 2019-09-01T12:00:00.123Z and 2019-09-01T12:00:00Z, at half the cost.
    if type(value) is str and (
        (len(value) == 24 and value[7:20:3] == "-T::." and value[23] == "Z")
        or (len(value) == 20 and value[7:20:3] == "-T::Z")
    ):
        try:
            seconds = datetime.fromisoformat(value).timestamp()
        except ValueError:
            pass  # may be 24:00 or a leap second
        else:
            return int(seconds) if seconds.is_integer() else seconds
    return _unix(value)


def _unix(value: Json) -> Json | Noted:
    seconds = read_time(value)
    if seconds is None:
        raise _cannot_convert(value)
    if seconds.is_integer():
        seconds = int(seconds)
    return seconds if type(value) is str and value[4:5] == "-" else _noting(value, seconds)


def unix_seconds(value: Json) -> Json | Noted:
    seconds = unix(value)
    if type(seconds) is Noted:
        return Noted(floor(cast("float", seconds.value)), seconds.code, seconds.message)
    return floor(cast("float", seconds))


def unix_ms(value: Json) -> Json | Noted:
    return _noting(value, milliseconds_of(_moment(value)))


def iso8601(value: Json) -> Json | Noted:
    return _noting(value, iso_text(_moment(value)))


def date(format: str) -> Callable[[Json], Json | Noted]:  # noqa: A002  the parameter's name in mappings
    template, readers = _compiled(format)

    def dated(value: Json) -> Json | Noted:
        moment = _moment(value)
        return _noting(value, template % tuple(read(moment) for read in readers))

    return dated


def utc_offset(value: Json) -> Json:
    if isinstance(value, list):
        return _offset_of_zone(value)
    offset = read_offset(value)
    if offset is None:
        raise _cannot_convert(value)
    return offset


def _offset_of_zone(pair: list[Json]) -> str:
    """Return the offset of a zone at a time, given as a list of both; minutes are rounded down."""
    if len(pair) != 2 or None in pair:
        raise CannotConvert("a list must be a time and the name of its zone")
    try:
        offset = _moment(pair[0]).astimezone(_zone(pair[1])).utcoffset()
    except OverflowError:  # the first or the last day of all
        raise CannotConvert(_NOT_A_TIME) from None
    minutes = int((offset or timedelta()).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _zone(name: Json) -> tzinfo:
    """Find a zone by its name; imported here because only offsets of zones need the data."""
    from zoneinfo import ZoneInfo

    try:
        if isinstance(name, str) and _ZONE.fullmatch(name):
            return ZoneInfo(str.__str__(name))
    except (KeyError, ValueError, OSError):  # no such zone, or a folder of zones
        pass
    raise CannotConvert("no time zone has that name")


def _moment(value: Json) -> datetime:
    moment = read_moment(value)
    if moment is None:
        raise _cannot_convert(value)
    return moment


def _cannot_convert(value: Json) -> CannotConvert:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return wrong_kind(value, "a time")
    return CannotConvert(_NOT_A_TIME)


def _noting(value: Json, result: Json) -> Json | Noted:
    if type(value) is str and value[4:5] == "-":  # a date: no number that looks like one is large enough
        return result
    return Noted(result, MILLISECONDS, _NOTE) if in_milliseconds(value) else result


def _compiled(text: str) -> tuple[str, list[Callable[[datetime], int]]]:
    """Turn a format into a template for `%`-formatting and the readers that fill it."""
    first, *rest = re.split("%(-?.?)", text, flags=re.DOTALL)
    template, readers = [first], []
    for directive, literal in zip(rest[::2], rest[1::2], strict=True):
        letter = directive[1:] if directive[:1] == "-" and directive[1:] in _UNPADDED else directive
        if letter in _PARTS:
            readers.append(_PARTS[letter][1])
        elif letter != "%":
            raise ValueError(
                f'"format" of date does not support "%{letter}". Supported: {_KNOWN}.'
                " Names of days and months depend on a language."
            )
        padded = _PARTS[letter][0] if letter in _PARTS else "%%"
        template += [padded if letter == directive else "%d", literal]
    return "".join(template), readers


_WITH_OFFSET = Example("2019-09-01T14:00:00+02:00", 1567339200)
_TOO_LATE = Example("10000-01-01", reason=_NOT_A_TIME)

FUNCTIONS = (
    Function(
        name="unix",
        group="times",
        about="Seconds since 1970, with a fraction if the time has one. A time without an offset is UTC.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        notes=(MILLISECONDS,),
        examples=(
            Example("2019-09-01T12:00:00.123Z", 1567339200.123),
            Example("2019-09-01T12:00:00Z", 1567339200),
            _WITH_OFFSET,
            Example("2019-09-01 12:00", 1567339200),
            Example("2019-09-01", 1567296000),
            Example("2019-08-31T24:00:00z", 1567296000),
            Example("2016-12-31T23:59:60Z", 1483228800),
            Example("2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29", 1589068489.209808),
            Example(1567339200, 1567339200),
            Example("1567339200.5", 1567339200.5),
            Example(1567339200123, 1567339200.123, note=MILLISECONDS),
            Example("yesterday", reason=_NOT_A_TIME),
            Example("2019", reason=_NOT_A_TIME),
            Example("20190901", reason=_NOT_A_TIME),
            Example("2019-W35", reason=_NOT_A_TIME),
            Example("2019-244", reason=_NOT_A_TIME),
            _TOO_LATE,
            Example(False, reason="a boolean is not a time"),
        ),
        call=unix,
        source="https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap04.html#tag_04_19",
    ),
    Function(
        name="unix_seconds",
        group="times",
        about="Whole seconds since 1970, rounded down.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        notes=(MILLISECONDS,),
        examples=(
            Example("2019-09-01T12:00:00.999Z", 1567339200),
            _WITH_OFFSET,
            Example("1969-12-31T23:59:59.5Z", -1),
            Example(1567339200999, 1567339200, note=MILLISECONDS),
            Example("soon", reason=_NOT_A_TIME),
        ),
        call=unix_seconds,
        source="https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap04.html#tag_04_19",
    ),
    Function(
        name="unix_ms",
        group="times",
        about="Whole milliseconds since 1970, rounded down.",
        takes=TEXT | NUMBER,
        gives=NUMBER,
        notes=(MILLISECONDS,),
        examples=(
            Example("2019-09-01T12:00:00.123Z", 1567339200123),
            Example("2019-09-01T12:00:00Z", 1567339200000),
            Example(1567339200, 1567339200000),
            Example(1567339200123, 1567339200123, note=MILLISECONDS),
            Example("12:00", reason=_NOT_A_TIME),
        ),
        call=unix_ms,
    ),
    Function(
        name="iso8601",
        group="times",
        about="The time in UTC as ISO 8601, ending in `Z`, with milliseconds if the time has any.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        notes=(MILLISECONDS,),
        examples=(
            Example("2019-09-01T14:00:00+02:00", "2019-09-01T12:00:00Z"),
            Example("2019-09-01T12:00:00.123456Z", "2019-09-01T12:00:00.123Z"),
            Example("2019-09-01", "2019-09-01T00:00:00Z"),
            Example(1567339200.5, "2019-09-01T12:00:00.500Z"),
            Example(1567339200123, "2019-09-01T12:00:00.123Z", note=MILLISECONDS),
            Example("2019-02-30", reason=_NOT_A_TIME),
            Example({"iso": "2019-09-01"}, reason="an object is not a time"),
        ),
        call=iso8601,
        source="https://www.rfc-editor.org/rfc/rfc3339",
    ),
    Function(
        name="date",
        group="times",
        about=(
            f"The time in UTC in a custom format. It supports {_KNOWN}, as in Python; %L is milliseconds, and a dash"
            " leaves out the zeros before a number, on every machine."
        ),
        takes=TEXT | NUMBER,
        gives=TEXT,
        notes=(MILLISECONDS,),
        parameters=(
            Parameter(name="format", about="Text with % directives, such as %Y-%m-%d.", kind="format", at_least=1),
        ),
        examples=(
            Example("2019-09-01T12:34:56.789Z", "2019-09-01", {"format": "%Y-%m-%d"}),
            Example("2019-09-01T12:34:56.789Z", "09/01/19 12:34:56.789", {"format": "%m/%d/%y %H:%M:%S.%L"}),
            Example("2019-09-01T23:30:00-02:00", "02.09.2019", {"format": "%d.%m.%Y"}),
            Example("2019-12-30", "2020-W01-1, day 364, 100%", {"format": "%G-W%V-%u, day %j, 100%%"}),
            Example("2019-02-03T04:05:06Z", "3.2.2019 4:5:6", {"format": "%-d.%-m.%Y %-H:%-M:%-S"}),
            Example(1567339200123, "2019", {"format": "%Y"}, note=MILLISECONDS),
            Example("September", parameters={"format": "%Y"}, reason=_NOT_A_TIME),
        ),
        call=date,
        source="https://docs.python.org/3/library/datetime.html#format-codes",
    ),
    Function(
        name="utc_offset",
        group="times",
        about=(
            "The UTC offset of a time; one without an offset is UTC. Or of a time zone at that time, for a list of the"
            " time and the zone's name: `{ list: [timestamp, context.timezone], as: utc_offset }`."
        ),
        takes=TEXT | NUMBER | LIST,
        gives=TEXT,
        examples=(
            Example("2019-09-01T14:00:00+02:00", "+02:00"),
            Example("2019-09-01T14:00:00-0330", "-03:30"),
            Example("2019-09-01T12:00:00Z", "+00:00"),
            Example("2019-09-01T12:00:00", "+00:00"),
            Example(1567339200, "+00:00"),
            Example(["2019-09-01T12:00:00Z", "Europe/Prague"], "+02:00"),
            Example(["2019-12-01T12:00:00Z", "Europe/Prague"], "+01:00"),
            Example(["2019-09-01T12:00:00Z", "Asia/Kolkata"], "+05:30"),
            Example("+02:00", reason=_NOT_A_TIME),
            Example(["2019-09-01T12:00:00Z", "Prague"], reason="no time zone has that name"),
            Example(["2019-09-01T12:00:00Z"], reason="a list must be a time and the name of its zone"),
        ),
        call=utc_offset,
        source="https://www.rfc-editor.org/rfc/rfc3339#section-4",
    ),
)
