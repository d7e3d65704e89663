"""Reading and writing times the way the emulated vendors do."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def number(value: object) -> float | None:
    """Give a number, or the number a text spells, or None; never an infinity."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        found = float(value)
        return found if math.isfinite(found) else None
    return None


def from_iso(text: object) -> datetime | None:
    """Read an ISO-8601 date and time; without an offset it is UTC."""
    if not isinstance(text, str) or len(text) < len("2020-01-01"):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def to_iso(seconds: float) -> str:
    """Write UNIX seconds as `2026-01-31T10:00:00.000000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
