"""Addresses for those who operate it, and what browsers ask before they send."""

from __future__ import annotations

import pytest

from tests.collector.harness import Inside


def test_health_and_readiness() -> None:
    inside = Inside()
    assert inside.ask("/healthz", method="GET", key=None)[::2] == (200, b"ok\n")
    assert inside.ask("/readyz", method="GET", key=None)[::2] == (200, b"ready\n")
    inside.collector.ready = False
    assert inside.ask("/readyz", method="GET", key=None)[::2] == (503, b"stopping\n")
    assert inside.ask("/healthz", method="HEAD", key=None)[::2] == (200, b"")


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("content-type,authorization", "content-type,authorization"),
        (None, "authorization, content-type, content-encoding, x-retry-count"),
        ("<script>", "authorization, content-type, content-encoding, x-retry-count"),
    ],
)
def test_browsers_may_send(asked: str | None, allowed: str) -> None:
    headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    if asked:
        headers["access-control-request-headers"] = asked
    answer = Inside().ask("/v1/t", method="OPTIONS", key=None, headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin, Access-Control-Request-Headers"
    assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == allowed


@pytest.mark.parametrize(
    ("origin", "named"),
    [
        ("https://shop.example", True),
        ("http://localhost:8000", True),
        ("capacitor://localhost", True),
        ("chrome-extension://abcdefghijklmnop", True),
        ("null", True),
        (None, False),
        ("", False),
        ("*", False),
        ("shop.example", False),
        ("https://shop.example evil", False),
        ("https://shop.example\r\nset-cookie: a=b", False),
        ("https://" + "a" * 301, False),
    ],
)
@pytest.mark.parametrize("key", ["wk", "unknown"])
def test_the_origin_of_a_page_is_named_so_that_beacons_pass(origin: str | None, named: bool, key: str) -> None:
    headers = {} if origin is None else {"origin": origin}
    answer = Inside().ask("/v1/t", b'{"userId":"u","event":"E"}', key=key, headers=headers)
    assert answer.status == (200 if key == "wk" else 401)
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["access-control-allow-origin"] == (origin if named else "*")
    assert answer.headers.get("access-control-allow-credentials") == ("true" if named else None)


@pytest.mark.parametrize("cookie", ["write_key=wk", "wk", "writeKey=wk; Authorization=Basic d2s6"])
def test_cookies_are_not_read_and_none_is_set(cookie: str) -> None:
    headers = {"origin": "https://evil.example", "cookie": cookie}
    answer = Inside().ask("/v1/t", b'{"userId":"u","event":"E"}', key=None, headers=headers)
    assert (answer.status, "set-cookie" in answer.headers) == (401, False)


def test_what_is_asked_of_a_path_that_is_not_there_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    inside = Inside()
    inside.ask("/v2/" + "t" * 500, b"{}")
    inside.ask("/v1/t", method="PUT")
    inside.ask("/v1/t", method="OPTIONS")
    text = inside.observer.text().decode()
    assert 'waybill_collector_refused_total{code="not_found"} 1.0' in text
    assert 'waybill_collector_refused_total{code="method_not_allowed"} 1.0' in text
    fields = [vars(record)["fields"] for record in caplog.records if record.message == "refused"]
    assert fields == [
        {"code": "not_found", "method": "POST", "path": "/v2/" + "t" * 196},
        {"code": "method_not_allowed", "method": "PUT", "path": "/v1/t"},
    ]


def test_no_write_key_is_kept_or_shown() -> None:
    inside = Inside()
    inside.ask("/v1/i", b'{"userId":"u","writeKey":"app-key"}', key=None)
    inside.ask("/v1/i", b'{"userId":"u","writeKey":"secret-guess"}', key=None)
    shown = inside.observer.text() + inside.outbox.waiting("crm", 0, 10)[0].raw
    assert b"app-key" not in shown
    assert b"secret-guess" not in shown
