"""A vendor as a process of its own that takes batches and remembers which events came, in which order.

    python -m tests.stream.chaos_vendor 0.005         answers each request after 5 ms; prints its address

`POST /...` with `{"items": [{"id": MESSAGE_ID}, ...]}` accepts all items. `GET /arrived` is all messageIds in the order
in which their requests were there, one a line. `GET /wait?N&SECONDS` answers when N different events are there, or
after these seconds, with their number.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[2]
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
WAIT = re.compile(rb"GET /wait\?(\d+)&(\d+) ")
MAPPING = """\
mapping: 1
name: counted
title: Counted
settings:
  url: { title: URL, type: url, example: "http://127.0.0.1" }
http: { base_url: "${settings.url}" }
retry: { first_wait: 50ms, max_wait: 1s }
requests:
  add: { batch: many }
batches:
  many:
    path: /many
    max_items: 50
    fields: { items: items }
    results: { list: body.results, ok: item.ok, error: item.error }
calls:
  track:
    - { request: add, fields: { id: messageId, user: userId, device: anonymousId } }
  page:
    - { request: add, fields: { id: messageId, user: userId, device: anonymousId } }
  identify:
    - { request: add, fields: { id: messageId, user: userId, device: anonymousId } }
  alias:
    - { request: add, fields: { id: messageId, user: userId, device: previousId } }
"""
BATCH = 50
"""Events in a request at most, as in MAPPING."""


class Arrivals:
    """What came, and those who wait until something came."""

    def __init__(self, delay: float) -> None:
        self.ids: list[str] = []
        self.different: set[str] = set()
        self._delay = delay
        self._more = asyncio.Condition()

    async def take(self, body: bytes) -> bytes:
        """Remember a batch; return the response's body."""
        ids = [item["id"] for item in orjson.loads(body)["items"]]
        self.ids += ids
        self.different.update(ids)
        async with self._more:
            self._more.notify_all()
        await asyncio.sleep(self._delay)
        return b'{"results":[' + b",".join([b'{"ok":true}'] * len(ids)) + b"]}"

    async def wait(self, count: int, seconds: float) -> bytes:
        """Wait for a number of different events; return how many are there."""
        try:
            async with asyncio.timeout(seconds), self._more:
                await self._more.wait_for(lambda: len(self.different) >= count)
        except TimeoutError:
            pass
        return str(len(self.different)).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                reply = await self._reply(head, body)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(reply) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _reply(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST"):
            return await self.take(body)
        wait = WAIT.match(head)
        return await self.wait(int(wait[1]), int(wait[2])) if wait else "\n".join(self.ids).encode()


class ChaosVendor:
    """The process, as those who started it see it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def arrived(self) -> list[str]:
        """Return the messageIds that came, in their order."""
        return self._asked("arrived", 60).split()

    def wait(self, count: int, seconds: int) -> int:
        """Wait until that many different events came; return how many there are."""
        return int(self._asked(f"wait?{count}&{seconds}", seconds + 30))

    def _asked(self, path: str, timeout: float) -> str:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=timeout) as answer:
            return str(answer.read().decode())


@contextmanager
def chaos_vendor(delay: float = 0.005) -> Iterator[ChaosVendor]:
    """Run the vendor while the `with` lasts."""
    command = [sys.executable, "-m", "tests.stream.chaos_vendor", str(delay)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield ChaosVendor(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


async def main(delay: float) -> None:
    """Serve until killed."""
    server = await asyncio.start_server(Arrivals(delay).serve, "127.0.0.1", 0, limit=2**24)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
