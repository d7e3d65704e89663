"""What every emulated vendor has: a name, paths, settings, a state, a rate limit and error responses of its own."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, NamedTuple

from engine.records import NO_SECRETS, JsonObject, Secrets
from engine.sandbox.http_messages import Refusal, VendorRequest, VendorResponse
from engine.sandbox.state import State

TimeSource = Callable[[], float]
Handler = Callable[..., VendorResponse]
Route = tuple[str, str, Handler]


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What an emulator gets from outside, so that a run can be repeated."""

    state: State
    clock: TimeSource
    random: Random


class Emulator(ABC):
    """One vendor. `roots` are the first path segments that belong to it, besides `/<name>/...`."""

    name: str
    title: str
    roots: ClassVar[tuple[str, ...]]
    base_path: ClassVar[str] = ""
    """What the shipped mapping's base URL ends with: behind `/<name>`, the `base_url` of a connection has it too."""
    schema: ClassVar[str]
    routes: ClassVar[Routes]
    settings_type: ClassVar[type[Any]]
    secrets: Secrets = NO_SECRETS
    """Texts of real settings, which nothing that is shown may have."""
    secret_names: frozenset[str] = frozenset()
    """Names of headers and parameters whose values are never shown, besides those that everyone knows."""

    def __init__(self, surroundings: Surroundings, settings: Any) -> None:
        """Take settings of `settings_type`."""
        self.settings = settings
        self.state = surroundings.state
        self.clock = surroundings.clock
        self.random = surroundings.random

    def respond(self, request: VendorRequest) -> VendorResponse:
        """Handle one request, in one transaction."""
        try:
            with self.state.transaction():
                handler, parameters = self._handler(request)
                return handler(self, request, *parameters)
        except Refusal as refusal:
            return refusal.response

    def _handler(self, request: VendorRequest) -> tuple[Handler, tuple[str, ...]]:
        self.before(request)
        found = self.routes.find(request.segments)
        if found is None:
            raise Refusal(self.unknown_path(request))
        handler = found.methods.get(request.method)
        if handler is None:
            raise Refusal(self.failure(405).with_headers({"allow": ", ".join(sorted(found.methods))}))
        return handler, found.parameters

    def before(self, request: VendorRequest) -> None:  # noqa: B027  most vendors check nothing here
        """Check a request before its path is looked up; may raise `Refusal`."""

    def finish(self, response: VendorResponse) -> VendorResponse:
        """Add what every response of this vendor has, including the responses made by faults."""
        return response

    def unknown_path(self, request: VendorRequest) -> VendorResponse:  # noqa: ARG002  some vendors need it
        """Return this vendor's response for a path it does not have."""
        return self.failure(404)

    @abstractmethod
    def failure(self, status: int, retry_after: int | None = None) -> VendorResponse:
        """Return an error response in this vendor's format; also used by faults."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Return the numbers of stored and received items."""

    @abstractmethod
    def snapshot(self, limit: int) -> JsonObject:
        """Return the state in readable form: the newest `limit` of each kind, oldest first."""

    @abstractmethod
    def credentials(self) -> list[str]:
        """Return the credentials that are accepted and the headers that are required, one line each."""


_ANY = "{}"


class RouteMatch(NamedTuple):
    """The handlers of a path by method, and the values of its `{}` segments."""

    methods: dict[str, Handler]
    parameters: tuple[str, ...]


class Routes:
    """A table of (method, pattern, handler); a literal segment takes precedence over a `{}`."""

    def __init__(self, table: Iterable[Route]) -> None:
        self._root: dict[str | None, Any] = {}
        for method, pattern, handler in table:
            node: dict[str | None, Any] = self._root
            for segment in pattern.lstrip("/").split("/"):
                node = node.setdefault(_ANY if segment.startswith("{") else segment, {})
            node.setdefault(None, {})[method] = handler

    def find(self, segments: tuple[str, ...]) -> RouteMatch | None:
        """Return the match for a path, or None."""
        return _find(self._root, segments, ())


def _find(node: dict[Any, Any], segments: tuple[str, ...], parameters: tuple[str, ...]) -> RouteMatch | None:
    if not segments:
        methods = node.get(None)
        return RouteMatch(methods, parameters) if methods else None
    first, rest = segments[0], segments[1:]
    found = _find(node[first], rest, parameters) if first in node else None
    if found is None and first and _ANY in node:
        return _find(node[_ANY], rest, (*parameters, first))
    return found


_RATE = re.compile(r"([1-9][0-9]*)/([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class RateLimit:
    """A token bucket: `100/m` holds 100 tokens and refills within a minute; an empty text means no limit."""

    def __init__(self, rate: str) -> None:
        """Raise ValueError for an invalid rate."""
        self._size, self._period = 0.0, 1.0
        self._buckets: dict[str, tuple[float, float]] = {}
        if rate:
            match = _RATE.fullmatch(rate)
            if match is None:
                raise ValueError(f'"{rate}" is not a rate; write `100/s`, `100/m` or `100/h`, or `""` for no limit')
            self._size, self._period = float(match[1]), _SECONDS[match[2]]

    def wait(self, key: str, now: float) -> int:
        """Take a token from the bucket of `key`: return 0, or the seconds until one is available."""
        if not self._size:
            return 0
        left, at = self._buckets.get(key, (self._size, now))
        left = min(self._size, left + (now - at) * self._size / self._period)
        if left < 1:
            self._buckets[key] = (left, now)
            return max(1, math.ceil((1 - left) * self._period / self._size))
        self._buckets[key] = (left - 1, now)
        return 0
