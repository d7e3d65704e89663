"""Signing in: the token, the link that works once, the limit of failures, and what a browser keeps."""

from __future__ import annotations

from engine.console.login import TOO_MANY, USED_CODE, WRONG_TOKEN
from engine.console.site import Site
from tests.console.harness import TOKEN, signed_in, visitor

NOON = 1_800_000_000.0


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_a_page_asks_for_the_token_and_then_leads_back() -> None:
    with visitor(Site()) as (_, client):
        asked = client.get("/destinations/x?y=1")
        assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/destinations/x%3Fy%3D1")
        answer = client.post(asked.headers["location"], data={"token": TOKEN})
        assert (answer.status_code, answer.headers["refresh"]) == (200, "0;url=/destinations/x?y=1")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("waybill_8912=")
        assert cookie.endswith("; HttpOnly; Path=/; SameSite=strict")


def test_a_wrong_token_is_refused_with_what_it_is() -> None:
    with visitor(Site()) as (_, client):
        answer = client.post("/login", data={"token": "guess"})
        assert answer.status_code == 403
        assert WRONG_TOKEN in answer.text
        assert "set-cookie" not in answer.headers


def test_the_link_works_once() -> None:
    with visitor(Site()) as (console, client):
        assert TOKEN not in console.link
        assert client.get(console.link).headers["refresh"] == "0;url=/"
        client.cookies.clear()
        again = client.get(console.link)
        assert again.status_code == 403
        assert USED_CODE in again.text


def test_the_link_works_for_ten_minutes() -> None:
    clock = Clock()
    with visitor(Site(clock=clock)) as (console, client):
        clock.now += 600
        assert client.get(console.link).status_code == 403


def test_five_failures_a_minute() -> None:
    clock = Clock()
    with visitor(Site(clock=clock)) as (_, client):
        for _ in range(5):
            assert client.post("/login", data={"token": "guess"}).status_code == 403
            clock.now += 1
        refused = client.post("/login", data={"token": TOKEN})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "55")
        assert TOO_MANY.format(seconds=55) in refused.text
        clock.now += 55
        assert client.post("/login", data={"token": TOKEN}).status_code == 200


def test_wrong_links_do_not_lock_the_token_out() -> None:
    """A page of any site can make a browser open them, as images."""
    with visitor(Site(clock=Clock())) as (_, client):
        codes = [client.get("/login?code=guess").status_code for _ in range(60)]
        assert codes == [403] * 5 + [429] * 55
        assert client.post("/login", data={"token": TOKEN}).status_code == 200


def test_a_session_lasts_twelve_hours_after_its_last_request() -> None:
    clock = Clock()
    with signed_in(Site(clock=clock)) as client:
        clock.now += 11 * 3600
        assert client.get("/session").status_code == 204
        clock.now += 11 * 3600
        assert client.get("/session").status_code == 204
        clock.now += 12 * 3600
        assert client.get("/session").status_code == 303


def test_signing_out() -> None:
    with signed_in(Site()) as client:
        answer = client.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert client.get("/session").status_code == 303
