"""The guard around every page: who may ask, what is refused and with which words, and what every response carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Scope

from engine.console import security
from engine.console.access import BAD_ORIGIN, PUBLIC, PUBLIC_SANDBOX, access
from engine.console.rendering import json_data
from engine.console.sessions import MOST_SESSIONS, FailedLogins, Sessions
from engine.console.site import Site
from engine.console.wording import NOTHING, ago, number, seconds, shown
from engine.errors import UsageError
from tests.console.harness import ORIGIN, TOKEN, served, visitor

SCOPE: Scope = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "path": "/login",
    "query_string": b"",
    "server": ("127.0.0.1", 8912),
}
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\0"


async def _change(request: Request) -> Response:
    if request.state.form is not None:
        security.audit(request, "resumed", connection=str(request.state.form.get("name")), events=3)
    return PlainTextResponse("changed")


async def _fail(request: Request) -> Response:
    raise RuntimeError(f"a bug near {request.url.path}")


async def _refuse(request: Request) -> Response:
    raise HTTPException(409, f"Somebody changed {HOSTILE}")


@contextmanager
def guarded(*, read_only: bool = False) -> Iterator[TestClient]:
    """Provide a client that is signed in to an application of these handlers, with the guard around it."""
    with visitor(Site(read_only=read_only)) as (console, client):
        handlers = {"/change": _change, "/ask": _change, "/fail": _fail, "/refuse": _refuse}
        routes = [Route(path, handler, methods=["GET", "POST"]) for path, handler in handlers.items()]
        console.router.routes.extend(routes)
        console.guard.questions |= {"/ask"}
        identifier, session = console.sessions.start()
        client.cookies.set("waybill_8912", identifier)
        client.headers["X-CSRF-Token"] = session.csrf
        yield client


def test_every_response_has_the_headers_of_safety() -> None:
    with visitor(Site()) as (_, client):
        for path in ("/", "/login", "/static/base.css", "/nowhere", "/login?code=x"):
            headers = client.get(path).headers
            assert security.HEADERS.items() <= dict(headers).items(), path
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-")
            assert "unsafe" not in policy
            assert "access-control-allow-origin" not in headers
        assert client.get("/login").headers["cache-control"] == "no-store"


def test_static_files_are_kept_for_good_by_their_digest() -> None:
    with visitor(Site()) as (_, client):
        page = client.get("/login").text
        style = page.split('rel="stylesheet" href="')[1].split('"')[0]
        assert client.get(style).headers["cache-control"] == "public, max-age=31536000, immutable"
        assert client.get("/static/base.css").headers["cache-control"] == "no-store"
        assert client.get("/static/../app.py").status_code == 303  # not a static file, so: sign in
        assert client.get("/static/%2e%2e/app.py").status_code == 404


@pytest.mark.parametrize("host", ["127.0.0.1:8912", "localhost:8912", "[::1]:8912", "LOCALHOST:8912"])
def test_hosts_of_its_own(host: str) -> None:
    with visitor(Site()) as (_, client):
        assert client.get("/login", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8912", "", "<b>"]
)
def test_other_hosts(host: str) -> None:
    with visitor(Site()) as (_, client):
        answer = client.get("/login", headers={"host": host})
        assert answer.status_code == 421
        shown = host.replace("<", "&lt;").replace(">", "&gt;")
        assert f"does not answer to the host &#34;{shown}&#34;." in answer.text


REFUSED: list[tuple[str, dict[str, str], int, str]] = [
    ("another site", {"origin": "https://evil.example"}, 403, security.OTHER_SITE),
    ("another port", {"origin": "http://127.0.0.1:8911"}, 403, security.OTHER_SITE),
    ("no origin at all", {"origin": "null"}, 403, security.OTHER_SITE),
    ("a page of another site", {"sec-fetch-site": "cross-site"}, 403, security.OTHER_SITE),
    ("a page of the same site", {"sec-fetch-site": "same-site"}, 403, security.OTHER_SITE),
    ("a wrong token", {"x-csrf-token": "guess"}, 403, security.NO_TOKEN),
    ("an empty token", {"x-csrf-token": ""}, 403, security.NO_TOKEN),
]


@pytest.mark.parametrize(("about", "headers", "status", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_changes_that_are_refused(about: str, headers: dict[str, str], status: int, message: str) -> None:
    with guarded() as client:
        answer = client.post("/change", headers=headers)
        assert (answer.status_code, message in answer.text) == (status, True), about


def test_a_change_of_the_console_itself() -> None:
    with guarded() as client:
        assert client.post("/change", headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"}).text == "changed"
        token = client.headers.pop("X-CSRF-Token")
        assert client.post("/change").status_code == 403
        assert client.post("/change", data={"csrf": token}).text == "changed"
        assert client.post("/change", data={"csrf": token}, files={"file": b"x"}).text == "changed"


def test_a_change_without_a_session_is_refused() -> None:
    with guarded() as client:
        client.cookies.clear()
        answer = client.post("/change")
        assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


def test_a_read_only_console_changes_nothing_but_answers_questions() -> None:
    with guarded(read_only=True) as client:
        answer = client.post("/change")
        assert answer.status_code == 403
        assert security.READ_ONLY in answer.text
        assert client.post("/ask").text == "changed"
        assert client.post("/logout").status_code == 303


def test_each_change_has_a_line_in_the_log_and_a_question_has_none(caplog: pytest.LogCaptureFixture) -> None:
    with guarded() as client, caplog.at_level(logging.INFO, "waybill.console"):
        client.post("/change", data={"name": "shop"})
        client.post("/change")
        client.post("/ask")
    lines = [(record.getMessage(), record.fields) for record in caplog.records if record.name == "waybill.console"]  # type: ignore[attr-defined]
    who = {"session": 1, "address": "testclient", "method": "POST", "path": "/change", "status": 200}
    assert lines == [("resumed", {**who, "connection": "shop", "events": 3}), ("request", who)]


def test_an_error_is_a_page_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with guarded() as client:
        answer = client.get("/fail")
        assert answer.status_code == 500
        assert security.FAILED in answer.text
        assert "bug" not in answer.text
        assert "a bug near /fail" in caplog.text
        refused = client.get("/refuse")
        assert refused.status_code == 409
        assert "Somebody changed &lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\u001b[31m\\u0000" in refused.text


def test_sizes_are_bounded() -> None:
    with guarded() as client:
        assert client.get("/change?" + "x" * 8193).status_code == 414
        assert client.post("/change", content=b"x" * (security.MOST_BODY_BYTES + 1)).status_code == 413
        assert client.post("/change", content=iter([b"x" * 2**20] * 3)).status_code == 413
        assert client.post("/change", content=b"x" * security.MOST_BODY_BYTES).text == "changed"
        many = {f"field{index}": "x" for index in range(101)}
        answer = client.post("/change", data=many)
        assert answer.status_code == 400
        assert security.BAD_FORM.format(limit=100) in answer.text
        files = [("file", (f"{index}", b"x")) for index in range(3)]
        assert client.post("/change", files=files).status_code == 400


@pytest.mark.parametrize("path", ["/login", "/login?next=/events"])
def test_who_is_not_signed_in_sends_little(path: str) -> None:
    """To read 2 MB of `%` as a form would stop the whole process, delivery too, for seconds."""
    with visitor(Site()) as (_, client):
        kind = {"content-type": "application/x-www-form-urlencoded"}
        assert client.post(path, content=b"%" * security.MOST_LOGIN_BYTES, headers=kind).status_code == 403
        answer = client.post(path, content=b"%" * (security.MOST_LOGIN_BYTES + 1), headers=kind)
        assert (answer.status_code, "The request is larger than 8192 bytes." in answer.text) == (413, True)
        assert client.post(path, content=iter([b"%" * 5000] * 2), headers=kind).status_code == 413


READERS: list[tuple[str, str, str, int]] = [
    ("cross-site", "no-cors", "image", 403),
    ("same-site", "cors", "empty", 403),
    ("same-site", "no-cors", "script", 403),
    ("cross-site", "navigate", "iframe", 403),
    ("cross-site", "navigate", "document", 204),
    ("same-origin", "cors", "empty", 204),
    ("none", "navigate", "document", 204),
]


@pytest.mark.parametrize(("site", "mode", "goal", "status"), READERS)
def test_pages_of_other_sites_and_ports_load_nothing(site: str, mode: str, goal: str, status: int) -> None:
    with guarded() as client:
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": goal}
        assert client.get("/session", headers=headers).status_code == status


def test_a_body_that_does_not_end_is_refused() -> None:
    messages: list[Message] = []

    async def never() -> Message:
        return await asyncio.Event().wait()

    async def send(message: Message) -> None:
        messages.append(message)

    with visitor(Site()) as (console, _):
        console.guard.body_seconds = 0.0
        asyncio.run(console({**SCOPE, "headers": [(b"host", b"127.0.0.1:8912")]}, never, send))
    assert messages[0]["status"] == 408
    assert b"The request did not arrive within 0 seconds. Send it again." in messages[1]["body"]


def test_the_head_of_a_request_is_bounded_as_at_the_admin_address() -> None:
    with served(Site()) as running:
        answer = httpx.get(f"{running.url}/login", headers={"x": "x" * 65536})
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (431, False)


@pytest.mark.parametrize("other", ['a={"b":1}', "a=caf\u00e9", "a b c", "x[1]@=2", "long=" + "x" * 5000, "=", ""])
def test_cookies_of_other_ports_do_not_hide_the_session(other: str) -> None:
    with guarded() as client:
        own = f"waybill_8912={client.cookies['waybill_8912']}"
        client.cookies.clear()
        for cookies in (f"{other}; {own}", f"{own}; {other}"):
            assert client.get("/session", headers={"cookie": cookies.encode("latin-1")}).status_code == 204


@pytest.mark.parametrize("path", ["//evil.example/x", "///evil.example/x", "//evil.example"])
def test_a_link_of_another_site_leads_to_no_third_one(path: str) -> None:
    with visitor(Site()) as (_, client):
        answer = client.get(ORIGIN + path, headers={"sec-fetch-site": "cross-site"})
        assert answer.headers["refresh"] == f"0;url=/{path.lstrip('/')}"


def test_a_link_of_another_site_leads_in() -> None:
    """The browser holds a SameSite=Strict cookie back; a refresh by our own page brings it."""
    with visitor(Site()) as (_, client):
        answer = client.get("/events?user=a", headers={"sec-fetch-site": "cross-site"})
        assert (answer.status_code, answer.headers["refresh"]) == (200, "0;url=/events?user=a")
        assert answer.text == ""


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "evil"])
def test_the_login_page_leads_to_the_console_only(wanted: str) -> None:
    with visitor(Site()) as (_, client):
        answer = client.post("/login", params={"next": wanted}, data={"token": TOKEN})
        assert answer.headers["refresh"] == "0;url=/"


def test_fifty_failures_of_all_addresses() -> None:
    failed = FailedLogins(lambda: 1000.0)
    for index in range(49):
        failed.add(f"10.0.0.{index}")
    assert failed.wait("10.0.1.1") == 0
    failed.add("10.0.0.49")
    assert failed.wait("10.0.1.1") == 60


def test_one_session_more_ends_the_one_used_longest_ago() -> None:
    sessions = Sessions(lambda: 1000.0)
    started = [sessions.start() for _ in range(MOST_SESSIONS)]
    assert sessions.find(started[0][0]) is started[0][1]
    sessions.start()
    assert sessions.find(started[0][0]) is not None
    assert sessions.find(started[1][0]) is None
    assert started[1][1].ended.is_set()


ACCESS: list[tuple[str, tuple[str, int, str, str, bool], str | UsageError]] = [
    ("loopback", ("127.0.0.1", 80, "t", "", False), "http://127.0.0.1:80 waybill_80"),
    ("version 6", ("::1", 8912, "t", "", False), "http://[::1]:8912 waybill_8912"),
    ("by name", ("localhost", 8912, "sandbox", "", False), "http://localhost:8912 waybill_8912"),
    ("behind TLS", ("0.0.0.0", 8912, "t", "https://Ops.example.com", False), "https://ops.example.com __Host-waybill"),
    ("insecure", ("0.0.0.0", 8912, "t", "", True), "http://0.0.0.0:8912 waybill_8912"),
    ("public", ("0.0.0.0", 8912, "t", "", False), UsageError(PUBLIC.format(host="0.0.0.0"))),
    ("a known token", ("10.0.0.1", 1, "sandbox", "", True), UsageError(PUBLIC_SANDBOX.format(host="10.0.0.1"))),
    *(
        (origin, ("127.0.0.1", 1, "t", origin, False), UsageError(BAD_ORIGIN.format(origin=origin)))
        for origin in (
            "ops.example.com",
            "https://ops/path",
            "https://a@b",
            "https://",
            "ftp://a",
            "https://a:0",
            "https://[",
        )
    ),
    ("no TLS", ("::1", 1, "t", "http://ops", False), UsageError(PUBLIC.format(host="http://ops"))),
]


@pytest.mark.parametrize(("about", "given", "expected"), ACCESS, ids=[row[0] for row in ACCESS])
def test_how_it_is_reached(about: str, given: tuple[str, int, str, str, bool], expected: str | UsageError) -> None:
    host, port, token, origin, insecure = given
    if isinstance(expected, UsageError):
        with pytest.raises(UsageError) as raised:
            access(host, port, token, origin, insecure=insecure)
        assert str(raised.value) == str(expected), about
    else:
        found = access(host, port, token, origin, insecure=insecure)
        assert f"{found.origin} {found.cookie}" == expected, about


def test_behind_a_proxy_only_the_named_origin_counts() -> None:
    found = access("0.0.0.0", 8912, "t", "https://ops.example.com")
    assert found.secure
    assert [found.knows(host, None) for host in ("ops.example.com", "ops.example.com:443")] == [True, True]
    assert [found.knows(host, ("10.0.0.1", 8912)) for host in ("10.0.0.1:8912", "127.0.0.1:8912")] == [False, False]
    insecure = access("0.0.0.0", 8912, "t", insecure=True)
    assert insecure.knows("10.0.0.1:8912", ("10.0.0.1", 8912))
    assert not insecure.knows("evil.example:8912", ("10.0.0.1", 8912))
    assert insecure.origin_of("10.0.0.1:8912") == "http://10.0.0.1:8912"


def test_data_for_scripts_cannot_end_the_script() -> None:
    assert json_data({"a": "</script><!--\u2028&"}) == '{"a":"\\u003c/script\\u003e\\u003c!--\\u2028\\u0026"}'


def test_words() -> None:
    narrow = [number(value) for value in (None, 0, 1234567, 0.44, 99.5, 1000.4)]
    assert [text.replace("\u202f", " ") for text in narrow] == [NOTHING, "0", "1 234 567", "0.4", "99.5", "1 000"]
    durations = [seconds(value) for value in (None, 0, 0.2, 59, 200, 7200, 90061)]
    assert durations == [NOTHING, "0 s", "< 1 s", "59 s", "3 min 20 s", "2 h", "1 d 1 h"]
    assert [ago(when, 1000.0) for when in (None, 1000.0, 940.0, 1300.0)] == [NOTHING, "now", "1 min ago", "in 5 min"]
    assert shown(HOSTILE) == "<script>alert(1)</script>\\u202e\\u001b[31m\\u0000"
