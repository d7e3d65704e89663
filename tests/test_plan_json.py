"""The fast way to a plan, from bytes: the same as from the event, on each way out of it."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Outcome
from tests.events.strategies import EVENTS
from tests.runners import exponea

NOW = 1_714_564_829.0
TRACK = {"type": "track", "event": "e", "userId": "u", "timestamp": "2024-05-01T12:00:29.319Z"}


def nested(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("more", "received_at", "outcome"),
    [
        ({}, None, Outcome.PLANNED),
        ({}, "2024-05-01T12:00:30.319Z", Outcome.PLANNED),
        ({"timestamp": None}, "2024-05-01T12:00:30.319Z", Outcome.PLANNED),
        ({"timestamp": "2024-05-09T12:00:29.319Z"}, "2024-05-01T12:00:30.319Z", Outcome.PLANNED),
        ({"properties": {"text": "{[" * 60}}, None, Outcome.PLANNED),
        ({"properties": {"list": [[]] * 99}}, None, Outcome.PLANNED),
        ({"properties": nested(99)}, None, Outcome.PLANNED),
        ({"properties": nested(100)}, None, Outcome.INVALID),
        ({"properties": {"text": "x" * 10_000}}, None, Outcome.PLANNED),
        ({"properties": {"text": "x" * 2_000_000}}, None, Outcome.INVALID),
        ({"integrations": {"All": True, "Mixpanel": False}}, None, Outcome.PLANNED),
        ({"integrations": {"All": 1}}, None, Outcome.PLANNED),
        ({"integrations": {"All": False}}, None, Outcome.IGNORED),
        ({"type": "alias"}, None, Outcome.IGNORED),
        ({"type": "delete"}, None, Outcome.PLANNED),
    ],
)
def test_bytes_are_planned_as_the_event_is(more, received_at, outcome):
    event = TRACK | more
    plan = exponea().plan_json(orjson.dumps(event), received_at=received_at, now=NOW)
    assert plan.outcome == outcome
    assert plan == exponea().plan(event, received_at=received_at, now=NOW)


@given(EVENTS, st.none() | st.just("2024-05-01T12:00:30.319Z"))
def test_any_event_is_planned_from_bytes_as_it_is(event, received_at):
    raw = orjson.dumps(event)
    assert exponea().plan_json(raw, received_at=received_at, now=NOW) == exponea().plan(
        orjson.loads(raw), received_at=received_at, now=NOW
    )
