"""`make demo-scale`: an outbox on three NATS servers, with a worker and a server killed before your eyes.

Everything is a process of this machine and works in a temporary folder: three `nats-server`, two collectors, three
workers (both `engine serve`) and a vendor that notes what arrives.  A client posts the events as an SDK would, and in
the end all that was answered 200 is looked up at the vendor.  It needs no root and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from engine.stream.delivery import slots_of
from tests.stream.chaos_check import Comparison
from tests.stream.chaos_load import Shape
from tests.stream.chaos_processes import ServeProcess
from tests.stream.chaos_story import ChaosStory, Size
from tests.stream.chaos_vendor import BATCH

SIZE = Size(nodes=3, workers=3, collectors=2, partitions=12, delay=0.2)
SHAPE = Shape(senders=2_000, each=10, pause=0.5)
TWICE = (SIZE.partitions // SIZE.workers + SIZE.partitions) * slots_of(SIZE.partitions) * BATCH
"""Events that may come twice: those on their way in partitions that move: the worker's, and any with the server."""
LONGEST = 60
"""Seconds until all must be delivered, from when the last event was answered 200."""
PAUSE = 8.0
"""Seconds between the two kills, in which the partitions of the worker move."""
EVERY = 2.0
"""Seconds between two lines of progress."""

INTRODUCTION = """\
An outbox of many machines is an address instead of a file, and `serve` does one half of its work in each process:

$ export WAYBILL_OUTBOX='{address}'
$ engine serve --connections connections.yaml --only collector
$ engine serve --connections connections.yaml --only delivery

Started: {nodes} NATS servers, {collectors} collectors, {workers} workers, and a vendor that notes what arrives.
{events:,} events of {senders:,} users follow: devices that sign in and are aliased, and servers."""
KILLED_WORKER = "kill -9 {pid}: the worker {name}; within 10 s others have its partitions"
KILLED_NODE = "kill -9 {pid}: the server n{number}, which leads the stream of events; another one leads it"
ALL_ANSWERED = "all events are answered 200"
ENDED = """\
What was answered 200, beside what the vendor has:
"""


class Progress:
    """Prints lines with the time since the start."""

    def __init__(self, story: ChaosStory) -> None:
        self._story, self._began = story, time.monotonic()

    def say(self, text: str) -> None:
        """Print what happened."""
        print(f"{time.monotonic() - self._began:5.1f} s  {text}", flush=True)

    async def counts(self) -> None:
        """Print how far it is, again and again, until canceled."""
        while True:
            await self.count()
            await asyncio.sleep(EVERY)

    async def count(self) -> None:
        """Print how far it is, and how many partitions each worker has."""
        delivered = await asyncio.to_thread(self._story.vendor.wait, 0, 0)
        owned = await asyncio.gather(*map(self._owned, self._story.workers.values()))
        answered = len(self._story.load.answered)
        self.say(f"answered 200: {answered:6,}   delivered: {delivered:6,}   partitions: {'  '.join(owned)}")

    @staticmethod
    async def _owned(worker: ServeProcess) -> str:
        try:
            return f"{worker.name} {len(await asyncio.to_thread(worker.owned))}"
        except OSError:
            return f"{worker.name} -"


def main() -> int:
    """Run it; 0 if nothing was lost, and everyone's events came in order."""
    with tempfile.TemporaryDirectory(prefix="waybill-") as folder, ChaosStory(Path(folder), SIZE) as story:
        print(
            INTRODUCTION.format(
                address=story.address(),
                events=SHAPE.events,
                senders=SHAPE.senders,
                **{name: getattr(SIZE, name) for name in ("nodes", "collectors", "workers")},
            ),
            end="\n\n",
            flush=True,
        )
        asyncio.run(run(story))
        found = story.compared()
    print(f"\n{ENDED}\n" + "\n".join(table(found)))
    return 1 if found.faults(TWICE) else 0


async def run(story: ChaosStory) -> None:
    """Send the events, kill meanwhile, and wait until all is delivered."""
    await story.shared_out()
    load, progress = story.loading(SHAPE), Progress(story)
    counting = asyncio.create_task(progress.counts())
    sending = asyncio.create_task(load.run())
    await asyncio.to_thread(story.vendor.wait, SHAPE.events // 5, LONGEST)
    progress.say(KILLED_WORKER.format(pid=story.workers["w1"].pid, name="w1"))
    story.workers["w1"].kill()
    await asyncio.sleep(PAUSE)
    node = story.cluster.leader("chaos_events")
    progress.say(KILLED_NODE.format(pid=node.pid, number=node.number))
    node.kill()
    await sending
    progress.say(ALL_ANSWERED)
    await story.delivered(LONGEST)
    counting.cancel()
    await progress.count()


def table(found: Comparison) -> list[str]:
    """Return the lines of the last table."""
    rows = [
        ("answered 200", f"{found.answered:,}", ""),
        ("delivered", f"{found.delivered:,}", ""),
        ("lost", f"{len(found.lost):,}", f"or still waiting after {LONGEST:g} s" if found.lost else ""),
        (
            "delivered twice",
            f"{len(found.twice):,}",
            f"at most {TWICE:,}: on its way in partitions that moved",
        ),
        ("out of order", f"{len(found.disordered):,}", "by user or device"),
    ]
    return [f"  {name:<16}{count:>8}   {about}".rstrip() for name, count, about in rows]


if __name__ == "__main__":
    sys.exit(main())
