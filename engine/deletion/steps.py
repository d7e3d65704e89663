"""The steps of deletions: each finds deletions that are at it, does its work for all of them, and writes that it did.

A step can be done twice without harm, so a process that ends in the middle of one is followed by one that begins it
again.  The work is done for many persons at once, because some of it reads the whole outbox and the whole archive.
Two processes may do the same steps at the same time: what one has removed, the other does not find.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import orjson

from engine.deletion.vendors import LOOK, QUEUE, QUEUED, VendorPart, as_json, from_json
from engine.delivery.intake import iso
from engine.delivery.outbox import deletions, removal
from engine.delivery.outbox.base import DELETION, NewEvent
from engine.delivery.outbox.deletions import Deletion
from engine.delivery.outbox.keys import keys_of
from engine.delivery.outbox.mentions import Mentions
from engine.delivery.outbox.scrubbing import scrub
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.persons import PersonIds
from engine.records import JsonObject

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
COLLECT, SUPPRESS, REMOVE, QUEUE_DELETES, WAIT, SWEEP, ENDED = range(7)
STATES = {COLLECT: "removing", SUPPRESS: "removing", REMOVE: "removing", QUEUE_DELETES: "removing", WAIT: "waiting"}
MOST_AT_ONCE = 50_000
"""Deletions that one step is done for at once; a person takes about 2 KB of memory."""
WRITTEN_AT_ONCE = 500
"""Deletions that one transaction writes."""
MERGED = "merged users"
"""The line of a report that says that more is merged into a user than is deleted without a person's look."""
TOO_MANY = (
    f"more than {removal.MOST_USERS} user IDs, {removal.MOST_EMAILS} emails or {removal.MOST_IDS:,} anonymous IDs lead "
    "to this ID, and a write key is enough to merge users. Only the ID itself was deleted; delete the others by theirs"
)
SOURCE = DELETION
"""The source of the delete events that a deletion queues."""
WAL_TRIES = 20
"""How often emptying the `-wal` is tried, each time waiting shortly for readers."""


class Elsewhere(Protocol):
    """What is kept of persons outside the outbox: the archive with what is derived of it."""

    def ids(self, persons: Sequence[PersonIds]) -> list[PersonIds]:
        """Return for each person all IDs that are known there."""
        ...

    def erase(self, ids: PersonIds) -> dict[str, int]:
        """Remove persons; return how many things of which kind were removed."""
        ...

    def suppress(self, keys: frozenset[int]) -> None:
        """Leave out the persons with these keys (engine/delivery/outbox/keys.py) from now on."""
        ...


