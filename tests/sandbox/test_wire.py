"""Faults as a client meets them, over TCP: cut connections, half answers, wrong JSON, delays."""

from __future__ import annotations

import json
import logging
import socket
import time
from urllib.parse import urlsplit

import pytest

UPDATE = b'{"customer_ids": {"cookie": "a"}, "properties": {"plan": "pro"}}'


def ask(url: str, body: bytes = UPDATE, path: str = "/exponea/track/v2/projects/project-token/customers") -> bytes:
    """Send one request by hand and give every byte that comes back."""
    place = urlsplit(url)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Token public-key\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


@pytest.fixture(autouse=True)
def silent(caplog):
    """The server has nothing to complain about, whatever was ordered."""
    with caplog.at_level(logging.WARNING):
        yield
    assert caplog.records == []


def customers(sandbox) -> int:
    return sandbox.counts()["exponea"]["customers"]


@pytest.mark.parametrize(("applied", "held"), [(False, 0), (True, 1)])
def test_reset(sandbox, applied, held):
    sandbox.order({"kind": "reset", "applied": applied})
    with pytest.raises(ConnectionResetError):
        ask(sandbox.url)
    assert customers(sandbox) == held
    assert sandbox.counts()["exponea"]["requests"] == {"0": 1}


@pytest.mark.parametrize(("applied", "held"), [(True, 1), (False, 0)])
def test_half_answer(sandbox, applied, held):
    sandbox.order({"kind": "half", "applied": applied})
    status, headers, body = split(ask(sandbox.url))
    assert status == (200 if applied else 500)
    assert len(body) == int(headers["content-length"]) // 2
    assert customers(sandbox) == held


def test_half_answer_is_the_default_with_the_request_taken(sandbox):
    sandbox.order({"kind": "half"})
    assert split(ask(sandbox.url))[2] == b'{"errors":[],"'
    assert customers(sandbox) == 1


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({}, b'{"success": tru'),
        ({"body": "<html>"}, b"<html>"),
        ({"body": {"results": "none"}}, b'{"results":"none"}'),
    ],
)
def test_wrong_json(sandbox, order, expected):
    sandbox.order({"kind": "wrong_json", **order})
    status, headers, body = split(ask(sandbox.url))
    assert (status, headers["content-type"], body) == (200, "application/json", expected)
    assert "x-request-id" in headers
    assert customers(sandbox) == 1


def test_status_in_the_vendors_shape(sandbox):
    sandbox.order({"kind": "status", "status": 429, "retry_after": 7})
    status, headers, body = split(ask(sandbox.url))
    assert (status, headers["retry-after"], json.loads(body)) == (
        429,
        "7",
        {"success": False, "error": "Too many requests"},
    )
    assert "x-request-id" in headers
    assert customers(sandbox) == 0


def test_a_status_whose_request_was_taken_all_the_same(sandbox):
    sandbox.order({"kind": "status", "status": 504, "applied": True})
    assert split(ask(sandbox.url))[0] == 504
    assert customers(sandbox) == 1


def test_no_body_with_204(sandbox):
    sandbox.order({"kind": "status", "status": 204})
    status, headers, body = split(ask(sandbox.url))
    assert (status, "content-length" in headers, body) == (204, False, b"")


def test_latency(sandbox):
    sandbox.order({"kind": "latency", "seconds": 0.15})
    began = time.perf_counter()
    assert split(ask(sandbox.url))[0] == 200
    assert time.perf_counter() - began >= 0.15


def test_items_fail_one_by_one(sandbox):
    sandbox.order({"kind": "items", "nth": [2], "errors": ["ordered"]})
    event = {"customer_ids": {"cookie": "a"}, "event_type": "e", "properties": {}}
    commands = [{"name": "customers/events", "data": {**event, "timestamp": n}} for n in range(3)]
    body = json.dumps({"commands": commands}).encode()
    answer = json.loads(split(ask(sandbox.url, body, "/track/v2/projects/project-token/batch"))[2])
    assert answer["results"] == [{"success": True}, {"success": False, "errors": ["ordered"]}, {"success": True}]
    assert sandbox.counts()["exponea"]["events"] == 2


def test_a_body_that_is_too_large(sandbox):
    status, _, body = split(ask(sandbox.url, b" " * (32 * 1024 * 1024 + 1)))
    assert (status, json.loads(body)) == (413, {"error": "The body is larger than 32 MB."})
