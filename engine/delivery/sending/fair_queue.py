"""The unfinished events of one connection, as its worker knows them: who is next, who waits for whom. Pure.

An event waits while an earlier unfinished one shares an id with it.  So every id has a line: the place of its first
unfinished event, and those of the others in their order (few ids have others, so these are kept apart).  An event that
is first in the line of each of its ids is a *head*, and only heads may be sent.  Heads take turns: a new head goes to
the end of `ready`, and so an event of a user who has many comes after one of each other user who waits.

Only some events are loaded.  A line keeps the place of each of its events, but a few *jobs* at most; the rest of a
backlog is loaded when its turn comes.  An event that waits for its own retry is unloaded, too.  `wanted` names the
places to load next.  So the memory is bounded: at most `users` heads, as many events behind them, `memory` bytes of
both together, and `places` events of which only the place is known.  At a limit `has_room` is false until something
is finished, and events further back are not seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain, islice
from typing import NamedTuple, Protocol, Self

from engine.records import PlannedRequest


class Next(NamedTuple):
    """The requests of an event that may be sent now: one, or a run of several for the same batch and group.

    `more` is set if others follow after these are accepted.
    """

    requests: list[PlannedRequest]
    more: bool

    @classmethod
    def of(cls, waiting: Iterable[PlannedRequest]) -> Self:
        """Return what comes first of the requests that were not accepted yet."""
        found: list[PlannedRequest] = []
        for request in waiting:
            if found and (request.batch is None or (request.batch, request.group) != (found[0].batch, found[0].group)):
                return cls(found, more=True)
            found.append(request)
        return cls(found, more=False)


@dataclass(slots=True)
class Retries:
    """What an event's failures have led to: how many there were, since when, and whether it has to be sent alone.

    It is due at `due`, 0 if it need not wait; an event that made a batch fail, or may have, goes `alone` from then on.
    `reason` is what the last failure was.
    """

    since: float
    count: int = 0
    due: float = 0.0
    reason: str = ""
    alone: bool = False


class Sendable(Protocol):
    """What this module needs of an event: its place in the queue, its ids, and its next requests.

    `weight` is roughly what it holds in bytes.
    """

    place: int
    ids: frozenset[str]
    queued_at: float
    weight: int
    retries: Retries | None

    @property
    def apart(self) -> bool:
        """Whether it shares no batch with others."""
        ...

    def next(self) -> Next:
        """Return the requests that may be sent now."""
        ...


class QueueLimits(NamedTuple):
    """How much a queue holds: heads (one a user), bytes, places, and the loaded events of one id."""

    users: int = 2000
    memory: int = 16 * 1024 * 1024
    places: int = 100_000
    line: int = 64


@dataclass(slots=True)
class _Behind:
    """The places of the unfinished events of one id behind the first; `loaded` of them have a job."""

    places: deque[int] = field(default_factory=deque)
    loaded: int = 0


class _Later(NamedTuple):
    """An event that is not loaded, because it waits for its own retry."""

    retries: Retries
    ids: frozenset[str]


class FairQueue:
    """Holds the unfinished events and says which may be sent."""

    def __init__(self, limits: QueueLimits) -> None:
        self.ready: deque[Sendable] = deque()
        """The heads that may be sent now, in their turn."""
        self._limits = limits
        self._first: dict[str, int] = {}
        self._behind: dict[str, _Behind] = {}
        self._jobs: dict[int, Sendable] = {}
        self._heads: set[int] = set()
        self._in_flight: set[int] = set()
        self._later: dict[int, _Later] = {}
        self._due: list[tuple[float, int]] = []
        self._wanted: dict[int, None] = {}
        self._loading: set[int] = set()
        self._weight = 0
        self._weight_of_heads = 0
        self._unloaded = 0

    @property
    def empty(self) -> bool:
        """Whether everything read so far is finished."""
        return not (self._jobs or self._first or self._later)

    def has_room(self) -> bool:
        """Whether more of the outbox may be read."""
        return self._room_for_heads() and self._unloaded < self._limits.places

    def _room_for_heads(self) -> bool:
        return len(self._heads) < self._limits.users and self._weight_of_heads < self._limits.memory / 2

    def defers(self, ids: frozenset[str]) -> bool:
        """Whether an event that was just read need not be loaded: a part of its user's backlog is not either."""
        behind = False
        for each in ids:
            first = self._first.get(each)
            if first is not None:
                behind = True
                line = self._behind.get(each)
                if first not in self._jobs or (line is not None and self._is_full(line)):
                    return True
        return behind and not self._room_behind()

    def _is_full(self, line: _Behind) -> bool:
        return line.loaded < len(line.places) or line.loaded + 1 >= self._limits.line

    def _room_behind(self) -> bool:
        """Whether one more event that is no head may be loaded: they have limits of their own.

        Otherwise the events behind one that waits for its retry could take up the room that it needs to be loaded.
        """
        behind, weight = len(self._jobs) - len(self._heads), self._weight - self._weight_of_heads
        return behind < self._limits.users and weight < self._limits.memory / 2

    def defer(self, place: int, ids: frozenset[str]) -> None:
        """Add an event from the outbox, behind all others, without a job."""
        for each in ids:
            if each in self._first:
                self._line_behind(each).places.append(place)
            else:
                self._first[each] = place
        self._unloaded += 1

    def add(self, job: Sendable) -> None:
        """Add an event from the outbox, behind all others."""
        first, place, head = self._first, job.place, True
        for each in job.ids:
            if each in first:
                head = False
                line = self._line_behind(each)
                line.places.append(place)
                line.loaded += 1
            else:
                first[each] = place
        self._register(job, head=head)

    def _line_behind(self, each: str) -> _Behind:
        line = self._behind.get(each)
        if line is None:
            line = self._behind[each] = _Behind()
        return line

    def loaded(self, job: Sendable) -> None:
        """Take the job of an event that was wanted."""
        self._count_behind(job, 1)
        later = self._later.pop(job.place, None)
        if later is not None:
            job.retries = later.retries
            job.retries.due = 0.0
        self._loading.discard(job.place)
        self._unloaded -= 1
        self._register(job, head=self._is_head(job))

    def _count_behind(self, job: Sendable, more: int) -> None:
        for each in job.ids:
            if self._first[each] != job.place:
                self._behind[each].loaded += more

    def _register(self, job: Sendable, *, head: bool) -> None:
        self._jobs[job.place] = job
        self._weight += job.weight
        if head:
            self._make_head(job)
            self.ready.append(job)

    def _make_head(self, job: Sendable) -> None:
        self._heads.add(job.place)
        self._weight_of_heads += job.weight

    def _is_head(self, job: Sendable) -> bool:
        return all(self._first[each] == job.place for each in job.ids)

    def wanted(self, now: float, limit: int) -> list[int]:
        """Return places to load now, at most `limit`; each is returned once, and must be `loaded` or `vanished`."""
        while self._due and self._due[0][0] <= now:
            _, place = heappop(self._due)
            self._want(place, self._later[place].ids)
        found = list(islice(self._wanted, limit)) if self._room_for_heads() else []
        for place in found:
            del self._wanted[place]
        self._loading.update(found)
        return found

    def _want(self, place: int, ids: Iterable[str]) -> None:
        """Have an event loaded, with some that follow it in the lines of its ids."""
        room = self._limits.line if self._room_behind() else 0
        following = chain.from_iterable(islice(self._behind[each].places, room) for each in ids if each in self._behind)
        known = (self._jobs, self._later, self._loading)
        self._wanted[place] = None
        self._wanted |= dict.fromkeys(each for each in following if not any(each in them for them in known))

    def next_due(self) -> float | None:
        """Return when the next event that waits for its own retry is due, None if none does."""
        return self._due[0][0] if self._due else None

    def all_fail_longer_than(self, patience: float, now: float) -> bool:
        """Whether every event that could be sent has failed, and is or becomes due only `patience` after it did."""
        if self._wanted or self._loading:
            return False
        sendable = chain(self.ready, map(self._jobs.__getitem__, self._in_flight))
        return all(job.retries is not None and now - job.retries.since > patience for job in sendable) and all(
            max(later.retries.due, now) - later.retries.since > patience for later in self._later.values()
        )

    def untried_first(self) -> None:
        """Turn `ready` so that it begins with an event that has not failed yet, if there is one."""
        for number, job in enumerate(self.ready):
            if job.retries is None:
                self.ready.rotate(-number)
                return

    def unblocked_by(self, job: Sendable, gone: dict[str, int]) -> list[Sendable]:
        """Return the loaded events that come after `job` once it is gone, and with it the `gone` events of each id.

        It counts `job` into `gone`, which begins empty and has only ids with events behind the first.
        """
        found: list[Sendable] = []
        if not self._behind:
            return found
        for each in job.ids:
            line = self._behind.get(each)
            if line is not None:
                gone[each] = gone.get(each, 0) + 1
                if (
                    gone[each] <= len(line.places)
                    and (behind := self._jobs.get(line.places[gone[each] - 1])) is not None
                ):
                    found.append(behind)
        return [behind for behind in found if all(self._place(each, gone) == behind.place for each in behind.ids)]

    def _place(self, each: str, gone: dict[str, int]) -> int:
        """Return the first place in the line of an id after the `gone` ones."""
        count = gone.get(each, 0)
        return self._behind[each].places[count - 1] if count else self._first[each]

    def start(self, places: Iterable[int]) -> None:
        """Record that events are on their way; until they are `finished` or `back`, they are not sent again."""
        self._in_flight.update(places)

    def back(self, job: Sendable) -> None:
        """Take back an event that is not finished; one that failed waits until its retry is due."""
        self._in_flight.discard(job.place)
        head = job.place in self._heads
        if head and (job.retries is None or not job.retries.due):
            self.ready.append(job)
        elif job.retries is not None and job.retries.due:
            self._unload(job)
            if head:
                self._later[job.place] = _Later(job.retries, job.ids)
                heappush(self._due, (job.retries.due, job.place))

    def _unload(self, job: Sendable) -> None:
        self._drop(job)
        self._unloaded += 1
        self._count_behind(job, -1)

    def _drop(self, job: Sendable) -> None:
        del self._jobs[job.place]
        self._weight -= job.weight
        if job.place in self._heads:
            self._heads.remove(job.place)
            self._weight_of_heads -= job.weight

    def finished(self, job: Sendable) -> None:
        """Take an event out; those behind it move up."""
        self._in_flight.discard(job.place)
        self._drop(job)
        self._leave(job.place, job.ids, loaded=True)

    def vanished(self, place: int, ids: frozenset[str] | None) -> None:
        """Take an event out that has nothing to send; without `ids`, it is no longer in the outbox."""
        self._later.pop(place, None)
        self._loading.discard(place)
        self._unloaded -= 1
        if ids is None:
            lines = [each for each, line in self._behind.items() if place in line.places]
            ids = frozenset([*lines, *(each for each, first in self._first.items() if first == place)])
        self._leave(place, ids, loaded=False)

    def _leave(self, place: int, ids: frozenset[str], *, loaded: bool) -> None:
        if not self._behind:  # nobody has a second event
            for each in ids:
                del self._first[each]
            return
        fronts: dict[int, list[str]] = {}
        for each in ids:
            line = self._behind.get(each)
            if line is None:
                del self._first[each]
            elif self._first[each] == place:
                front = self._first[each] = line.places.popleft()
                line.loaded -= front in self._jobs
                fronts.setdefault(front, []).append(each)
            else:
                line.places.remove(place)
                line.loaded -= loaded
            if line is not None and not line.places:
                del self._behind[each]
        for front, lines in fronts.items():
            self._move_up(front, lines)

    def _move_up(self, place: int, lines: list[str]) -> None:
        """Make an event a head if it is first in all its lines, or have it loaded."""
        job = self._jobs.get(place)
        if job is None:
            if place not in self._later and place not in self._loading:
                self._want(place, lines)
        elif place not in self._heads and self._is_head(job):
            self._make_head(job)
            if place not in self._in_flight:
                self.ready.append(job)
