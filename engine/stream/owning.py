"""Which partitions this process delivers: JetStream chooses who, and a token says until when.

Each partition has a token, the last message of its subject, and a consumer with a pinned client: of all processes that
ask for the token, one gets it, and another one only when that one no longer asks. So much for the choice. But a
consumer forgets its pin when its leader changes, and what one half of a parted cluster says, the other does not know.
So whoever is pinned also writes its name into the token, by compare-and-set, again every `BEAT` seconds: it owns the
partition for `OWNED` seconds from when it began to write, by a clock that never stands still. Whoever finds another's
name waits until the token has not changed for `OWNED` seconds. A partition that is given up gets the token FREE.

The share of a process is the number of partitions by that of the processes, rounded up. Each keeps a request waiting
at the consumer `presence`, which has no messages: how many wait is how many processes there are.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import uuid4

import orjson

from engine.delivery.outbox.base import OutboxError
from engine.delivery.sending.pacing import Clock
from engine.records import JsonObject
from engine.stream.errors import SequenceConflict
from engine.stream.layout import TOKEN, Layout, place_tokens

if TYPE_CHECKING:
    from engine.stream.client import StreamClient

FREE = TOKEN
"""The token of a partition that nobody has."""
OWNED = 3.0
"""Seconds for which a partition is owned since its owner began to write the token."""
PINNED = 2.5
"""Seconds after which the servers pin another process, if the pinned one does not ask."""
BEAT = 0.8
"""Seconds between two writings of the token."""
FAILOVER = 7.0
"""Seconds after which another process has the partitions of one that died: PINNED + OWNED and the way there."""
ASKING = 1.0
"""Seconds for which one request for a token waits."""
REST = 3.0
"""Seconds for which a partition that was given up is not asked for."""
LOOKING = 2.0
"""Seconds between two looks at whether tokens were removed, while this process has less than its share."""
COUNTING = 0.5
"""Seconds between two counts of the processes; a number counts when it was found twice."""
SLACK = 0.5
"""Seconds for which an answer is waited for behind the time at which the servers should have given it."""
PAUSE = 0.1
"""Seconds between two requests for a partition that another process has."""
GROUP = "owner"
PRESENCE = "presence"
PIN_HEADER = "Nats-Pin-Id"
NANOSECONDS = 10**9
WRONG_PIN, NO_RESPONDERS = "423", "503"


class OwnerToken(NamedTuple):
    """A partition's token as the pinned process gets it; `ack` is the subject of its acknowledgement."""

    holder: bytes
    sequence: int
    pin: str
    ack: str


@dataclass(slots=True)
class Claim:
    """What this process knows of a partition; it owns it until `until`, 0 if it does not, and has since `since`.

    `pin` is what the servers gave it if they chose it. `sequence` is the token that it wrote last, as far as it knows,
    and `tried` the one in whose place it last tried to write. `rival` is the token that names another process,
    `rival_since` the time since when it has not changed.
    """

    number: int
    pin: str = ""
    until: float = 0.0
    since: float = 0.0
    sequence: int = 0
    tried: int = 0
    rival: OwnerToken | None = None
    rival_since: float = 0.0
    rest_until: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def follows(self, token: OwnerToken, name: bytes) -> bool:
        """Whether nobody else has written since this process did, so that nobody else has had the partition.

        A token with its name that it does not know of is from a request whose answer was not waited for: with no other
        one tried since, it took the place of the one before.
        """
        return token.sequence == self.sequence or (token.holder == name and self.tried == self.sequence)


