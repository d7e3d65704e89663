"""What workers share of a connection: two processes see the same, whoever writes first, and bad bytes hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import orjson
import pytest

from engine.delivery.outbox.base import ConnectionRow
from engine.delivery.outbox.location import StreamAddress
from engine.stream.client import StreamClient
from engine.stream.errors import UnknownFormat
from engine.stream.layout import Layout, create_or_check
from engine.stream.rates import RateKey
from engine.stream.shared_state import NEWER, NEWER_HINT, UNREADABLE, SharedConnection, SharedState, decoded

NOW = 1_800_000_000.0


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clients(new_address: Callable[..., StreamAddress]) -> Iterator[tuple[StreamClient, StreamClient, Layout]]:
    """Two processes' clients of one outbox, and its layout."""
    address = new_address(partitions=2)
    with ExitStack() as stack:
        one, two = (stack.enter_context(closing(StreamClient(address, {}))) for _ in range(2))
        yield one, two, one.call(create_or_check(one, address))


def test_what_one_process_writes_another_sees_within_a_second(
    clients: tuple[StreamClient, StreamClient, Layout],
) -> None:
    one, two, layout = clients
    clock = Seconds()
    first, second = SharedState(one, layout), SharedState(two, layout, clock)
    first.add(["shop", "crm ä.b"])
    assert second.rows() == [ConnectionRow("crm ä.b"), ConnectionRow("shop")]
    first.hold("shop", "the vendor answered 401", "Check the key.", NOW)
    assert second.rows("shop") == [ConnectionRow("shop")], "what was read is still fresh"
    clock.now += 1.0
    held = ConnectionRow("shop", "the vendor answered 401", "Check the key.", NOW)
    assert second.rows("shop") == first.rows("shop") == [held]
    assert second.resume("shop")
    assert second.rows("shop") == [ConnectionRow("shop")]
    assert not second.resume("unknown")
    assert second.rows("unknown") == []
    second.hold("shop", "the vendor answered 401", "Check the key.", NOW, resumes=0)
    assert second.rows("shop") == [ConnectionRow("shop")], "that answer came before a person resumed it"
    assert second.resumes("shop") == 1
    second.hold("shop", "the vendor answered 401", "Check the key.", NOW, resumes=1)
    assert second.rows("shop") == [held]


def test_changes_of_two_processes_are_both_kept(clients: tuple[StreamClient, StreamClient, Layout]) -> None:
    one, two, layout = clients
    clock = Seconds()
    first, second = SharedState(one, layout), SharedState(two, layout, clock)
    first.add(["shop"])
    second.add(["shop"])
    first.set_alarm("shop", 0, "many refusals")
    second.set_alarm("shop", 1, "all refused")
    second.pause("shop", NOW + 60, "503")
    first.pause("shop", NOW + 30, "a shorter one")
    row = ConnectionRow("shop", due=NOW + 60, pause="503")
    assert first.rows("shop") == [row._replace(alarm="many refusals")]
    assert first.rows("shop", 1) == [row._replace(alarm="all refused")]
    first.set_alarm("shop", 0, "")
    first.pause("shop", None, "")
    clock.now += 1.0
    assert second.rows("shop") == [ConnectionRow("shop", alarm="all refused")]


def test_the_first_hold_stays() -> None:
    held = SharedConnection("shop").with_hold("no such key", "Check it.", NOW)
    assert held.with_hold("something else", "", NOW + 1) == held
    assert held.with_pause(NOW + 60, "503") == held
    assert held.resumed() == SharedConnection("shop", resumes=1)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b"null", b'{"format":1}', b'{"format":"1"}', orjson.dumps({"format": 1, "held": 7})],
)
def test_bytes_that_cannot_be_read_hold_the_connection(data: bytes) -> None:
    found = decoded("shop", "connection.shop", data)
    assert (found.held, found.hint) == (UNREADABLE, "Find out what has written to the key connection.shop.")


def test_what_was_written_is_read() -> None:
    full = SharedConnection("shop", "a", "b", NOW, None, "c", {"1": "d"})
    assert decoded("shop", "connection.shop", full.encoded()) == full


def test_a_newer_release_s_state_holds_and_is_not_overwritten(
    clients: tuple[StreamClient, StreamClient, Layout],
) -> None:
    one, _, layout = clients
    one.call(one.publish(layout.state_subject("connection", "shop"), b'{"format":2,"paused_for":"ever"}'))
    state = SharedState(one, layout)
    assert state.rows() == [ConnectionRow("shop", NEWER, NEWER_HINT)]
    with pytest.raises(UnknownFormat) as caught:
        state.resume("shop")
    assert str(caught.value) == (
        "The connection shop: the shared state of this connection was written by a newer release. Upgrade this worker."
    )


def test_a_bucket_is_one_key_that_only_one_of_two_processes_replaces(
    clients: tuple[StreamClient, StreamClient, Layout],
) -> None:
    one, two, layout = clients

    async def revisions() -> list[object]:
        first, second = RateKey(one, layout, "shop"), RateKey(two, layout, "shop")
        assert await first.read() == (0.0, 0)
        written = await first.write(NOW, 0)
        assert written is not None
        lost = await second.write(NOW + 1, 0)
        one.call(one.publish(layout.state_subject("rate", "other"), b"not a number"))
        return [lost, await second.read() == (NOW, written), (await RateKey(two, layout, "other").read())[0]]

    assert asyncio.run(revisions()) == [None, True, float("inf")]
