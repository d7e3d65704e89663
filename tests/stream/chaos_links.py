"""The network between the nodes of a cluster and their clients, as a process that can cut it.

    python -m tests.stream.chaos_links '[["1-2", 5001, 6002], ["clients-1", 5002, 4001]]'

Each link is a name, the port that it listens on and the port that it leads to. A line of names on standard input cuts
these links and opens all others; an empty line opens all. Each line is answered with a line. What is cut stays
connected and silent, and so are those who connect meanwhile, as where packets get lost; after that the bytes go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

CHUNK = 256 * 1024


class Link:
    """One listening port; what connects to it reaches the target while the link is open."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry the bytes of one connection, both ways, until one side ends it."""
        with contextlib.suppress(ConnectionError, OSError):
            await self.open.wait()
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ways = [
                asyncio.ensure_future(each) for each in (self._carry(reader, to_writer), self._carry(to_reader, writer))
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for each in ways:
                each.cancel()
            to_writer.close()
        writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while data := await reader.read(CHUNK):
                await self.open.wait()
                writer.write(data)
                await writer.drain()


async def main(given: list[tuple[str, int, int]]) -> None:
    """Serve until standard input ends."""
    links = {name: Link(target) for name, _, target in given}
    for name, port, _ in given:
        await asyncio.start_server(links[name].serve, "127.0.0.1", port)
    print("ready", flush=True)  # noqa: T201
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        cut = set(line.split())
        assert cut <= links.keys(), cut
        for name, link in links.items():
            link.open.clear() if name in cut else link.open.set()
        print("cut", *cut, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
