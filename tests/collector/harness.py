"""The collector in this process, called through ASGI: a fixed time, numbered ids, an outbox in memory."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

import orjson

from engine.collector.app import Collector
from engine.collector.discards import Discard
from engine.collector.group_commit import GroupCommit
from engine.collector.observers import CollectorObserver
from engine.collector.responses import CollectorLimits
from engine.collector.sources import EventSource, WriteKeys
from engine.delivery.outbox.base import Outbox
from tests.delivery.memory_outbox import MemoryOutbox

NOW = 1767225610.0  # 2026-01-01T00:00:10Z
SOURCES = (
    EventSource("web", ("wk", "wk-old"), ("shop",)),
    EventSource("app", ("app-key",), ("shop", "crm")),
    EventSource("closed", ("closed-key",), ("shop",), enabled=False),
)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Recorder(CollectorObserver):
    """An observer that also keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.discards: list[Discard] = []
        self.refusals: list[str] = []

    def received(self, source: str, events: int, discards: Sequence[Discard]) -> None:
        self.discards += discards
        super().received(source, events, discards)

    def refused(self, code: str, **fields: object) -> None:
        self.refusals.append(code)
        super().refused(code, **fields)  # type: ignore[arg-type]


class Inside:
    """A collector, its outbox, and what its observer got."""

    def __init__(
        self,
        limits: CollectorLimits | None = None,
        *,
        outbox: Outbox | None = None,
        sources: Sequence[EventSource] = SOURCES,
        new_id: Callable[[], str] | None = None,
        secrets: Sequence[str] = (),
        clock: Callable[[], float] = lambda: NOW,
    ) -> None:
        numbers = count(1)
        self.observer = Recorder()
        self.outbox: Outbox = outbox or MemoryOutbox()
        self.limits = limits or CollectorLimits()
        self.group_commit = GroupCommit(self.outbox, clock, self.limits.held_bytes)
        self.collector = Collector(
            WriteKeys(sources),
            self.group_commit,
            self.observer,
            limits=self.limits,
            clock=clock,
            new_id=new_id or (lambda: f"id-{next(numbers)}"),
            secrets=secrets,
        )

    def ask(self, *args: object, **kwargs: object) -> Answer:
        """Send one request, and wait for what it keeps."""

        async def work() -> Answer:
            return await self.asked(*args, **kwargs)  # type: ignore[arg-type]

        return asyncio.run(work())

    async def asked(
        self,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        *,
        headers: dict[str, str] | None = None,
        method: str = "POST",
        key: str | None = "wk",
        receive: Callable[[], object] | None = None,
    ) -> Answer:
        sent: list[dict] = []

        async def send(message: dict) -> None:
            sent.append(message)

        given = {**({"authorization": basic(f"{key}:")} if key is not None else {}), **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": ("203.0.113.7", 4711),
        }
        await self.collector(scope, receive or pieces(body), send)  # type: ignore[arg-type]
        if not sent:
            return Answer(0, {}, b"")
        names = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], names, sent[1]["body"])

    def post(self, *batches: Sequence[object], key: str = "wk") -> list[Answer]:
        """Send some batches, then end as the server does."""

        async def work() -> list[Answer]:
            bodies = [orjson.dumps({"batch": [*each]}) for each in batches]
            answers = [await self.asked("/v1/batch", body, key=key) for body in bodies]
            await self.collector.close()
            return answers

        return asyncio.run(work())

    def events(self, connection: str = "shop") -> list[dict]:
        """Return what is kept for a connection."""
        return [orjson.loads(row.raw) for row in self.outbox.waiting(connection, 0, 100_000)]


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def pieces(body: bytes | Sequence[bytes]) -> Callable[[], object]:
    """Return a body as the server hands it over, in one piece or in several."""
    rest = [body] if isinstance(body, bytes) else list(body)

    async def receive() -> dict:
        piece = rest.pop(0) if rest else b""
        return {"type": "http.request", "body": piece, "more_body": bool(rest)}

    return receive
