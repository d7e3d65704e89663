"""The one way to the servers of an outbox address: requests, publishing, reading; from any thread.

`StreamClient` has a thread of its own with an event loop and one connection. Coroutines run there: `call` runs one
from another thread and waits. Whatever the servers do, each has an end: a request is sent again for as long as its
patience lasts, to the next server where one is gone, and then raises an OutboxError that says what to do.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from threading import Thread, current_thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from uuid import uuid4

import orjson

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.sending.pacing import since_boot
from engine.errors import UsageError
from engine.language.texts import visible
from engine.records import Json, JsonObject
from engine.stream.credentials import credentials
from engine.stream.errors import (
    ApiRefused,
    CredentialsRefused,
    MessageTooLarge,
    NoJetStream,
    NoLeader,
    NoServer,
    SequenceConflict,
    StreamFull,
    StreamMissing,
)

if TYPE_CHECKING:
    from engine.stream.wire import StreamReplies, StreamWire

T = TypeVar("T")
MISSING = "An outbox on NATS needs a package that is not installed (nats-py): pip install 'waybill[nats]'."
CONNECT_PATIENCE = 5.0
PUBLISH_PATIENCE = 10.0
API_PATIENCE = 10.0
REPLY_SECONDS = 3.0
"""How long one attempt waits for its reply, before the request is sent again."""
LEAVE_SECONDS = 3.5
"""How long a server's JetStream may not answer before the next server is tried: it may be cut from all others."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
LONGEST_DESCRIPTION = 300
CALL_SECONDS = 60.0
CLOSE_SECONDS = 2.0
TIME_SECONDS = 60.0
"""How often the servers are asked for their time; two clocks drift apart by a millisecond in it, at most."""
READ_BYTES = 4 * 1024 * 1024
READ_MESSAGES = 1000
"""The most messages of one request that a server answers."""
HEADER_ROOM = 4096
"""Bytes that headers may take of the largest message."""
ID_HEADER, EXPECT_HEADER = "Nats-Msg-Id", "Nats-Expected-Last-Subject-Sequence"
SEQUENCE_HEADER = "Nats-Sequence"
"""What servers add to messages that are stored, and to no status."""
NO_RESPONDERS = "503"
END_OF_BATCH, NO_MESSAGES = "204", "404"
UNAVAILABLE = (10008, 10009, 10158)
"""No leader yet; not the leader; the same message is being stored now: try again."""
WRONG_SEQUENCE, NO_MESSAGE, NOT_ENABLED, NO_ACCOUNT = (10071, 10164), 10037, 10076, 10039
FULL = (10077, 10047, 10023, 10028, 10002)
TOO_LARGE = 10054


class StreamMessage(NamedTuple):
    """One message of a stream; `time` is when the server stored it, in unix seconds."""

    seq: int
    subject: str
    headers: Mapping[str, str]
    data: bytes
    time: float


