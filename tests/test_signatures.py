"""Signatures against the values that vendors and RFCs publish, and as Python shows them."""

from __future__ import annotations

import gzip
import hmac
from typing import Any

import pytest

from engine.language import template
from engine.language.signatures import Signer
from engine.plan import Connection, Destination
from engine.records import Secret
from engine.responses import ResponseReader
from tests.runners import load

COMMAND = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
VECTORS: list[tuple[dict[str, Any], str, float, dict[str, str]]] = [
    (  # GitHub, "Validating webhook deliveries"
        {"key": "It's a Secret to Everybody", "header": "X-Hub-Signature-256", "prefix": "sha256="},
        "Hello, World!",
        0.0,
        {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    ),
    (  # Slack, "Verifying requests from Slack"
        {
            "key": "8f742231b10e8888abcd99yyyzzz85a5",
            "prefix": "v0=",
            "over": "v0:${sent_at}:${body}",
            "sent_at_header": "X-Slack-Request-Timestamp",
        },
        COMMAND,
        1531420618.9,
        {
            "X-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "X-Slack-Request-Timestamp": "1531420618",
        },
    ),
    (  # RFC 4231, test case 2, in base64
        {"key": "Jefe", "encoding": "base64"},
        "what do ya want for nothing?",
        0.0,
        {"X-Signature": "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="},
    ),
    (  # RFC 2202, test cases 2
        {"key": "Jefe", "hash": "sha1"},
        "what do ya want for nothing?",
        0.0,
        {"X-Signature": "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    ),
    (
        {"key": "Jefe", "hash": "md5"},
        "what do ya want for nothing?",
        0.0,
        {"X-Signature": "750c783e6ab0b503eaa86e310a5db738"},
    ),
]


def signer(key: str, **words: Any) -> Signer:
    defaults = {"header": "X-Signature", "hash": "sha256", "encoding": "hex", "prefix": "", "over": "body"}
    given = {**defaults, "sent_at_header": None, "compress": False, **words}
    given |= {word: template.parse(given[word]) for word in ("prefix", "over")}
    return Signer(key=Secret(key), **given)


@pytest.mark.parametrize(("words", "body", "now", "expected"), VECTORS)
def test_published_values(words: dict[str, Any], body: str, now: float, expected: dict[str, str]) -> None:
    headers = signer(**words).headers(body.encode(), b"", now)
    assert {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()} == expected


def test_a_signature_is_shown_as_its_prefix() -> None:
    (value,) = signer("k", prefix="t=${sent_at},v1=", over="${sent_at}.${body}").headers(b"{}", b"{}", 7.0).values()
    assert str(value) == "t=7,v1=***"


MAPPING = """
mapping: 1
name: case
title: Case
settings: { key: { title: Key, type: string, secret: true, example: k } }
http: { base_url: "https://api.example.com", compress: gzip }
requests:
  save: { path: /save, if_missing: make, signature: &S }
  make: { path: /make, signature: &S }
  row: { batch: all }
batches:
  all: { path: /all, fields: { rows: items }, signature: &S }
calls:
  track: [{ request: save, from: properties }, { request: row, from: properties }]
""".replace("&S", "{ header: X-Signature, secret: settings.key, over: wire }")


def test_the_request_of_if_missing_and_a_batch_are_signed_over_what_is_compressed() -> None:
    connection = Connection(Destination(load(MAPPING)), {"key": Secret("sesame")})
    save, row = connection.plan(
        {"type": "track", "event": "E", "userId": "u", "properties": {"a": 1}}, now=0.0
    ).requests
    batch = ResponseReader(connection).batched([row], 0.0)
    assert save.if_missing is not None
    bodies = [(save, b'{"a":1}'), (save.if_missing, b'{"a":1}'), (batch, b'{"rows":[{"a":1}]}')]
    for request, body in bodies:
        digest = hmac.new(b"sesame", gzip.compress(body, 1, mtime=0), "sha256").hexdigest()
        shown = request.headers["X-Signature"]
        assert isinstance(shown, Secret)
        assert (shown.reveal(), str(shown)) == (digest, "***")
    assert "X-Signature" not in row.headers
