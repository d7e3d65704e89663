"""Streams: made where missing, checked where they exist; every way in which they can be wrong, with its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.outbox.location import StreamAddress
from engine.errors import UsageError, WaybillError
from engine.records import Json, JsonObject
from engine.stream.client import StreamClient
from engine.stream.errors import OutboxUnfit, StreamMismatch, StreamMissing
from engine.stream.layout import (
    LONGEST_NAME,
    Layout,
    configurations,
    create_or_check,
    existing_layout,
    partition_in,
    place_tokens,
    subject_token,
    token_name,
)


@pytest.fixture
def client(new_address: Callable[..., StreamAddress]) -> Iterator[StreamClient]:
    client = StreamClient(new_address(), {})
    yield client
    client.close()


def problem(client: StreamClient, **limits: int) -> WaybillError:
    """Return what is wrong with the client's address and these limits, with NAME for its name."""
    address = client.address._replace(**limits)
    with pytest.raises(WaybillError) as raised:
        client.call(create_or_check(client, address))
    return type(raised.value)(str(raised.value).replace(client.address.name, "NAME"))


def test_what_is_made_is_found_again(client: StreamClient) -> None:
    address = client.address._replace(partitions=3, max_bytes=10_000_000)
    with pytest.raises(StreamMissing) as raised:
        client.call(existing_layout(client, address))
    assert str(raised.value) == (
        f"There is no outbox at {address}: its streams are made by `engine serve`, `engine import` or "
        "`engine backfill`. Start one of these with this address, or correct the address."
    )
    layout = client.call(create_or_check(client, address))
    assert layout == Layout(address.name, 3, 1, 10_000_000)
    assert client.call(create_or_check(client, client.address)) == layout
    assert client.call(existing_layout(client, client.address)) == layout


def test_each_partition_has_one_token(client: StreamClient) -> None:
    layout = client.call(create_or_check(client, client.address._replace(partitions=3)))
    client.call(place_tokens(client, layout))
    tokens = client.call(client.read(layout.owners, f"{layout.name}.owners.*", 0, 10))
    assert [(partition_in(each.subject, 3), each.data) for each in tokens] == [
        (0, b"token"),
        (1, b"token"),
        (2, b"token"),
    ]


def test_limits_of_the_address_that_are_others(client: StreamClient) -> None:
    client.call(create_or_check(client, client.address._replace(partitions=3, max_bytes=5_000)))
    other = problem(client, partitions=4)
    assert isinstance(other, UsageError)
    assert str(other) == (
        "The outbox NAME has 3 partitions, the address says 4. Their number is fixed when the streams are made: write "
        "partitions=3 or leave it out. For another number, begin a new outbox under another name."
    )
    assert str(problem(client, max_bytes=6_000)) == (
        "The stream NAME_events has max_bytes 5000, the address says 6000. Write max_bytes=5000 or leave it out; or "
        "change the stream: nats stream edit NAME_events --max-bytes 6000"
    )
    assert str(problem(client, replicas=3)) == (
        "The stream NAME_events has replicas 1, the address says 3. Write replicas=1 or leave it out; or change the "
        "stream: nats stream edit NAME_events --replicas 3"
    )


def test_more_than_the_servers_have(client: StreamClient) -> None:
    error = problem(client, replicas=3)
    assert isinstance(error, OutboxUnfit)
    assert str(error).replace(str(client.address.servers[0]), "SERVER") == (
        "The stream NAME_events cannot be made with replicas=3: replicas > 1 not supported in non-clustered mode. Write "
        "what the servers have into the address, or add servers or disk."
    )
    assert str(problem(client, max_bytes=10**18)) == (
        "The stream NAME_events cannot be made with max_bytes=1000000000000000000: insufficient storage resources "
        "available. Write what the servers have into the address, or add servers or disk."
    )


