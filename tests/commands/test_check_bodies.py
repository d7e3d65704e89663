"""`engine run --check-bodies`: bodies that do not meet the `body_schema` of their request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.testing.bodies import BodyChecks
from tests.commands.conftest import event
from tests.sandbox.test_generic import SHOP, connection

ORDER: dict[str, Any] = {
    "required": ["sku"],
    "properties": {"total": {"type": "number"}, "of": {"type": "integer"}},
}
MAPPING: dict[str, Any] = {
    "mapping": 1,
    "name": "orders",
    "title": "Orders",
    "settings": {"key": {"title": "Key", "type": "string", "secret": True, "sent_in": "body", "example": "key-1"}},
    "http": {"base_url": "https://api.example.com"},
    "requests": {
        "find": {"path": "/find", "method": "GET"},
        "save": {"path": "/save", "body_schema": ORDER, "if_missing": "make"},
        "make": {"path": "/make", "body_schema": {"required": ["name"]}},
    },
    "calls": {
        "track": [
            {"request": "save", "fields": {"total": "properties.total", "sku": "properties.sku", "name": "event"}}
        ],
        "page": [
            {"request": "find", "save": {"number": "body.number"}},
            {"request": "save", "fields": {"of": "saved.number", "sku": "name", "name": "name"}},
        ],
        "screen": [{"request": "save", "fields": {"sku": "name", "total": "settings.key", "name": "name"}}],
    },
}


def words(*more: str) -> tuple[str, ...]:
    return ("run", "orders.yaml", "--events", "events.ndjson", "--example-settings", "--no-headers", *more)


def test_a_body_is_reported_counted_and_decides_the_exit_code(engine, events, tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(json.dumps(MAPPING))
    events(event(properties={"total": "9.5", "sku": "a"}), event(properties={"total": 9.5, "sku": "a"}))
    done = engine(*words("--check-bodies"))
    assert done.code == 1
    assert (
        done.out
        == """\
track "Viewed" of u1  events.ndjson:1
  orders  planned  1 request
    save: POST https://api.example.com/save
      {"total": "9.5", "sku": "a", "name": "Viewed"}
    ! requests.save.body_schema: the body of save does not match its
      body_schema: total ("9.5") is not a number [body-schema]

track "Viewed" of u1  events.ndjson:2
  orders  planned  1 request
    save: POST https://api.example.com/save
      {"total": 9.5, "sku": "a", "name": "Viewed"}
"""
    )
    assert (
        done.err
        == """
destination  outcome  events
orders       planned       2
! 1 x body-schema at requests.save.body_schema (orders)
2 events. 1 body does not match the body_schema.
"""
    )
    done = engine(*words())
    assert (done.code, "body" in done.err, "body_schema" in done.out) == (0, False, False)


def test_all_is_well(engine, events, tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(json.dumps(MAPPING))
    events(event("page", name="Home"))
    done = engine(*words("--check-bodies"))
    assert (done.code, done.err.splitlines()[-1]) == (0, "1 event. Every body matches its body_schema.")
    assert '"of": "<saved.number>"' in done.out


def test_where_no_body_is_checked_it_says_so(engine, events) -> None:
    done = engine("run", "shop", "--example-settings", "--check-bodies", "--events", events(event("alias")))
    assert done.err.splitlines()[-1] == "1 event. No body was checked."


def test_programs_read_the_report_and_no_secret(engine, events, tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(json.dumps(MAPPING))
    events(event("screen", name="Cart"))
    done = engine("run", "orders.yaml", "--events", "events.ndjson", "--example-settings", "--check-bodies",
                  "--format", "ndjson")  # fmt: skip
    assert done.code == 1
    assert json.loads(done.out)["reports"] == [
        {
            "code": "body-schema",
            "place": "requests.save.body_schema",
            "message": 'the body of save does not match its body_schema: total ("***") is not a number',
        }
    ]
    assert "key-1" not in done.out + done.err


def test_the_body_that_is_sent_on_a_404_is_checked_too() -> None:
    made = connection({**MAPPING, "name": "shop"})
    plan = made.plan(event(properties={"sku": "a"}))
    [request] = plan.requests
    without_name = request._replace(body={"sku": "a"}, if_missing=request.if_missing._replace(body={"sku": "a"}))
    found = list(BodyChecks(made.mapping).reports(plan._replace(requests=(without_name,))))
    assert [(each.place, each.message) for each in found] == [
        (
            "requests.make.body_schema",
            'the body of make does not match its body_schema: an object has no "name"',
        )
    ]


def test_a_request_of_a_batch_is_checked_before_it_is_packed() -> None:
    made = connection(SHOP)
    plan = made.plan(event(properties={"total": "1"}))
    assert [each.message for each in BodyChecks(made.mapping).reports(plan)] == [
        'the body of add does not match its body_schema: total ("1") is not a number'
    ]
