"""A load that sends as an SDK does: batches over HTTP, each again until it is answered 200, in order for each sender.

A client has senders of its own and one request at a time; when a collector is gone or does not answer, it goes on with
the next one. So what was sent before is answered 200 before a later event of the same sender is sent.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice
from typing import NamedTuple

import orjson

from tests.stream.chaos_events import events

KEY = "chaos-key"
HEAD = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
AUTHORIZATION = base64.b64encode(f"{KEY}:".encode())
LENGTH = re.compile(rb"(?i)content-length: (\d+)")
ANSWER = 20.0
"""Seconds to wait for an answer; a collector waits half as long for the stream."""
PAUSE = 0.25
"""Seconds until a batch is sent again; a real SDK waits longer, which would be less of a test."""


class Shape(NamedTuple):
    """What is sent: senders with `each` events, from clients, in batches, after each of which a client pauses."""

    senders: int
    each: int
    clients: int = 8
    batch: int = 100
    pause: float = 0.0

    @property
    def events(self) -> int:
        """How many there are."""
        return self.senders * self.each


class ChaosLoad:
    """What is sent to which ports, and what became of it; `answered` has the messageIds that were answered 200.

    `statuses` counts the answers, 0 for none.
    """

    def __init__(self, shape: Shape, ports: Sequence[int]) -> None:
        self.shape = shape
        self.answered: list[str] = []
        self.sent: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._ports = ports
        self._more = asyncio.Condition()

    async def run(self) -> None:
        """Send everything, until all of it was answered 200."""
        share = -(-self.shape.senders // self.shape.clients)
        starts = range(1, self.shape.senders + 1, share)
        await asyncio.gather(
            *(
                self._client(n, range(start, min(start + share, self.shape.senders + 1)))
                for n, start in enumerate(starts)
            )
        )

    async def reached(self, part: float) -> None:
        """Wait until this part of the events was answered 200."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.answered) >= part * self.shape.events)

    async def _client(self, number: int, senders: range) -> None:
        ports = cycle([*self._ports[number % len(self._ports) :], *self._ports[: number % len(self._ports)]])
        connection = ChaosConnection(next(ports))
        found = events(senders, self.shape.each)
        while batch := list(islice(found, self.shape.batch)):
            ids = [str(each["messageId"]) for each in batch]
            self.sent += ids
            body = orjson.dumps({"batch": batch})
            while (status := await connection.post(body)) != 200:
                self.statuses[status] += 1
                assert status in {0, 429, 500, 502, 503, 504}, status
                if status == 0:
                    connection = ChaosConnection(next(ports))
                await asyncio.sleep(PAUSE)
            self.statuses[200] += 1
            self.answered += ids
            async with self._more:
                self._more.notify_all()
            if self.shape.pause:
                await asyncio.sleep(self.shape.pause)
        connection.close()


class ChaosConnection:
    """A connection to a collector, made when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> int:
        """Return the status of the answer, 0 if there was none."""
        try:
            async with asyncio.timeout(ANSWER):
                return await self._post(body)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0

    async def _post(self, body: bytes) -> int:
        if self._ends is None:
            self._ends = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._ends
        writer.write(HEAD % (AUTHORIZATION, len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        if b"connection: close" in head.lower():
            self.close()
        return int(head.split()[1])

    def close(self) -> None:
        """End it."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None
