"""Paths are proposed from sample events by name and type; every well-known path can be read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.scaffolding import answers
from engine.scaffolding.known import ANY, OF_CALL, known_path
from engine.scaffolding.outline import CALLS, Outline, VendorField
from engine.scaffolding.similar import Seen
from tests.scaffolding.made import from_curl, made

EVENTS = [
    {"type": "track", "properties": {"orderTotal": 27.5, "coupon_code": "X", "is gift": True, "order": {"id": 7}}},
    {"type": "track", "properties": {"orderTotal": 5}, "context": {"device": {"advertisingId": "z"}}},
    {"type": "identify", "traits": {"plan_tier": "pro"}},
    {"type": "unheard"},
    [7],
]
FOUND = {
    ("track", "order_total", "number"): (
        "properties.orderTotal",
        "proposed: 100% like orderTotal, number in 2 of 2 track events",
    ),
    ("track", "totalOrder", "any"): (
        "properties.orderTotal",
        "proposed: 100% like orderTotal, number in 2 of 2 track events",
    ),
    ("track", "order_id", "text"): ("properties.order.id", "proposed: 98% like id, integer in 1 of 2 track events"),
    ("track", "coupon", "text"): (
        "properties.coupon_code",
        "proposed: 85% like coupon_code, text in 1 of 2 track events",
    ),
    ("track", "is_gift", "boolean"): (
        'properties."is gift"',
        "proposed: 100% like is gift, boolean in 1 of 2 track events",
    ),
    ("track", "advertisingID", "text"): (
        "context.device.advertisingId",
        "proposed: 100% like advertisingId, text in 1 of 2 track events",
    ),
    ("track", "orderTotal", "boolean"): None,
    ("track", "id", "object"): None,
    ("track", "", "any"): None,
    ("track", "weight", "number"): None,
    ("identify", "orderTotal", "number"): None,
    ("page", "orderTotal", "number"): None,
}


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    (tmp_path / "events").write_text("".join(json.dumps(event) + "\n" for event in EVENTS) + "no JSON\n")
    return Seen.of_file(str(tmp_path / "events"), io.BytesIO())


@pytest.mark.parametrize(("wanted", "found"), FOUND.items(), ids=map(str, FOUND))
def test_a_path_is_proposed(wanted: tuple[str, str, str], found: tuple[str, str] | None, seen: Seen) -> None:
    assert seen.similar(*wanted) == found


def test_the_mapping_says_what_is_proposed(seen: Seen) -> None:
    outline = Outline("acme", "Acme", base_url="https://a.io")
    answers.add_request(outline, "add_event POST /events track order_total,is_gift,coupon,event,weight")
    mapping = made(outline, seen.similar)
    assert mapping.problems == []
    lines = [line.strip() for line in mapping.text.splitlines()]
    assert "order_total: properties.orderTotal # proposed: 100% like orderTotal, number in 2 of 2 track events" in lines
    assert "event: event" in lines
    assert "weight: properties.weight # check: a guess" in lines


def test_a_file_without_events_proposes_nothing(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("[1]\n")
    with pytest.raises(UsageError) as raised:
        Seen.of_file(str(tmp_path / "events"), io.BytesIO())
    assert str(raised.value).endswith("events has no event that can be read, so there is nothing to propose from.")


SLOW = [pytest.param(call, marks=pytest.mark.slow) for call in CALLS if call not in ("identify", "track")]


@pytest.mark.parametrize("call", ["identify", "track", *SLOW])
def test_every_well_known_path_can_be_read(call: str) -> None:
    """All of them in one mapping: the checker knows each path, and the example has a value for each."""
    outline = Outline("acme", "Acme", base_url="https://a.io")
    answers.add_request(outline, f"send POST /x {call} a")
    names = [
        *{path: name for name, path in {**ANY, **OF_CALL.get(call, {})}.items()}.values(),
        "data",
        "user_attributes",
    ]
    kinds = {name: "object" if name in ("data", "user_attributes") else "text" for name in names}
    fields = [VendorField(name, kinds[name], {"a": 1} if kinds[name] == "object" else f"{name}-1") for name in names]
    outline.requests[0].fields = tuple(fields)
    mapping = made(outline)
    assert mapping.problems == []
    paths = {known_path(name, call, kinds[name]) for name in names}
    assert None not in paths
    [example] = mapping.value["examples"]
    assert example["expect"][0]["send"].keys() == set(names)


def test_credentials_of_flags_have_no_text() -> None:
    assert from_curl("curl https://a.io/x?token=abcdefgh").value["settings"]["token"]["example"] == "token"
