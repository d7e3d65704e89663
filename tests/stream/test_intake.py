"""Intake: everything acknowledged is in the stream, in order by key, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from engine.delivery.outbox.base import Discarded, NewEvent, TakenIn
from engine.delivery.outbox.location import StreamAddress
from engine.stream.client import StreamClient, StreamMessage
from engine.stream.intake import StreamIntake
from engine.stream.layout import Layout, create_or_check
from engine.stream.packs import decode, decode_discards
from engine.stream.partitions import partition_of
from engine.stream.positions import StreamPosition
from tests.stream.events import event


@pytest.fixture
def client(new_address: Callable[..., StreamAddress]) -> Iterator[StreamClient]:
    client = StreamClient(new_address(partitions=4), {})
    yield client
    client.close()


@pytest.fixture
def layout(client: StreamClient) -> Layout:
    return client.call(create_or_check(client, client.address))


def messages(client: StreamClient, stream: str, subject: str) -> list[StreamMessage]:
    return client.call(client.read(stream, subject, 0, 1000))


def stored(client: StreamClient, layout: Layout, partition: int) -> list[NewEvent]:
    found = messages(client, layout.events, layout.events_subject(partition))
    return [each for message in found for each in decode(message.headers, message.data).events]


def test_events_are_stored_by_partition_in_order(client: StreamClient, layout: Layout) -> None:
    intake = StreamIntake(client, layout)
    events = [event(number, anonymousId=f"device {number % 30}") for number in range(500)]
    assert intake.take_in(events, ["shop", "crm"], 0.0) == TakenIn(new=500)
    for partition in range(4):
        assert stored(client, layout, partition) == [each for each in events if partition_of(each.raw, 4) == partition]
    first = messages(client, layout.events, layout.events_subject(0))[0]
    assert decode(first.headers, first.data).connections == ("shop", "crm")
    assert intake.take_in([], ["shop"], 0.0) == TakenIn()


def test_a_source_may_choose_its_key_first(client: StreamClient, layout: Layout) -> None:
    events = [event(number, source, anonymousId=f"{number}", userId="u") for number in range(20) for source in "ab"]
    StreamIntake(client, layout, {"b": "userId"}).take_in(events, ["shop"], 0.0)
    ofuser = stored(client, layout, partition_of({"userId": "u"}, 4))
    assert [each for each in ofuser if each.source == "b"] == [each for each in events if each.source == "b"]
    assert len([each for each in ofuser if each.source == "a"]) < 20


def test_what_is_not_finished_is_counted_behind_the_positions(client: StreamClient, layout: Layout) -> None:
    intake = StreamIntake(client, layout)
    assert intake.unfinished("shop") == (0, None)
    before = client.time()
    intake.take_in([event(number) for number in range(150)], ["shop"], 0.0)
    count, since = intake.unfinished("shop")
    assert count == 150
    assert since is not None
    assert since == pytest.approx(before, abs=60)
    partition = partition_of(event(1).raw, 4)
    subject = layout.position_subject(partition, "shop")
    position = StreamPosition()
    position.read(1, 0b101)
    client.call(client.publish(subject, position.encode()))
    assert intake.unfinished("shop") == (102, since)
    assert intake.unfinished("crm")[0] == 150


def test_copies_of_discarded_events_are_kept_by_source(client: StreamClient, layout: Layout) -> None:
    copies = [Discarded(source, 1.0, "no-id", "no id", "m", b"{}") for source in ("web", "an app", "web")]
    StreamIntake(client, layout).keep_discards(copies, {"web": 7, "third": 1}, 5.0)
    found = {
        source: [
            decode_discards(source, message.headers, message.data)
            for message in messages(client, layout.discards, layout.discards_subject(source))
        ]
        for source in ("web", "an app", "third")
    }
    assert found == {
        "web": [([copies[0], copies[2]], 7, 5.0)],
        "an app": [([copies[1]], 0, 5.0)],
        "third": [([], 1, 5.0)],
    }