class DeletionSteps:
    """Does the steps of the deletions in an outbox.

    `on_step` is called after each step with what was done; `pause` gets the seconds of each piece of work that wrote.
    `clean` is whether remnants in the outbox's file could be overwritten after the last deletions that ended.
    """

    def __init__(
        self,
        outbox: SqliteOutbox,
        elsewhere: Sequence[Elsewhere] = (),
        *,
        clock: Callable[[], float] = time.time,
        on_step: Callable[[int, Sequence[Deletion]], None] = lambda _step, _found: None,
        pause: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._outbox, self._elsewhere, self._clock = outbox, elsewhere, clock
        self._on_step, self._pause = on_step, pause
        self.clean = True

    def run(self) -> int:
        """Do all that can be done now; return how many deletions ended."""
        self._work(COLLECT, self._collect)
        self._work(SUPPRESS, self._suppress)
        self._work(REMOVE, self._remove)
        self._work(QUEUE_DELETES, self._queue)
        self._finish_waiting()
        return self._work(SWEEP, self._sweep)

    def _work(self, step: int, work: Callable[[list[Deletion]], None]) -> int:
        done = 0
        while found := self._outbox.look(lambda db: deletions.running(db, step, MOST_AT_ONCE)):
            work(found)
            done += len(found)
            self._on_step(step, found)
        return done

    def _write(self, found: Iterable[Deletion]) -> None:
        for part in _parts(list(found)):
            self._outbox.change(partial(_write_some, part=part))

    def _collect(self, found: list[Deletion]) -> None:
        removal.add_all_keys(self._outbox)
        persons = all_ids(self._outbox, [each.ids or PersonIds() for each in found], self._elsewhere)
        pairs = zip(found, persons, strict=True)
        self._write(_with_ids(each, ids)._replace(step=SUPPRESS) for each, ids in pairs)

    def _suppress(self, found: list[Deletion]) -> None:
        now = self._clock()
        for part in _parts(found):
            self._outbox.change(partial(_suppress_some, part=part, now=now))
        if any(each.suppress for each in found):
            keys = self._outbox.look(deletions.suppressed_keys)
            for place in self._elsewhere:
                place.suppress(keys)

    def _remove(self, found: list[Deletion]) -> None:
        self._remove_everywhere(found, keep_deletes=True)
        self._write(each._replace(step=QUEUE_DELETES) for each in found)

    def _remove_everywhere(self, found: list[Deletion], *, keep_deletes: bool = False) -> None:
        persons = removal.RemovedPersons((each.number, each.ids or PersonIds()) for each in found)
        removal.remove(self._outbox, persons, keep_deletes=keep_deletes, pause=self._pause)
        for each in self._elsewhere:
            counts = {(persons.first, what): n for what, n in each.erase(persons.ids).items()}
            self._outbox.change(partial(deletions.count, counts=counts))

    def _queue(self, found: list[Deletion]) -> None:
        now = self._clock()
        wanted: defaultdict[tuple[str, ...], list[NewEvent]] = defaultdict(list)
        for each in found:
            names = tuple(name for name, part in from_json(each.vendors).items() if part.state == QUEUE)
            have = self._outbox.look(partial(removal.connections_of, event=each.event)) if each.event else set()
            if missing := tuple(name for name in names if name not in have):
                wanted[missing] += [event for event in _delete_events(each, now) if not self._is_there(event)]
        for names, events in wanted.items():
            for part in _parts(events):
                self._outbox.take_in(part, names, now)
        self._write(each._replace(step=WAIT, vendors=_queued(each.vendors)) for each in found)

    def _is_there(self, event: NewEvent) -> bool:
        return self._outbox.look(lambda db: removal.has_message(db, SOURCE, event.message_id))

    def _finish_waiting(self) -> None:
        """Go on with deletions of which no delete event waits any more."""
        for found in self._ready():
            self._write(each._replace(step=SWEEP, vendors=self._results(each)) for each in found)

    def _ready(self) -> Iterator[list[Deletion]]:
        """Yield them, some at a time: of all that wait, since those of a held vendor must not hide the ones behind."""
        after = 0
        while found := self._outbox.look(partial(deletions.running, step=WAIT, limit=MOST_AT_ONCE, after=after)):
            after = found[-1].number
            waiting = removal.waiting_deletes(self._outbox)
            ready = [
                each for each in found if each.ids is None or waiting.isdisjoint(each.ids.users | each.ids.anonymous)
            ]
            if ready:
                yield ready

    def is_due(self) -> bool:
        """Whether `run` would find something to do."""
        steps = self._outbox.look(deletions.at_steps)
        return bool(steps.keys() - {WAIT}) or (WAIT in steps and any(self._ready()))

    def _results(self, deletion: Deletion) -> JsonObject:
        ids = deletion.ids or PersonIds()
        if not deletion.vendors and deletion.event is None:
            return {}
        ended = removal.ended_deletes(self._outbox, ids)
        if not ended:
            return deletion.vendors
        mentions = Mentions(ids)
        parts = from_json(deletion.vendors)
        for name, (outcome, reason) in ended.items():
            parts[name] = VendorPart(outcome, mentions.masked(reason))
        return as_json(parts)

    def _sweep(self, found: list[Deletion]) -> None:
        self._remove_everywhere(found)
        now = self._clock()
        self._write(each._replace(step=ENDED, ids=None, ended_at=now) for each in found)
        self._outbox.change(lambda db: deletions.forget_old(db, now))
        self.clean = scrub(self._outbox.file) and any(self._outbox.empty_wal() for _ in range(WAL_TRIES))


def all_ids(outbox: SqliteOutbox, persons: Sequence[PersonIds], elsewhere: Sequence[Elsewhere]) -> list[PersonIds]:
    """Return for each person all IDs that are known anywhere."""
    found = [removal.ids_in(outbox, ids) for ids in persons]
    for place in elsewhere:
        # What the archive knows may lead to more in the outbox, such as the emails of a merged user.
        pairs = zip(found, place.ids(found), strict=True)
        found = [ids if ids == before else removal.ids_in(outbox, ids) for before, ids in pairs]
    return found


def one_person(given: PersonIds, found: PersonIds) -> tuple[PersonIds, str]:
    """Return the IDs that are deleted: those found, or, if these are too many for one person, those given; and why.

    Without this, an alias of each user to the attacker's, and a delete of that one, would delete everybody.
    """
    are_few = len(found.users) <= removal.MOST_USERS and len(found.emails) <= removal.MOST_EMAILS
    if are_few and len(found.anonymous) <= removal.MOST_IDS:
        return found, ""
    return given, TOO_MANY


def _with_ids(deletion: Deletion, found: PersonIds) -> Deletion:
    ids, reason = one_person(deletion.ids or PersonIds(), found)
    extra = as_json({MERGED: VendorPart(LOOK, reason)}) if reason else {}
    return deletion._replace(ids=ids, vendors={**deletion.vendors, **extra})


def _write_some(db: sqlite3.Connection, part: Iterable[Deletion]) -> None:
    for each in part:
        deletions.write(db, each)


def _suppress_some(db: sqlite3.Connection, part: Iterable[Deletion], now: float) -> None:
    for each in part:
        if each.suppress and each.ids is not None:
            deletions.suppress(db, each.number, each.ids, now)
        deletions.write(db, each._replace(step=REMOVE))


def _delete_events(deletion: Deletion, now: float) -> Iterator[NewEvent]:
    """Yield the delete events of a person; their messageIds are the same each time, and say nothing of the person."""
    ids = deletion.ids or PersonIds()
    for number, user in enumerate(sorted(ids.users)):
        message_id = f"deletion-{deletion.number}-{deletion.digest.hex()[:16]}-{number}"
        event: JsonObject = {"type": "delete", "messageId": message_id, "userId": user, "timestamp": iso(now)}
        if len(ids.emails) == 1:
            event["context"] = {"traits": {"email": next(iter(ids.emails))}}
        yield NewEvent(SOURCE, message_id, iso(now), orjson.dumps(event), (), keys_of(event))


def _queued(vendors: JsonObject) -> JsonObject:
    parts = from_json(vendors)
    return as_json({name: VendorPart(QUEUED) if part.state == QUEUE else part for name, part in parts.items()})


def _parts(found: Sequence[T]) -> Iterator[Sequence[T]]:
    return (found[at : at + WRITTEN_AT_ONCE] for at in range(0, len(found), WRITTEN_AT_ONCE))


def state_of(deletion: Deletion) -> str:
    """Return one word: removing, waiting, attention (a person has to do something) or done."""
    if deletion.ended_at is None:
        return STATES.get(deletion.step, "removing")
    return "attention" if any(part.by_hand for part in from_json(deletion.vendors).values()) else "done"
