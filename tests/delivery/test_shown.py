"""What a dry run shows is what delivery puts on the wire, for any mapping and event."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.commands.connection_options import NamedConnection
from engine.commands.output.ndjson import LineWriter
from engine.delivery.configured_connection import ConfiguredConnection, rebased
from engine.delivery.outbox.base import NewEvent
from engine.delivery.sending.http import HEADERS, written_url
from engine.delivery.sending.jobs import normalized
from engine.delivery.sending.outgoing import DryRun, dry_run
from engine.delivery.sending.pacing import Clock
from engine.delivery.supervisor import Delivery
from engine.language.bodies import compressed, encoded
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Outcome
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, results
from tests.language.cases import DEFAULT_EVENT, DEFAULT_MAPPING
from tests.language.generate import Generated, batches, generated
from tests.language.generate_events import objects
from tests.language.generate_paths import Ground
from tests.runners import destination

QUIET = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.function_scoped_fixture,
]
RECEIVED = "2024-01-02T03:04:06.000Z"


class OnWire(NamedTuple):
    """One request, to the byte; headers without regard to order and case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Sent(NamedTuple):
    """What delivery made of events: the dry run of each, what the vendor received, and how each ended."""

    runs: list[DryRun]
    received: list[OnWire]
    outcomes: dict[str, str]
    url: str
    connection: Connection


def deliver(target: Destination, given: JsonObject, events: list[JsonObject], now: float = 1_800_000_000.0) -> Sent:
    """Show events by a dry run, then deliver all of them to a vendor that accepts everything."""

    async def story() -> Sent:
        async with Vendor(lambda _: Answer(200, None)) as vendor:
            connection = rebased(Connection(target, given), vendor.url)
            configured = ConfiguredConnection(name="case", connection=connection)
            outbox = MemoryOutbox()
            rows = [NewEvent("test", str(each["messageId"]), RECEIVED, json.dumps(each).encode()) for each in events]
            outbox.take_in(rows, ["case"], now)
            waiting = [normalized(row) for row in outbox.waiting("case", 0, len(rows))]
            runs = [dry_run(configured, connection.plan_normalized(each, now=now), now) for each in waiting]
            # A signature has the time in it: one second lasts an hour here.
            clock = Clock(wall=lambda: now, monotonic=lambda: time.monotonic() / 3600)
            await Delivery(outbox, [configured], QUICK, clock=clock).run()
            received = [on_wire(each) for each in vendor.requests]
            return Sent(runs, received, results(outbox)[0], vendor.url, connection)

    return asyncio.run(story())


def on_wire(request: Request) -> OnWire:
    return OnWire(request.method, request.path, request.headers, request.raw)


def shown(run: DryRun, connection: Connection, url: str) -> list[OnWire]:
    """Return the requests that a dry run prints, as docs/output.md says that they are sent."""
    found = []
    line = LineWriter(NamedConnection("case", connection), None).line({}, run)
    for planned in json.loads(line)["requests"]:
        batch = planned.get("batch", {})
        if "beside" in batch:
            continue
        encode = "json" if batch else connection.mapping.requests[planned["request"]].encode
        found.append(_wire({**planned, **batch}, encode, url))
    return found


def _wire(printed: dict[str, Any], encode: str, url: str) -> OnWire:
    target = urlsplit(written_url(printed["url"], printed["query"]))
    body = encoded(printed["body"], encode)
    if body is not None and printed["headers"].get("Content-Encoding") == "gzip":
        body = compressed(body)
    headers = {name.lower(): value for name, value in {**HEADERS, "Host": urlsplit(url).netloc}.items()}
    if body is not None or printed["method"] in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(body or b""))
    headers |= {name.lower(): value for name, value in printed["headers"].items()}
    path = target.path or "/"
    return OnWire(printed["method"], f"{path}?{target.query}" if target.query else path, headers, body or b"")