ADVICE = (
    "Choose another name in the address, nats://HOST/NAME; or, if nothing in the stream is needed, remove it (nats "
    "stream rm {stream}) and it is made anew."
)
FOREIGN: list[tuple[str, JsonObject, str]] = [
    ("events", {"metadata": {}}, "The stream NAME_events has metadata waybill.format missing, but the outbox needs 1."),
    (
        "events",
        {"metadata": {"waybill.format": "2", "waybill.partitions": "16"}},
        "The stream NAME_events has metadata waybill.format 2, but the outbox needs 1.",
    ),
    (
        "events",
        {"metadata": {"waybill.format": "1", "waybill.partitions": "x"}},
        "The stream NAME_events has metadata waybill.partitions x, but the outbox needs a number from 1 to 256.",
    ),
    ("events", {"discard": "old"}, "The stream NAME_events has discard old, but the outbox needs new."),
    ("events", {"max_age": 3600 * 10**9}, "The stream NAME_events has max_age 3600000000000, but the outbox needs 0."),
    (
        "events",
        {"subjects": ["NAME.events.*", "NAME.other"]},
        "The stream NAME_events has subjects NAME.events.*, NAME.other, but the outbox needs NAME.events.*.",
    ),
    (
        "results",
        {"retention": "workqueue"},
        "The stream NAME_results has retention workqueue, but the outbox needs limits.",
    ),
    (
        "set_aside",
        {"allow_direct": False},
        "The stream NAME_set_aside has allow_direct False, but the outbox needs True.",
    ),
    ("results", {"max_msgs": 9}, "The stream NAME_results has max_msgs 9, but the outbox needs -1."),
    ("owners", {"storage": "memory"}, "The stream NAME_owners has storage memory, but the outbox needs file."),
    (
        "state",
        {"max_msgs_per_subject": 5},
        "The stream KV_NAME_state has max_msgs_per_subject 5, but the outbox needs 1.",
    ),
]


@pytest.mark.parametrize(("which", "settings", "message"), FOREIGN)
def test_a_stream_of_that_name_is_another(
    client: StreamClient, which: str, settings: dict[str, Json], message: str
) -> None:
    layout = Layout(client.address.name)
    stream = getattr(layout, which)
    wanted = next(each for each in configurations(layout) if each["name"] == stream)
    named = {
        key: [str(each).replace("NAME", layout.name) for each in value] if key == "subjects" else value
        for key, value in settings.items()
    }
    client.call(client.api(f"STREAM.CREATE.{stream}", wanted | named))
    error = problem(client)
    assert isinstance(error, StreamMismatch)
    assert str(error) == f"{message} {ADVICE.format(stream=stream.replace(layout.name, 'NAME'))}"


def test_another_stream_has_the_subjects(client: StreamClient) -> None:
    name = client.address.name
    client.call(client.api(f"STREAM.CREATE.{name}_all", {"name": f"{name}_all", "subjects": [f"{name}.results.>"]}))
    assert str(problem(client)) == (
        "The stream NAME_results cannot be made: another stream has its subjects (NAME.results.*.*). Choose another "
        "name in the address, nats://HOST/NAME."
    )


@given(st.text(min_size=1, max_size=LONGEST_NAME))
def test_a_name_is_one_token_and_can_be_read_again(name: str) -> None:
    token = subject_token(name)
    assert token_name(token) == name
    assert token.isascii()
    assert not set(token) & set(" .*>\r\n\t")


def test_names_of_the_documentation() -> None:
    layout = Layout("shop", 16)
    assert [
        layout.events_subject(3),
        layout.results_subject(12, "my shop.1"),
        layout.set_aside_subject("crm", 0),
        layout.discards_subject("web"),
        layout.owners_subject(255),
        layout.state_subject("connection", "a.b"),
        layout.position_subject(1, "crm"),
    ] == [
        "shop.events.03",
        "shop.results.12.my=20shop=2E1",
        "shop.set_aside.crm.00",
        "shop.discards.web",
        "shop.owners.255",
        "$KV.shop_state.connection.a=2Eb",
        "$KV.shop_state.position.01.crm",
    ]
