"""OAuth 2 against a vendor that gives tokens and takes only the requests that carry one."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from engine.delivery import status
from engine.delivery.configured_connection import ConfiguredConnection, PatchedMapping, into_sandbox
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.sending.oauth2 import access_tokens
from engine.delivery.sending.refresh_tokens import RefreshTokens, SignInFailed, SignInRefused
from engine.delivery.supervisor import Delivery
from engine.plan import Connection, Destination, load
from engine.records import Secrets
from tests.delivery.vendor import QUICK, Answer, Request, Vendor, event, fine, results

MAPPING = """
mapping: 1
name: signed_in
title: Signed In
settings:
  url: { title: URL, type: url, example: "http://127.0.0.1" }
  client_id: { title: ID, type: string, example: id }
  client_secret: { title: Secret, type: string, secret: true, example: secret }
http:
  base_url: ${settings.url}/api
  timeout: TIMEOUT
  oauth2:
    token_url: ${settings.url}/token
    client_id: settings.client_id
    client_secret: settings.client_secret
    MORE
retry: { first_wait: 1ms, max_wait: 5ms, for: FOR }
check: me
requests:
  single: { path: /single }
  me: { path: /me, method: GET }
calls:
  track: [{ request: single, fields: { user: userId } }]
"""
REFRESH = "{ grant: refresh_token, refresh_token: settings.refresh_token }"
SETTING = "  refresh_token: { title: Refresh token, type: string, secret: true, example: token }\n"
GIVEN = {"client_id": "id/1", "client_secret": "s:cret é"}


class TokenVendor:
    """Gives tokens that end after some requests, and takes only the last one."""

    def __init__(self, *, uses: int = 1000, rotates: bool = False, lifetime: Any = 3600) -> None:
        self.asked: list[Request] = []
        self.taken: list[Request] = []
        self.refused = 0
        self._uses = self._left = uses
        self._rotates = rotates
        self._lifetime = lifetime
        self.refresh_token = "first-refresh-token"
        self.answers: list[Answer] = []  # of the token endpoint, before it works

    @property
    def token(self) -> str:
        return f"access-token-{len(self.asked)}"

    def __call__(self, request: Request) -> Answer:
        if request.path == "/token":
            self.asked.append(request)
            return self.answers.pop(0) if self.answers else self._give(form(request))
        if request.headers.get("authorization") != f"Bearer {self.token}" or not self._left:
            self.refused += 1
            return Answer(401, {"error": f"bad token {request.headers.get('authorization')}"})
        self._left -= 1
        self.taken.append(request)
        return fine(request)

    def _give(self, given: dict[str, str]) -> Answer:
        if self._rotates:
            if given.get("refresh_token") != self.refresh_token:
                return Answer(400, {"error": "invalid_grant", "error_description": f"used: {given['refresh_token']}"})
            self.refresh_token = f"refresh-token-{len(self.asked)}"
        self._left = self._uses
        body = {"access_token": self.token, "token_type": "Bearer", "expires_in": self._lifetime}
        return Answer(200, {**body, **({"refresh_token": self.refresh_token} if self._rotates else {})})


def form(request: Request) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(request.raw.decode()).items()}


def configured(folder: Path, url: str, more: str = "{}", give_up: str = "24h", **settings: str) -> ConfiguredConnection:
    path = folder / "signed_in.yaml"
    lines = "\n    ".join(f"{key}: {json.dumps(value)}" for key, value in _words(more).items())
    text = MAPPING.replace("MORE", lines).replace("FOR", give_up)
    if "refresh_token" in more:
        text = text.replace("http:\n", f"{SETTING}http:\n", 1)
        settings = {"refresh_token": "first-refresh-token", **settings}
    path.write_text(text.replace("TIMEOUT", "100ms" if "slow" in settings else "5s"))
    settings.pop("slow", None)
    return ConfiguredConnection(name="shop", connection=load(path).connect({**GIVEN, "url": url, **settings}, {}))


def _words(more: str) -> dict[str, Any]:
    from engine.mapping.yaml.reader import parse

    return parse(more, "more.yaml").value  # type: ignore[return-value]


async def deliver(
    folder: Path, vendor: Vendor, events: int, more: str, *, first: int = 0, slots: int = 8, **given: str
) -> tuple[dict[str, str], dict[str, str], str]:
    """Deliver events from an outbox in `folder`; return outcomes, reasons and why the connection is held or pauses."""
    outbox = SqliteOutbox(folder / "outbox.db")
    try:
        one = configured(folder, vendor.url, more, **given)
        outbox.take_in([event(number) for number in range(first, first + events)], ["shop"], 1000.0)
        await Delivery(outbox, [one], replace(QUICK, patience=0.05, slots=slots)).run()
        [row] = outbox.connections()
        return *results(outbox), row.held or row.pause
    finally:
        outbox.close()


def delivered(folder: Path, answer: Any, events: int, more: str = "{}", **given: Any) -> Any:
    async def story() -> Any:
        async with Vendor(answer) as vendor:
            return await deliver(folder, vendor, events, more, **given)

    return asyncio.run(story())


def test_one_token_for_all_requests(tmp_path) -> None:
    vendor = TokenVendor()
    outcomes, _, _ = delivered(tmp_path, vendor, events=20)
    assert set(outcomes.values()) == {"delivered"}
    assert (len(vendor.taken), vendor.refused) == (20, 0)
    [asked] = vendor.asked
    assert form(asked) == {"grant_type": "client_credentials"}
    assert asked.method == "POST"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    pair = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "id%2F1:s%3Acret+%C3%A9", "each is form-encoded first (RFC 6749, 2.3.1)"
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"access-token" not in kept, "tokens are only in memory"


def test_the_client_in_the_body_with_scope_audience_and_params(tmp_path) -> None:
    vendor = TokenVendor()
    more = '{ auth: body, scope: "a b", audience: "${settings.url}", params: { resource: "r/${settings.client_id}" } }'
    delivered(tmp_path, vendor, events=1, more=more)
    [asked] = vendor.asked
    assert "authorization" not in asked.headers
    found = form(asked)
    assert found.pop("audience").startswith("http://127.0.0.1:")
    client = {"client_id": "id/1", "client_secret": "s:cret é"}
    assert found == {"grant_type": "client_credentials", "scope": "a b", "resource": "r/id/1", **client}


def test_a_refused_token_is_renewed_once_for_all_who_had_it(tmp_path) -> None:
    vendor = TokenVendor(uses=8)
    outcomes, reasons, _ = delivered(tmp_path, vendor, events=12)
    assert set(outcomes.values()) == {"delivered"}, reasons
    assert len(vendor.taken) == 12
    assert (len(vendor.asked), vendor.refused) == (2, 4)


def test_a_vendor_that_refuses_every_token_stops_the_connection_and_shows_none(tmp_path) -> None:
    vendor = TokenVendor(uses=0)
    outcomes, _, held = delivered(tmp_path, vendor, events=1)
    assert set(outcomes.values()) == {"held"}
    assert held == 'the vendor answered 401: {"error":"bad token Bearer ***"}'
    assert (len(vendor.asked), vendor.refused) == (2, 2)


LONG = "x" * 9000
FAILURES: dict[str, tuple[Answer, str]] = {
    "a page": (Answer(200, b"<html>Maintenance"), "the token endpoint answered 200 without an access_token"),
    "a list": (Answer(200, [1]), "the token endpoint answered 200 without an access_token"),
    "no token": (Answer(200, {"token_type": "bearer"}), "the token endpoint answered 200 without an access_token"),
    "a number": (Answer(200, {"access_token": 7}), "the token endpoint answered 200 without an access_token"),
    "nothing": (Answer(204, b""), "the token endpoint answered 204 without an access_token"),
    "a line break": (
        Answer(200, {"access_token": "ab\r\nX-Evil: 1"}),
        "the access_token of the token endpoint cannot be sent in a header",
    ),
    "not ASCII": (
        Answer(200, {"access_token": "é"}),
        "the access_token of the token endpoint cannot be sent in a header",
    ),
    "too long a token": (
        Answer(200, {"access_token": LONG}),
        "the access_token of the token endpoint is longer than 8 KB",
    ),
    "10 MB": (Answer(200, b"[" * 10_000_000), "the answer of the token endpoint is longer than 64 KB"),
    "a failure": (Answer(503, b"busy"), "the token endpoint answered 503: busy"),
    "too many": (Answer(429, {"error": "slow_down"}), "the token endpoint answered 429: slow_down"),
    "a redirect": (Answer(302, b"", {"Location": "/elsewhere"}), "the token endpoint answered 302"),
    "cut off": (Answer(0), "the vendor closed the connection before it responded (the token endpoint)"),
    "not HTTP": (
        Answer(200, b"{}", {"Content-Length": "50"}),
        "the response is not valid HTTP (the token endpoint)",
    ),
}


def checked(folder: Path, answer: Any, more: str = "{}", **given: str) -> tuple[bool | None, str]:
    async def story() -> tuple[bool | None, str]:
        async with Vendor(answer) as vendor:
            one = configured(folder, vendor.url, more, **given)
            return await status.check_credentials(one, folder / "outbox.db")

    return asyncio.run(story())


@pytest.mark.parametrize("name", FAILURES)
def test_what_keeps_a_token_from_coming(tmp_path, name) -> None:
    answer, message = FAILURES[name]
    assert checked(tmp_path, lambda _: answer) == (False, f"no access token: {message}.")


def test_without_a_token_events_wait_and_are_never_given_up(tmp_path) -> None:
    vendor = TokenVendor()
    vendor.answers = [FAILURES["a page"][0]] * 1000
    outcomes, _, pause = delivered(tmp_path, vendor, events=2, give_up="1ms")
    assert outcomes == {"m0": "waiting", "m1": "waiting"}
    assert pause == "no access token: the token endpoint answered 200 without an access_token"
    assert 0 < len(vendor.asked) < 1000
    vendor.answers = [FAILURES["a failure"][0]]
    outcomes, _, pause = delivered(tmp_path, vendor, events=1, first=2)
    assert (outcomes, pause) == (dict.fromkeys(["m0", "m1", "m2"], "delivered"), "")
    assert vendor.refused == 0


def test_a_slow_token_endpoint_has_the_time_of_a_request(tmp_path) -> None:
    async def story() -> tuple[bool | None, str]:
        async with Vendor(TokenVendor()) as vendor:
            vendor.delay = 1.0
            return await status.check_credentials(configured(tmp_path, vendor.url, slow=""), tmp_path / "outbox.db")

    assert asyncio.run(story()) == (False, "no access token: the token endpoint did not answer within 0.1s.")


REFUSALS: dict[str, tuple[Answer, str]] = {
    "400": (
        Answer(400, {"error": "invalid_scope", "error_description": "Unknown\nscope."}),
        "the token endpoint answered 400: invalid_scope: Unknown scope.",
    ),
    "401, with what was sent": (
        Answer(401, {"error": "invalid_client", "error_description": "id/1 is not s:cret é or s%3Acret+%C3%A9"}),
        "the token endpoint answered 401: invalid_client: id/1 is not *** or ***",
    ),
    "a wrong address": (Answer(404, b"<h1>Not found"), "the token endpoint answered 404: <h1>Not found"),
    "another type": (
        Answer(200, {"access_token": "t", "token_type": "mac"}),
        "the token endpoint gives tokens of the type mac, not bearer",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_told_in_the_words_of_the_vendor(tmp_path, name) -> None:
    answer, message = REFUSALS[name]
    assert checked(tmp_path, lambda _: answer) == (False, message)


def test_a_refusal_holds_the_connection(tmp_path) -> None:
    vendor = TokenVendor()
    vendor.answers = [REFUSALS["400"][0]]
    outcomes, _, held = delivered(tmp_path, vendor, events=2, give_up="1ms")
    assert outcomes == {"m0": "held", "m1": "held"}
    assert held == REFUSALS["400"][1]
    assert (len(vendor.asked), vendor.taken) == (1, [])


NEVER = 1e12
LIFETIMES: dict[str, tuple[Any, float]] = {
    "an hour": (3600, 3540),
    "text": ("3600", 3540),
    "a short life": (10, 9),
    "none": (None, NEVER),
    "negative": (-5, NEVER),
    "zero": (0, NEVER),
    "words": ("soon", NEVER),
    "true": (True, NEVER),
    "an object": ({}, NEVER),
    "for ever": (10**30, NEVER),
}


def test_a_token_is_renewed_before_it_ends(tmp_path) -> None:
    async def tokens_at(answers: list[bytes], times: list[float]) -> list[str]:
        async with Vendor(lambda _: Answer(200, answers.pop(0))) as vendor:
            connection = Connection(destination, {**connected.settings, "url": vendor.url})
            tokens = access_tokens(connection, None, now=lambda: times[0])
            assert tokens is not None
            found = []
            while times:
                found += [await tokens.current()]
                times.pop(0)
            await tokens.close()
        return found

    connected = configured(tmp_path, "http://127.0.0.1").connection
    destination = connected.destination
    for name, (lifetime, used) in LIFETIMES.items():
        answers = [json.dumps({"access_token": f"t{number}", "expires_in": lifetime}).encode() for number in range(2)]
        found = asyncio.run(tokens_at(answers, [0.0, used - 0.5, used + 0.5]))
        assert found == ["t0", "t0", "t1" if used < NEVER else "t0"], name


def test_refresh_tokens_are_kept_beside_the_outbox(tmp_path) -> None:
    vendor = TokenVendor(rotates=True, uses=2)
    outcomes, reasons, _ = delivered(tmp_path, vendor, events=5, more=REFRESH, slots=1)
    assert set(outcomes.values()) == {"delivered"}, reasons
    file = tmp_path / "outbox.db.shop.refresh-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_bytes())["refresh_token"] == vendor.refresh_token
    assert [form(each)["refresh_token"] for each in vendor.asked] == [
        "first-refresh-token", "refresh-token-1", "refresh-token-2"
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir() if "refresh" in path.name) == [file.name]
    delivered(tmp_path, vendor, events=1, more=REFRESH, first=5)
    assert form(vendor.asked[-1])["refresh_token"] == "refresh-token-3", "also after a restart"


def test_a_refresh_token_is_kept_though_the_rest_of_the_answer_is_of_no_use(tmp_path) -> None:
    vendor = TokenVendor(rotates=True)
    vendor.refresh_token = "second-refresh-token"
    vendor.answers = [Answer(200, {"access_token": "a\nb", "refresh_token": "second-refresh-token"})]
    outcomes, _, _ = delivered(tmp_path, vendor, events=1, more=REFRESH)
    assert outcomes == {"m0": "delivered"}
    assert [form(each)["refresh_token"] for each in vendor.asked] == ["first-refresh-token", "second-refresh-token"]


def test_a_type_of_token_that_is_null_is_as_good_as_none(tmp_path) -> None:
    answer = Answer(200, {"access_token": "t", "token_type": None})
    assert checked(tmp_path, lambda request: answer if request.path == "/token" else fine(request))[0] is True


def test_the_token_endpoint_says_when_to_ask_again(tmp_path) -> None:
    vendor = TokenVendor()
    vendor.answers = [Answer(429, {"error": "slow_down"}, {"Retry-After": "3600"})]
    outcomes, _, _ = delivered(tmp_path, vendor, events=1)
    assert (outcomes, len(vendor.asked)) == ({"m0": "waiting"}, 1)


def test_a_refresh_token_that_was_used_elsewhere_holds_and_a_new_one_starts_over(tmp_path) -> None:
    vendor = TokenVendor(rotates=True)
    delivered(tmp_path, vendor, events=1, more=REFRESH)
    vendor.refresh_token = "given-by-the-vendor-again"
    outcomes, _, held = delivered(tmp_path, vendor, events=1, more=REFRESH, first=1)
    assert (outcomes["m1"], held) == ("held", "the token endpoint answered 400: invalid_grant: used: ***")

    accepted = checked(tmp_path, vendor, REFRESH, refresh_token="given-by-the-vendor-again")
    assert accepted == (True, "Signed In accepts the credentials.")
    assert form(vendor.asked[-1])["refresh_token"] == "given-by-the-vendor-again"


DAMAGED = {
    "empty": b"",
    "half": b'{"first": "x", "refr',
    "no object": b"[]",
    "no token": b'{"first": "", "refresh_token": 7}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_left_as_it_is(tmp_path, name) -> None:
    file = tmp_path / "file"
    file.write_bytes(DAMAGED[name])
    with pytest.raises(SignInRefused) as refused:
        RefreshTokens(file, "first", Secrets()).current()
    assert str(refused.value) == (
        f"{file} is damaged, and held the only copy of the refresh token. "
        "Put a new refresh token into the settings, remove the file, and resume the connection"
    )
    assert file.read_bytes() == DAMAGED[name]


def test_a_damaged_file_holds_the_connection(tmp_path) -> None:
    vendor = TokenVendor(rotates=True)
    (tmp_path / "outbox.db.shop.refresh-token").write_bytes(b"")
    outcomes, _, held = delivered(tmp_path, vendor, events=1, more=REFRESH)
    assert outcomes == {"m0": "held"}
    assert held.startswith(f"{tmp_path / 'outbox.db.shop.refresh-token'} is damaged")
    assert vendor.asked == []


def test_where_no_file_can_be_written_the_vendor_is_not_asked(tmp_path) -> None:
    vendor = TokenVendor(rotates=True)
    (tmp_path / "outbox.db.shop.refresh-token.new").mkdir()
    outcomes, _, pause = delivered(tmp_path, vendor, events=1, more=REFRESH)
    file = tmp_path / "outbox.db.shop.refresh-token"
    assert outcomes == {"m0": "waiting"}
    assert pause == f"no access token: the refresh token cannot be kept in {file}: Is a directory"
    assert vendor.asked == []


def test_a_token_that_could_not_be_kept_is_kept_before_it_is_used(tmp_path) -> None:
    file = tmp_path / "file"
    tokens = RefreshTokens(file, "first", Secrets())
    assert tokens.current() == "first"
    (tmp_path / "file.new").mkdir()
    with pytest.raises(SignInFailed, match="cannot be kept"):
        tokens.replace("second")
    with pytest.raises(SignInFailed, match="cannot be kept"):
        tokens.current()
    (tmp_path / "file.new").rmdir()
    assert tokens.current() == "second"
    assert RefreshTokens(file, "first", Secrets()).current() == "second"
    assert RefreshTokens(file, "other", Secrets()).current() == "other"


def test_a_renewal_is_not_cancelled_with_the_request_that_began_it(tmp_path) -> None:
    async def story() -> None:
        async with Vendor(vendor) as listening:
            listening.delay = 0.05
            connection = configured(tmp_path, listening.url, REFRESH).connection
            tokens = access_tokens(connection, tmp_path / "file", now=lambda: 0.0)
            assert tokens is not None
            waiting = asyncio.ensure_future(tokens.current())
            await listening.asked.wait()
            waiting.cancel()
            await tokens.close()

    vendor = TokenVendor(rotates=True)
    asyncio.run(story())
    assert RefreshTokens(tmp_path / "file", "first-refresh-token", Secrets()).current() == "refresh-token-1"


def test_an_address_without_tls_gets_no_secret(tmp_path) -> None:
    connection = configured(tmp_path, "http://login.shop.example").connection
    with pytest.raises(SignInRefused) as refused:
        access_tokens(connection, None, now=lambda: 0.0)
    assert str(refused.value) == "the address of the token endpoint must start with https:// (http.oauth2.token_url)"


def test_an_address_without_tls_holds_the_connection(tmp_path) -> None:
    async def story() -> str:
        outbox = SqliteOutbox(tmp_path / "outbox.db")
        outbox.take_in([event(1)], ["shop"], 1000.0)
        await Delivery(outbox, [configured(tmp_path, "http://login.shop.example")], QUICK).run()
        [row] = outbox.connections()
        outbox.close()
        return row.held

    assert asyncio.run(story()).startswith("the address of the token endpoint must start with https://")


def test_without_a_request_to_check_with_a_token_is_enough(tmp_path) -> None:
    async def story() -> list[tuple[bool | None, str]]:
        vendor = TokenVendor()
        async with Vendor(vendor) as listening:
            one = configured(tmp_path, listening.url)
            loaded = PatchedMapping(one.connection.destination.loaded, check=None)
            one = replace(one, connection=Connection(Destination(loaded), one.connection.settings))
            vendor.answers = [Answer(401, {"error": "invalid_client"})]
            return [await status.check_credentials(one, tmp_path / "outbox.db") for _ in range(2)]

    assert asyncio.run(story()) == [
        (False, "the token endpoint answered 401: invalid_client"),
        (True, "Signed In gives access tokens; it has no request to check them with."),
    ]


def test_in_the_sandbox_no_vendor_is_asked_for_tokens(tmp_path) -> None:
    one = into_sandbox(configured(tmp_path, "https://shop.example/eu"), "http://127.0.0.1:9")
    assert one.connection.compiled.oauth2 is not None
    assert one.connection.compiled.oauth2([])["token_url"] == "http://127.0.0.1:9/eu/token"
