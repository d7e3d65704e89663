"""What every emulated vendor has: a name, paths, settings, a state, and its own words for failure.

The order is that of real APIs: an unknown path first, then the method, then whatever the handler checks
(credentials, body).  A handler gives an `Answer` or raises `Refusal`, which also undoes its transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from engine.records import JsonObject
from engine.sandbox.exchange import Answer, Incoming, Refusal
from engine.sandbox.routing import Handler, Routes
from engine.sandbox.state import State

Clock = Callable[[], float]


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What an emulator gets from outside, so that a run can be repeated."""

    state: State
    clock: Clock
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

    def answer(self, incoming: Incoming) -> Answer:
        """Answer one request, in one transaction."""
        try:
            with self.state.transaction():
                handler, parameters = self._handler(incoming)
                return handler(self, incoming, *parameters)
        except Refusal as refusal:
            return refusal.answer

    def _handler(self, incoming: Incoming) -> tuple[Handler, tuple[str, ...]]:
        self.before(incoming)
        found = self.routes.find(incoming.segments)
        if found is None:
            raise Refusal(self.unknown_path(incoming))
        handler = found.methods.get(incoming.method)
        if handler is None:
            raise Refusal(self.failure(405).with_headers({"allow": ", ".join(sorted(found.methods))}))
        return handler, found.parameters

    def before(self, incoming: Incoming) -> None:  # noqa: B027  most vendors have nothing to look at
        """Look at a request before its path is looked up; may raise `Refusal`."""

    def finish(self, answer: Answer) -> Answer:
        """Put on what every answer of this vendor carries, those of faults too."""
        return answer

    def unknown_path(self, incoming: Incoming) -> Answer:  # noqa: ARG002  a vendor may look
        """Say "no such page" as this vendor does."""
        return self.failure(404)

    @abstractmethod
    def failure(self, status: int, retry_after: int | None = None) -> Answer:
        """Say that something failed, in this vendor's shape; what the faults order."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Give what is held and what was seen, as numbers."""

    @abstractmethod
    def snapshot(self, limit: int) -> JsonObject:
        """Give what is held in a form a person reads: the newest `limit` of each kind, oldest first."""

    @abstractmethod
    def welcome(self) -> list[str]:
        """Say which credentials are accepted, one line each."""
