"""Faults as a client meets them, over TCP: cut connections, half responses, wrong JSON, delays."""

from __future__ import annotations

import json
import logging
import socket
import time
from urllib.parse import urlsplit

import pytest

UPDATE = b'{"customer_ids": {"cookie": "a"}, "properties": {"plan": "pro"}}'


def ask(url: str, body: bytes = UPDATE, path: str = "/exponea/track/v2/projects/project-token/customers") -> bytes:
    """Send one request by hand and return every byte of the response."""
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


def split(response: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


@pytest.fixture(autouse=True)
def silent(caplog):
    """The server logs no warning, with any fault."""
    with caplog.at_level(logging.WARNING):
        yield
    assert caplog.records == []


def customers(sandbox) -> int:
    return sandbox.counts()["exponea"]["customers"]


@pytest.mark.parametrize(("applied", "held"), [(False, 0), (True, 1)])
def test_reset(sandbox, applied, held):
    sandbox.inject({"kind": "reset", "applied": applied})
    with pytest.raises(ConnectionResetError):
        ask(sandbox.url)
    assert customers(sandbox) == held
    assert sandbox.counts()["exponea"]["requests"] == {"0": 1}


@pytest.mark.parametrize(("applied", "held"), [(True, 1), (False, 0)])
def test_half_response(sandbox, applied, held):
    sandbox.inject({"kind": "half", "applied": applied})
    status, headers, body = split(ask(sandbox.url))
    assert status == (200 if applied else 500)
    assert len(body) == int(headers["content-length"]) // 2
    assert customers(sandbox) == held


def test_half_response_processes_the_request_by_default(sandbox):
    sandbox.inject({"kind": "half"})
    assert split(ask(sandbox.url))[2] == b'{"errors":[],"'
    assert customers(sandbox) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, b'{"success": tru'),
        ({"body": "<html>"}, b"<html>"),
        ({"body": {"results": "none"}}, b'{"results":"none"}'),
    ],
)
def test_wrong_json(sandbox, fields, expected):
    sandbox.inject({"kind": "wrong_json", **fields})
    status, headers, body = split(ask(sandbox.url))
    assert (status, headers["content-type"], body) == (200, "application/json", expected)
    assert "x-request-id" in headers
    assert customers(sandbox) == 1


def test_status_in_the_vendors_shape(sandbox):
    sandbox.inject({"kind": "status", "status": 429, "retry_after": 7})
    status, headers, body = split(ask(sandbox.url))
    assert (status, headers["retry-after"], json.loads(body)) == (
        429,
        "7",
        {"success": False, "error": "Too many requests"},
    )
    assert "x-request-id" in headers
    assert customers(sandbox) == 0


def test_a_status_fault_whose_request_is_processed(sandbox):
    sandbox.inject({"kind": "status", "status": 504, "applied": True})
    assert split(ask(sandbox.url))[0] == 504
    assert customers(sandbox) == 1


def test_no_body_with_204(sandbox):
    sandbox.inject({"kind": "status", "status": 204})
    status, headers, body = split(ask(sandbox.url))
    assert (status, "content-length" in headers, body) == (204, False, b"")


def test_latency(sandbox):
    sandbox.inject({"kind": "latency", "seconds": 0.15})
    began = time.perf_counter()
    assert split(ask(sandbox.url))[0] == 200
    assert time.perf_counter() - began >= 0.15


def test_items_fail_one_by_one(sandbox):
    sandbox.inject({"kind": "items", "nth": [2], "errors": ["ordered"]})
    event = {"customer_ids": {"cookie": "a"}, "event_type": "e", "properties": {}}
    commands = [{"name": "customers/events", "data": {**event, "timestamp": n}} for n in range(3)]
    body = json.dumps({"commands": commands}).encode()
    response = json.loads(split(ask(sandbox.url, body, "/track/v2/projects/project-token/batch"))[2])
    assert response["results"] == [{"success": True}, {"success": False, "errors": ["ordered"]}, {"success": True}]
    assert sandbox.counts()["exponea"]["events"] == 2


def test_a_body_that_is_too_large(sandbox):
    status, _, body = split(ask(sandbox.url, b" " * (32 * 1024 * 1024 + 1)))
    assert (status, json.loads(body)) == (413, {"error": "The body is larger than 32 MB."})