class Ownership:
    """The partitions that this process owns; `clock` is that by which its leases are checked.

    `workers` is how many processes ask for partitions, `trouble` why the servers could not be asked, '' if they could.
    """

    def __init__(self, client: StreamClient, layout: Layout, *, clock: Clock | None = None) -> None:
        self._client, self._layout = client, layout
        self._clock = clock or Clock()
        self._name = uuid4().hex.encode()
        self._claims = [Claim(number) for number in range(layout.partitions)]
        self._share = layout.partitions
        self.workers = 1
        self.trouble = ""
        self._tasks: list[asyncio.Task[None]] = []

    # From any thread

    def owned(self) -> set[int]:
        """Return the partitions that are owned now."""
        now = self._clock.time()
        return {each.number for each in self._claims if each.until > now}

    def owned_until(self, partition: int) -> float:
        """Return until when a partition is owned, by the clock; 0 if it is not."""
        return self._claims[partition].until

    def owned_since(self, partition: int) -> float:
        """Return since when no other process can have had a partition, by the clock; 0 if it never was owned.

        A process that was late to write the token owned nothing for a moment, but neither did another one.
        """
        return self._claims[partition].since

    def surplus(self) -> set[int]:
        """Return the owned partitions that other processes should have: to be released when their work is done."""
        owned = sorted(self.owned(), key=lambda number: self._claims[number].since)
        return set(owned[self._share :])

    # In the client's loop

    async def start(self) -> None:
        """Begin to ask for partitions; raise OutboxError if the streams cannot be used."""
        names = [(_name_of(number), self._layout.owners_subject(number)) for number in range(self._layout.partitions)]
        await asyncio.gather(*(self._make_consumer(*each) for each in [*names, self._presence]))
        coroutines = [
            self._be_present(),
            self._count_workers(),
            self._replace_tokens(),
            *map(self._strive, self._claims),
        ]
        self._tasks = [asyncio.create_task(each) for each in coroutines]

    async def stop(self) -> None:
        """Ask no more, and give up all partitions, so that others have them at once."""
        left = set(self._tasks)
        while left:  # again, because `asyncio.wait_for` of Python 3.11 may lose a cancellation
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=PAUSE)
        self._tasks = []
        await asyncio.gather(*(self.release(number) for number in self.owned()))

    async def release(self, partition: int) -> None:
        """Give up a partition in which nothing is being sent any more; another process has it at once."""
        claim = self._claims[partition]
        async with claim.lock:
            owned, claim.until = claim.until > self._clock.time(), 0.0
            claim.rest_until = self._clock.time() + REST
            if owned and await self._freed(claim, claim.sequence):
                await self._unpin(claim)

    async def _freed(self, claim: Claim, sequence: int) -> bool:
        """Write the free token in the place of this process's; False if another process has the partition already."""
        subject = self._layout.owners_subject(claim.number)
        try:
            await self._client.publish(subject, FREE, expect=sequence, patience=OWNED)
        except SequenceConflict:
            last = await self._client.last(self._layout.owners, subject)
            if last is None or last.data != self._name or last.seq == sequence:
                return False
            return await self._freed(claim, last.seq)  # written by a request whose answer was not waited for
        return True

    async def extended(self, partition: int, until: float) -> bool:
        """Wait until a partition is owned until a time at least; False if it is not, and will not be soon."""
        claim = self._claims[partition]
        while claim.until < until:
            left = claim.until - self._clock.time()
            if left <= 0 or until > self._clock.time() + OWNED:
                return False
            claim.changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(claim.changed.wait(), left)
        return True

    # How

    async def _strive(self, claim: Claim) -> None:
        """Ask for a partition while this process has less than its share, and keep it while it is owned."""
        while True:
            began = self._clock.time()
            try:
                async with claim.lock:
                    if claim.until > began or claim.pin or self._wants(claim, began):
                        await self._ask(claim)
                self.trouble = ""
            except Exception as error:  # noqa: BLE001  an end of this task would leave the partition to nobody
                self.trouble = str(error) or type(error).__name__
            now = self._clock.time()
            await asyncio.sleep(max(PAUSE, began + BEAT - now) if claim.until > now else PAUSE)

    def _wants(self, claim: Claim, now: float) -> bool:
        return now >= claim.rest_until and self._taken(now) < self._share

    def _taken(self, now: float) -> int:
        """Return how many partitions are owned, or will be when their last owner is surely gone."""
        return sum(1 for each in self._claims if each.until > now or each.pin)

    async def _ask(self, claim: Claim) -> None:
        """Ask for the token once; with it, own the partition, or wait until its owner does no longer."""
        token = await self._pull(claim)
        now = self._clock.time()
        if token is not None and not claim.pin:
            if claim.until <= now and not self._wants(claim, now):
                await self._decline(claim, token)
                return
            claim.pin = token.pin
        if token is not None and token.holder in (FREE, self._name):
            claim.rival = None
            await self._claim(claim, token)
        elif token is not None and (claim.rival is None or claim.rival.sequence != token.sequence):
            claim.until, claim.rival, claim.rival_since = 0.0, token, now
        elif claim.pin and claim.rival is not None and now >= claim.rival_since + OWNED:
            rival, claim.rival = claim.rival, None
            await self._claim(claim, rival)

    async def _claim(self, claim: Claim, token: OwnerToken) -> None:
        began, follows = self._clock.time(), claim.follows(token, self._name)
        if follows:
            claim.sequence = token.sequence
        claim.tried = token.sequence
        subject = self._layout.owners_subject(claim.number)
        try:
            claim.sequence = await self._client.publish(subject, self._name, expect=token.sequence, patience=OWNED)
        except SequenceConflict:
            claim.until = 0.0
            return
        if not follows:
            claim.since = began
        claim.until = began + OWNED
        claim.changed.set()
        await self._send(token.ack, b"+ACK")  # the new token took its place

    async def _decline(self, claim: Claim, token: OwnerToken) -> None:
        claim.rest_until = self._clock.time() + BEAT
        await self._unpin(claim)
        await self._send(token.ack, b"-NAK")  # so that the next one gets it at once

    async def _unpin(self, claim: Claim) -> None:
        claim.pin = ""
        await self._client.api(f"CONSUMER.UNPIN.{self._layout.owners}.{_name_of(claim.number)}", {"group": GROUP})

    async def _pull(self, claim: Claim) -> OwnerToken | None:
        """Ask for a partition's token, which comes at once, or as soon as another process no longer asks for it."""
        request: JsonObject = {"group": GROUP}
        if claim.pin:
            request["id"] = claim.pin
        waits = ASKING
        if claim.rival is not None:
            waits = min(waits, max(PAUSE, claim.rival_since + OWNED - self._clock.time()))
        message = await self._next(_name_of(claim.number), request, waits)
        if message is None:
            return None
        status = _status(message)
        if status == WRONG_PIN:
            claim.pin, claim.rival = "", None  # who is named in the token is its owner still, and asks anew
        elif status == NO_RESPONDERS:
            await place_tokens(self._client, self._layout)
            await self._make_consumer(_name_of(claim.number), self._layout.owners_subject(claim.number))
        if status is not None:
            return None
        return OwnerToken(message.data, message.metadata.sequence.stream, message.headers[PIN_HEADER], message.reply)

    async def _next(self, consumer: str, request: JsonObject, seconds: float) -> Any:
        """Return what answers a request for a consumer's next message; None if nothing does in time."""
        from nats import errors

        wire = await self._client.wire()
        inbox = wire.new_inbox()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._layout.owners}.{consumer}"
        body = orjson.dumps({"batch": 1, "expires": int(seconds * NANOSECONDS), **request})
        try:
            replies = await wire.subscribe(inbox)
            try:
                await wire.publish(subject, body, reply=inbox)
                return await replies.next_msg(seconds + SLACK)
            finally:
                await replies.unsubscribe()  # without a reader, the servers forget the request
        except TimeoutError:  # asked again by whoever asked
            return None
        except errors.Error:  # while it reconnects; without a pause the loop would never come to that
            await asyncio.sleep(SLACK / 2)
            return None

    async def _send(self, subject: str, body: bytes) -> None:
        from nats import errors

        with suppress(errors.Error):  # it would only have been quicker
            await (await self._client.wire()).publish(subject, body)

    @property
    def _presence(self) -> tuple[str, str]:
        return PRESENCE, self._layout.presence_subject

    async def _be_present(self) -> None:
        while True:
            try:
                answer = await self._next(PRESENCE, {}, OWNED)
                if answer is not None and _status(answer) == NO_RESPONDERS:
                    await self._make_consumer(*self._presence)
            except Exception as error:  # noqa: BLE001  as above
                self.trouble = str(error) or type(error).__name__
                await asyncio.sleep(BEAT)

    async def _count_workers(self) -> None:
        before = 0
        while True:
            await asyncio.sleep(COUNTING)
            with suppress(OutboxError):  # those who ask for partitions meet with the same
                info = await self._client.api(f"CONSUMER.INFO.{self._layout.owners}.{PRESENCE}", patience=COUNTING)
                found = max(1, cast("int", info["num_waiting"]))
                if found == before:
                    self.workers = found
                    self._share = -(-self._layout.partitions // found)
                before = found

    async def _replace_tokens(self) -> None:
        """Put tokens back that somebody removed, once whoever had them surely owns nothing by them any more."""
        missing_since: float | None = None
        while True:
            await asyncio.sleep(LOOKING)
            with suppress(OutboxError):  # those who ask for partitions meet with the same
                if len(self.owned()) >= self._share or await self._tokens() >= self._layout.partitions:
                    missing_since = None
                elif missing_since is None:
                    missing_since = self._clock.time()
                elif self._clock.time() >= missing_since + OWNED:
                    await place_tokens(self._client, self._layout)

    async def _tokens(self) -> int:
        """Return how many partitions have a token."""
        wanted: JsonObject = {"subjects_filter": f"{self._layout.name}.owners.*"}
        info = await self._client.api(f"STREAM.INFO.{self._layout.owners}", wanted)
        return len(cast("JsonObject", cast("JsonObject", info["state"]).get("subjects") or {}))

    async def _make_consumer(self, name: str, subject: str) -> None:
        stream = self._layout.owners
        config: JsonObject = {
            "name": name,
            "durable_name": name,
            "filter_subject": subject,
            "ack_policy": "explicit",
            "ack_wait": NANOSECONDS,
            "max_deliver": -1,
        }
        if name != PRESENCE:
            config |= {"priority_groups": [GROUP], "priority_policy": "pinned_client"}
            config |= {"priority_timeout": int(PINNED * NANOSECONDS)}
        request: JsonObject = {"stream_name": stream, "config": config}
        await self._client.api(f"CONSUMER.CREATE.{stream}.{name}.{subject}", request)


def _status(message: Any) -> str | None:
    """Return the status that the servers answered, None for a message: that one may have any header."""
    return None if message.reply else (message.headers or {}).get("Status")


def _name_of(partition: int) -> str:
    return f"p{partition}"
