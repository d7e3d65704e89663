"""What the checks know for certain holds for every event: types, keys, and that a value always exists.

Random values from tests/language are put under one key, checked, and run on random events.  A check refuses mappings
that would run, so it may never be wrong about these.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from engine.errors import SettingsError
from engine.mapping import types
from engine.mapping.checks.facts import keys_of, why_always
from engine.mapping.model import Fields
from engine.plan import Destination
from engine.records import Json, JsonObject, Outcome
from tests.language.cases import DEFAULT_MAPPING, DEFAULT_NOW
from tests.language.generate_events import SETTINGS, events, settings_for
from tests.language.generate_paths import Ground
from tests.language.generate_values import made
from tests.runners import load

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class Probe(NamedTuple):
    """A mapping whose one step sends one value, and what to run it on."""

    call: str
    mapping: JsonObject
    settings: JsonObject
    event: Json


@st.composite
def probes(draw: DrawFn) -> Probe:
    call = draw(st.sampled_from(("track", "identify", "page", "group")))
    ground = Ground(call, settings=tuple(SETTINGS))
    parts = {"p": draw(made(ground, 2)).raw}
    value = draw(made(replace(ground, parts=("p",)), 3)).raw
    mapping: JsonObject = {
        **DEFAULT_MAPPING,
        "settings": {name: written for name, (written, _) in SETTINGS.items()},
        "parts": parts,
        "calls": {call: [{"request": "send", "fields": {"probe": value}}]},
    }
    mapping |= draw(st.fixed_dictionaries({}, optional={"nulls": st.just("drop"), "empty_text": st.just("drop")}))
    return Probe(call, mapping, draw(settings_for(mapping["settings"])), draw(events(call)))


@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=QUIET)
@given(probes())
def test_what_is_sure_holds(probe: Probe) -> None:
    assert_sure(probe)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, database=None, suppress_health_check=QUIET)
@given(probes())
def test_what_is_sure_holds_for_much_more(probe: Probe) -> None:
    assert_sure(probe)


def assert_sure(probe: Probe) -> None:
    """Compare what is known about the value with what it is."""
    loaded = load(json.dumps(probe.mapping, ensure_ascii=False))
    step = loaded.mapping.calls[probe.call][0]
    assert step.value is not None
    assert isinstance(step.value.source, Fields)
    ((_, value),) = step.value.source.entries
    try:
        plan = Destination(loaded).connect(probe.settings, {}).plan(probe.event, now=DEFAULT_NOW)
    except SettingsError:  # an empty text, which no connection can have
        return
    if plan.outcome is not Outcome.PLANNED:
        return
    body = plan.requests[0].body
    assert isinstance(body, dict)
    why = why_always(loaded.mapping, value)
    event(f"always there: {why or 'not sure'}")
    if "probe" not in body:
        assert not why, f"it is not there, though {why}"
        return
    known = types.of_value(loaded.mapping, value)
    assert types.of_json(body["probe"]) & known, f"{body['probe']!r} is none of {sorted(known)}"
    keys = keys_of(loaded.mapping, value)
    event(f"keys known: {keys is not None}")
    if keys is not None and isinstance(body["probe"], dict):
        assert set(body["probe"]) <= keys
