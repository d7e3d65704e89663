"""Trouble while a client is at work: full streams, large messages, servers that end, freeze and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from engine.delivery.outbox.location import StreamAddress
from engine.records import JsonObject
from engine.stream.client import StreamClient
from engine.stream.errors import CredentialsRefused, MessageTooLarge, NoServer, StreamFull
from engine.stream.intake import StreamIntake, check_sizes
from engine.stream.layout import Layout, create_or_check
from engine.stream.packs import decode
from tests.collector.harness import Inside
from tests.stream.events import event
from tests.stream.servers import NatsServer

MAX_PAYLOAD = 100_000


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a server that takes no large messages, and is restarted by a test."""
    with NatsServer(tmp_path_factory.mktemp("small"), config=f"max_payload: {MAX_PAYLOAD}") as server:
        yield server


@pytest.fixture
def clients() -> Iterator[Callable[[StreamAddress], StreamClient]]:
    made: list[StreamClient] = []

    def client(address: StreamAddress) -> StreamClient:
        made.append(StreamClient(address, {}))
        return made[-1]

    yield client
    for each in made:
        each.close()


def layout_of(client: StreamClient) -> Layout:
    return client.call(create_or_check(client, client.address))


def ids(client: StreamClient, layout: Layout) -> list[str]:
    found = client.call(client.read(layout.events, f"{layout.name}.events.*", 0, 1000))
    return [each.message_id for message in found for each in decode(message.headers, message.data).events]


def test_a_full_stream_is_answered_429_and_nothing_is_dropped(
    new_address: Callable[..., StreamAddress], clients: Callable[[StreamAddress], StreamClient]
) -> None:
    client = clients(new_address(partitions=1, max_bytes=20_000))
    layout = layout_of(client)
    intake = StreamIntake(client, layout)
    inside = Inside(outbox=intake)  # type: ignore[arg-type]  what a collector needs of it

    def send(number: int) -> tuple[int, JsonObject, str | None]:
        track = {
            "type": "track",
            "event": "E",
            "anonymousId": "a",
            "messageId": f"m{number}",
            "properties": {"p": "x" * 6000},
        }
        answer = inside.ask("/v1/batch", orjson.dumps({"batch": [track]}))
        return answer.status, orjson.loads(answer.body), answer.headers.get("retry-after")

    answers = [send(number) for number in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429]
    assert answers[3][1:] == (
        {
            "success": False,
            "code": "too_many_requests",
            "message": "There is no room for more events. Send the request again later.",
        },
        "5",
    )
    assert inside.observer.refusals == ["stream_full"]
    with pytest.raises(StreamFull) as raised:
        intake.take_in([event(9, p="x" * 6000)], ["shop"], 0.0)
    assert str(raised.value) == (
        f"A stream of {client.address} is full: maximum bytes exceeded. Nothing was dropped: senders send again. Make "
        "room (`engine outbox purge`), or allow more: nats stream edit NAME --max-bytes."
    )
    client.call(client.api(f"STREAM.PURGE.{layout.events}", {"seq": 2}))
    assert send(3)[0] == 200
    assert ids(client, layout) == ["m1", "m2", "m3"]


def test_servers_that_take_no_large_messages(
    small_server: NatsServer, clients: Callable[[StreamAddress], StreamClient]
) -> None:
    client = clients(small_server.address("large"))
    layout = layout_of(client)
    check_sizes(client, MAX_PAYLOAD - 16 * 1024)
    with pytest.raises(MessageTooLarge) as raised:
        check_sizes(client, MAX_PAYLOAD)
    assert str(raised.value) == (
        f"The servers of {client.address} take messages of 100000 bytes, too few for events of 100000 bytes "
        "(--event-bytes) and the 16384 bytes around them: raise max_payload in the servers' configuration, or lower "
        "--event-bytes."
    )
    intake = StreamIntake(client, layout)
    with pytest.raises(MessageTooLarge) as large:
        intake.take_in([event(0, p="x" * MAX_PAYLOAD)], ["shop"], 0.0)
    text = str(large.value)
    assert text.partition(" bytes is ")[2] == (
        f"larger than the servers of {client.address} take (100000 bytes, headers included): raise max_payload in the "
        "servers' configuration."
    )
    assert client.call(client.api(f"STREAM.INFO.{layout.events}"))["state"]["messages"] == 0  # type: ignore[index,call-overload]
    intake.take_in([event(number, p="x" * 20_000) for number in range(20)], ["shop"], 0.0)
    assert len(ids(client, layout)) == 20