class StreamClient:
    """A connection to the servers of an address; it is made by the first call, and again whenever it breaks.

    `environ` has the credentials, `patience` is for how many seconds the first connection is tried. Every process
    needs one of its own: it does not outlive a fork.
    """

    def __init__(
        self, address: StreamAddress, environ: Mapping[str, str], *, patience: float = CONNECT_PATIENCE
    ) -> None:
        """Raise UsageError for variables that contradict each other, or if nats-py is not installed."""
        if find_spec("nats") is None:
            raise UsageError(MISSING)
        self.address = address
        self._credentials = credentials(environ)
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._wire: StreamWire | None = None
        self._replies: StreamReplies | None = None
        self._up = asyncio.Event()
        self._opening: asyncio.Future[None] | None = None
        self._offset, self._trip, self._learned = time.time() - since_boot(), float("inf"), float("-inf")
        self._time_subject = ""
        self._closed = False
        self._arrived = 0.0

    def __repr__(self) -> str:
        return f"<StreamClient {self.address}>"

    # From other threads

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float = CALL_SECONDS) -> T:
        """Run a coroutine in the client's loop and return its result or raise its error, NoServer after `timeout`."""
        if current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("call() waits for the client's loop; inside of it, await the coroutine")
        future = self.start(coroutine)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise NoServer(
                f"The servers of {self.address} did not finish a request within {timeout:g} s. Look at their load and "
                "their log, then try again."
            ) from None

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the client's loop; return at once."""
        if self._closed:
            coroutine.close()
            raise OutboxError(f"The connection to {self.address} is closed.")
        if not self._thread.is_alive():
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Close the connection and end the thread; a second call does nothing."""
        if self._closed:
            return
        if self._thread.is_alive():
            self.call(self._close())
            self._closed = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._closed = True
        self._loop.close()

    def time(self) -> float:
        """Return the servers' time in unix seconds, whatever this machine's clock says, as far as it is known."""
        if self._time_subject and since_boot() - self._learned > TIME_SECONDS and not self._closed:
            self._learned = since_boot()
            self.start(self._ask_time())
        return since_boot() + self._offset

    async def _ask_time(self) -> None:
        with suppress(OutboxError):  # the clock goes on; the next minute asks again
            await self.api(self._time_subject)

    # Inside the loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop in which all coroutines of the client run."""
        return self._loop

    async def wire(self, patience: float | None = None) -> StreamWire:
        """Return the connection of nats-py; wait for a server for `patience` seconds, then raise NoServer."""
        seconds = self._patience if patience is None else patience
        await self._connected(seconds, seconds)
        assert self._wire is not None
        return self._wire

    async def api(self, subject: str, payload: Json = None, *, patience: float = API_PATIENCE) -> JsonObject:
        """Return what JetStream answers to `$JS.API.SUBJECT`; raise ApiRefused for an error."""
        body = b"" if payload is None else orjson.dumps(payload)
        sent = since_boot()
        answer = await self._answer(f"$JS.API.{subject}", body, None, patience)
        self._raise_error(answer)
        if subject.startswith("STREAM.INFO.") and isinstance(stamp := answer.get("ts"), str):
            self._time_subject = subject
            self._learn_time(sent, since_boot(), _seconds(stamp))
        return answer

    async def publish(
        self,
        subject: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        expect: int | None = None,
        *,
        patience: float = PUBLISH_PATIENCE,
    ) -> int:
        """Store a message and return its sequence; it is there exactly once, however often it had to be sent.

        `expect` is the sequence of the subject's last message, 0 for none. Raise SequenceConflict if there is another
        one, StreamFull, MessageTooLarge; after any other OutboxError it is not known whether the message was stored.
        """
        full = {ID_HEADER: uuid4().hex, **(headers or {})}
        if expect is not None:
            full[EXPECT_HEADER] = str(expect)
        answer = await self._answer(subject, body, full, patience)
        error = answer.get("error")
        if isinstance(error, dict) and error.get("err_code") in WRONG_SEQUENCE:
            return await self._ours(subject, cast("str", answer.get("stream") or ""), full, expect)
        if isinstance(error, dict) and error.get("err_code") in FULL:
            raise StreamFull(
                f"A stream of {self.address} is full: {error.get('description')}. Nothing was dropped: senders send "
                "again. Make room (`engine outbox purge`), or allow more: nats stream edit NAME --max-bytes."
            )
        if isinstance(error, dict) and error.get("err_code") == TOO_LARGE:
            raise MessageTooLarge(self._too_large(len(body)))
        self._raise_error(answer)
        return cast("int", answer["seq"])

    async def last(self, stream: str, subject: str) -> StreamMessage | None:
        """Return the last message of a subject as the stream's leader has it; None if there is none."""
        try:
            answer = await self.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
        except ApiRefused as refused:
            if refused.code == NO_MESSAGE:
                return None
            raise
        found = cast("dict[str, Any]", answer["message"])
        headers = _headers(b64decode(found.get("hdrs") or ""))
        data = b64decode(found.get("data") or "")
        return StreamMessage(found["seq"], found["subject"], headers, data, _seconds(found["time"]))

    async def read(
        self,
        stream: str,
        subject_filter: str,
        after_seq: int,
        limit: int,
        max_bytes: int = READ_BYTES,
        *,
        patience: float = API_PATIENCE,
    ) -> list[StreamMessage]:
        """Return the next messages of a subject behind a sequence, in order, without gaps.

        Any replica answers. One that lags ends earlier: who must see a message that he knows of looks whether it is
        there, and reads again. At most `limit`, and about `max_bytes`, of which the first message may have more.
        """
        wanted = {"seq": after_seq + 1, "next_by_subj": subject_filter, "batch": min(limit, READ_MESSAGES)}
        body = orjson.dumps(wanted | {"max_bytes": max_bytes})
        return (await self._patiently(lambda seconds: self._batch(stream, body, seconds), patience))[0]

    async def first(self, stream: str, subject_filter: str, after_seq: int) -> tuple[StreamMessage | None, int]:
        """Return the next message of a subject behind a sequence, and how many there are from it on."""
        body = orjson.dumps({"seq": after_seq + 1, "next_by_subj": subject_filter, "batch": 1})
        found, left = await self._patiently(lambda seconds: self._batch(stream, body, seconds), API_PATIENCE)
        return (found[0], 1 + left) if found else (None, 0)

    @property
    def max_payload(self) -> int:
        """Return the bytes of the largest message that the servers take; known once connected."""
        return self._wire.max_payload if self._wire is not None else 0

    # How

    async def _batch(self, stream: str, body: bytes, seconds: float) -> tuple[list[StreamMessage], int] | str:
        """Return messages, and how many more there are; a text if they did not all come."""
        assert self._replies is not None
        found: list[StreamMessage] = []
        async with self._replies.requested(f"$JS.API.DIRECT.GET.{stream}", body) as replies:
            while True:
                message = await self._replies.next(replies, seconds)
                headers = message.headers or {}
                status = None if SEQUENCE_HEADER in headers else headers.get("Status")  # a message may have any header
                if status == NO_RESPONDERS:
                    return NO_RESPONDERS
                if status in (END_OF_BATCH, NO_MESSAGES):
                    return found, int(headers.get("Nats-Num-Pending", 0))
                if status is not None:
                    raise ApiRefused(f"{stream} cannot be read, {headers.get('Description', status)}", int(status))
                if found and int(headers["Nats-Last-Sequence"]) != found[-1].seq:
                    return "messages of an answer were lost"
                at = _seconds(headers["Nats-Time-Stamp"])
                seq = int(headers[SEQUENCE_HEADER])
                found.append(StreamMessage(seq, headers["Nats-Subject"], headers, message.data, at))

    async def _ours(self, subject: str, stream: str, headers: Mapping[str, str], expect: int | None) -> int:
        """Return the sequence of a subject's last message if it is the one just sent; raise SequenceConflict if not."""
        name = stream or await self._stream_of(subject)
        found = await self.last(name, subject)
        if found is not None and found.headers.get(ID_HEADER) == headers[ID_HEADER]:
            return found.seq
        has = found.seq if found is not None else 0
        raise SequenceConflict(
            f"Another process has written to {subject}: its last message is {has}, not {expect}. Nothing was written."
        )

    async def _stream_of(self, subject: str) -> str:
        names = (await self.api("STREAM.NAMES", {"subject": subject})).get("streams")
        if not isinstance(names, list) or not names:
            raise self._missing(subject)
        return str(names[0])

    async def _answer(self, subject: str, body: bytes, headers: dict[str, str] | None, patience: float) -> JsonObject:
        """Return the JSON that answers a request, also an error's, unless another attempt may have another answer."""

        async def attempt(seconds: float) -> JsonObject | str:
            assert self._replies is not None
            if len(body) + HEADER_ROOM > self.max_payload:
                raise MessageTooLarge(self._too_large(len(body)))
            message = await self._replies.request(subject, body, headers, seconds)
            if (message.headers or {}).get("Status") == NO_RESPONDERS:
                return NO_RESPONDERS
            answer = cast("JsonObject", orjson.loads(message.data))
            error = answer.get("error")
            if isinstance(error, dict) and error.get("err_code") in UNAVAILABLE:
                return str(error.get("description"))
            return answer

        return await self._patiently(attempt, patience)

    async def _patiently(self, attempt: Callable[[float], Coroutine[Any, Any, T | str]], patience: float) -> T:
        """Try until something else than a text comes, which says why not; raise what fits after `patience` seconds."""
        from nats import errors

        from engine.stream.wire import Broken

        silent_since = since_boot()
        ends, pause, why = silent_since + patience, FIRST_PAUSE, "no answer in time"
        while (left := ends - since_boot()) > 0:
            await self._connected(left, patience)
            try:
                result = await attempt(min(left, REPLY_SECONDS))
            except Broken:
                continue
            except TimeoutError:
                why = "no answer in time"
                await self._leave(silent_since)
                continue
            except errors.Error as error:
                result = str(error)
            if not isinstance(result, str):
                return result
            why = result
            await self._leave(silent_since)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        raise await self._gave_up(why, patience)

    async def _leave(self, silent_since: float) -> None:
        """Go to the next server where one is silent for long: cut from the others, it answers pings all the same."""
        now = since_boot()
        wire = self._wire
        if (
            wire is not None
            and now - max(silent_since, self._arrived) >= LEAVE_SECONDS
            and len(self.address.servers) > 1
        ):
            self._arrived = now
            await wire.leave()

    async def _gave_up(self, why: str, patience: float) -> OutboxError:
        """Return what it may mean that nobody answers."""
        wire = self._wire
        if why == NO_RESPONDERS and wire is not None and not wire.info.get("jetstream"):
            return self._no_jetstream()
        if wire is not None and wire.denied:
            return CredentialsRefused(
                f"The NATS server of {self.address} denies its user something ({wire.denied}). An outbox publishes to "
                "NAME.>, $KV.NAME_state.> and $JS.API.>, and subscribes to _INBOX.>: permit that."
            )
        reason = "no leader" if why == NO_RESPONDERS else why
        return NoLeader(
            f"The servers of {self.address} answer, but their streams do not ({reason}, tried for {patience:g} s): "
            "too few servers of the cluster run, or a stream is missing. Look with `nats server report jetstream`."
        )

    def _broke(self, patience: float) -> OutboxError:
        if self._wire is not None and self._wire.refused is not None:
            return self._wire.refused
        return NoServer(
            f"The connection to {self.address} broke, and no server answers any more (tried for {patience:g} s). Look "
            "whether they run; the connection comes back by itself."
        )

    def _no_jetstream(self) -> NoJetStream:
        return NoJetStream(
            f"The NATS server of {self.address} has no JetStream: start it with `nats-server -js`, or set jetstream up "
            "in its configuration."
        )

    def _raise_error(self, answer: JsonObject) -> None:
        error = answer.get("error")
        if not isinstance(error, dict):
            return
        description, code = visible(str(error.get("description"))[:LONGEST_DESCRIPTION]), error.get("err_code")
        if code in (NOT_ENABLED, NO_ACCOUNT):
            raise NoJetStream(
                f"The account that signs in at {self.address} has no JetStream: allow it in the servers' "
                "configuration, e.g. `accounts { NAME { jetstream: enabled } }`."
            )
        raise ApiRefused(description, code if isinstance(code, int) else 0)

    def _missing(self, subject: str) -> StreamMissing:
        return StreamMissing(f"No stream of {self.address} takes {subject}: it was removed. Restart to make it anew.")

    def _too_large(self, size: int) -> str:
        return (
            f"A message of {size} bytes is larger than the servers of {self.address} take ({self.max_payload} bytes, "
            "headers included): raise max_payload in the servers' configuration."
        )

    # The connection

    async def _connected(self, left: float, patience: float) -> None:
        """Wait for a server; raise NoServer when what is `left` of the patience, in seconds, is over."""
        if self._up.is_set():
            return
        if self._wire is None:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.ensure_future(self._open(min(left, self._patience)))
            await asyncio.shield(self._opening)  # whoever comes meanwhile shares it, and its error
            return
        try:
            await asyncio.wait_for(self._up.wait(), left)
        except TimeoutError:
            raise self._broke(patience) from None

    async def _open(self, patience: float) -> None:
        from engine.stream.wire import StreamReplies, StreamWire, connect

        wire = StreamWire(self.address)
        replies = StreamReplies(wire)

        async def down() -> None:
            if self._wire is wire:
                self._up.clear()
            replies.fail()

        async def up() -> None:
            wire.refused = None
            self._up.set()

        async def closed() -> None:
            """Let the next call begin anew: nats-py ends where a server refuses it later, as its users may change."""
            if self._wire is wire:
                self._up.clear()
                self._wire = None

        await connect(wire, self._credentials, patience, disconnected_cb=down, reconnected_cb=up, closed_cb=closed)
        if not wire.info.get("jetstream") and await replies.unanswered("$JS.API.INFO", REPLY_SECONDS):
            await wire.close()
            raise self._no_jetstream()
        self._wire, self._replies = wire, replies
        self._up.set()

    async def _close(self) -> None:
        wire, self._wire = self._wire, None
        self._up.clear()
        if wire is not None:
            with suppress(TimeoutError):  # a server that is frozen takes no last bytes
                await asyncio.wait_for(wire.close(), CLOSE_SECONDS)
        left = asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CLOSE_SECONDS)
        if wire is not None:
            await wire.abort()

    def _learn_time(self, sent: float, received: float, stamp: float) -> None:
        """Take the servers' time from an answer: the shorter its trip, the more exact; an old one is replaced."""
        trip = received - sent
        if trip <= self._trip or received - self._learned > TIME_SECONDS:
            self._offset, self._trip, self._learned = stamp - (sent + received) / 2, trip, received


def _headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name: value.strip() for name, _, value in pairs}


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
