"""The API below `/_sandbox/`."""

from __future__ import annotations

import httpx
import pytest

EVENT = {"customer_ids": {"cookie": "a"}, "event_type": "e", "properties": {}}
EVENTS = "/exponea/track/v2/projects/project-token/customers/events"


@pytest.fixture
def client(sandbox):
    with httpx.Client(base_url=sandbox.url, headers={"Authorization": "Token public-key"}) as client:
        yield client


def send(client, number=1):
    assert client.post(EVENTS, json={**EVENT, "timestamp": number}).status_code == 200


def test_index_names_the_vendors_and_the_endpoints(client):
    index = client.get("/_sandbox/").json()
    assert {name: vendor["base_url"] for name, vendor in index["vendors"].items()} == {
        "exponea": "/exponea",
        "extole": "/extole",
        "user_com": "/user_com",
    }
    assert "POST /_sandbox/faults" in index["endpoints"]


def test_state_counts_and_reset(client, sandbox):
    for number in range(5):
        send(client, number)
    state = client.get("/_sandbox/state", params={"vendor": "exponea", "limit": 2}).json()
    assert state == {"exponea": sandbox.state("exponea", limit=2)}
    assert [event["timestamp"] for event in state["exponea"]["events"]] == [3, 4]
    assert client.get("/_sandbox/counts").json() == sandbox.counts()
    assert sandbox.counts()["exponea"] == {
        "customers": 1,
        "events": 5,
        "events_received": 5,
        "requests": {"200": 5},
    }
    assert client.post("/_sandbox/reset").json() == {"reset": True}
    assert list(client.get("/_sandbox/state").json()) == ["exponea", "extole", "user_com"]
    assert sandbox.counts()["exponea"] == {"customers": 0, "events": 0, "requests": {}}


def test_requests_show_no_credentials(client):
    send(client)
    client.post(EVENTS, params={"access_token": "public-key"}, json=EVENT, headers={"Cookie": "access_token=secret"})
    client.post("/v6/events", json={"event_name": "e"}, headers={"Authorization": "Bearer access-token"})
    client.get("/api/public/attributes/", headers={"Authorization": "api-key"})
    text = client.get("/_sandbox/requests").text
    assert not any(secret in text for secret in ("public-key", "access-token", "api-key", "=secret"))
    (shown,) = client.get("/_sandbox/requests", params={"vendor": "extole"}).json()
    assert {name: shown[name] for name in ("number", "method", "path", "body", "status", "fault")} == {
        "number": 3,
        "method": "POST",
        "path": "/v6/events",
        "body": {"event_name": "e"},
        "status": 200,
        "fault": "",
    }
    assert shown["headers"]["authorization"] == "Bearer ***"
    assert list(shown["response"]) == ["event_id", "person_id"]


def test_the_log_is_bounded_but_the_numbers_are_not(client, sandbox):
    for number in range(1005):
        client.get("/exponea/nothing")
        if number == 0:
            first = sandbox.requests(limit=1)[0]["number"]
    requests = sandbox.requests(limit=100_000)
    assert (len(requests), requests[0]["number"], first) == (1000, 6, 1)
    assert sandbox.counts()["exponea"]["requests"] == {"404": 1005}


def test_faults_are_injected_shown_and_removed(client):
    made = client.post("/_sandbox/faults", json=[{"kind": "status", "count": 1}, {"kind": "latency", "seconds": 0}])
    assert made.status_code == 201
    first, second = made.json()
    assert (first["kind"], second["kind"]) == ("status", "latency")
    assert [client.post(EVENTS, json=EVENT).status_code for _ in range(2)] == [503, 200]
    shown = client.get("/_sandbox/faults").json()
    assert [(fault["id"], fault["matched"], fault["hit"]) for fault in shown] == [
        (first["id"], 2, 1),
        (second["id"], 2, 2),
    ]
    assert [fault["id"] for fault in client.delete(f"/_sandbox/faults/{first['id']}").json()] == [second["id"]]
    assert client.delete("/_sandbox/faults").json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "/state?vendor=other", None, "unknown vendor other; available: exponea, extole, user_com"),
        ("GET", "/state?limit=0", None, "limit must be a whole number from 1 to 100000"),
        ("GET", "/requests?limit=many", None, "limit must be a whole number from 1 to 100000"),
        ("DELETE", "/faults/999", None, "no fault has the id 999"),
        *(
            (
                "POST",
                "/faults",
                body,
                'the body is not JSON; send a fault such as {"kind": "status", "status": 503}, or a list of faults',
            )
            for body in (b"{", b"no", b"")
        ),
        (
            "POST",
            "/faults",
            b'{"kind": "reset", "vendor": "nosuch"}',
            "vendor must be one of exponea, extole, user_com, not 'nosuch'",
        ),
        ("POST", "/faults", b"{}", "kind is missing; write one of latency, status, reset, half, wrong_json, items"),
    ],
)
def test_what_is_wrong_with_a_request(client, method, path, body, message):
    response = client.request(method, f"/_sandbox{path}", content=body)
    assert (response.status_code, response.json()) == (400, {"error": message})


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ({"kind": "latency", "seconds": 0.5}, {"seconds": 0.5}),
        ({"kind": "latency", "seconds": [0, 0.5]}, {"seconds": [0, 0.5]}),
        (
            {"kind": "status", "status": 429, "retry_after": 2, "body": {"a": 1}},
            {"status": 429, "retry_after": 2, "retry_after_as": "seconds", "body": {"a": 1}},
        ),
        ({"kind": "wrong_json"}, {"body": '{"success": tru'}),
        ({"kind": "items", "errors": ["no"]}, {"errors": ["no"]}),
        ({"kind": "reset"}, {}),
    ],
)
def test_what_a_fault_does_is_shown(client, fault, shown):
    client.post("/_sandbox/faults", json=fault)
    (found,) = client.get("/_sandbox/faults").json()
    own = ("seconds", "status", "retry_after", "retry_after_as", "body", "errors")
    assert {name: found[name] for name in own if name in found} == shown
    client.delete("/_sandbox/faults")


def test_an_invalid_fault_in_a_list_injects_nothing(client):
    assert client.post("/_sandbox/faults", json=[{"kind": "reset"}, {"kind": "fire"}]).status_code == 400
    assert client.get("/_sandbox/faults").json() == []


@pytest.mark.parametrize("path", ["/", "/nothing", "/v7/events"])
def test_a_path_of_no_vendor(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.json() == {"error": "No vendor has this path. See /_sandbox/ for the vendors and their paths."}
