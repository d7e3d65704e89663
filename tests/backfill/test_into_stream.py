"""Feeding an outbox on streams: a real server, a feeder that is killed, and events that do not fit."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from engine.backfill.feeding import PACK, FeedHooks, FeedTarget, feed
from engine.backfill.intake import opened_intake
from engine.backfill.work import FeedPosition, WorkFolder, WorkPlan
from engine.collector.sources import EventSource
from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.location import StreamAddress
from engine.errors import UsageError
from engine.stream.client import StreamClient
from engine.stream.layout import existing_layout
from engine.stream.packs import decode
from tests.backfill.shards import planned, spread

SOURCE = EventSource("web", ("k",), ("shop",))


class DyingFolder(WorkFolder):
    """Ends the process, as `kill -9` does, between a pack and its position."""

    def write_position(self, position: FeedPosition) -> None:
        if position.fed > 2 * PACK:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write_position(position)


def fed(address: StreamAddress, work: WorkFolder, plan: WorkPlan) -> list[FeedPosition]:
    with opened_intake(address, SOURCE, ["shop"], 1000) as outbox:
        hooks = FeedHooks(lambda: 0.0, lambda _: None, stored=outbox.stored)
        return list(feed(outbox.intake, work, plan, FeedTarget("web", ["shop"]), "", hooks))


def events_in(address: StreamAddress) -> list[NewEvent]:
    client = StreamClient(address, {})
    try:
        layout = client.call(existing_layout(client, address))
        found: list[NewEvent] = []
        for partition in range(layout.partitions):
            messages = client.call(client.read(layout.events, layout.events_subject(partition), 0, 1000))
            found += [event for each in messages for event in decode(each.headers, each.data).events]
        return found
    finally:
        client.close()


def test_killed_and_run_again_only_one_pack_is_there_twice(
    new_address: Callable[..., StreamAddress], tmp_path: Path
) -> None:
    address = new_address(partitions=4)
    _, plan = planned(tmp_path, spread(1000, 5))
    child = os.fork()
    if not child:
        try:
            fed(address, DyingFolder(tmp_path), plan)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert fed(address, WorkFolder(tmp_path), plan)[-1].fed == 1000
    found = events_in(address)
    times = Counter(event.message_id for event in found)
    assert set(times) == {f"m{number}" for number in range(1000)}
    assert sorted(name for name, count in times.items() if count > 1) == sorted(f"m{n}" for n in range(400, 600))
    once = list({event.message_id: orjson.loads(event.raw) for event in found}.values())
    for user in range(5):
        mine = [each["properties"]["n"] for each in once if each["userId"] == f"u{user}"]
        assert mine == sorted(mine)


def test_an_event_that_no_message_holds_is_said_before_anything_is_queued(
    new_address: Callable[..., StreamAddress],
) -> None:
    address = new_address(partitions=2)
    with pytest.raises(UsageError) as found, opened_intake(address, SOURCE, ["shop"], 10_000_000):
        pass
    assert str(found.value) == (
        f"The largest event has 10,000,000 bytes, and the servers of {address} take messages of 1,048,576: raise "
        "max_payload in the servers' configuration to 10,016,384 or more. Nothing was queued."
    )
