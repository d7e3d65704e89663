"""The events of audiences and computed traits are those of Engage, and always the same."""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from engine.audiences.events import ALL, EventSeries, MemberChange, message_id, new_event
from engine.delivery.outbox.keys import person_key

SERIES = EventSeries("big_spenders", "audience", 7, 1_796_000_000.0, b"identity of 16 b")
CHANGE = MemberChange(3, ALL, "ada", "ada", None, None, "true")


def test_an_event() -> None:
    made = new_event(SERIES, CHANGE, {"CRM": True})
    assert orjson.loads(made.raw) == {
        "type": "identify",
        "messageId": "personas_c523d38d-ae39-5021-976f-c12ba227b7cf",
        "userId": "ada",
        "channel": "server",
        "traits": {"big_spenders": True},
        "context": {
            "personas": {
                "computation_class": "audience",
                "computation_id": "aud_554f4653b693613790ab320687d",
                "computation_key": "big_spenders",
                "namespace": "spa_c13887d24453fcbb",
                "space_id": "spa_c13887d24453fcbb",
            }
        },
        "integrations": {"All": False, "CRM": True},
        "timestamp": "2026-11-30T00:53:20.000Z",
    }
    assert (made.source, made.received_at) == ("audiences", "2026-11-30T00:53:20.000Z")
    assert person_key("ada") in (made.keys or ())


def test_it_has_the_form_of_the_sample() -> None:
    sample = json.loads(Path("samples/engage.ndjson").read_text().splitlines()[0])
    made = orjson.loads(new_event(SERIES, CHANGE, {"CRM": True}).raw)
    added_later = {"originalTimestamp", "sentAt", "receivedAt", "version"}
    assert set(sample) - added_later == set(made)
    assert set(sample["context"]["personas"]) == set(made["context"]["personas"])
    assert len(sample["context"]["personas"]["computation_id"]) == len(made["context"]["personas"]["computation_id"])


def test_a_computed_trait_of_a_user_known_by_email() -> None:
    series = SERIES._replace(key="total_spent", kind="computed trait")
    change = MemberChange(0, ALL, "x", None, "device-1", "Ada@Example.com", "120.5")
    made = orjson.loads(new_event(series, change, {}).raw)
    assert "userId" not in made
    assert made["anonymousId"] == "device-1"
    assert made["traits"] == {"total_spent": 120.5, "email": "Ada@Example.com"}
    assert made["context"]["personas"]["computation_class"] == "trait"
    assert made["context"]["personas"]["computation_id"].startswith("tra_")


def test_a_message_id_is_of_one_change_of_one_archive() -> None:
    others = [
        (SERIES, 4),
        (SERIES._replace(run=8), 3),
        (SERIES._replace(moment=SERIES.moment + 0.000_001), 3),
        (SERIES._replace(key="big_spenders_2"), 3),
        (SERIES._replace(identity=b"another identity"), 3),
    ]
    ids = {message_id(series, ordinal) for series, ordinal in [(SERIES, 3), *others]}
    assert len(ids) == len(others) + 1
