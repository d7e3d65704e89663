"""A second implementation of the outbox's contract, in memory; test_outbox.py runs on it and on the durable one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import (
    CLOCK_SLACK,
    DEFAULT_FILE,
    DUPLICATE,
    NOT_SENT_YET,
    WINDOW,
    Change,
    Chosen,
    ConnectionRow,
    Discarded,
    LeaseLost,
    Listed,
    NewEvent,
    Overview,
    Purged,
    Reason,
    ReportCount,
    Standing,
    TakenIn,
    Waiting,
    as_of,
)
from engine.delivery.outbox.reports import NO_REPORTS, EventReports
from engine.records import Outcome


@dataclass(slots=True)
class _Event:
    number: int
    given: NewEvent
    taken_at: float


@dataclass(slots=True)
class _State:
    place: int
    event: _Event
    connection: str
    outcome: Outcome
    reason: str
    queued_at: float
    changed_at: float
    error: str = ""
    digest: str | None = None
    progress: str | None = None
    tried_at: float | None = None
    fence: int | None = None
    reports: EventReports = NO_REPORTS
    attempts: str | None = None


class MemoryOutbox:
    """An outbox that ends with the process."""

    path = DEFAULT_FILE

    def __init__(self, *, window: float = WINDOW) -> None:
        self._window = window
        self._events: dict[int, _Event] = {}
        self._states: dict[int, _State] = {}
        self._connections: dict[str, ConnectionRow] = {}
        self._fences: Counter[str] = Counter()
        self._attempts: dict[str, dict[int, Attempt]] = {}
        self._versions: dict[str, tuple[str, bytes]] = {}
        self.discards: list[Discarded] = []
        self.discarded: Counter[str] = Counter()
        self._last_event = 0
        self._last_place = 0

    def take_in(
        self, events: Sequence[NewEvent], connections: Sequence[str], now: float, *, again: bool = False
    ) -> TakenIn:
        duplicates = 0
        ignored: Counter[str] = Counter()
        for name in connections:
            self._connections.setdefault(name, ConnectionRow(name))
        for given in events:
            seen = {} if again else self._seen_by(given, now)
            duplicates += bool(connections) and seen.keys() >= set(connections)
            ignored.update(seen.keys() & set(connections))
            homes = {name: equal for name, equal in seen.items() if equal is not None and name in connections}
            if not connections or len(homes) < len(connections):
                self._last_event += 1
                event = self._events[self._last_event] = _Event(self._last_event, given, now)
                homes = dict.fromkeys(connections, event)
            for name in connections:
                place = self._next_place()
                outcome, reason = (Outcome.IGNORED, DUPLICATE) if name in seen else (Outcome.WAITING, NOT_SENT_YET)
                self._states[place] = _State(place, homes[name], name, outcome, reason, now, now)
        return TakenIn(len(events) - duplicates, duplicates, ignored)

    def _next_place(self) -> int:
        self._last_place += 1
        return self._last_place

    def _seen_by(self, given: NewEvent, now: float) -> dict[str, _Event | None]:
        wanted = (given.source, given.message_id)
        found: dict[str, _Event | None] = {}
        for state in self._states.values():
            event = state.event
            if (
                (event.given.source, event.given.message_id) == wanted
                and event.taken_at > now - self._window
                and state.reason != DUPLICATE
            ):
                equal = event if event.given.raw == given.raw else None
                known = found.setdefault(state.connection, equal)
                if equal is not None and (known is None or known.number < equal.number):
                    found[state.connection] = equal
        return found

    def waiting(self, connection: str, after: int, limit: int) -> list[Waiting]:
        found = [
            _as_waiting(state)
            for state in self._states.values()
            if state.connection == connection and state.outcome is Outcome.WAITING and state.place > after
        ]
        return found[:limit]

    def stored_at(self, places: Sequence[int]) -> list[Waiting]:
        return [_as_waiting(self._states[place]) for place in sorted(places) if place in self._states]

    def waiting_at(self, connection: str, places: Sequence[int]) -> list[Waiting]:
        return [row for row in self.waiting(connection, 0, len(self._states)) if row.place in places]

    def write(
        self, connection: str, fence: int, changes: Sequence[Change], now: float, attempts: Sequence[Attempt] = ()
    ) -> list[Change]:
        written = []
        row = self._connections.get(connection)
        if row is None or row.owner is None or self._fences[connection] != fence:
            raise LeaseLost(f"Another worker has taken over {connection}.")
        for change in changes:
            state = self._states.get(change.place)
            if state is not None and state.outcome is Outcome.WAITING:
                state.outcome, state.reason, state.error = change.outcome, change.reason, change.error
                state.digest, state.progress, state.tried_at = change.digest, change.progress, change.tried_at
                state.changed_at, state.fence, state.reports = now, fence, change.reports
                state.attempts = change.attempts or state.attempts
                written.append(change)
        self._attempts.setdefault(connection, {}).update({each.number: each for each in attempts})
        return written

    def keep_discards(
        self, discards: Sequence[Discarded], counts: Mapping[str, int], now: float, *, all_of_them: bool = False
    ) -> None:
        self.discards += discards
        self.discarded.update(counts)

    def forget_discards(self, older_than: float) -> int:
        before = len(self.discards)
        self.discards = [each for each in self.discards if each.discarded_at >= older_than]
        return before - len(self.discards)

    def key_some(self) -> int:
        return 0

    def last_attempt(self, connection: str) -> int:
        return max(self._attempts.get(connection, {}), default=0)

    def keep_version(self, digest: str, name: str, files: bytes, now: float) -> None:
        self._versions.setdefault(digest, (name, files))

    def version_files(self, digest: str) -> tuple[str, bytes] | None:
        return self._versions.get(digest)

    def lease(self, connection: str, owner: str, now: float, seconds: float) -> int | None:
        row = self._connections.setdefault(connection, ConnectionRow(connection))
        until = row.leased_until or 0.0
        free = row.owner in (None, owner) or until < now or until > now + seconds + CLOCK_SLACK
        if not free:
            return None
        self._fences[connection] += row.owner != owner
        self._connections[connection] = row._replace(owner=owner, leased_until=now + seconds)
        return self._fences[connection]

    def leased_until(self, connection: str, fence: int) -> float:
        return 0.0

    def release(self, connection: str, owner: str) -> None:
        row = self._connections.get(connection)
        if row is not None and row.owner == owner:
            self._connections[connection] = row._replace(owner=None, leased_until=None)

    def hold(self, connection: str, reason: str, hint: str, now: float) -> None:
        self._change(connection, ConnectionRow(connection, reason, hint, now))

    def pause(self, connection: str, due: float | None, reason: str) -> None:
        if connection in self._connections:
            self._connections[connection] = self._connections[connection]._replace(due=due, pause=reason)

    def set_alarm(self, connection: str, alarm: str) -> None:
        if connection in self._connections:
            self._connections[connection] = self._connections[connection]._replace(alarm=alarm)

    def resume(self, connection: str) -> bool:
        return self._change(connection, ConnectionRow(connection))

    def _change(self, connection: str, new: ConnectionRow) -> bool:
        old = self._connections.get(connection)
        if old is not None:
            self._connections[connection] = new._replace(owner=old.owner, leased_until=old.leased_until)
        return old is not None

    def connections(self, name: str | None = None) -> list[ConnectionRow]:
        return [row for _, row in sorted(self._connections.items()) if name in (None, row.name)]

    def _shown(self, state: _State) -> Outcome:
        held = state.outcome is Outcome.WAITING and self._connections[state.connection].held
        return Outcome.HELD if held else state.outcome

    def standings(self, now: float) -> list[Standing]:
        found = []
        for row in self.connections():
            ended = [
                each
                for each in self._states.values()
                if each.connection == row.name and each.outcome is not Outcome.WAITING
            ]
            rate = sum(now - 60 <= each.changed_at for each in ended) / 60
            waiting, oldest = self.unfinished(row.name)
            lag = None if oldest is None else max(0.0, now - oldest)
            hour = Counter(each.outcome for each in ended if each.changed_at >= now - 3600)
            aside = Counter(each.outcome for each in ended if each.outcome is not Outcome.DELIVERED)
            digest = next((each.digest for each in ended if each.digest), None)
            drain = waiting / rate if waiting and rate and not (row.held or row.due) else None
            found.append(Standing(as_of(row, now), waiting, lag, rate, drain, hour, aside, digest))
        return found

    def overview(self, reasons: int) -> Overview:
        unfinished = {name: found for name in self._connections if (found := self.unfinished(name))[0]}
        found = self._reasons(self._set_aside(), reasons) + self.retried(reasons)
        reported = [state for state in self._states.values() if state.reports != NO_REPORTS]
        kinds = Counter(
            (state.connection, report.code, report.place)
            for state in reported
            for report in (*state.reports.event, *state.reports.mapping)
        )
        counts = sorted((ReportCount(*kind, count) for kind, count in kinds.items()), key=lambda row: -row.reports)
        events = Counter(state.connection for state in reported)
        return Overview(self.counts(), found, self.connections(), unfinished, events, counts[:reasons])

    def _set_aside(self) -> list[_State]:
        with_reasons = (Outcome.REJECTED, Outcome.INVALID, Outcome.IGNORED)
        return [state for state in self._states.values() if state.outcome in with_reasons]

    def retried(self, reasons: int) -> list[Reason]:
        tried = [state for state in self._states.values() if state.tried_at and state.outcome is Outcome.WAITING]
        return self._reasons(tried, reasons)

    def counts(self) -> dict[tuple[str, Outcome], int]:
        counted = Counter((state.connection, self._shown(state)) for state in self._states.values())
        return dict(sorted(counted.items()))

    def unfinished(self, connection: str) -> tuple[int, float | None]:
        queued = [
            state.queued_at
            for state in self._states.values()
            if state.connection == connection and state.outcome is Outcome.WAITING
        ]
        return len(queued), min(queued, default=None)

    @staticmethod
    def _reasons(states: list[_State], limit: int) -> list[Reason]:
        found: dict[tuple[str, Outcome, str], list[tuple[float, int, str]]] = {}
        for state in states:
            example = (state.changed_at, state.place, state.error)
            found.setdefault((state.connection, state.outcome, state.reason), []).append(example)
        rows = [Reason(*key, len(examples), max(examples)[2]) for key, examples in found.items()]
        return sorted(rows, key=lambda row: (-row.events, row[:3]))[:limit]

    def listed(self, chosen: Chosen, after: int, limit: int) -> list[Listed]:
        return [listed for listed in self._chosen(chosen) if listed.place > after][:limit]

    def last_place(self) -> int:
        return self._last_place

    def count(self, chosen: Chosen) -> int:
        return sum(1 for _ in self._chosen(chosen))

    def _chosen(self, chosen: Chosen) -> Iterator[Listed]:
        for state in self._states.values():
            event, shown = state.event, self._shown(state)
            if (
                chosen.connection in (None, state.connection)
                and (not chosen.outcomes or shown in chosen.outcomes)
                and (chosen.since is None or state.changed_at >= chosen.since)
                and chosen.event in (None, event.given.message_id, str(event.number))
            ):
                about = (event.number, event.given.message_id, event.given.source, state.connection, shown)
                yield Listed(*about, state.reason, state.error, state.changed_at, state.place, state.reports)

    def event(self, number: int) -> NewEvent | None:
        event = self._events.get(number)
        return None if event is None else event.given

    def replay(self, places: Sequence[int], reason: str, now: float) -> int:
        done = 0
        for place in sorted(places):
            state = self._states.get(place)
            if state is not None and state.outcome is not Outcome.WAITING:
                new = self._next_place()
                del self._states[place]
                state.place, state.outcome, state.reason, state.error = new, Outcome.WAITING, reason, ""
                state.tried_at, state.queued_at, state.changed_at, state.fence = None, now, now, None
                state.reports = NO_REPORTS if state.progress is None else state.reports
                self._states[new] = state
                done += 1
        return done

    def purge(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        states, events = self._old(older_than, outcomes)
        for state in states:
            del self._states[state.place]
        for number in events:
            del self._events[number]
        return _purged(states, events)

    def purgeable(self, older_than: float, outcomes: Sequence[Outcome] = ()) -> Purged:
        return _purged(*self._old(older_than, outcomes))

    def _old(self, older_than: float, outcomes: Sequence[Outcome]) -> tuple[list[_State], list[int]]:
        states = [
            state
            for state in self._states.values()
            if state.outcome is not Outcome.WAITING
            and state.outcome in (outcomes or Outcome)
            and state.changed_at < older_than
            and state.event.taken_at < older_than
        ]
        gone = {state.place for state in states}
        kept = {state.event.number for place, state in self._states.items() if place not in gone}
        old = [event for event in self._events.values() if event.taken_at < older_than]
        return states, [event.number for event in old if event.number not in kept]

    def close(self) -> None:
        pass


def _purged(states: Sequence[_State], events: Sequence[int]) -> Purged:
    return Purged(Counter(state.outcome for state in states), len(events))


def _as_waiting(state: _State) -> Waiting:
    return Waiting(
        state.place,
        state.event.number,
        state.event.given.message_id,
        state.event.given.received_at,
        state.event.given.raw,
        state.progress,
        state.digest,
        state.tried_at,
        state.queued_at,
        state.event.given.reports,
        state.attempts,
        state.reports,
        state.fence is None and state.progress is not None,
    )
