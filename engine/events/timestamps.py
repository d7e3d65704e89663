"""An event's `timestamp`: read, worked out by Segment's formula, or replaced where it cannot be right.

A library that has no time writes its language's zero (0001, 1970), and phones with another calendar write 2558 for
2015.  Vendors that keep the newest value would ignore every later update of such a person.  So a time before 1971,
or more than 48 hours after the event was received, gives way to `receivedAt`.  Clocks are often a day off, rarely two.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from engine.events.draft import Draft
from engine.events.json_values import kind_of_any, quoted
from engine.language.times import iso_text, moment_at, read_both, read_moment, read_time
from engine.records import Json

EARLIEST = 31_536_000.0
"""1971-01-01T00:00:00Z in Unix seconds."""
MOST_AHEAD = 48 * 3600.0
"""Seconds by which an event may be later than its receipt."""
DAY = 86_400.0
IMPLAUSIBLE = "timestamp-implausible"

_EARLIEST_TEXT = "1971"
_parse = datetime.fromisoformat
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


class _Receipt(NamedTuple):
    """When an event was received: as it is written, and in Unix seconds."""

    written: Json
    seconds: float


def is_clean_time(value: Json, received: Json, received_at: str | None, now: float | None) -> bool:
    """Whether `repair_timestamp` would leave a time as it is; False when in doubt."""
    if type(value) is not str:
        return False
    if len(value) == 24 and value[7:20:3] == "-T::." and value[23] == "Z":
        try:
            _parse(value)
            # In this form the later text is the later time.
            if type(received) is str:
                if _EARLIEST_TEXT <= value <= received and received[10:11] == "T" and received[-1] == "Z":
                    _parse(received)
                    return True
            elif received is None and received_at is None and (now is None or value[:10] <= _day_of(now // DAY)):
                return value >= _EARLIEST_TEXT
        except ValueError:
            return False
    seconds = read_time(value) if _is_iso(value) else None
    return seconds is not None and _fault(seconds, _receipt(received, received_at), now) is None


@lru_cache(maxsize=16)
def _day_of(day: float) -> str:
    moment = moment_at(day * DAY)
    return "" if moment is None else iso_text(moment)[:10]


def repair_timestamp(draft: Draft) -> None:
    """Make `timestamp` a plausible time in ISO 8601, or leave it out; what is changed is reported."""
    given = draft.get("timestamp")
    found = read_both(given)
    if found is None:
        _report_unreadable(draft, "timestamp")
        _put(draft, _from_others(draft, unreadable=given is not None))
        return
    seconds, moment = found
    fault = _fault(seconds, _receipt(draft.get("receivedAt"), draft.received_at), draft.now)
    if fault is not None:
        other = _from_others(draft, unreadable=True)
        _report_implausible(draft, f"timestamp {_shown(given)} {fault}", other)
        _put(draft, other)
        return
    if type(given) is not str or not _is_iso(given):
        text = _utc_text(moment)
        draft.put("timestamp", text)
        message = f"timestamp is not ISO 8601: {_shown(given)} was read as {text}"
        draft.report("timestamp-converted", "timestamp", message)


def _put(draft: Draft, text: str | None) -> None:
    if text is not None:
        draft.put("timestamp", text)
        return
    if draft.get("timestamp") is not None:
        draft.drop("timestamp")
    if not any(report.code == IMPLAUSIBLE and report.place == "timestamp" for report in draft.reports):
        draft.report("no-timestamp", "timestamp", "no timestamp, and no receivedAt to use instead")


def _from_others(draft: Draft, *, unreadable: bool) -> str | None:
    """Work out the time by Segment's formula, which corrects the client's clock; receivedAt where that fails."""
    receipt = _reported_receipt(draft)
    written = draft.get("originalTimestamp")
    original = None if receipt and unreadable else _read_time_of(draft, "originalTimestamp")
    if original is None:
        return None if receipt is None else _as_iso(receipt.written)
    sent = None if receipt is None else _read_time_of(draft, "sentAt")
    if receipt is None or sent is None:
        seconds, text = original, _as_iso(written)
    else:
        seconds = receipt.seconds - (sent - original)
        text = _utc_text(moment_at(seconds))
    fault = _fault(seconds, receipt, draft.now)
    if fault is None:
        return text
    text = None if receipt is None else _as_iso(receipt.written)
    _report_implausible(draft, f"the time of originalTimestamp {_shown(written)} {fault}", text)
    return text


def _report_implausible(draft: Draft, reason: str, instead: str | None) -> None:
    used = "it was left out, as there is no receivedAt" if instead is None else f"{instead} was used instead"
    draft.report(IMPLAUSIBLE, "timestamp", f"{reason}; {used}")


def _fault(seconds: float, receipt: _Receipt | None, now: float | None) -> str | None:
    """Say why a time cannot be that of an event; None where it can."""
    if seconds < EARLIEST:
        return "is before 1971"
    if receipt is not None:
        is_late = seconds > receipt.seconds + MOST_AHEAD
        return f"is more than 48 hours after it was received, {_as_iso(receipt.written)}" if is_late else None
    if now is None or seconds <= now + MOST_AHEAD:
        return None
    moment = moment_at(now)
    return f"is more than 48 hours after the time now, {now if moment is None else iso_text(moment)}"


def _receipt(received: Json, received_at: str | None) -> _Receipt | None:
    """Return when an event was received: what it says itself, or its receiver if that cannot be."""
    for written in (received, received_at):
        seconds = read_time(written)
        if seconds is not None and seconds >= EARLIEST:
            return _Receipt(written, seconds)
    return None


def _reported_receipt(draft: Draft) -> _Receipt | None:
    seconds = _read_time_of(draft, "receivedAt")
    if seconds is not None and seconds < EARLIEST:
        message = f"receivedAt {_shown(draft.get('receivedAt'))} is before 1971 and was not used"
        draft.report(IMPLAUSIBLE, "receivedAt", message)
    return _receipt(draft.get("receivedAt"), draft.received_at)


def _read_time_of(draft: Draft, name: str) -> float | None:
    seconds = read_time(draft.get(name))
    if seconds is None:
        _report_unreadable(draft, name)
    return seconds


def _report_unreadable(draft: Draft, name: str) -> None:
    value = draft.get(name)
    if value is not None:
        draft.report("timestamp-unreadable", name, f"{name} cannot be read as a time: {_shown(value)}")


def _shown(value: Json) -> str:
    if type(value) is str:
        return quoted(value)
    return str(value) if type(value) is int or type(value) is float else kind_of_any(value)


def _as_iso(time: Json) -> str | None:
    return time if type(time) is str and _is_iso(time) else _utc_text(read_moment(time))


def _utc_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def _is_iso(text: str) -> bool:
    """Whether a time is written as ISO 8601, and so can be passed on as it is."""
    is_common = len(text) == 24 and text[10] == "T" and text[19] == "." and text[23] == "Z"
    return is_common or _ISO.fullmatch(text) is not None
