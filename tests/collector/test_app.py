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
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == allowed


def test_no_write_key_is_kept_or_shown() -> None:
    inside = Inside()
    inside.ask("/v1/i", b'{"userId":"u","writeKey":"app-key"}', key=None)
    inside.ask("/v1/i", b'{"userId":"u","writeKey":"secret-guess"}', key=None)
    shown = inside.observer.text() + inside.outbox.waiting("crm", 0, 10)[0].raw
    assert b"app-key" not in shown
    assert b"secret-guess" not in shown
