"""The client against a real server: publishing exactly once, reading in order, and every way to fail with its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from engine.delivery.outbox.location import StreamAddress
from engine.stream.client import StreamClient
from engine.stream.errors import SequenceConflict
from engine.stream.layout import Layout, create_or_check


@pytest.fixture
def client(new_address: Callable[..., StreamAddress]) -> Iterator[StreamClient]:
    client = StreamClient(new_address(partitions=2), {})
    yield client
    client.close()


def test_what_is_published_is_read_in_order(client: StreamClient) -> None:
    layout = client.call(create_or_check(client, client.address))
    assert layout == Layout(client.address.name, 2)

    async def publish_and_read() -> list[tuple[int, bytes]]:
        for number in range(5):
            await client.publish(layout.events_subject(number % 2), b"%d" % number, {"A": "b"})
        found = await client.read(layout.events, layout.events_subject(0), 1, 10)
        return [(message.seq, message.data) for message in found]

    assert client.call(publish_and_read()) == [(3, b"2"), (5, b"4")]
    assert client.call(create_or_check(client, client.address)) == layout
    last = client.call(client.last(layout.events, layout.events_subject(1)))
    assert last is not None
    assert (last.seq, last.data, last.headers["A"]) == (4, b"3", "b")
    assert client.call(client.last(layout.events, "nobody")) is None
    assert client.call(client.read(layout.events, layout.events_subject(0), 5, 10)) == []


def test_who_expects_another_last_message_writes_nothing(client: StreamClient) -> None:
    layout = client.call(create_or_check(client, client.address))
    subject = layout.state_subject("connection", "shop")
    first = client.call(client.publish(subject, b"1", expect=0))
    assert client.call(client.publish(subject, b"2", {"Nats-Msg-Id": "x"}, expect=first)) == first + 1
    with pytest.raises(SequenceConflict) as raised:
        client.call(client.publish(subject, b"3", expect=first))
    assert str(raised.value) == (
        f"Another process has written to {subject}: its last message is {first + 1}, not {first}. Nothing was written."
    )
    assert client.call(client.publish(subject, b"2", {"Nats-Msg-Id": "x"}, expect=first)) == first + 1