def check_one(one: Generated) -> None:
    """One event alone: the requests are the same to the byte, and in the same order."""
    assume(isinstance(one.event, dict) and "saved." not in json.dumps(one.mapping))
    event = cast("JsonObject", {**cast("JsonObject", one.event), "messageId": "m1"})
    sent = deliver(destination(json.dumps(one.mapping, ensure_ascii=False)), one.settings, [event])
    [run] = sent.runs
    assert sent.received == shown(run, sent.connection, sent.url)
    expected = "delivered" if run.plan.outcome is Outcome.PLANNED else run.plan.outcome.value
    assert sent.outcomes == {"m1": expected}


GROUND = Ground("track")
STEPS: list[Json] = [
    {"request": "row", "fields": {"m": "messageId", "a": "properties.a"}},
    {"request": "row", "for_each": "properties.items", "fields": {"m": "messageId", "n": "index", "a": "item.a"}},
    {"request": "row", "when": "properties.b", "fields": {"m": "messageId", "b": "properties.b"}},
    {"request": "send", "when": "properties.a", "fields": {"m": "messageId"}},
]


@st.composite
def batched(draw: st.DrawFn) -> tuple[JsonObject, list[JsonObject]]:
    """A mapping with batches, and events of a few users."""
    item: Json = {"item": {"fields": {"m": "body.m", "data": "body"}}}
    mapping: JsonObject = {
        **DEFAULT_MAPPING,
        "requests": {"row": {"batch": "all", **draw(st.sampled_from([{}, item]))}, "send": {"path": "/send"}},
        "batches": {"all": draw(batches(GROUND))},
        "calls": {"track": draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=3))},
    }
    made = draw(st.lists(st.tuples(st.sampled_from("uvw"), objects()), min_size=1, max_size=9))
    events = [
        {**DEFAULT_EVENT, "event": "x", "anonymousId": None, "messageId": f"m{n}", "userId": user, "properties": given}
        for n, (user, given) in enumerate(made)
    ]
    return mapping, cast("list[JsonObject]", events)


def check_batches(mapping: JsonObject, events: list[JsonObject]) -> None:
    """The first event alone as above; of all together, the same items for each user, in order and within the limits."""
    check_one(Generated(mapping, {}, events[0], []))
    sent = deliver(destination(json.dumps(mapping)), {}, events)
    users = {str(event["messageId"]): str(event["userId"]) for event in events}
    expected = [each for run in sent.runs for each in shown(run, sent.connection, sent.url)]
    batch = cast("dict[str, Any]", mapping["batches"])["all"]
    # An address that is made of the items is that of all of them, which no event knows alone.
    own = "items" in json.dumps([batch.get(word) for word in ("query", "query_from", "headers_from")])
    assert items_by_user(sent.received, users, own=own) == items_by_user(expected, users, own=own)
    most = batch["max_items"]
    assert all(len(items_of(each)) <= most for each in sent.received)


def items_of(request: OnWire) -> list[Any]:
    """Return the items of a batch, or the body of a request that is sent alone."""
    body = json.loads(request.body)
    return body["rows"] if "rows" in body else body if isinstance(body, list) else [body]


def items_by_user(requests: list[OnWire], users: dict[str, str], *, own: bool) -> dict[str, list[Any]]:
    """Return the items of each user in order, each with where it was sent and with which headers.

    Of a batch whose query and headers are its `own`, only the path is compared.
    """
    found = defaultdict(list)
    for request in requests:
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        whole = not own or not request.target.startswith("/all")
        where = (request.target, headers) if whole else (request.target.partition("?")[0],)
        for item in items_of(request):
            found[users[item["m"]]].append((request.method, *where, item))
    return found


@settings(max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
@given(generated())
def test_one_event_is_sent_as_it_is_shown(one: Generated) -> None:
    check_one(one)


@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
@given(batched())
def test_batches_are_sent_as_they_are_shown(one: tuple[JsonObject, list[JsonObject]]) -> None:
    check_batches(*one)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, database=None, suppress_health_check=QUIET)
@given(generated(), batched())
def test_many_more_are_sent_as_they_are_shown(one: Generated, other: tuple[JsonObject, list[JsonObject]]) -> None:
    check_batches(*other)
    check_one(one)
