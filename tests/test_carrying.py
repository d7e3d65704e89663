"""The HTTP requests that carry the plans of many events."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import http_requests, load
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.batching import pick
from engine.delivery.sending.fair_queue import FairQueue, Next, QueueLimits
from engine.delivery.sending.outgoing import dry_run, outgoing, pick_rules
from engine.plan import Connection
from engine.records import Json
from engine.responses import ResponseReader
from tests.runners import destination

ROOT = Path(__file__).parents[1]
NOW = 1_714_564_829.0
COMMON = {"mapping": 1, "name": "case", "title": "Case", "about": "A case.", "docs": "https://example.com/"}
HTTP = {"base_url": "https://example.com"}


def connected(**more: Json) -> Connection:
    """A mapping whose track calls go into the batch `rows` by group, and whose page calls are sent alone."""
    mapping = COMMON | {
        "http": HTTP,
        "requests": {
            "row": {"about": "A row.", "batch": "rows"},
            "note": {"about": "A note.", "path": "/notes", "encode": "form"},
        },
        "batches": {
            "rows": {
                "about": "Rows.",
                "path": "/rows",
                "group_by": "event",
                "fields": {"group": "group", "rows": "items"},
            }
            | more
        },
        "calls": {
            "track": [{"request": "row", "from": "properties"}],
            "page": [{"request": "note", "fields": {"n": "properties.n"}}],
        },
    }
    return destination(json.dumps(mapping)).connect({})


def track(event: str, number: Json, call: str = "track") -> bytes:
    return orjson.dumps(
        {
            "type": call,
            "event": event,
            "userId": f"u{number}",
            "timestamp": "2024-05-01T12:00:29.319Z",
            "properties": {"n": number},
        }
    )


def made(connection: Connection, events: list[bytes]) -> list[tuple[Json, tuple[int, ...]]]:
    found = http_requests(connection, map(connection.plan_json, events), now=NOW)
    return [(None if each.content is None else each.content.decode(), each.plans) for each in found]


@pytest.mark.parametrize(
    ("limits", "events", "expected"),
    [
        ({}, [], []),
        (
            {"max_items": 2},
            [("a", 0), ("a", 1), ("a", 2)],
            [('{"group":"a","rows":[{"n":0},{"n":1}]}', (0, 1)), ('{"group":"a","rows":[{"n":2}]}', (2,))],
        ),
        (
            {},
            [("a", 0), ("b", 1), ("a", 2)],
            [
                ('{"group":"a","rows":[{"n":0}]}', (0,)),
                ('{"group":"b","rows":[{"n":1}]}', (1,)),
                ('{"group":"a","rows":[{"n":2}]}', (2,)),
            ],
        ),
        (
            {"max_bytes": 16},  # each row has 7 bytes and a comma
            [("a", 0), ("a", 1), ("a", 2)],
            [('{"group":"a","rows":[{"n":0},{"n":1}]}', (0, 1)), ('{"group":"a","rows":[{"n":2}]}', (2,))],
        ),
        (
            {},
            [("a", 0), ("", 1, "page"), ("a", 2), ("", 3, "identify"), ("a", 4)],
            [
                ('{"group":"a","rows":[{"n":0}]}', (0,)),
                ("n=1", (1,)),
                ('{"group":"a","rows":[{"n":2},{"n":4}]}', (2, 4)),
            ],
        ),
    ],
)
def test_a_batch_ends_where_it_is_full_or_another_request_follows(limits, events, expected):
    assert made(connected(**limits), [track(*each) for each in events]) == expected


def with_note(length: int, number: int) -> bytes:
    return orjson.dumps(orjson.loads(track("a", number)) | {"properties": {"n": "x" * length}})


NOTE = {"query": {"n": {"from": "items[*].n"}}}


def test_what_cannot_travel_together_goes_in_halves():
    events = [with_note(length, number) for number, length in enumerate([30_000, 30_000, 30_000, 5_000, 5_000])]

    assert [plans for _, plans in made(connected(**NOTE), events)] == [(0, 1), (2, 3, 4)]


def test_what_cannot_be_put_into_a_batch_has_a_reason_and_spoils_no_other():
    connection = connected(**NOTE)
    plans = [connection.plan_json(with_note(3, number), now=NOW) for number in range(4)]
    too_long = plans[2].requests[0]._replace(body={"n": "x" * 70_000})
    plans[2] = plans[2]._replace(requests=(too_long,))

    found = list(http_requests(connection, plans, now=NOW))
    assert [each.plans for each in found] == [(0, 1), (2,), (3,)]
    assert [each.request is None for each in found] == [False, True, False]
    assert (found[1].content, found[1].fault) == (
        None,
        "the URL has 70,027 characters with its query; at most 65,536 are possible (batches.rows.query)",
    )


class _Event:
    """An event of its own user in delivery's queue."""

    queued_at = 0.0
    weight = 0
    retries = None
    apart = False

    def __init__(self, place, requests):
        self.place, self.ids, self._requests = place, frozenset([str(place)]), requests

    def next(self):
        return Next.of(self._requests)


@given(
    st.lists(st.integers(0, 10**6), max_size=12),
    st.integers(1, 7),
    st.none() | st.integers(1, 60),
)
def test_delivery_makes_the_same_batches_of_events_of_different_users(numbers, max_items, max_bytes):
    connection = connected(max_items=max_items, **({} if max_bytes is None else {"max_bytes": max_bytes}))
    plans = [connection.plan_json(track("a", number), now=NOW) for number in numbers]
    reader = ResponseReader(connection)
    rules = pick_rules(ConfiguredConnection(name="case", connection=connection), reader, lambda: NOW)
    queue = FairQueue(QueueLimits())
    for place, plan in enumerate(plans):
        queue.add(_Event(place, plan.requests))
    shipments = pick(queue, len(plans) + 1, rules, inf).shipments

    sent = list(http_requests(connection, plans, now=NOW))
    assert [each.request for each in sent] == [outgoing(each, reader, NOW).request for each in shipments]
    assert [each.plans for each in sent] == [tuple(job.place for job in each.jobs()) for each in shipments]


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "mappings").glob("*.yaml"))])
def test_of_one_event_a_dry_run_shows_the_same(name):
    target = load(ROOT / "mappings" / f"{name}.yaml")
    connection = target.connect(target.example_settings())
    configured = ConfiguredConnection(name=name, connection=connection)
    events = [line for file in sorted((ROOT / "samples").glob("*.ndjson")) for line in file.read_bytes().splitlines()]
    for raw in events[::60]:
        plan = connection.plan_json(raw, now=NOW)
        shown = dry_run(configured, plan, NOW).outgoing

        sent = list(http_requests(connection, [plan], now=NOW))
        assert [(each.request, each.encode) for each in sent] == [
            (connection.plain(each.request, show_secrets=False), each.encode) for each in shown
        ]


def test_secrets_are_masked_unless_they_are_asked_for():
    target = load("exponea")
    connection = target.connect(
        {"api_key": "geheim", "project_token": "p", "hard_id": "registered", "soft_id": "cookie"}
    )
    body = b'{"batch":[' + b",".join(track("a", number) for number in range(3)) + b"]}"

    [masked] = http_requests(connection, connection.plan_batch(body))
    [real] = http_requests(connection, connection.plan_batch(body, show_secrets=True), show_secrets=True)
    assert masked.request.headers["Authorization"] == "Token ***"
    assert real.request.headers["Authorization"] == "Token geheim"
    assert {type(text) for text in (*masked.request.headers.values(), *real.request.headers.values())} == {str}
    assert masked.plans == real.plans == (0, 1, 2)
    assert masked.content == real.content
