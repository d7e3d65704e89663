"""When definitions run: a pure function of what they are, what their last runs were, and the time.

A definition that is late, because the server was down for days, runs once. One that failed is tried again soon, then
after longer and longer pauses. A clock that was set back delays nothing: what began in the future counts as due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
"""Seconds until a definition that failed is tried again: doubled with each failure."""

CLOCK_WENT_BACK = "the clock went back: its last run began in the future, so it runs now"


class Scheduled(NamedTuple):
    """A definition as the schedule sees it; `every` is in seconds, None if it runs by hand only."""

    key: str
    every: float | None


class LastRun(NamedTuple):
    """What is known of a definition's last run: when it began, how many failed in a row, whether events are left."""

    started_at: float
    failures: int = 0
    unfinished: bool = False


class PlannedRun(NamedTuple):
    """When a definition runs next, in Unix seconds; `note` says why if that is unusual."""

    key: str
    at: float
    note: str = ""


def planned(definitions: Iterable[Scheduled], last_runs: Mapping[str, LastRun], now: float) -> list[PlannedRun]:
    """Return when each definition with a schedule runs next, the first one first; those that are due have `at <= now`.

    A definition that never ran is due now. Of those that are due at one time, the one that comes first stays first.
    One without a schedule is due while events of its last run are left.
    """
    found = [(each, last_runs.get(each.key)) for each in definitions]
    runs = [_next(each, last, now) for each, last in found if each.every is not None or (last and last.unfinished)]
    return sorted(runs, key=lambda run: run.at)


def pause_after(failures: int) -> float:
    """Return the seconds between a failed run's start and the next one."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (min(failures, 20) - 1))


def _next(definition: Scheduled, last: LastRun | None, now: float) -> PlannedRun:
    key = definition.key
    if last is None:
        return PlannedRun(key, now)
    if last.started_at > now:
        return PlannedRun(key, now, CLOCK_WENT_BACK)
    if last.failures:
        return PlannedRun(key, last.started_at + pause_after(last.failures))
    return PlannedRun(key, now if last.unfinished or definition.every is None else last.started_at + definition.every)
