"""Optimized code means what plain code means, and what the oracle makes of it: of the samples, and of changed ones.

`plan_json`, with every optimization, is held against plain code, against code with one optimization left out, against
`plan` of the parsed event, and against the oracle, which knows no code at all: outcome, reason, reports, requests and
the bytes of their bodies.  The connections are the same for all events of a test, so that what one of them has learned
shows with the next.  For random mappings, tests/test_language_property.py does the same.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import NamedTuple, cast

import orjson
import pytest

from engine.compiler.optimizations import Optimization
from engine.compiler.recording import Recorder
from engine.events.normalizing import normalize
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.plan import Connection, Destination
from engine.records import JsonObject, Plan, unmasked
from tests import oracle
from tests.compiler.mutated import SAMPLES, mutated
from tests.language.cases import DEFAULT_NOW as NOW
from tests.runners import FEWER, comparable, compiled_with
from tests.test_language_property import RECEIVED, shown

NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))
ODD_EVENTS, MANY_MORE = 70, 3400
"""Changed samples for each mapping, all in all 400 and, in `make test-all`, 20,000."""


class Ways(NamedTuple):
    """A mapping, connected with the same settings: with all optimizations, and with fewer."""

    optimized: Connection
    plainer: dict[str, Connection]


@lru_cache
def shipped(name: str) -> Destination:
    return Destination(Library([]).load(name))


@lru_cache
def plainer(name: str, fewer: frozenset[Optimization]) -> Destination:
    return compiled_with(shipped(name).loaded, fewer)


@lru_cache
def recorded(name: str) -> Destination:
    return Destination(shipped(name).loaded, Recorder(values=False))


def ways(name: str, some: tuple[frozenset[Optimization], ...], *, other: bool) -> Ways:
    settings = (other_settings if other else Destination.example_settings)(shipped(name))
    connections = {f"only {sorted(fewer)}": plainer(name, fewer).connect(settings, {}) for fewer in some}
    connections["recorded"] = recorded(name).connect(settings, {})
    return Ways(shipped(name).connect(settings, {}), connections)


def other_settings(target: Destination) -> JsonObject:
    """Return the example settings, with every switch the other way round and the last of every choice."""
    settings = target.example_settings()
    for name, setting in target.mapping.settings.items():
        if setting.type == "boolean":
            settings[name] = not settings.get(name, setting.default)
        elif setting.choices:
            settings[name] = setting.choices[-1]
    return settings


def exact(plan: Plan) -> tuple[str, bytes]:
    """Return all of a plan: `1`, `1.0` and `true` differ, and the order of keys, headers and reports counts."""
    return repr(plan), orjson.dumps([request.body for request in plan.requests])


def assert_same(both: Ways, raw: bytes, *, ask_oracle: bool) -> None:
    found = both.optimized.plan_json(raw, received_at=RECEIVED, now=NOW, show_secrets=True)
    for label, connection in both.plainer.items():
        plain = connection.plan_json(raw, received_at=RECEIVED, now=NOW, show_secrets=True)
        if connection.destination.recorder is not None:
            connection.destination.recorder.taken()
        assert exact(plain) == exact(found), f"{label}: {raw.decode()}"
    event = orjson.loads(raw)
    parsed = both.optimized.plan(event, received_at=RECEIVED, now=NOW, show_secrets=True)
    assert exact(parsed) == exact(found), f"plan and plan_json: {raw.decode()}"
    assert orjson.dumps(event) == orjson.dumps(orjson.loads(raw)), "the event was changed"
    if ask_oracle:
        assert_as_the_oracle(both.optimized, raw)


def assert_as_the_oracle(connection: Connection, raw: bytes) -> None:
    event = orjson.loads(raw)
    mapping, settings = connection.destination.loaded.raw, cast("JsonObject", unmasked(connection.settings))
    expected = oracle.plan(mapping, settings, event, received_at=RECEIVED, now=NOW)
    planned = connection.plan_normalized(normalize(event, received_at=RECEIVED, now=NOW), now=NOW)
    assert shown(comparable(planned)) == shown(expected), raw.decode()


@pytest.mark.parametrize("name", NAMES)
def test_of_the_samples(name: str) -> None:
    both = ways(name, FEWER[:1], other=False)
    for raw in SAMPLES:
        assert_same(both, raw, ask_oracle=False)


@pytest.mark.parametrize("name", NAMES)
def test_of_odd_events(name: str) -> None:
    """Without any optimization and, in turn, without one of them."""
    number = NAMES.index(name)
    left_out = FEWER[1:][number % max(len(FEWER) - 1, 1) :][:1]
    both, chance = ways(name, (FEWER[0], *left_out), other=True), random.Random(number)
    for count in range(ODD_EVENTS):
        assert_same(both, mutated(chance), ask_oracle=count % 5 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("other", [False, True], ids=["example settings", "other settings"])
@pytest.mark.parametrize("name", NAMES)
def test_of_many_more_odd_events(name: str, other: bool) -> None:
    both, chance = ways(name, FEWER, other=other), random.Random(f"{name} {other}")
    for _ in range(MANY_MORE // 2):
        assert_same(both, mutated(chance), ask_oracle=True)


def test_odd_events_are_odd() -> None:
    """Else nothing is shown by them: of every outcome some, and each kind of report of intake."""
    connection, chance = shipped("exponea").connect(shipped("exponea").example_settings(), {}), random.Random(1)
    plans = [connection.plan_json(mutated(chance), received_at=RECEIVED, now=NOW) for _ in range(400)]
    outcomes = [plan.outcome.value for plan in plans]
    assert {name: outcomes.count(name) > 20 for name in ("planned", "ignored", "invalid")} == {
        "planned": True,
        "ignored": True,
        "invalid": True,
    }
    codes = {report.code for plan in plans for report in plan.reports}
    assert len(codes) > 8, codes
