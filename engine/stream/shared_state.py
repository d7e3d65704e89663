"""What all workers share of a connection: its hold, its pause and its alarms, in the key `connection.<connection>`.

Every change is a compare-and-set. A process reads what has changed at most once a second, whatever number of partitions
and connections it has, and at once what it has written itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, cast

import orjson

from engine.delivery.outbox.base import ConnectionRow, OutboxError
from engine.delivery.outbox.location import MOST_PARTITIONS
from engine.delivery.sending.pacing import since_boot
from engine.records import Json
from engine.stream.client import StreamClient, StreamMessage
from engine.stream.errors import DamagedPack, SequenceConflict, UnknownFormat
from engine.stream.layout import Layout, token_name
from engine.stream.packs import moment, whole

KIND = "connection"
FORMAT = 1
FRESH = 1.0
"""Seconds for which what was read is not read again."""
MOST_ATTEMPTS = 50
"""How often a change is tried while other processes change the same connection."""
LONGEST_TEXT = 2000
"""Characters of a reason or hint that are kept."""
READ_AT_ONCE = 500
REMOVED = {"KV-Operation": "DEL"}
"""The headers of a message that removes a key, as key-value buckets have them."""
UNREADABLE = "the shared state of this connection cannot be read, so it is not known whether it was held"
UNREADABLE_HINT = "Find out what has written to the key {key}."
NEWER = "the shared state of this connection was written by a newer release"
NEWER_HINT = "Upgrade this worker."


class SharedConnection(NamedTuple):
    """What is shared of one connection; times are unix seconds, `alarms` are by partition, `format` is its key's.

    `resumes` is how often a person has resumed it.
    """

    name: str
    held: str = ""
    hint: str = ""
    held_at: float | None = None
    due: float | None = None
    pause: str = ""
    alarms: Mapping[str, str] = {}
    format: int = FORMAT
    resumes: int = 0

    def row(self, partition: int | None) -> ConnectionRow:
        """Return it as an outbox does, with the alarm of one partition, or the first one of any."""
        first = next(iter(self.alarms.values()), "")
        alarm = first if partition is None else self.alarms.get(str(partition), "")
        return ConnectionRow(self.name, self.held, self.hint, self.held_at, self.due, self.pause, alarm=alarm)

    def with_hold(self, reason: str, hint: str, now: float, resumes: int | None = None) -> SharedConnection:
        """Return it held; the first reason stays, since the others follow from it.

        Who has seen only as many `resumes` was answered before a person resumed it: that person would have to do it
        again. If the cause is still there, the next request finds it.
        """
        if self.held or (resumes is not None and resumes < self.resumes):
            return self
        return self._replace(held=reason[:LONGEST_TEXT], hint=hint[:LONGEST_TEXT], held_at=now, due=None, pause="")

    def with_pause(self, due: float | None, reason: str) -> SharedConnection:
        """Return it with a pause, unless it has a longer one; with None, without."""
        if due is None:
            return self._replace(due=None, pause="")
        if self.held or (self.due is not None and self.due >= due):
            return self
        return self._replace(due=due, pause=reason[:LONGEST_TEXT])

    def with_alarm(self, partition: int, alarm: str) -> SharedConnection:
        """Return it with another alarm of a partition, '' for none."""
        others = {key: text for key, text in self.alarms.items() if key != str(partition)}
        return self._replace(alarms={**others, str(partition): alarm[:LONGEST_TEXT]} if alarm else others)

    def resumed(self) -> SharedConnection:
        """Return it without hold and pause."""
        return self._replace(
            held="", hint="", held_at=None, due=None, pause="", format=FORMAT, resumes=self.resumes + 1
        )

    def encoded(self) -> bytes:
        """Return it as the bytes of its key."""
        return orjson.dumps(self._asdict())


def decoded(name: str, key: str, data: bytes) -> SharedConnection:
    """Return what a key holds; where it cannot be read, the connection counts as held, so that nothing is sent."""
    try:
        found = orjson.loads(data)
        if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
            return SharedConnection(name, NEWER, NEWER_HINT, format=found["format"])
        return _checked(name, found)
    except (ValueError, TypeError, KeyError):
        return SharedConnection(name, UNREADABLE, UNREADABLE_HINT.format(key=key))


def _checked(name: str, found: Json) -> SharedConnection:
    """Raise an error for what is no shared connection."""
    if not isinstance(found, dict) or found["format"] != FORMAT:
        raise TypeError
    texts = [found[key] for key in ("held", "hint", "pause")]
    times = [found[key] for key in ("held_at", "due")]
    alarms = found["alarms"]
    if not isinstance(alarms, dict) or not all(isinstance(text, str) for text in (*texts, *alarms.values())):
        raise TypeError
    held, hint, pause = (cast("str", text)[:LONGEST_TEXT] for text in texts)
    held_at, due = (None if time is None else moment(time) for time in times)
    if len(alarms) > MOST_PARTITIONS:
        raise ValueError
    shown = {key: cast("str", text)[:LONGEST_TEXT] for key, text in alarms.items()}
    return SharedConnection(name, held, hint, held_at, due, pause, shown, resumes=whole(found.get("resumes", 0)))


class SharedState:
    """The shared state of all connections; its methods may be called in any thread but the client's.

    The coroutines are for the client's loop. All raise OutboxError.
    """

    def __init__(self, client: StreamClient, layout: Layout, now: Callable[[], float] = since_boot) -> None:
        self._client, self._layout, self._now = client, layout, now
        self._known: dict[str, tuple[SharedConnection, int]] = {}  # with the sequence of the message
        self._forgotten: dict[str, int] = {}  # with the sequence of the message that says so
        self._read_to, self._read_at = 0, float("-inf")
        self._reading = asyncio.Lock()

    def rows(self, name: str | None = None, partition: int | None = None) -> list[ConnectionRow]:
        """Return all connections, or the one with this name, by name; at most a second old."""
        if self._now() - self._read_at >= FRESH:
            self._client.call(self.read_new())
        found = [self._known[name]] if name in self._known else [] if name else list(self._known.values())
        return sorted(each.row(partition) for each, _ in found)

    def hold(self, connection: str, reason: str, hint: str, now: float, resumes: int | None = None) -> None:
        """Stop a connection until a person resumes it, unless one did since there were `resumes`."""
        self._client.call(self.change(connection, lambda each: each.with_hold(reason, hint, now, resumes)))

    def resumes(self, connection: str) -> int:
        """Return how often a person has resumed a connection, as far as this process knows."""
        found = self._known.get(connection)
        return 0 if found is None else found[0].resumes

    def pause(self, connection: str, due: float | None, reason: str) -> None:
        """Record until when a connection pauses, None if it no longer does."""
        self._client.call(self.change(connection, lambda each: each.with_pause(due, reason)))

    def set_alarm(self, connection: str, partition: int, alarm: str) -> None:
        """Record what is unusual about a connection's refusals in a partition, '' if nothing is."""
        self._client.call(self.change(connection, lambda each: each.with_alarm(partition, alarm)))

    def resume(self, connection: str) -> bool:
        """End the hold or pause of a connection; False if the outbox does not know it."""
        return self._client.call(self._resume(connection))

    def add(self, connections: Iterable[str], *, forgotten: bool = True) -> None:
        """Have all processes know of some connections; without `forgotten`, not of those that a person has removed."""
        self._client.call(self.know(list(connections), forgotten=forgotten))

    async def read_new(self) -> None:
        """Read what has changed."""
        async with self._reading:
            if self._now() - self._read_at < FRESH:
                return
            began, more = self._now(), True
            every = f"{self._layout.state_subject(KIND)}.*"
            while more:
                found = await self._client.read(self._layout.state, every, self._read_to, READ_AT_ONCE)
                for each in found:
                    self._take(each)
                    self._read_to = each.seq
                more = len(found) > 0
            self._read_at = began

    async def know(self, connections: Iterable[str], *, forgotten: bool = True) -> None:
        """Have all processes know of some connections; see `add`."""
        await self.read_new()
        for each in connections:
            if each not in self._known and (forgotten or each not in self._forgotten):
                await self.change(each, lambda found: found)

    async def change(self, connection: str, change: Callable[[SharedConnection], SharedConnection]) -> None:
        """Change one connection by compare-and-set; write nothing where nothing changes."""
        subject = self._layout.state_subject(KIND, connection)
        for _ in range(MOST_ATTEMPTS):
            unknown = SharedConnection(connection), self._forgotten.get(connection, 0)
            known = connection in self._known
            before, seq = self._known.get(connection, unknown)
            after = change(before)
            if known and after == before:
                return
            if before.format > FORMAT:
                raise UnknownFormat(f"The connection {connection}: {NEWER}. {NEWER_HINT}")
            try:
                seq = await self._client.publish(subject, after.encoded(), expect=seq)
            except SequenceConflict:
                found = await self._client.last(self._layout.state, subject)
                if found is not None:
                    self._take(found)
                continue
            self._known[connection] = after, seq
            self._forgotten.pop(connection, None)
            return
        raise OutboxError(
            f"The shared state of {connection} could not be changed in {MOST_ATTEMPTS} attempts, because other "
            "processes always were quicker. Try again."
        )

    async def _resume(self, connection: str) -> bool:
        self._read_at = float("-inf")  # a hold of this second counts
        await self.read_new()
        if connection not in self._known:
            return False
        await self.change(connection, SharedConnection.resumed)
        return True

    def _take(self, message: StreamMessage) -> None:
        """Know what a message says, unless something newer is known: a replica that answers may lag."""
        try:
            name = token_name(message.subject.rpartition(".")[2])
        except DamagedPack:  # no connection has this key, and views note it
            return
        if message.seq <= max(self._known.get(name, (None, 0))[1], self._forgotten.get(name, 0)):
            return
        if message.headers.get("KV-Operation") is not None:
            self._known.pop(name, None)
            self._forgotten[name] = message.seq
            return
        key = message.subject.partition(".")[2].partition(".")[2]
        self._known[name] = decoded(name, key, message.data), message.seq
        self._forgotten.pop(name, None)
