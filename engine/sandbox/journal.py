"""The last requests, for people to look at; never a credential."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

import orjson

from engine.records import MASK, Json, JsonObject
from engine.sandbox.http_messages import VendorRequest
from engine.sandbox.state import to_iso

KEPT = 1000
SHOWN = 2000  # characters of a body
SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie")
SECRET_QUERY = ("access_token",)


class Seen(NamedTuple):
    """One request and what came of it; `status` 0: no whole answer was sent."""

    vendor: str
    incoming: VendorRequest
    status: int
    answer: bytes
    seconds: float
    fault: str


class Journal:
    """The last requests (a bounded list) and all of them as numbers."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, Seen]] = deque(maxlen=KEPT)
        self._number = 0
        self._statuses: Counter[tuple[str, int]] = Counter()

    def add(self, seen: Seen) -> None:
        """Note a request.  Only the beginnings of bodies are kept: a thousand of 64 KB would be felt."""
        self._number += 1
        self._statuses[seen.vendor, seen.status] += 1
        seen.incoming.body = seen.incoming.body[:SHOWN]
        self._entries.append((self._number, seen._replace(answer=seen.answer[:SHOWN])))

    def statuses(self, vendor: str) -> dict[str, int]:
        """Count a vendor's requests by status; 0 is a cut connection."""
        return {str(status): count for (name, status), count in sorted(self._statuses.items()) if name == vendor}

    def shown(self, limit: int, vendor: str = "") -> list[JsonObject]:
        """Return the newest requests, oldest first."""
        chosen = [(number, seen) for number, seen in [*self._entries] if vendor in ("", seen.vendor)]
        return [_shown(number, seen) for number, seen in chosen[-limit:]]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._statuses.clear()
        self._number = 0


def _shown(number: int, seen: Seen) -> JsonObject:
    incoming = seen.incoming
    return {
        "number": number,
        "time": to_iso(incoming.now),
        "vendor": seen.vendor,
        "method": incoming.method,
        "path": incoming.path,
        "query": {name: MASK if name in SECRET_QUERY else value for name, value in incoming.query.items()},
        "headers": {name: _masked(name, value) for name, value in incoming.headers.items()},
        "body": _readable(incoming.body),
        "status": seen.status,
        "answer": _readable(seen.answer),
        "milliseconds": round(seen.seconds * 1000, 1),
        "fault": seen.fault,
    }


def _masked(name: str, value: str) -> str:
    if name not in SECRET_HEADERS:
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and name != "cookie" else MASK


def _readable(body: bytes) -> Json:
    try:
        parsed: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
    return parsed
