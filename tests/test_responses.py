"""Batch requests and what responses mean, as a mapping defines them."""

from __future__ import annotations

from typing import cast

import pytest

from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Secret
from engine.responses import ItemResult, ResponseReader, Verdict
from tests.runners import load

MAPPING = """
mapping: 1
name: case
title: Case
settings: { key: { title: Key, type: string, secret: true, example: k } }
http: { base_url: "https://api.example.com", headers: { Authorization: "Token ${settings.key}" } }
requests:
  save:
    batch: all
    item: { fields: { kind: { const: save }, data: body } }
    responses: [{ status: [409], then: accept }]
  note: { batch: plain }
batches:
  all:
    path: /batch
    max_items: 2
    fields: { rows: items }
    results: { list: body.results, ok: item.ok, error: item.why }
  plain: { path: /notes }
responses:
  - { status: [200], unless: body.success, then: reject, error: body.error, hint: Look at the data. }
  - { status: 4xx, when: body.error == 'bad key', then: stop, hint: Check the key. }
  - { status: [410, 403, 5xx], error: body.why, hint: Ask for access. }
  - { status: 206, when: body.part, hint: Accepted all the same. }
calls:
  track:
    - { request: save, from: properties }
    - { request: note, from: properties, when: properties.note }
"""


@pytest.fixture
def responses() -> ResponseReader:
    return ResponseReader(Connection(Destination(load(MAPPING)), {"key": Secret("sesame")}))


def test_a_batch_holds_what_its_fields_say(responses: ResponseReader) -> None:
    event: JsonObject = {"type": "track", "event": "x", "userId": "u", "properties": {"a": 1, "note": True}}
    save, note = responses.connection.plan(event, received_at="2024-01-02T03:04:05Z").requests
    items = [{"kind": "save", "data": {"a": 1, "note": True}}]
    assert [responses.item(save, 0.0)] == items
    batch = responses.batched([save], 0.0)
    assert (batch.method, batch.url, batch.body) == ("POST", "https://api.example.com/batch", {"rows": items})
    assert batch.headers == {"Content-Type": "application/json", "Authorization": "Token sesame"}
    assert str(batch.headers["Authorization"]) == "Token ***"
    plain = responses.batched([note], 0.0)
    assert plain.body == [{"a": 1, "note": True}]


RESULTS: list[tuple[Json, list[ItemResult] | None]] = [
    ({"results": [{"ok": True}, {"ok": False, "why": "no id"}]}, [ItemResult(True), ItemResult(False, "no id")]),
    ({"results": [{"ok": True}]}, None),
    ({"results": {}}, None),
    (None, None),
]


@pytest.mark.parametrize(("body", "expected"), RESULTS)
def test_results_are_one_an_item_or_nothing_is_known(
    responses: ResponseReader, body: Json, expected: list[ItemResult] | None
) -> None:
    assert responses.results("all", body, 2) == expected


def test_without_results_all_items_are_as_the_batch(responses: ResponseReader) -> None:
    assert responses.results("plain", None, 2) == [ItemResult(True), ItemResult(True)]


VERDICTS: list[tuple[int, Json, Verdict]] = [
    (200, {"success": True}, Verdict("accept")),
    (200, {"error": "no such thing"}, Verdict("reject", "no such thing", "Look at the data.")),
    (201, None, Verdict("accept")),
    (409, None, Verdict("accept")),
    (404, {"error": "bad key"}, Verdict("stop", "", "Check the key.")),
    (404, {"detail": "not found"}, Verdict("reject", '{"detail":"not found"}')),
    (403, None, Verdict("stop", "", "Ask for access.")),
    (410, {"why": "gone", "error": "x"}, Verdict("reject", "gone", "Ask for access.")),
    (503, {"why": "busy"}, Verdict("retry", "busy", "Ask for access.")),
    (401, None, Verdict("stop")),
    (408, None, Verdict("retry")),
    (425, None, Verdict("retry")),
    (429, {"detail": "slow down"}, Verdict("retry", '{"detail":"slow down"}')),
    (429, "busy\n\nplease wait", Verdict("retry", "busy please wait")),
    (302, None, Verdict("reject")),
]


@pytest.mark.parametrize(("status", "body", "expected"), VERDICTS)
def test_the_mappings_rules_come_first_then_the_default_ones(
    responses: ResponseReader, status: int, body: Json, expected: Verdict
) -> None:
    assert responses.judge("save", status, {}, body) == expected


def test_a_response_that_a_rule_cannot_read_is_retried(responses: ResponseReader) -> None:
    assert responses.judge("save", 200, {}, None, readable=False) == Verdict("retry", "the response could not be read")
    assert responses.judge("save", 404, {}, None, readable=False) == Verdict("reject")


def test_a_rule_without_then_has_no_accepted_response_sent_again() -> None:
    first = MAPPING.index("  - { status: [200]")
    mapping = MAPPING[:first] + MAPPING[MAPPING.index("  - { status: [410") :]
    responses = ResponseReader(Connection(Destination(load(mapping)), {"key": Secret("sesame")}))
    assert responses.judge("note", 206, {}, None, readable=False) == Verdict("accept")


def test_error_texts_are_one_line_of_bounded_length(responses: ResponseReader) -> None:
    verdict = responses.judge("save", 400, {}, cast("Json", "x" * 900))
    assert len(verdict.error) == 500
