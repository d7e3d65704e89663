"""`kill -9` and a cut network, on real processes: nothing that was answered 200 is lost, and every sender's order stays.

The small run is one node, a worker, and a server that collects and delivers; the whole has three nodes, two collectors and four workers, and
what fails in it: a worker, a collector and a node are killed, a node and a worker are cut off for 20 seconds, a node is
cut from the other nodes but not from its clients, a worker is stopped and goes on when its partitions have moved. Order is looked at by the sequence numbers that arrive at
a vendor of its own process; what came twice is counted, and held to the bound of docs/stream.md.
"""

from __future__ import annotations

import asyncio
import signal

import pytest

from engine.stream.delivery import slots_of
from tests.stream.chaos_load import Shape
from tests.stream.chaos_story import ChaosStory, Size
from tests.stream.chaos_vendor import BATCH

SHARE, ALL = 6, 16
"""Partitions of one of three workers, and all. One that is lost may have a batch for each of its slots on the way."""
CUT = 20.0
"""Seconds for which the network is cut."""
STOPPED = 10.0
"""Seconds for which a worker does nothing: longer than its partitions stay its own."""


def test_a_worker_killed_loses_nothing(tmp_path) -> None:
    size = Size(nodes=1, workers=1, collectors=1, partitions=4, delay=0.1, both=True)
    with ChaosStory(tmp_path, size) as story:
        asyncio.run(killed_worker(story))
        found = story.compared()
    assert found.faults(most_twice=4 * slots_of(4) * BATCH) == []
    assert found.answered == found.delivered == 2_000


async def killed_worker(story: ChaosStory) -> None:
    await story.shared_out()
    load = story.loading(Shape(senders=200, each=10, clients=4, batch=50))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run())
        await asyncio.to_thread(story.vendor.wait, 500, 30)
        story.workers["w1"].kill()
    await story.delivered(60)


@pytest.mark.slow
def test_everything_that_fails_loses_nothing(tmp_path) -> None:
    size = Size(nodes=3, workers=4, collectors=2, partitions=ALL, guests=("w4",))
    with ChaosStory(tmp_path, size) as story:
        asyncio.run(everything_fails(story, Shape(senders=20_000, each=10, clients=16)))
        found = story.compared()
        codes = {name: worker.stop() for name, worker in story.workers.items() if name != "w1"}
    print(f"{len(found.twice):,} delivered again; answers: {dict(story.load.statuses)}")  # noqa: T201  with pytest -s
    lost = 3 * SHARE + 3 * ALL  # w1 is killed, w4 cut, w2 stopped; a node is killed, cut and isolated
    assert found.faults(most_twice=lost * slots_of(ALL) * BATCH) == []
    assert found.answered == found.delivered == 200_000
    assert set(codes.values()) == {0}, codes


async def everything_fails(story: ChaosStory, shape: Shape) -> None:
    await story.shared_out()
    load = story.loading(shape)
    async with asyncio.timeout(1800), asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run())
        await load.reached(0.1)
        story.workers["w1"].kill()
        await load.reached(0.15)
        await story.worker("w5")
        await load.reached(0.2)
        story.collectors["c1"].kill()
        await load.reached(0.3)
        await story.again("c1")
        await load.reached(0.4)
        await node_killed(story)
        await load.reached(0.5)
        await cut_off(story, story.cluster.leader("chaos_events").number)
        await load.reached(0.6)
        await cut_off(story, "w4")
        await load.reached(0.7)
        await stopped(story, "w2")
        await load.reached(0.8)
        await cut_off(story, story.cluster.leader("chaos_events").number, from_guests=False)
    await story.delivered(600)


async def node_killed(story: ChaosStory) -> None:
    """Kill the node that leads the events, and start it again when another one leads them."""
    node = story.cluster.leader("chaos_events")
    node.kill()
    await asyncio.sleep(5)
    node.start()
    await asyncio.to_thread(node.wait_ready)


async def cut_off(story: ChaosStory, end: int | str, *, from_guests: bool = True) -> None:
    """Cut a node or a worker from all others for 20 seconds; a node, if wanted, only from the other nodes."""
    story.cluster.cut(end, from_guests=from_guests)
    await asyncio.sleep(CUT)
    story.cluster.heal()


async def stopped(story: ChaosStory, name: str) -> None:
    """Stop a worker until its partitions have moved, and let it go on."""
    story.workers[name].send(signal.SIGSTOP)
    await asyncio.sleep(STOPPED)
    story.workers[name].send(signal.SIGCONT)
