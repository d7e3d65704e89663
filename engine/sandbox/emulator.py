"""What every emulated vendor has: a name, paths, settings, a state, a rate limit, and its own words for failure."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, NamedTuple

from engine.records import JsonObject
from engine.sandbox.http_messages import Refusal, VendorRequest, VendorResponse
from engine.sandbox.state import State

TimeSource = Callable[[], float]


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What an emulator gets from outside, so that a run can be repeated."""

    state: State
    clock: TimeSource
    random: Random


class Emulator(ABC):
    """One vendor.  `roots` are the first path segments that are its own, besides `/<name>/...`."""

    name: ClassVar[str]
    title: ClassVar[str]
    roots: ClassVar[tuple[str, ...]]
    schema: ClassVar[str]
    routes: ClassVar[Routes]
    settings_type: ClassVar[type[Any]]

    def __init__(self, surroundings: Surroundings, settings: Any) -> None:
        """Take settings of `settings_type`."""
        self.settings = settings
        self.state = surroundings.state
        self.clock = surroundings.clock
        self.random = surroundings.random

    def answer(self, incoming: VendorRequest) -> VendorResponse:
        """Answer one request, in one transaction."""
        try:
            with self.state.transaction():
                handler, parameters = self._handler(incoming)
                return handler(self, incoming, *parameters)
        except Refusal as refusal:
            return refusal.answer

    def _handler(self, incoming: VendorRequest) -> tuple[Handler, tuple[str, ...]]:
        self.before(incoming)
        found = self.routes.find(incoming.segments)
        if found is None:
            raise Refusal(self.unknown_path(incoming))
        handler = found.methods.get(incoming.method)
        if handler is None:
            raise Refusal(self.failure(405).with_headers({"allow": ", ".join(sorted(found.methods))}))
        return handler, found.parameters

    def before(self, incoming: VendorRequest) -> None:  # noqa: B027  most vendors have nothing to look at
        """Look at a request before its path is looked up; may raise `Refusal`."""

    def finish(self, answer: VendorResponse) -> VendorResponse:
        """Put on what every answer of this vendor carries, those of faults too."""
        return answer

    def unknown_path(self, incoming: VendorRequest) -> VendorResponse:  # noqa: ARG002  a vendor may look
        """Say "no such page" as this vendor does."""
        return self.failure(404)

    @abstractmethod
    def failure(self, status: int, retry_after: int | None = None) -> VendorResponse:
        """Say that something failed, in this vendor's shape; what the faults order."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Return what is held and what was seen, as numbers."""

    @abstractmethod
    def snapshot(self, limit: int) -> JsonObject:
        """Return what is held in a form a person reads: the newest `limit` of each kind, oldest first."""

    @abstractmethod
    def welcome(self) -> list[str]:
        """Say which credentials are accepted, one line each."""


Handler = Callable[..., VendorResponse]
Route = tuple[str, str, Handler]

_ANY = "{}"


class RouteMatch(NamedTuple):
    """The methods a path knows, and the values of its `{}` segments."""

    methods: dict[str, Handler]
    parameters: tuple[str, ...]


class Routes:
    """A table of (method, pattern, handler); a literal segment wins over a `{}`."""

    def __init__(self, table: Iterable[Route]) -> None:
        self._root: dict[str | None, Any] = {}
        for method, pattern, handler in table:
            node: dict[str | None, Any] = self._root
            for segment in pattern.lstrip("/").split("/"):
                node = node.setdefault(_ANY if segment.startswith("{") else segment, {})
            node.setdefault(None, {})[method] = handler

    def find(self, segments: tuple[str, ...]) -> RouteMatch | None:
        """Return what lives at this path, or None."""
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
    """`100/m`: a bucket of 100 that fills in a minute; an empty text never refuses."""

    def __init__(self, rate: str) -> None:
        """Raise ValueError with what a rate looks like."""
        self._size, self._period = 0.0, 1.0
        self._buckets: dict[str, tuple[float, float]] = {}
        if rate:
            match = _RATE.fullmatch(rate)
            if match is None:
                raise ValueError(f'"{rate}" is no rate; write `100/s`, `100/m` or `100/h`, or `""` for no limit')
            self._size, self._period = float(match[1]), _SECONDS[match[2]]

    def wait(self, key: str, now: float) -> int:
        """Take one from the bucket of `key`; 0 if it could be had, else the seconds until it can."""
        if not self._size:
            return 0
        left, at = self._buckets.get(key, (self._size, now))
        left = min(self._size, left + (now - at) * self._size / self._period)
        if left < 1:
            self._buckets[key] = (left, now)
            return max(1, math.ceil((1 - left) * self._period / self._size))
        self._buckets[key] = (left - 1, now)
        return 0
