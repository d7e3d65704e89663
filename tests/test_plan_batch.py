"""Plans of a batch: those of its events one by one, however the batch is written."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Outcome, Plan, Report
from engine.events import batches
from tests.events.strategies import EVENTS, JSON, OBJECTS
from tests.runners import exponea

ROOT = Path(__file__).parents[1]
NOW = 1_714_564_829.0
TRACK = {"type": "track", "event": "e", "userId": "u", "timestamp": "2024-05-01T12:00:29.319Z"}
PAGE = TRACK | {"type": "page", "name": "Home"}
SAMPLES = [json.loads(line) for line in (ROOT / "samples" / "web.ndjson").read_text("utf-8").splitlines()[:40]]


def completed(event, wide):
    """An event with what its batch says of all."""
    more = {}
    for name in ("context", "integrations"):
        own = event.get(name)
        if type(wide.get(name)) is dict and wide[name] and (own in (None, []) or type(own) is dict):
            more[name] = wide[name] | (own or {})
    if event.get("sentAt") is None and wide.get("sentAt") is not None:
        more["sentAt"] = wide["sentAt"]
    return event | more


def one_by_one(events, **wide):
    complete = [completed(event, wide) if type(event) is dict else event for event in events]
    return [exponea().plan_json(orjson.dumps(event), now=NOW) for event in complete]


WRITERS = [orjson.dumps, lambda body: json.dumps(body).encode(), lambda body: json.dumps(body, indent=1).encode()]
WIDE = st.fixed_dictionaries(
    {},
    optional={"context": OBJECTS | JSON, "integrations": OBJECTS, "sentAt": st.just("2024-05-01T12:00:31.000Z") | JSON},
)


@given(st.lists(EVENTS | JSON, max_size=2), WIDE, st.sampled_from(WRITERS), st.booleans())
def test_a_batch_has_the_plans_of_its_events(events, wide, write, first):
    body = {"batch": events} | wide if first else wide | {"batch": events}

    assert exponea().plan_batch(write(body), now=NOW) == one_by_one(events, **wide)


@pytest.mark.parametrize("write", WRITERS)
def test_what_libraries_send_has_the_plans_of_its_events(write):
    raw = write({"batch": SAMPLES, "sentAt": "2024-05-01T12:00:31.000Z"})

    assert exponea().plan_batch(raw, now=NOW) == one_by_one(SAMPLES, sentAt="2024-05-01T12:00:31.000Z")


@pytest.mark.parametrize(
    ("write", "is_split"), [(orjson.dumps, True), (lambda body: json.dumps(body).encode(), True), (WRITERS[2], False)]
)
def test_what_libraries_send_is_read_event_by_event(write, is_split):
    written = batches.split_batch(write({"writeKey": "k", "batch": [TRACK, PAGE], "sentAt": None}))

    assert (written is not None) == is_split
    if written is not None:
        assert [orjson.loads(raw) for raw in written.events] == [TRACK, PAGE]


LIKE_EVENTS = orjson.dumps(TRACK | {"properties": {"products": [{"type": "a"}, {"type": "b"}], "text": ',{"type":'}})
ESCAPED = b"\\u0062atch"
HOSTILE = {
    "an event inside of an event": b'{"batch":[' + LIKE_EVENTS + b"," + orjson.dumps(PAGE) + b"]}",
    "a second list": b'{"batch":[%b],"batch":[%b]}' % (orjson.dumps(TRACK), orjson.dumps(PAGE)),
    "a second list, empty": b'{"batch":[%b],"batch":[]}' % orjson.dumps(TRACK),
    "another list behind": b'{"batch":[%b],"tags":["a"]}' % orjson.dumps(TRACK),
    "a list of that name deeper": b'{"a":{"batch":[%b]},"batch":[%b]}' % (orjson.dumps(TRACK), orjson.dumps(PAGE)),
    "a name with an escape": b'{"a":{"batch":[%b]},"%b":[]}' % (orjson.dumps(TRACK), ESCAPED),
    "the name as a text": b'{"a":"batch","batch":[%b]}' % orjson.dumps(TRACK),
    "text that looks like one": b'{"a":"\\"batch\\":[{\\"type\\":1},{","batch":[%b]}' % orjson.dumps(TRACK),
    "no events": b'{"batch":[]}',
    "no objects": b'{"batch":[1,null,"a",[{"type":"track"}]]}',
    "an event and no object": b'{"batch":[%b,1]}' % orjson.dumps(TRACK),
    "a comma too many": b'{"batch":[%b,]}' % orjson.dumps(TRACK),
    "no comma": b'{"batch":[%b%b]}' % (orjson.dumps(TRACK), orjson.dumps(PAGE)),
    "cut": b'{"batch":[%b,{"type":"tra' % orjson.dumps(TRACK),
    "brackets that cross": b'{"batch":[{"type":"track","a":[},{"type":]}]}',
    "NaN in one": b'{"batch":[%b,{"type":"track","userId":"u","event":"e","properties":{"a":NaN}}]}'
    % orjson.dumps(TRACK),
    "half a character in all": b'{"batch":[%b],"context":{"a":"\\ud800"}}' % orjson.dumps(TRACK),
    "too deep": b'{"batch":[%b,{"type":"track","a":%b1%b}]}' % (orjson.dumps(TRACK), b"[" * 300, b"]" * 300),
    "deep only with what counts for all": b'{"batch":[%b],"context":{"a":%b1%b}}' % (LIKE_EVENTS, b"[" * 99, b"]" * 99),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_events_that_are_read_one_by_one_are_those_of_the_batch(raw):
    view = exponea()._sent
    assert exponea()._plans_of_written(raw, None, NOW, view) in (None, exponea()._plans_of_read(raw, None, NOW, view))


def test_one_bad_event_spoils_no_other():
    raw = orjson.dumps({"batch": [TRACK, 7, TRACK | {"type": "trak"}, PAGE]})

    assert [(plan.outcome, plan.reason) for plan in exponea().plan_batch(raw, now=NOW)] == [
        (Outcome.PLANNED, "1 request"),
        (Outcome.INVALID, "an event must be a JSON object; this is a number"),
        (Outcome.INVALID, 'unknown type "trak"; did you mean "track"?'),
        (Outcome.PLANNED, "1 request"),
    ]


def test_what_is_repaired_in_the_bytes_of_an_event_is_reported_for_it():
    found = exponea().plan_batch(HOSTILE["NaN in one"], now=NOW)

    about = Report(
        "json-repaired", "message", "numbers that JSON cannot represent (NaN, Infinity, too large) became null: 1"
    )
    assert [about in plan.reports for plan in found] == [False, True]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON: Input is a zero-length, empty document: line 1 column 1 (char 0)"),
        (b"[]", "a batch must be an object; this is a list"),
        (orjson.dumps(TRACK), "a batch must have a list of events in batch; batch is missing"),
        (b'{"batch":{}}', "a batch must have a list of events in batch; batch is an object"),
        (b'{"batch":[%b1]}' % (b"1," * 10_000), "the batch has 10,001 events; the limit is 10,000"),
        (
            b'{"batch":[%b1],"context":{"a":"%b"}}' % (b"1," * 999, b"x" * 70_000),
            "the batch is too large once its context is copied into each event",
        ),
    ],
)
def test_a_body_that_is_no_batch_is_one_invalid_plan(raw, reason):
    assert exponea().plan_batch(raw) == [Plan(Outcome.INVALID, reason)]
