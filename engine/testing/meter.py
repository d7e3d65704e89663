"""What the examples of a mapping may cost together: CI runs them on files of strangers.

An event has limits of its own, which are generous; a thousand examples that each come close to them would take minutes.
Steps and not seconds, so that a mapping that passes on one machine passes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from engine.compiler.runtime import MOST_ITERATIONS, MOST_STEPS
from engine.language.budget import COPIED, MOST_COPIED
from engine.mapping import schema
from engine.mapping.example import MappingExample
from engine.mapping.model import Request
from engine.plan import Connection
from engine.records import Json

EVENTS = 3
"""All examples together may take what this many events may."""
ITERATIONS, STEPS = 0, 1
LIMITS = {
    ITERATIONS: (MOST_ITERATIONS * EVENTS, "items of loops"),
    STEPS: (MOST_STEPS * EVENTS, "steps"),
    COPIED: (MOST_COPIED * EVENTS, "characters and values that loops copy"),
}
"""The most of each count, and its name, by its place in an event's memo."""
STEPS_OF_A_SETTING = 150
STEPS_OF_A_REPLY = 10_000


class Meter:
    """Adds up what the examples of one mapping take."""

    def __init__(self) -> None:
        self.taken = dict.fromkeys(LIMITS, 0)
        self._schemas: dict[str, Callable[[Json, int], tuple[str | None, int]]] = {}

    @property
    def used_up(self) -> bool:
        """Whether no other example may run."""
        return any(self.taken[number] > most for number, (most, _) in LIMITS.items())

    def __str__(self) -> str:
        found = (f"{most:,} {name}" for number, (most, name) in LIMITS.items() if self.taken[number] > most)
        return f"those before it take more than {' and '.join(found)}"

    @contextmanager
    def measured(self, connection: Connection, example: MappingExample) -> Iterator[None]:
        """Count what an event takes that `connection` plans inside."""
        self.taken[STEPS] += STEPS_OF_A_SETTING * len(connection.mapping.settings)
        self.taken[STEPS] += STEPS_OF_A_REPLY * len(example.replies)
        memos = {call: _MeteredMemo(compiled.memo) for call, compiled in connection.compiled.calls.items()}
        for call, memo in memos.items():
            connection.compiled.calls[call] = replace(connection.compiled.calls[call], memo=memo)
        yield
        for memo in memos.values():
            for number in self.taken:
                self.taken[number] += cast("int", memo.last[number])

    def checked(self, request: Request, body: Json) -> str | None:
        """Check a body by the request's `body_schema`; return what is wrong as a clause."""
        if schema.certainly_meets(body, request.body_schema):
            return None
        if request.name not in self._schemas:
            self._schemas[request.name] = schema.counting_validator(request.body_schema)
        fault, steps = self._schemas[request.name](body, MOST_STEPS)
        self.taken[STEPS] += steps
        return fault


class _MeteredMemo(list[object]):
    """The memo that events of a call begin with; the copy that an event makes is kept, to be read."""

    def __init__(self, memo: list[object]) -> None:
        super().__init__(memo)
        self.last = memo

    def copy(self) -> list[object]:
        self.last = list(self)
        return self.last
