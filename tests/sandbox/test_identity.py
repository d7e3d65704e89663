"""Identity under any sequence of calls: what must hold whatever was linked, merged and stolen."""

from __future__ import annotations

from collections import defaultdict
from random import Random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sandbox.emulator import Surroundings
from engine.sandbox.http_messages import VendorRequest, segments_of
from engine.sandbox.state import State
from engine.sandbox.vendors.exponea.access import ExponeaSettings
from engine.sandbox.vendors.exponea.identity import MAX_SOFT_IDS
from engine.sandbox.vendors.exponea.routes import Exponea

BATCH = "/track/v2/projects/project-token/batch"
HEADERS = {"authorization": "Token public-key", "content-type": "application/json"}

ids = st.fixed_dictionaries(
    {},
    optional={
        "registered": st.sampled_from(["u1", "u2", "u3"]),
        "email": st.sampled_from(["e1", "e2"]),
        "cookie": st.sampled_from(["c1", "c2", "c3", "c4"]),
    },
).filter(bool)
calls = st.lists(st.tuples(st.sampled_from(["event", "update"]), ids), min_size=1, max_size=25)


def played(sequence, soft=MAX_SOFT_IDS):
    """Run the calls one by one; each event and update is marked with its number."""
    state = State(":memory:", [Exponea.schema])
    around = Surroundings(state=state, clock=lambda: 1e9, random=Random(0))
    exponea = Exponea(around, ExponeaSettings(hard_ids=("registered", "email")))
    for number, (kind, customer_ids) in enumerate(sequence, 1):
        data = {"customer_ids": customer_ids, "properties": {"n": number}}
        if kind == "event":
            command = {"name": "customers/events", "data": {**data, "event_type": "e", "timestamp": number}}
        else:
            command = {"name": "customers", "data": {**data, "update_timestamp": number}}
        body = orjson.dumps({"commands": [command]})
        request = VendorRequest(
            method="POST", path=BATCH, segments=segments_of(BATCH), headers=HEADERS, body=body, now=1e9
        )
        assert exponea.respond(request).body["results"] == [{"success": True}]
    snapshot = exponea.snapshot(1000)
    state.close()
    return snapshot, exponea


def owners(snapshot, name):
    """Return each id's customer, and fail if an id has two."""
    found = {}
    for number, customer in enumerate(snapshot["customers"]):
        values = customer["ids"].get(name, [])
        for value in [values] if isinstance(values, str) else values:
            assert value not in found
            found[value] = number
    return found


@given(calls)
@settings(max_examples=120, deadline=None)
def test_ids_have_one_owner_and_the_call_is_linked(sequence):
    snapshot, _ = played(sequence)
    last = sequence[-1][1]
    holders = {owners(snapshot, name).get(value) for name, value in last.items() if name in ("registered", "cookie")}
    # All ids of a call lie with one customer; only a second hard id may be left where it contradicts.
    assert len(holders) <= 1


@given(calls)
@settings(max_examples=120, deadline=None)
def test_no_event_is_lost(sequence):
    snapshot, _ = played(sequence)
    sent = [number for number, (kind, _) in enumerate(sequence, 1) if kind == "event"]
    kept = sorted(event["properties"]["n"] for event in snapshot["events"] if event["type"] == "e")
    assert kept == sent


@given(calls)
@settings(max_examples=120, deadline=None)
def test_what_was_said_with_a_hard_id_stays_with_it(sequence):
    """Two values of one hard id never merge, so what `registered: u1` did is always found under `u1`."""
    snapshot, _ = played(sequence)
    events, newest = defaultdict(set), {}
    for number, (kind, customer_ids) in enumerate(sequence, 1):
        user = customer_ids.get("registered")
        if user and kind == "event":
            events[user].add(number)
        elif user:
            newest[user] = number
    held = owners(snapshot, "registered")
    for user, numbers in events.items():
        of_user = {
            event["properties"]["n"]
            for event in snapshot["events"]
            if event["type"] == "e" and event["customer"].get("registered") == user
        }
        assert numbers <= of_user
    for user, number in newest.items():
        assert snapshot["customers"][held[user]]["properties"]["n"] >= number


@given(calls)
@settings(max_examples=60, deadline=None)
def test_the_same_calls_give_the_same_state(sequence):
    assert played(sequence)[0] == played(sequence)[0]


@given(st.lists(st.integers(0, 80), min_size=60, max_size=150))
@settings(max_examples=15, deadline=None)
def test_the_longest_unused_soft_id_goes(uses):
    snapshot, _ = played([("event", {"registered": "u1", "cookie": f"c{number}"}) for number in uses])
    recent = list(dict.fromkeys(f"c{number}" for number in reversed(uses)))[:MAX_SOFT_IDS]
    assert snapshot["customers"][0]["ids"]["cookie"] == list(reversed(recent))
