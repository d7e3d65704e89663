"""Whatever is sent, the answer is no 5xx, what is kept can be read again, and every event is kept or discarded."""

from __future__ import annotations

import gzip

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.collector.openapi import CALLS
from engine.events.normalizing import normalize_json
from tests.collector.harness import Inside

PATHS = st.sampled_from(sorted(CALLS))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8
)
NAMES = [
    "type",
    "userId",
    "anonymousId",
    "groupId",
    "previousId",
    "event",
    "name",
    "category",
    "properties",
    "traits",
    "context",
    "integrations",
    "timestamp",
    "sentAt",
    "originalTimestamp",
    "messageId",
    "writeKey",
    "channel",
]
TIMES = st.sampled_from(
    ["2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "1e308", 1e308, -1e308]
)
TYPES = st.sampled_from(["track", "identify", "page", "group", "alias", "delete", "screen", "Track"])
EVENTS = st.dictionaries(st.sampled_from(NAMES), VALUES | TIMES | TYPES, max_size=8)
BATCHES = st.fixed_dictionaries(
    {"batch": st.lists(EVENTS | VALUES, max_size=5) | VALUES},
    optional={"context": VALUES, "integrations": VALUES, "sentAt": VALUES | TIMES, "writeKey": VALUES},
)
BYTES = st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode(errors="surrogatepass"))


@settings(max_examples=75, deadline=None)
@given(PATHS, BATCHES | EVENTS | VALUES, st.booleans())
def test_any_json(path: str, body: object, zipped: bool) -> None:
    inside = Inside()
    raw = orjson.dumps(body)
    answer = inside.ask(path, gzip.compress(raw) if zipped else raw)
    assert answer.status in (200, 400, 401)
    rows = inside.outbox.waiting("shop", 0, 100)
    for row in rows:
        assert normalize_json(row.raw).invalid is None
    if answer.status == 200:
        count = max(1, len(body["batch"])) if CALLS[path] == "batch" else 1  # type: ignore[index,call-overload]
        assert b'waybill_collector_events_total{source="web"} %.1f' % count in inside.observer.text()


@settings(max_examples=75, deadline=None)
@given(PATHS, BYTES | BYTES.map(gzip.compress), BYTES, TEXTS, st.sampled_from(["gzip", "identity", "deflate", ""]))
def test_any_bytes(path: str, body: bytes, authorization: bytes, length: str, encoding: str) -> None:
    headers = {
        "authorization": "Basic " + authorization.decode("latin-1"),
        "content-length": length.encode().decode("latin-1"),
        "content-encoding": encoding,
    }
    assert 400 <= Inside().ask(path, body, key=None, headers=headers).status < 500
    assert Inside().ask(path, body, headers={"content-encoding": encoding}).status < 500
