"""Vendors made from mappings: what they accept, refuse and answer, and that every mapping we have can be delivered."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from engine.commands import main
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.base import NewEvent
from engine.delivery.sending.pacing import Clock
from engine.delivery.supervisor import Delivery
from engine.language.signatures import Signer
from engine.mapping.load import Library
from engine.mapping.yaml import reader
from engine.plan import Connection, Destination
from engine.sandbox.app import create_app
from engine.sandbox.generic.describing import describe, into_vendor
from engine.sandbox.generic.inventing import CannotInvent, hold, write
from engine.sandbox.generic.vendor import MOST_KEPT
from engine.sandbox.server import Sandbox
from engine.testing.examples import NOW
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import QUICK, results

ROOT = Path(__file__).parents[2]
VENDORS = ROOT / "tests" / "vendors"
LIBRARY = Library([VENDORS, ROOT / "mappings"])
MAPPINGS = {path.stem: path for folder in (VENDORS, ROOT / "mappings") for path in sorted(folder.glob("*.yaml"))}

SHOP: dict[str, Any] = {
    "mapping": 1,
    "name": "shop",
    "title": "Shop",
    "settings": {
        "key": {"title": "Key", "type": "string", "secret": True, "example": "key-1"},
        "shop": {"title": "Shop", "type": "string", "example": "my shop"},
    },
    "http": {
        "base_url": "https://api.shop.example/v1",
        "headers": {"X-Api-Key": "${settings.key}", "X-Version": "2"},
    },
    "requests": {
        "save": {
            "path": "/shops/${settings.shop}/people/${userId}",
            "method": "PUT",
            "body_schema": {"required": ["email"], "properties": {"email": {"type": "string"}}},
        },
        "special": {"path": "/shops/${settings.shop}/people/special", "method": "PUT"},
        "add": {
            "batch": "many",
            "item": {"fields": {"kind": {"const": "event"}, "data": "body"}},
            "body_schema": {"required": ["name"], "properties": {"total": {"type": "number"}}},
        },
        "note": {"batch": "many", "item": {"fields": {"kind": {"const": "note"}, "text": "body.text"}}},
    },
    "batches": {
        "many": {
            "path": "/events",
            "fields": {"entries": "items"},
            "results": {"list": "body.results", "ok": "item.code == `0`", "error": "item.problems[0].text"},
        }
    },
    "responses": [
        {"status": [200], "unless": "body.ok", "then": "reject", "error": "body.problem.text"},
        {"status": ["4xx"], "then": "reject", "error": "body.problem.text"},
    ],
    "calls": {
        "identify": [{"request": "save", "from": "traits"}],
        "track": [{"request": "add", "fields": {"name": "event", "total": "properties.total"}}],
        "page": [{"request": "note", "fields": {"text": "name"}}],
        "screen": [{"request": "special"}],
    },
}
GOOD = {"X-Api-Key": "key-1", "X-Version": "2"}
PERSON = "/shop/v1/shops/my%20shop/people/u%2F1"


def connection(mapping: dict[str, Any], **settings: Any) -> Connection:
    document = reader.parse(json.dumps(mapping), "mappings/shop.yaml")
    assert not document.problems
    destination = Destination(Library([]).of(document, ROOT / "mappings" / "shop.yaml"))
    return destination.connect({**destination.example_settings(), **settings}, {})


def changed(**changes: Any) -> dict[str, Any]:
    return {**SHOP, **changes}


class Vendor:
    """The vendor of a mapping, asked without a network."""

    def __init__(self, mapping: dict[str, Any], **settings: Any) -> None:
        self.description = describe("shop", connection(mapping, **settings), set())
        self.app = create_app(clock=lambda: NOW, descriptions=[self.description])
        self.world = self.app.state.world

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, headers=GOOD if headers is None else headers, **more)

        return asyncio.run(send())

    def close(self) -> None:
        self.world.close()


@pytest.fixture
def vendor():
    made = Vendor(SHOP)
    yield made
    made.close()


REFUSED: dict[str, tuple[tuple[Any, ...], dict[str, Any], int, str]] = {
    "path": (("PUT", "/shop/v1/people"), {}, 404, "the mapping has no request with the path /v1/people"),
    "method": (
        ("POST", PERSON),
        {"json": {"email": "a"}},
        405,
        "the mapping sends PUT to this path, not POST",
    ),
    "no credential": (("PUT", PERSON), {"headers": {"X-Version": "2"}}, 401, "the header x-api-key is missing"),
    "credential": (
        ("PUT", PERSON),
        {"headers": {**GOOD, "X-Api-Key": "key-2"}},
        401,
        "the header x-api-key is not that of the settings",
    ),
    "header": (("PUT", PERSON), {"headers": {"X-Api-Key": "key-1"}}, 400, "the header x-version is missing"),
    "setting in the path": (
        ("PUT", "/shop/v1/shops/other/people/u1"),
        {},
        404,
        "the mapping has no request with the path /v1/shops/other/people/u1",
    ),
    "no JSON": (("PUT", PERSON), {"content": b"{"}, 400, "the body is not JSON"),
    "no body": (
        ("PUT", PERSON),
        {},
        400,
        "the body of save does not match its body_schema: there is no body",
    ),
    "schema": (
        ("PUT", PERSON),
        {"json": {"email": 7}},
        400,
        "the body of save does not match its body_schema: email (7) is not text",
    ),
    "gzip that is none": (
        ("PUT", PERSON),
        {"content": b"{}", "headers": {**GOOD, "Content-Encoding": "gzip"}},
        400,
        "the body is not gzip, as its Content-Encoding says",
    ),
    "another encoding": (
        ("PUT", PERSON),
        {"content": b"{}", "headers": {**GOOD, "Content-Encoding": "br"}},
        400,
        "the Content-Encoding br is not supported",
    ),
    "no items": (
        ("POST", "/shop/v1/events"),
        {"json": {"others": []}},
        400,
        "the body has no list of items of the batch many",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why_where_the_mapping_reads_it(vendor: Vendor, name: str) -> None:
    (method, path), more, status, message = REFUSED[name]
    response = vendor.ask(method, path, **more)
    assert (response.status_code, response.json()["problem"]["text"]) == (status, message)
    assert vendor.world.state_of("shop", 10) == {}
    assert "key-" not in json.dumps(vendor.world.request_log.newest(10))


def test_a_request_is_kept_by_its_name_and_answered_so_that_the_mapping_accepts_it(vendor: Vendor) -> None:
    response = vendor.ask("PUT", PERSON, json={"email": "ann@example.com"})
    assert (response.status_code, response.json()) == (200, {"ok": True})
    assert vendor.ask("PUT", "/shop/v1/shops/my%20shop/people/special", json={}).status_code == 200
    state = vendor.world.state_of("shop", 10)
    assert state["save"] == [
        {
            "id": 1,
            "path": "/v1/shops/my%20shop/people/u%2F1",
            "body": {"email": "ann@example.com"},
        }
    ]
    assert list(state) == ["save", "special"], "the path without a value of the event is the nearer one"
    assert vendor.world.vendors["shop"].credentials() == ["x-api-key: ***"]


def test_each_item_of_a_batch_has_its_result(vendor: Vendor) -> None:
    vendor.world.faults.inject({"kind": "items", "nth": [3], "errors": ["not", "today"]}, NOW)
    items = [{"kind": "event", "data": {"name": "A", "total": total}} for total in (1, "2", 3, 4)]
    response = vendor.ask("POST", "/shop/v1/events", json={"entries": [*items, {"kind": "note", "text": "Hi"}]})
    fault = 'the body of add does not match its body_schema: total ("2") is not a number'
    assert response.json() == {
        "ok": True,
        "results": [
            {"code": 0},
            {"problems": [{"text": fault}]},
            {"problems": [{"text": "not; today"}]},
            {"code": 0},
            {"code": 0},
        ],
    }
    assert [each["body"]["total"] for each in vendor.world.state_of("shop", 10)["add"]] == [1, 4]
    assert vendor.world.counts()["shop"] == {
        "batch_requests_of_many": 1,
        "requests_of_add": 2,
        "requests_of_many": 1,
        "requests": {"200": 1},
    }


def test_a_batch_without_results_is_taken_whole_or_not_at_all() -> None:
    batches = {"many": {**SHOP["batches"]["many"]}}
    del batches["many"]["results"]
    vendor = Vendor(changed(batches=batches))
    items = [{"kind": "event", "data": {"name": "A"}}, {"kind": "event", "data": {}}]
    response = vendor.ask("POST", "/shop/v1/events", json={"entries": items})
    assert response.status_code == 400
    assert response.json()["problem"]["text"] == (
        'the body of add does not match its body_schema: an object has no "name"'
    )
    assert vendor.ask("POST", "/shop/v1/events", json={"entries": items[:1]}).json() == {"ok": True}
    assert len(vendor.world.state_of("shop", 10)["add"]) == 1
    vendor.close()


def test_every_fault_can_be_ordered(vendor: Vendor) -> None:
    def answer(fault: dict[str, Any]) -> httpx.Response:
        vendor.world.faults.remove()
        vendor.world.faults.inject({"vendor": "shop", **fault}, NOW)
        return vendor.ask("PUT", PERSON, json={"email": "a"})

    busy = answer({"kind": "status", "status": 429, "retry_after": 7})
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "7")
    assert busy.json() == {"problem": {"text": "the sandbox answers 429"}}
    assert answer({"kind": "status", "status": 503}).json() == {"error": "the sandbox answers 503"}
    assert answer({"kind": "wrong_json"}).text == '{"success": tru'
    assert answer({"kind": "latency", "seconds": 0}).status_code == 200
    assert vendor.world.counts()["shop"]["requests_of_save"] == 2
    assert answer({"kind": "status", "status": 404, "vendor": "exponea"}).status_code == 200


def test_the_newest_requests_are_kept(vendor: Vendor) -> None:
    with vendor.world.state.transaction():
        vendor.world.state.execute(
            "INSERT INTO generic_received (id, vendor, request, time, path, query, body) "
            "VALUES (?, 'shop', 'save', 0, '/', '{}', '{}')",
            (MOST_KEPT * 5,),
        )
        vendor.world.state.execute(
            "INSERT INTO generic_received (id, vendor, request, time, path, query, body) "
            "VALUES (1, 'shop', 'save', 0, '/', '{}', '{}')"
        )
    vendor.ask("PUT", PERSON, json={"email": "a"})
    assert [each["id"] for each in vendor.world.state_of("shop", 10)["save"]] == [MOST_KEPT * 5, MOST_KEPT * 5 + 1]


def test_responses_of_examples_and_saved_values_are_served() -> None:
    reply = {"request": "find", "status": 201, "body": {"id": 7, "name": "Ann"}}
    requests = {
        "find": {"path": "/find", "method": "GET"},
        "make": {"path": "/make"},
        "link": {"path": "/link/${saved.a}/${saved.b}"},
    }
    calls = {
        "track": [
            {"request": "find", "save": {"a": "body.id", "cursor": 'headers."x-cursor"'}},
            {"request": "make", "save": {"b": "body.items[1].user_key || body.id"}},
            {"request": "link", "fields": {"cursor": "saved.cursor"}},
        ]
    }
    event = {"type": "track", "messageId": "m", "userId": "u", "event": "E"}
    examples = [{"title": "A", "event": event, "replies": [reply], "expect": []}]
    responses = [{"status": 200, "when": "body.name == 'Ann' || !(body.items)", "then": "reject"}]
    vendor = Vendor(
        {**SHOP, "requests": requests, "batches": {}, "calls": calls, "examples": examples, "responses": responses}
    )
    found = vendor.ask("GET", "/shop/v1/find")
    assert (found.status_code, found.json(), found.headers["x-cursor"]) == (
        201,
        {"id": 7, "name": "Ann"},
        "x-cursor-1",
    )
    assert vendor.ask("POST", "/shop/v1/make").json() == {"items": [{}, {"user_key": "user_key-1"}]}
    assert vendor.description.replies.faults == []
    vendor.close()


def test_a_response_that_cannot_be_made_is_told() -> None:
    responses = [{"status": ["2xx"], "when": "type(body) == 'object' || type(body) != 'object'", "then": "reject"}]
    batches = {"many": {**SHOP["batches"]["many"], "results": {"list": "sort(body.r)", "ok": "item"}}}
    vendor = Vendor(changed(responses=responses, batches=batches))
    assert vendor.description.replies.faults == [
        *(
            f"the sandbox found no response that the rules for {name} accept (200: reject); it answers 200, and the "
            "mapping decides"
            for name in ("save", "special", "add", "note")
        ),
        (
            "the sandbox found no response from which `results` of the batch many reads one entry per item; its "
            "events will be sent one by one"
        ),
    ]
    vendor.close()


OAUTH2 = {
    "token_url": "https://login.shop.example/oauth/token",
    "client_id": {"const": "me:1"},
    "client_secret": "settings.key",
    "scope": "events.write",
}


@pytest.mark.parametrize("auth", ["header", "body"])
def test_access_tokens(auth: str) -> None:
    http = {"base_url": "https://api.shop.example/v1", "oauth2": {**OAUTH2, "auth": auth}}
    vendor = Vendor(changed(http=http))

    def token(secret: str = "key-1", grant: str = "client_credentials", scope: str = "events.write") -> httpx.Response:
        form = {"grant_type": grant, "scope": scope}
        basic = b64encode(f"me%3A1:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"} if auth == "header" else {}
        form |= {} if auth == "header" else {"client_id": "me:1", "client_secret": secret}
        return vendor.ask("POST", "/shop/oauth/token", headers=headers, data=form)

    assert (token("key-2").status_code, token("key-2").json()["error"]) == (401, "invalid_client")
    assert token(grant="password").json()["error"] == "unsupported_grant_type"
    assert token(scope="all").json()["error"] == "invalid_scope"
    assert vendor.ask("GET", "/shop/oauth/token").json()["error"] == "invalid_request"
    given = token().json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
    sent = {"json": {"email": "a"}}
    assert vendor.ask("PUT", PERSON, {"Authorization": "Bearer other"}, **sent).status_code == 401
    assert vendor.ask("PUT", PERSON, {"Authorization": f"Bearer {given['access_token']}"}, **sent).status_code == 200
    vendor.world.reset()
    assert vendor.ask("PUT", PERSON, {"Authorization": f"Bearer {given['access_token']}"}, **sent).status_code == 401
    vendor.close()


@pytest.mark.parametrize("words", [{}, {"prefix": "t=${sent_at},v1=", "over": "${sent_at}.${body}"}])
def test_signatures_are_checked(words: dict[str, str]) -> None:
    signature = {"header": "X-Signature", "secret": "settings.key", **words}
    vendor = Vendor(changed(http={"base_url": "https://api.shop.example/v1", "signature": signature}))
    signer: Signer = vendor.description.connection.signers["save"]
    body = b'{"email": "a"}'
    signed = {name: str.__str__(text) for name, text in signer.headers(body, body, NOW - 60).items()}
    assert vendor.ask("PUT", PERSON, signed, content=body).status_code == 200
    refused = vendor.ask("PUT", PERSON, signed, content=b'{"email": "b"}')
    message = "the header X-Signature is missing or not the signature of this body"
    assert (refused.status_code, refused.json()["problem"]["text"]) == (401, message)
    assert vendor.ask("PUT", PERSON, {}, content=body).status_code == 401
    vendor.close()


def test_a_repeated_request_is_kept_once() -> None:
    http = {"base_url": "https://api.shop.example/v1", "request_id": "Idempotency-Key"}
    vendor = Vendor(changed(http=http))
    for key in ("a", "a", "b"):
        assert vendor.ask("PUT", PERSON, {"Idempotency-Key": key}, json={"email": "a"}).status_code == 200
    assert vendor.ask("PUT", PERSON, {}, json={"email": "a"}).json()["problem"]["text"] == (
        "the header Idempotency-Key is missing"
    )
    assert vendor.world.counts()["shop"] == {
        "repeated_requests": 1,
        "requests_of_save": 2,
        "requests": {"200": 3, "400": 1},
    }
    vendor.close()


def test_a_form_is_checked_by_its_names_and_a_secret_in_the_url_is_shown_nowhere() -> None:
    settings = {"hook": {"title": "Hook", "type": "url", "secret": True, "sent_in": "url"}}
    save = {"path": "/${userId}", "encode": "form", "body_schema": SHOP["requests"]["save"]["body_schema"]}
    mapping = changed(
        settings=settings,
        http={"base_url": "${settings.hook}"},
        requests={"save": save},
        batches={},
        calls={"identify": [{"request": "save", "from": "traits"}]},
    )
    vendor = Vendor(mapping, hook="https://hooks.example/T0/very-secret")
    assert vendor.ask("POST", "/shop/u1", {}, data={"email": 7, "tag": ["a", "b"]}).status_code == 200
    assert vendor.ask("POST", "/shop/u1", {}, data={"tag": "a"}).status_code == 400
    [kept] = vendor.world.state_of("shop", 10)["save"]
    assert (kept["path"], kept["body"]) == ("/u1", {"email": "7", "tag": ["a", "b"]})
    vendor.ask("POST", "/shop/very-secret", {}, data={"email": "https://hooks.example/T0/very-secret"})
    held = json.dumps([vendor.world.state_of("shop", 10), vendor.world.request_log.newest(10)])
    assert "very-secret" not in held.replace("/very-secret", "", 2)
    vendor.close()


def test_a_name_that_an_emulated_vendor_has_is_changed() -> None:
    taken = {"track", "extole", "track_own"}
    assert describe("track", connection(SHOP), taken).name == "track_own_own"


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("body.items[].id", {"body": {"items": [{"id": 1}, {"id": 2}]}}),
        ("body.data.list[*]", {"body": {"data": {"list": [1, 2]}}}),
        ("not_null(body.a, body.b)", {"body": {"a": [1, 2]}}),
        ("body.results | [0]", {"body": {"results": [[1, 2]]}}),
    ],
)
def test_paths_are_written(path: str, made: Any) -> None:
    assert write(path, [1, 2], {}) == made


@pytest.mark.parametrize(
    ("condition", "made"),
    [
        ("item.status == 'ok' && !(item.error)", {"item": {"status": "ok"}}),
        ("item.status != `500`", {}),
        ("item.code < `300`", {"item": {"code": 299}}),
        ("`300` > item.code", {"item": {"code": 299}}),
        ("contains(item.message, 'OK')", {"item": {"message": "OK"}}),
        ("length(item.errors) == `0`", {"item": {"errors": []}}),
        ("item.success || item.ok", {"item": {"success": True}}),
    ],
)
def test_conditions_are_made_true(condition: str, made: Any) -> None:
    assert hold(condition, {}) == made


@pytest.mark.parametrize("condition", ["body.a == body.b && body.a", "body[101]", "max(body.a) == `3`"])
def test_what_cannot_be_made_is_named(condition: str) -> None:
    with pytest.raises(CannotInvent, match=r"body"):
        hold(condition, {})


QUICK_ONES = {"exponea", "klaviyo", "salesforce", "slack"}
"""Batches with results, saved values, OAuth 2 with signatures, a secret URL; the others take as long each."""


@pytest.mark.parametrize(
    "name", [name if name in QUICK_ONES else pytest.param(name, marks=pytest.mark.slow) for name in MAPPINGS]
)
def test_the_examples_of_every_mapping_can_be_delivered(name: str) -> None:
    destination = Destination(LIBRARY.read(MAPPINGS[name]))
    made = destination.connect(destination.example_settings(), {})
    description = describe(name, made, set())
    assert description.replies.faults == []
    examples = [each for each in destination.mapping.examples if not each.settings]
    with Sandbox(descriptions=[description], clock=lambda: NOW) as sandbox:
        configured = into_vendor(ConfiguredConnection(name=name, connection=made), sandbox.url, description)
        outcomes, reasons = deliver(configured, examples)
        sent = sandbox.requests(1000, name)
        held = sum(len(rows) for rows in sandbox.state(name, 1000).values())
    for example in examples:
        plan = made.plan(example.event, received_at="2024-03-05T12:00:00Z", now=NOW)
        wanted = "delivered" if plan.outcome == "planned" else plan.outcome.value
        message_id = str(example.event["messageId"])
        assert outcomes[message_id] == wanted, (example.title, reasons[message_id])
    # A batch that takes only pieces of its items is kept whole.
    assert held >= (1 if name == "ga4" else sum(outcome == "delivered" for outcome in outcomes.values()))
    assert {each["status"] for each in sent} <= {200, 201}


def deliver(configured: ConfiguredConnection, examples: Any) -> Any:
    async def story() -> Any:
        outbox = MemoryOutbox()
        new = [
            NewEvent("test", str(each.event["messageId"]), "2024-03-05T12:00:00.000Z", orjson.dumps(each.event))
            for each in examples
        ]
        outbox.take_in(new, [configured.name], NOW)
        await Delivery(outbox, [configured], replace(QUICK, slots=1), clock=Clock(lambda: NOW)).run()
        return results(outbox)

    return asyncio.run(story())


def test_send_into_the_sandbox(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Several mappings at once; one emulated by hand is sent there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.yaml").write_text(json.dumps(SHOP))
    times = {"timestamp": "2024-03-05T10:15:30Z", "userId": "ann"}
    events = [
        {"type": "identify", "messageId": "1", "traits": {"email": "ann@example.com"}, **times},
        {"type": "track", "messageId": "2", "event": "Bought", "properties": {"total": "9"}, **times},
        {"type": "track", "messageId": "3", "event": "Bought", "properties": {"total": 9}, **times},
    ]
    (tmp_path / "events.ndjson").write_text("".join(f"{json.dumps(each)}\n" for each in events))
    with pytest.raises(SystemExit) as ended:
        main(["send", "shop.yaml", "extole", "--events", "events.ndjson", "--sandbox"])
    done = capsys.readouterr()
    assert (ended.value.code, done.err) == (
        1,
        "shop is answered by a vendor made from its mapping (engine docs sandbox).\n",
    )
    assert done.out.startswith("""\
connection  outcome    events  reason
extole      delivered       3
shop        delivered       2
            rejected        1  1 x the vendor refused this item of a batch
                                   (status 200) | the body of add does not match
                                   its body_schema: total ("9") is not a number
""")
    assert done.out.endswith("""
shop (sandbox)
  1 batch request of many, 1 request of add, 1 request of save
  newest save:
    id 1, path /v1/shops/my%20shop/p…, body (email ann@example.com)
  newest add:
    id 2, path /v1/events, body (name Bought, total 9)
""")


def test_settings_that_give_no_address(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    mapping = changed(http={"base_url": "${settings.site}"}, settings={
        **SHOP["settings"], "site": {"title": "Site", "type": "url", "optional": True}})  # fmt: skip
    (tmp_path / "shop.yaml").write_text(json.dumps(mapping))
    (tmp_path / "events.ndjson").write_text("")
    with pytest.raises(SystemExit) as ended:
        main(["send", "shop.yaml", "--events", "events.ndjson", "--sandbox"])
    assert (ended.value.code, capsys.readouterr().err) == (
        2,
        "shop: the URL needs a value that is missing (http.base_url). Check the connection's settings.\n",
    )
