"""Recording is the same emitter with `trace` switched on: same requests, and every value that was looked at, in order."""

from __future__ import annotations

from engine.compiler.build import build
from engine.compiler.runtime import UNSET
from engine.plan import Connection, Destination
from engine.records import Json
from tests.runners import load

MAPPING = """
mapping: 1
name: case
title: Case
about: A mapping of a test.
docs: https://example.com
http: { base_url: "https://api.example.com" }
requests: { send: { path: /send } }
parts:
  who: [userId, anonymousId]
calls:
  track:
    - request: send
      fields:
        id: parts.who
        email: [properties.email, context.traits.email]
        size: { from: properties.size, as: integer, default: 0 }
"""
EVENT: dict[str, Json] = {
    "type": "track",
    "event": "Tested",
    "anonymousId": "a1",
    "timestamp": "2024-01-02T03:04:05Z",
    "context": {"traits": {"email": "a@example.com"}},
    "properties": {"size": "big"},
}


def test_recording_says_which_rule_saw_what() -> None:
    compiled = build(load(MAPPING), record=True)
    seen: list[tuple[str, int, Json]] = []

    def trace(site: int, value: Json) -> None:
        seen.append((compiled.sites[site].place, compiled.sites[site].line, value))

    (step,) = compiled.connect({}).calls["track"].steps
    (request,) = step.run(EVENT, {}, {}, 0.0, [], [UNSET], trace)

    body = {"id": "a1", "email": "a@example.com", "size": 0}
    assert request.body == body
    assert seen == [
        ("parts.who[0]", 10, None),
        ("parts.who[1]", 10, "a1"),
        ("parts.who", 10, "a1"),
        ("calls.track[0].fields.id", 15, "a1"),
        ("calls.track[0].fields.email[0]", 16, None),
        ("calls.track[0].fields.email[1]", 16, "a@example.com"),
        ("calls.track[0].fields.email", 16, "a@example.com"),
        ("calls.track[0].fields.size.from", 17, "big"),
        ("calls.track[0].fields.size", 17, 0),
        ("calls.track[0]", 13, body),
    ]


def test_recording_changes_nothing() -> None:
    plain = Connection(Destination(load(MAPPING)), {}).plan(EVENT)
    recorded = build(load(MAPPING), record=True).connect({}).calls["track"].steps[0]
    assert recorded.run(EVENT, {}, {}, 0.0, [], [UNSET], lambda _site, _value: None) == list(plain.requests)