def test_a_server_that_ends_while_it_is_published_to(
    small_server: NatsServer, clients: Callable[[StreamAddress], StreamClient]
) -> None:
    client = clients(small_server.address("ending", partitions=2))
    layout = layout_of(client)
    StreamIntake(client, layout).take_in([event(0)], ["shop"], 0.0)
    small_server.kill()
    with pytest.raises(NoServer) as raised:
        client.call(client.publish(layout.events_subject(0), b"", patience=0.2))
    assert str(raised.value) == (
        f"The connection to {client.address} broke, and no server answers any more (tried for 0.2 s). Look whether "
        "they run; the connection comes back by itself."
    )
    ends = [client.start(client.publish(layout.results_subject(0, "shop"), b"%d" % each)) for each in range(20)]
    small_server.start()
    assert sorted(end.result(10) for end in ends) == list(range(1, 21))
    assert ids(client, layout) == ["m0"]
    tokens = client.call(client.read(layout.owners, f"{layout.name}.owners.*", 0, 10))
    assert [message.data for message in tokens] == [b"token", b"token"]
    small_server.kill()
    config = small_server.folder / "server.conf"
    config.write_text(config.read_text() + "\nauthorization: { token: another }")
    small_server.start()
    with pytest.raises(CredentialsRefused) as refused:
        client.call(client.publish(layout.events_subject(0), b"", patience=1))
    assert str(refused.value) == (
        f"The NATS server of {client.address} does not let in a client without credentials. Set WAYBILL_NATS_USER and "
        "WAYBILL_NATS_PASSWORD, WAYBILL_NATS_TOKEN, or WAYBILL_NATS_CREDS."
    )


@pytest.mark.slow
def test_what_a_frozen_server_got_twice_is_stored_once(
    tmp_path: Path, clients: Callable[[StreamAddress], StreamClient]
) -> None:
    with NatsServer(tmp_path) as server:
        client = clients(server.address(partitions=1))
        layout = layout_of(client)

        async def freeze_and_thaw() -> list[int]:
            wire = await client.wire()
            server.freeze()
            publishing = [
                asyncio.ensure_future(client.publish(layout.events_subject(0), b"%d" % each)) for each in range(50)
            ]
            while wire.is_connected:  # noqa: ASYNC110  nats-py has no event for it
                await asyncio.sleep(0.05)
            server.thaw()
            return list(await asyncio.gather(*publishing))

        assert sorted(client.call(freeze_and_thaw())) == list(range(1, 51))
        found = client.call(client.read(layout.events, layout.events_subject(0), 0, 100))
        assert sorted(int(message.data) for message in found) == list(range(50))


@pytest.mark.slow
def test_a_frozen_node_is_left_within_four_seconds(
    tmp_path: Path, clients: Callable[[StreamAddress], StreamClient]
) -> None:
    """Two servers of their own stand for nodes: the client must be at the other one."""
    with NatsServer(tmp_path / "a") as one, NatsServer(tmp_path / "b") as other:
        client = clients(StreamAddress((one.url, other.url), "nodes", partitions=1))

        async def leave() -> float:
            wire = await client.wire()
            assert wire.connected_url is not None
            frozen = one if wire.connected_url.port == one.port else other
            frozen.freeze()
            began = client.loop.time()
            await wire.publish("nobody", b"x" * 1_000_000)
            await wire.publish("nobody", b"x" * 1_000_000)
            await client.api("INFO")
            taken = client.loop.time() - began
            frozen.thaw()
            return taken

        assert client.call(leave()) < 4
