"""The steps of checking a value against a schema: counted, so that a check ends whatever schema and value are.

A schema of forty lines can name its last definition a billion times, and a list of a thousand items can be compared
with a thousand alternatives. Steps and not seconds: a mapping that passes on one machine passes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

MOST_STEPS = 1_000_000
"""Of one check: about a second."""
STEPS_OF_A_KEYWORD = 10
"""The library takes about 10 microseconds for a keyword, whatever it is."""


class TooManySteps(Exception):  # noqa: N818  reads as what it is
    """A check takes more steps than it may."""


class Steps:
    """The steps of one check, and what it knows: whether a value (by identity) meets a schema that was referred to."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self.known: dict[tuple[int, int], bool] = {}

    def take(self, steps: int) -> None:
        """Count steps; raises TooManySteps."""
        self.taken += steps
        if self.taken > self.most:
            raise TooManySteps


_CURRENT: ContextVar[Steps | None] = ContextVar("steps", default=None)


@contextmanager
def counted(most: int) -> Iterator[Steps]:
    """Count the steps of what is checked inside."""
    steps = Steps(most)
    token = _CURRENT.set(steps)
    try:
        yield steps
    finally:
        _CURRENT.reset(token)


def current_steps() -> Steps:
    """Return the count of the check that is running; outside of `counted` there is no limit."""
    return _CURRENT.get() or Steps(10**18)


def counting_keyword(check: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    """Make a keyword's function count: itself, what it has to look at, and the errors, which quote the value."""

    def counting(checker: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        steps = _CURRENT.get()
        if steps is None:
            yield from check(checker, value, instance, schema) or ()
            return
        size = len(instance) if isinstance(instance, list | dict | str) else 1
        listed = len(value) if isinstance(value, list | dict) else 1
        steps.take(STEPS_OF_A_KEYWORD + listed + size // 10)
        for error in check(checker, value, instance, schema) or ():
            steps.take(size // 10)
            yield error

    return counting
