"""Emulators respond to any request, and their state can be shown afterwards."""

from __future__ import annotations

import base64
from random import Random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.sandbox.emulator import Surroundings
from engine.sandbox.http_messages import VendorRequest, segments_of
from engine.sandbox.state import State
from engine.sandbox.vendors import VENDORS

KEYS = {
    "exponea": "Basic " + base64.b64encode(b"key-id:private-secret").decode(),
    "extole": "Bearer access-token",
    "user_com": "Token api-key",
}
# A body with which every request gets somewhere; what a vendor does not know, it leaves alone or keeps.
VALID = {
    "customer_ids": {"cookie": "a"},
    "properties": {"plan": "pro"},
    "event_type": "e",
    "timestamp": 1_600_000_000,
    "update_timestamp": 1_600_000_000,
    "commands": [{"name": "customers/events", "data": {"customer_ids": {"cookie": "a"}, "event_type": "e"}}],
    "customers": [{"customer_ids": {"cookie": "b"}}],
    "event_types": ["e"],
    "attributes": [{"type": "property", "property": "plan"}],
    "event_name": "identify",
    "event_time": "2026-01-31T10:00:00Z",
    "data": {"email": "a@b.c", "partner_user_id": "u", "partner_conversion_id": "c", "container": "test"},
    "email": "a@b.c",
    "partner_user_id": "u",
    "note": "n",
    "name": "n",
    "value": 1,
    "scope": "PUBLIC",
    "user_id": 1,
    "ids": [1],
    "attribute": "plan",
    "gender": 2,
    "first_name": "A",
    "phone": "1",
    "employees": 5,
    "client_user": "f",
    "page_domain": "https://a.example",
    "page_path": "/",
}
NAMES = [*VALID, "cookie", "person_id", "custom_id", "user_custom_id", "type", "id", "", "größe"]
WORDS = ["", "a", "null", "-", "a@b.c", "1e999", "2026-01-31", "0001-01-01T00:00:00+14:00", "customers/events", "\x00"]
NUMBERS = [0, -1, 1, 1.5, 2**63, 2**64 - 1, -(2**63), 1e18, 1e308, -1e308, 1_600_000_000]
values = st.recursive(
    st.sampled_from([None, True, False, *WORDS, *NUMBERS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)
bodies = values | st.dictionaries(st.sampled_from(NAMES), values, max_size=3).map(lambda wrong: {**VALID, **wrong})
segments = st.sampled_from(
    ["1", "a", "project-token", "99999999999999999999", "%00", "%2F", "%FF", "7000000000000000001"]
)


def routes():
    def walk(node, path):
        for segment, below in node.items():
            if segment is None:
                yield from ((method, path) for method in below)
            else:
                yield from walk(below, (*path, segment))

    return [(vendor, method, path) for vendor in VENDORS for method, path in walk(vendor.routes._root, ())]


@pytest.fixture(scope="module")
def emulators():
    state = State(":memory:", [vendor.schema for vendor in VENDORS])
    around = Surroundings(state=state, clock=lambda: 1.7e9, random=Random(0))
    made = {vendor: vendor(around, vendor.settings_type()) for vendor in VENDORS}
    for vendor, method, path, body in SEEDS:
        assert send(made[vendor], method, path, body).status == 200
    yield made
    state.close()


def send(emulator, method, path, body, query=None):
    headers = {"authorization": KEYS[emulator.name], "content-type": "application/json", "accept": "version=2"}
    return emulator.respond(
        VendorRequest(
            method=method,
            path=path,
            segments=segments_of(path),
            query=query or {},
            headers=headers,
            body=orjson.dumps(body),
            now=1.7e9,
        )
    )


# Somebody is there, so that the requests get further than "not found".
SEEDS = [
    (VENDORS[0], "POST", "/track/v2/projects/project-token/customers", {"customer_ids": {"cookie": "a"}}),
    (VENDORS[1], "POST", "/v6/events", {"event_name": "identify", "data": {"email": "a@b.c"}}),
    (VENDORS[2], "POST", "/api/public/users/update_or_create/", {"custom_id": "a"}),
    (VENDORS[2], "POST", "/api/public/users/update_or_create/", {"custom_id": "1"}),
]


EVENT = {"customer_ids": {"cookie": "a"}, "event_type": "e", "properties": {}}
EVENTS = "/track/v2/projects/project-token/customers/events"


@pytest.mark.parametrize(
    ("vendor", "method", "path", "body", "status"),
    [
        (2, "POST", "/api/public/companies/1/add_member/", {"user_id": 2**64 - 1}, 404),
        (2, "POST", "/api/public/users-by-id/a/events/", {"name": "e", "timestamp": -1e17}, 400),
        (2, "POST", "/api/public/users-by-id/a/events/", {"name": "e", "timestamp": "1e999"}, 400),
        (2, "POST", "/api/public/users-by-id/a/events/", {"name": "e", "timestamp": 0}, 200),
        (0, "POST", EVENTS, {**EVENT, "timestamp": "1e999"}, 400),
        (0, "POST", EVENTS, {**EVENT, "timestamp": 1e308}, 200),
        (0, "POST", EVENTS, {**EVENT, "timestamp": "0001-01-01T00:00:00Z"}, 200),
        (1, "POST", "/v6/events", {"event_name": "e", "data": {"person_id": "9" * 19}}, 403),
        (1, "GET", f"/v5/persons/{'9' * 5000}", None, 403),
    ],
)
def test_numbers_without_measure(emulators, vendor, method, path, body, status):
    emulator = emulators[VENDORS[vendor]]
    assert send(emulator, method, path, body).status == status
    orjson.dumps(emulator.snapshot(1000))


@pytest.mark.parametrize(
    ("vendor", "method", "path"),
    routes(),
    ids=[f"{vendor.name} {way} /{'/'.join(path)}" for vendor, way, path in routes()],
)
@given(body=bodies, part=segments)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body_is_answered(emulators, vendor, method, path, body, part):
    emulator = emulators[vendor]
    if "projects" in path:
        path = tuple("project-token" if segment == "{}" else segment for segment in path)
    response = send(emulator, method, "/" + "/".join(part if segment == "{}" else segment for segment in path), body)
    assert response.status < 500
    response.encoded()
    orjson.dumps(emulator.snapshot(1000))
