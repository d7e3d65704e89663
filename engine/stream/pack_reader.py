"""Reads the packs of one partition, for all its connections, and the headers of those long ago.

Connections mostly read the same packs at about the same time, so those read last are remembered: `CACHE_BYTES` of them.
The servers' replicas answer; one may lag, but never leaves out a pack between two others. So a pack that is not found
is gone only if the stream's leader says so.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import uuid4

import orjson

from engine.delivery.outbox.base import OutboxError
from engine.records import JsonObject
from engine.stream.client import StreamMessage
from engine.stream.errors import ApiRefused, DamagedPack, NoLeader, UnknownFormat
from engine.stream.layout import Layout
from engine.stream.packs import AGAIN_HEADER, Pack, connections_of, decode, digests
from engine.stream.segments import PackIds

if TYPE_CHECKING:
    from engine.stream.client import StreamClient

CACHE_BYTES = 4 * 1024 * 1024
"""Bytes of raw events of the packs that are remembered, of one partition."""
READ_PACKS, READ_BYTES = 20, 2 * 1024 * 1024
"""What is read ahead at once."""
PORTION = 1000
"""Headers that are read at once: about 1 MB, of 50,000 events at most."""
HEADER_SECONDS = 5.0
CONSUMER_SECONDS, CONSUMER_TRIES = 2.5, 4
"""How long a consumer is waited for, and how many are tried: each is put on one server, which may be frozen."""
ABANDONED = 30
"""Seconds after which the servers remove a consumer whose process died."""
NANOSECONDS, MICROSECONDS = 10**9, 10**6
NO_MESSAGE = 10037
LAG_SECONDS, LAG_PAUSE = 5.0, 0.1


class ReadPack(NamedTuple):
    """A pack with its sequence and the time at which it was stored, in unix seconds; `size` is bytes of raw events."""

    sequence: int
    at: float
    pack: Pack
    ids: PackIds
    size: int


class PackReader:
    """Reads the packs of a partition; its methods are for one thread at a time, and none for the client's."""

    def __init__(self, client: StreamClient, layout: Layout, partition: int) -> None:
        self._client, self._layout = client, layout
        self._subject = layout.events_subject(partition)
        self._packs: OrderedDict[int, ReadPack] = OrderedDict()
        self._next: dict[int, int] = {}
        self._bytes = 0

    def after(self, sequence: int) -> list[ReadPack]:
        """Return the next packs behind a sequence, `READ_PACKS` at most; [] at the end.

        Raise UnknownFormat or DamagedPack, but only for the first: what stands before it is returned alone.
        """
        found: list[ReadPack] = []
        before = sequence
        while len(found) < READ_PACKS and (following := self._packs.get(self._next.get(before, 0))) is not None:
            found.append(following)
            before = following.sequence
        if found:
            return found
        messages = self._client.call(
            self._client.read(self._layout.events, self._subject, sequence, READ_PACKS, READ_BYTES)
        )
        return self._decoded(sequence, messages)

    def _decoded(self, before: int, messages: Sequence[StreamMessage]) -> list[ReadPack]:
        found: list[ReadPack] = []
        for message in messages:
            try:
                read = self._read(message)
            except OutboxError:
                if not found:
                    raise
                break
            self._next[before] = before = read.sequence
            found.append(read)
        for each in found:
            self._remember(each)
        return found

    def _read(self, message: StreamMessage) -> ReadPack:
        at = _milliseconds(round(message.time * MICROSECONDS))
        try:
            pack = decode(message.headers, message.data)
            ids = _ids(message.seq, at, message.headers)
        except UnknownFormat as error:
            raise UnknownFormat(f"{error} It is message {message.seq} of the stream {self._layout.events}.") from error
        except DamagedPack as error:
            raise DamagedPack(
                f"The message {message.seq} of the stream {self._layout.events} is no pack of events, so its partition "
                f"waits. Look at it with `nats stream get {self._layout.events} {message.seq}`; once it is removed "
                f"with `nats stream rmm {self._layout.events} {message.seq}`, delivery goes on behind it."
            ) from error
        return ReadPack(message.seq, at, pack, ids, sum(len(event.raw) for event in pack.events))

    def _remember(self, read: ReadPack) -> None:
        if read.sequence in self._packs:
            return
        self._packs[read.sequence] = read
        self._bytes += read.size
        while self._bytes > CACHE_BYTES and len(self._packs) > 1:
            _, oldest = self._packs.popitem(last=False)
            self._bytes -= oldest.size
        if len(self._next) > 2 * len(self._packs) + READ_PACKS:
            self._next = {before: found for before, found in self._next.items() if found in self._packs}

    def at(self, sequences: Iterable[int]) -> dict[int, ReadPack]:
        """Return the packs of these sequences, without those that are no longer in the stream."""
        wanted = list(dict.fromkeys(sequences))
        found = {each: self._packs[each] for each in wanted if each in self._packs}
        missing = [each for each in wanted if each not in found]
        for start in range(0, len(missing), READ_PACKS):
            part = missing[start : start + READ_PACKS]
            for message in self._client.call(self._exactly(part)):
                found[message.seq] = self._read(message)
                self._remember(found[message.seq])
        return found

    async def _exactly(self, sequences: Sequence[int]) -> list[StreamMessage]:
        found = await asyncio.gather(*map(self._one, sequences))
        return [each for each in found if each is not None]

    async def _one(self, sequence: int) -> StreamMessage | None:
        """Return one message, None if it is gone; a replica that lags is asked again."""
        for _ in range(int(LAG_SECONDS / LAG_PAUSE)):
            found = await self._client.read(self._layout.events, self._subject, sequence - 1, 1)
            if found and found[0].seq == sequence:
                return found[0]
            if await self._is_gone(sequence):
                return None
            await asyncio.sleep(LAG_PAUSE)
        raise OutboxError(
            f"The message {sequence} of the stream {self._layout.events} is there, but the servers that answer do not "
            f"have it after {LAG_SECONDS:g} s. Look at the replicas with `nats stream info {self._layout.events}`."
        )

    async def _is_gone(self, sequence: int) -> bool:
        try:
            await self._client.api(f"STREAM.MSG.GET.{self._layout.events}", {"seq": sequence})
        except ApiRefused as refused:
            if refused.code != NO_MESSAGE:
                raise
            info = await self._client.api(f"STREAM.INFO.{self._layout.events}")  # a leader of before may lag as well
            return cast("int", cast("JsonObject", info["state"])["last_seq"]) >= sequence
        return False

    async def stored_at(self, sequence: int) -> float | None:
        """Return when the message with a sequence was stored, of whichever partition; None if it is not there."""
        try:
            answer = await self._client.api(f"STREAM.MSG.GET.{self._layout.events}", {"seq": sequence})
        except ApiRefused as refused:
            if refused.code != NO_MESSAGE:
                raise
            return None
        stamp = cast("str", cast("JsonObject", answer["message"])["time"])
        return _milliseconds(round(datetime.fromisoformat(stamp).timestamp() * MICROSECONDS))

    def headers(self, since: float, after: int) -> list[PackIds]:
        """Return what the window of duplicates needs of the next packs that came since a time and stand behind another.

        At most `PORTION`; [] at the end of what a replica has. What is no pack has no events.
        """
        return self._client.call(self._headers(since, after))

    async def _headers(self, since: float, after: int) -> list[PackIds]:
        start = _behind(after) if after else _since(since)
        async with self._consumer(start) as (name, info):
            wanted = min(PORTION, cast("int", info["num_pending"]))
            return await self._pulled(name, wanted) if wanted else []

    @asynccontextmanager
    async def _consumer(self, start: JsonObject) -> AsyncIterator[tuple[str, JsonObject]]:
        """Make a consumer of the partition's headers that begins somewhere, and remove it at the end."""
        name, info = await self._made(start)
        try:
            yield name, info
        finally:
            with suppress(OutboxError):  # the servers remove it themselves
                await self._client.api(f"CONSUMER.DELETE.{self._layout.events}.{name}", patience=CONSUMER_SECONDS)

    async def _made(self, start: JsonObject) -> tuple[str, JsonObject]:
        config: JsonObject = {
            "filter_subject": self._subject,
            "ack_policy": "none",
            "headers_only": True,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": ABANDONED * NANOSECONDS,
            **start,
        }
        stream, tries = self._layout.events, 0
        while True:
            name, tries = f"once-{uuid4().hex}", tries + 1
            request: JsonObject = {"stream_name": stream, "config": {**config, "name": name}}
            creating = f"CONSUMER.CREATE.{stream}.{name}.{self._subject}"
            try:
                return name, await self._client.api(creating, request, patience=CONSUMER_SECONDS)
            except NoLeader:
                if tries == CONSUMER_TRIES:
                    raise

    async def _pulled(self, consumer: str, count: int) -> list[PackIds]:
        from nats import errors

        wire = await self._client.wire()
        inbox = wire.new_inbox()
        replies = await wire.subscribe(inbox, pending_msgs_limit=-1, pending_bytes_limit=-1)
        request = orjson.dumps({"batch": count, "expires": int(HEADER_SECONDS * NANOSECONDS)})
        found: list[PackIds] = []
        try:
            await wire.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self._layout.events}.{consumer}", request, reply=inbox)
            size = 0
            while len(found) < count and size < READ_BYTES:
                message = await replies.next_msg(HEADER_SECONDS)
                if not message.reply:  # a status: what is left is asked for again
                    break
                found.append(_ids_of(message))
                size += sum(map(len, (message.headers or {}).values()))
        except (TimeoutError, errors.Error) as error:
            if not found:
                raise OutboxError(
                    f"The servers of {self._client.address} did not send the headers of {self._subject} within "
                    f"{HEADER_SECONDS:g} s. They are asked again."
                ) from error
        finally:
            await replies.unsubscribe()
        return found

    async def sequence_before(self, since: float) -> int:
        """Return the last sequence of the stream before a time, as the stream counts."""
        async with self._consumer(_since(since)) as (_, info):
            return cast("int", cast("JsonObject", info["delivered"])["stream_seq"])


def _behind(sequence: int) -> JsonObject:
    return {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence + 1}


def _since(seconds: float) -> JsonObject:
    stamp = datetime.fromtimestamp(max(0.0, seconds), UTC).isoformat().replace("+00:00", "Z")
    return {"deliver_policy": "by_start_time", "opt_start_time": stamp}


def _ids_of(message: Any) -> PackIds:
    fields = message.reply.split(".")
    sequence, stamp = (fields[5], fields[7]) if len(fields) == 9 else (fields[7], fields[9])
    at = _milliseconds(int(stamp) // 1000)
    try:
        return _ids(int(sequence), at, message.headers or {})
    except DamagedPack:
        return PackIds(int(sequence), at, (), frozenset())


def _ids(sequence: int, at: float, headers: Any) -> PackIds:
    return PackIds(sequence, at, digests(headers), frozenset(connections_of(headers)), AGAIN_HEADER in headers)


def _milliseconds(microseconds: int) -> float:
    """Return a time in whole milliseconds, so that it is the same whichever way it was read."""
    return microseconds // 1000 / 1000
