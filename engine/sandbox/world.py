"""The contents of one sandbox: the vendors and their state, the active faults, the log of requests."""

from __future__ import annotations

from collections import Counter, deque
from random import Random
from typing import NamedTuple

import orjson

from engine.records import MASK, Json, JsonObject
from engine.sandbox.config import Config
from engine.sandbox.emulator import Emulator, Surroundings, TimeSource
from engine.sandbox.faults import Faults
from engine.sandbox.http_messages import VendorRequest, segments_of
from engine.sandbox.state import State, to_iso
from engine.sandbox.vendors import VENDORS


class World:
    """The contents of one sandbox; call `close` when done."""

    def __init__(self, config: Config, database: str, clock: TimeSource) -> None:
        self.clock = clock
        self.state = State(database, [vendor.schema for vendor in VENDORS])
        self.faults = Faults()
        self.request_log = RequestLog()
        self._config = config
        self._start_vendors()
        self.faults.inject([*config.faults], clock())

    def _start_vendors(self) -> None:
        """Create the vendors, with fresh random numbers and rate limits."""
        self.vendors: dict[str, Emulator] = {}
        for kind in VENDORS:
            random = Random(self._config.seed)  # noqa: S311  repeatable on purpose
            surroundings = Surroundings(state=self.state, clock=self.clock, random=random)
            self.vendors[kind.name] = kind(surroundings, self._config.settings_of(kind))

    def locate(self, path: str) -> tuple[Emulator | None, str]:
        """Return the vendor of a raw path, and the vendor's own part of it."""
        kind, own = locate(path)
        return None if kind is None else self.vendors[kind.name], own

    def state_of(self, vendor: str, limit: int) -> JsonObject:
        """Return the state of one vendor in readable form."""
        with self.state.transaction():
            return self.vendors[vendor].snapshot(limit)

    def counts(self) -> JsonObject:
        """Return counts by vendor."""
        with self.state.transaction():
            return {
                name: {**vendor.counts(), "requests": {**self.request_log.statuses(name)}}
                for name, vendor in self.vendors.items()
            }

    def reset(self) -> None:
        """Clear the vendors' state and the log; faults stay active."""
        self.state.reset()
        self.request_log.clear()
        self._start_vendors()

    def close(self) -> None:
        """Close the database."""
        self.state.close()


_NAMES: dict[str, type[Emulator]] = {vendor.name: vendor for vendor in VENDORS}
_ROOTS: dict[str, type[Emulator]] = {root: vendor for vendor in VENDORS for root in vendor.roots}


def locate(path: str) -> tuple[type[Emulator] | None, str]:
    """Return the vendor of a raw path, and the vendor's own part of it."""
    first, slash, rest = path.lstrip("/").partition("/")
    if first in _NAMES:
        return _NAMES[first], slash + rest
    return _ROOTS.get(first), path


def emulated(path: str) -> bool:
    """Whether a vendor has a route for a path, with any method."""
    vendor, own = locate(path)
    return vendor is not None and vendor.routes.find(segments_of(own)) is not None


def titles() -> list[str]:
    """Return the titles of the vendors."""
    return [vendor.title for vendor in VENDORS]


MOST_LOGGED = 1000
MOST_CHARACTERS = 2000  # of a body
SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie")
SECRET_QUERY = ("access_token",)


class LoggedRequest(NamedTuple):
    """One request and its response; `status` 0 means that no whole response was sent."""

    vendor: str
    request: VendorRequest
    status: int
    response: bytes
    seconds: float
    fault: str


class RequestLog:
    """The last requests, without credentials, and the number of all requests by status."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, LoggedRequest]] = deque(maxlen=MOST_LOGGED)
        self._number = 0
        self._statuses: Counter[tuple[str, int]] = Counter()

    def add(self, logged: LoggedRequest) -> None:
        """Log a request. Bodies are cut: a thousand of 64 KB each would take much memory."""
        self._number += 1
        self._statuses[logged.vendor, logged.status] += 1
        logged.request.body = logged.request.body[:MOST_CHARACTERS]
        self._entries.append((self._number, logged._replace(response=logged.response[:MOST_CHARACTERS])))

    def statuses(self, vendor: str) -> dict[str, int]:
        """Return the number of a vendor's requests by status; 0 is a cut connection."""
        return {str(status): count for (name, status), count in sorted(self._statuses.items()) if name == vendor}

    def newest(self, limit: int, vendor: str = "") -> list[JsonObject]:
        """Return the newest requests, oldest first."""
        chosen = [(number, logged) for number, logged in [*self._entries] if vendor in ("", logged.vendor)]
        return [_readable(number, logged) for number, logged in chosen[-limit:]]

    def clear(self) -> None:
        """Forget all requests."""
        self._entries.clear()
        self._statuses.clear()
        self._number = 0


def _readable(number: int, logged: LoggedRequest) -> JsonObject:
    request = logged.request
    return {
        "number": number,
        "time": to_iso(request.now),
        "vendor": logged.vendor,
        "method": request.method,
        "path": request.path,
        "query": {name: MASK if name in SECRET_QUERY else value for name, value in request.query.items()},
        "headers": {name: _masked(name, value) for name, value in request.headers.items()},
        "body": _readable_body(request.body),
        "status": logged.status,
        "response": _readable_body(logged.response),
        "milliseconds": round(logged.seconds * 1000, 1),
        "fault": logged.fault,
    }


def _masked(name: str, value: str) -> str:
    if name not in SECRET_HEADERS:
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and name != "cookie" else MASK


def _readable_body(body: bytes) -> Json:
    try:
        parsed: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
    return parsed
