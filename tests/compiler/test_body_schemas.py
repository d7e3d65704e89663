"""Every body that a shipped mapping makes meets the `body_schema` of its request, whatever the event."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from engine.mapping import schema
from tests.compiler.mutated import SAMPLES, mutated
from tests.compiler.test_optimizations import NAMES, NOW, RECEIVED, other_settings, shipped

ANY_BODY = {"webhook": {"send_event"}}
"""A receiver of webhooks takes what its owner lets it take; no vendor says what a body is."""


def faults(name: str, other: bool, events: list[bytes]) -> Counter[str]:
    """Return what is wrong with the bodies that events become, each fault with its count."""
    destination = shipped(name)
    requests = destination.mapping.requests.values()
    checks = {each.name: schema.validator(each.body_schema) for each in requests if each.body_schema is not None}
    settings = other_settings(destination) if other else destination.example_settings()
    connection, found = destination.connect(settings, {}), Counter[str]()
    for raw in events:
        for planned in connection.plan_json(raw, received_at=RECEIVED, now=NOW).requests:
            for request in (planned, planned.if_missing):
                check = None if request is None else checks.get(request.request)
                if request is not None and check is not None and (fault := check(request.body)):
                    found[f"{request.request}: {fault}"] += 1
    return found


@pytest.mark.parametrize("name", NAMES)
def test_bodies_of_samples_and_odd_events(name: str) -> None:
    chance = random.Random(name)
    events = [*SAMPLES, *(mutated(chance) for _ in range(50))]
    assert faults(name, NAMES.index(name) % 2 == 0, events) == {}


@pytest.mark.slow
@pytest.mark.parametrize("other", [False, True], ids=["example settings", "other settings"])
@pytest.mark.parametrize("name", NAMES)
def test_bodies_of_many_more_odd_events(name: str, other: bool) -> None:
    chance = random.Random(f"{name} {other}")
    assert faults(name, other, [mutated(chance) for _ in range(10_000)]) == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_request_with_a_body_has_a_schema(name: str) -> None:
    mapping = shipped(name).mapping
    sent = {step.request: step for call in mapping.calls.values() for step in call if step.value is not None}
    without = {each for each in sent if mapping.requests[each].body_schema is None}
    without |= {
        instead
        for each in sent
        if (instead := mapping.requests[each].if_missing) and mapping.requests[instead].body_schema is None
    }
    assert without == ANY_BODY.get(name, set())
