"""A person who was erased: neither the vendors' state nor the log of requests nor the file of the sandbox has them."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from engine.sandbox.app import create_app
from engine.sandbox.forgetting import is_about, without_person
from engine.sandbox.http_messages import VendorRequest, query_of, segments_of
from engine.sandbox.world import MOST_CHARACTERS

from .harness import HEADERS, PRIVATE, made

PERSON = ("Jane-7331", "Jane@Example.com", "device-7331")
TRACK = "/exponea/track/v2/projects/project-token"
PAGE = {"customer_ids": {"cookie": "device-7331"}, "event_type": "visit", "properties": {"to": "jane@example.com"}}
PERSONAL = [
    ("exponea", f"{TRACK}/customers/events", PAGE),
    (
        "exponea",
        f"{TRACK}/customers",
        {
            "customer_ids": {"registered": "Jane-7331", "cookie": "device-7331"},
            "properties": {"email": "Jane@Example.com", "note": {"$text": 5000}},
        },
    ),
    (
        "extole",
        "/extole/v6/events",
        {"event_name": "identify", "data": {"partner_user_id": "Jane-7331", "email": "Jane@Example.com", "mail": "a"}},
    ),
    (
        "extole",
        "/extole/v6/events",
        {"event_name": "refer", "data": {"partner_user_id": "Jane-7331", "of": "mailto:jane@example.com?x"}},
    ),
]
OTHER = ("extole", "/extole/v6/events", {"event_name": "login", "data": {"partner_user_id": "Jane-73310"}})
ERASURES = [
    ("private", "/exponea/data/v2/projects/project-token/customers/anonymize", {"registered": "Jane-7331"}),
    ("extole", "/extole/v4/erasures", {"partner_user_id": "Jane-7331"}),
]


@pytest.mark.parametrize("database", [":memory:", "state.db"])
def test_nothing_is_left_of_an_erased_person(database, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    state, log, files = asyncio.run(_erased(database, tmp_path))
    for text in (state, log, files):
        assert [each for each in PERSON if each.lower().encode() in text.lower().replace(b"jane-73310", b"")] == []
    assert b"Jane-73310" in state
    assert b"Jane-73310" in log
    assert log.count(b'"(deleted)"') == 2 * (len(PERSONAL) + len(ERASURES))


async def _erased(database, folder) -> tuple[bytes, bytes, bytes]:
    app = create_app(database=database, clock=lambda: 1_700_000_000.0)
    headers = {**HEADERS, "private": {"Authorization": PRIVATE}}
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            for vendor, path, body in [*PERSONAL, OTHER]:
                assert (await client.post(path, json=made(body), headers=headers[vendor])).status_code == 200
            for vendor, path, ids in ERASURES:
                body = {"customer_ids": ids} if vendor == "private" else ids
                assert (await client.post(path, json=body, headers=headers[vendor])).status_code == 200
            state, log = [(await client.get(f"/_sandbox/{name}")).content for name in ("state", "requests")]
        return state, log, b"".join(path.read_bytes() for path in folder.iterdir())
    finally:
        app.state.world.close()


def request(path: str = "/v6/events", query: str = "", body: bytes = b"") -> VendorRequest:
    return VendorRequest(method="POST", path=path, segments=segments_of(path), query=query_of(query), body=body)


@pytest.mark.parametrize(
    ("logged", "about"),
    [
        (request(body=b'{"id": "u1"}'), True),
        (request(body=b'{"id": "u10", "ids": ["xu1", {"a": "u1 "}], "n": null}'), False),
        (request(body=b'{"a": [{"u1": 1}]}'), True),
        (request(body=rb'{"id": "\u0075\u0031"}'), True),
        (request(body=b'{"id": 12}'), True),
        (request(body=b'{"id": 120}'), False),
        (request(body=b'{"to": "x <A@B.example>"}'), True),
        (request(body=b'{"a": "u1", "b": "' + b"x" * MOST_CHARACTERS), True),
        (request(body=b"id=u1&b=2"), True),
        (request(body=b"id=u12&b=2"), False),
        (request(body=b"to=a%40b.example"), True),
        (request("/users/u1/events"), True),
        (request("/users/%751/events"), True),
        (request("/users/u2/events"), False),
        (request(query="q=a%40b.example"), True),
        (request(body=b"\xff\x00"), False),
        (request(body=b'["' * 20_000), False),
    ],
)
def test_a_request_is_about_a_person_who_is_in_it_as_a_whole(logged: VendorRequest, about: bool) -> None:
    assert is_about(logged, b"", ("u1", "12", "a@b.example")) is about
    assert is_about(request(), logged.body, ("u1", "12", "a@b.example")) is (about and logged.body != b"")


def test_a_path_is_kept_unless_it_names_the_person() -> None:
    assert without_person(request("/users/u1", body=b"x"), ("u1",)).path == "/(deleted)"
    assert without_person(request("/users/u2", body=b"x"), ("u1",)).path == "/users/u2"
