"""What is sent, and what never is."""

from __future__ import annotations

import asyncio
import gzip
import logging

import orjson
import pytest

from engine.delivery.sending import wire
from engine.delivery.sending.http import Refused, Sender, Unsendable, VendorReply
from engine.language.bodies import encoded
from engine.records import PlannedRequest, Secret
from tests.delivery.vendor import Answer, Request, Vendor, fine


def planned(url: str, body=None, **more) -> PlannedRequest:
    given = {"request": "r", "method": "POST", "url": url, "headers": {}, "query": {}, "body": body}
    return PlannedRequest(**{**given, **more})


def sent(answer=fine, *, timeout: float = 5.0, compress: bool = False, encode: str = "json", path: str = "/x", **more):
    """Send one request; return the reply and what the vendor received."""

    async def story() -> tuple[VendorReply, list[Request]]:
        async with Vendor(answer) as vendor:
            one = Sender(vendor.url, timeout=timeout, compress=compress)
            try:
                return await one.send(planned(vendor.url + path, **more), encode), vendor.requests
            finally:
                await one.close()

    return asyncio.run(story())


def test_a_request_and_its_answer() -> None:
    reply, [request] = sent(
        body={"a": 1}, headers={"Content-Type": "application/json"}, query={"q": ["1", "2 3"], "r": "ü"}
    )
    assert (reply.status, reply.body, reply.readable, reply.failure) == (200, {"key": "k1"}, True, "")
    assert (request.method, request.path, request.raw) == ("POST", "/x?q=1&q=2+3&r=%C3%BC", b'{"a":1}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "waybill"


def test_secrets_are_real_on_the_wire() -> None:
    _, [request] = sent(
        headers={"Authorization": Secret("Token abc", "Token ***")},
        body={"key": Secret("abc"), Secret("def"): 1},
        query={"t": Secret("abc")},
    )
    assert (request.headers["authorization"], request.path) == ("Token abc", "/x?t=abc")
    assert request.body == {"key": "abc", "def": 1}


def test_a_form() -> None:
    body = {"a": True, "b": [1, 2.5, "x y"], "c": Secret("s&t")}
    _, [request] = sent(body=body, encode="form")
    assert request.raw == b"a=true&b=1&b=2.5&b=x+y&c=s%26t"


def test_compression_only_where_the_mapping_says_so() -> None:
    _, [request] = sent(body={"a": "x" * 100}, compress=True)
    assert request.headers["content-encoding"] == "gzip"
    assert orjson.loads(gzip.decompress(request.raw)) == {"a": "x" * 100}
    assert "content-encoding" not in sent(body={"a": 1})[1][0].headers


def test_no_body_no_content() -> None:
    _, [request] = sent(method="GET")
    assert (request.method, request.raw) == ("GET", b"")


REPLIES = {
    "json": (Answer(200, {"a": 1}), VendorReply(200, body={"a": 1})),
    "nothing": (Answer(204, b""), VendorReply(204)),
    "no json": (Answer(502, b"<html>bad gateway"), VendorReply(502, body="<html>bad gateway", readable=False)),
    "a redirect is not followed": (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), VendorReply(302)),
    "compressed though nobody asked": (
        Answer(200, gzip.compress(b"{}"), {"Content-Encoding": "gzip"}),
        VendorReply(200, readable=False),
    ),
    "too long": (Answer(200, b"1" * 5000), VendorReply(200, readable=False)),
    "cut off": (Answer(0), VendorReply(failure="the vendor closed the connection before it responded")),
    "two lengths": (
        Answer(200, b"{}", {"Content-Length": "50"}),
        VendorReply(failure="the response is not valid HTTP"),
    ),
}


@pytest.mark.parametrize(("answer", "expected"), REPLIES.values(), ids=REPLIES)
def test_replies(monkeypatch, answer, expected) -> None:
    monkeypatch.setattr(wire, "LONGEST_RESPONSE", 4096)
    reply, requests = sent(lambda _: answer)
    assert reply._replace(headers={}) == expected
    assert len(requests) == 1


def test_a_vendor_that_does_not_answer_in_time() -> None:
    async def story() -> VendorReply:
        async with Vendor() as vendor:
            vendor.delay = 1.0
            one = Sender(vendor.url, timeout=0.05)
            try:
                return await one.send(planned(vendor.url))
            finally:
                await one.close()

    assert asyncio.run(story()) == VendorReply(failure="the vendor did not answer within 0.05s", timed_out=True)


def test_nobody_listens() -> None:
    async def story() -> VendorReply:
        one = Sender("http://127.0.0.1:9")
        try:
            return await one.send(planned("http://127.0.0.1:9/x"))
        finally:
            await one.close()

    assert asyncio.run(story()).failure == "the connection failed: connection refused"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://other.example/x", "the address points to other.example, which is not the connection's host"),
        ("https://vendor.example/x", "the address points to vendor.example, which is not the connection's host"),
        (
            "http://vendor.example:8080/x",
            "the address points to vendor.example:8080, which is not the connection's host",
        ),
        (
            "http://vendor.example.evil.example/x",
            "the address points to vendor.example.evil.example, which is not the connection's host",
        ),
        (
            "http://me:password@other.example/x",
            "the address points to other.example, which is not the connection's host",
        ),
        ("file:///etc/passwd", "only http:// and https:// addresses are supported"),
        ("/x", "only http:// and https:// addresses are supported"),
    ],
)
def test_nothing_leaves_for_another_host(url, message) -> None:
    async def story() -> None:
        one = Sender("http://vendor.example")
        try:
            await one.send(planned(url))
        finally:
            await one.close()

    with pytest.raises(Refused) as raised:
        asyncio.run(story())
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"body": {"a": 2**70}}, "Integer exceeds 64-bit range"),
        ({"body": "\ud800"}, "str is not valid UTF-8: surrogates not allowed"),
    ],
)
def test_what_cannot_be_written_is_reported(more, message) -> None:
    with pytest.raises(Unsendable) as raised:
        sent(**more)
    assert str(raised.value) == message


def test_httpx_logs_no_addresses(caplog) -> None:
    caplog.set_level(logging.INFO)
    sent(path="/x?token=top-secret")
    assert "top-secret" not in caplog.text


def test_no_body_is_not_null() -> None:
    assert (encoded(None, "json"), encoded({}, "json"), encoded({}, "form")) == (None, b"{}", b"")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:99999/x", "the port of this address is not a number from 1 to 65535"),
        ("http://127.0.0.1:x/x", "the port of this address is not a number from 1 to 65535"),
        ("http://[::1/x", "this is not an http:// or https:// address without ? and #"),
    ],
)
def test_what_is_no_address_is_refused_and_does_not_raise_anything_else(url, why) -> None:
    async def send() -> None:
        one = Sender("http://127.0.0.1:1")
        try:
            await one.send(planned(url))
        finally:
            await one.close()

    with pytest.raises(Refused) as refused:
        asyncio.run(send())
    assert str(refused.value) == why
    with pytest.raises(Refused) as refused:
        Sender(url)
    assert str(refused.value) == why
