"""Invalid characters are repaired, counted, and logged with who sent them."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.collector.body import parse_body
from engine.collector.observers import NAME
from engine.collector.responses import CollectorLimits
from engine.delivery.outbox.base import NewEvent
from engine.events.json_repairs import HALVES, NO_NUMBERS, NOT_UTF_8
from engine.events.json_repairs import WITHOUT_MARK as MARK
from engine.records import Report
from tests.collector.harness import Inside


def test_broken_utf_8_is_repaired(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, NAME)
    inside = Inside()
    answer = inside.ask("/v1/i", b'{"userId": "u", "traits": {"a": "\xff\xc3"}}')
    assert answer.status == 200
    assert inside.events()[0]["traits"] == {"a": "\ufffd\ufffd"}
    assert "waybill_collector_repaired_total 1.0" in inside.observer.text().decode()
    [line] = caplog.records
    assert (line.getMessage(), line.__dict__["fields"]) == (
        "repaired",
        {"reason": "bytes that are not UTF-8 were replaced by U+FFFD", "source": "web", "client": "203.0.113.7"},
    )


@pytest.mark.parametrize(
    ("key", "body", "fields"),
    [
        ("unknown-key", b"{}", {"code": "unknown_source", "source": "", "client": "203.0.113.7"}),
        ("closed-key", b"{}", {"code": "source_disabled", "source": "closed", "client": "203.0.113.7"}),
        (
            "wk",
            b"[]",
            {
                "code": "bad_request",
                "reason": "The body must be a JSON object.",
                "source": "web",
                "client": "203.0.113.7",
            },
        ),
    ],
)
def test_who_is_refused_is_logged(
    caplog: pytest.LogCaptureFixture, key: str, body: bytes, fields: dict[str, str]
) -> None:
    caplog.set_level(logging.WARNING, NAME)
    Inside().ask("/v1/i", body, key=key)
    [line] = caplog.records
    assert (line.getMessage(), line.__dict__["fields"]) == ("refused", fields)


TRACK = b'{"type":"track","userId":"g1","event":"%s","properties":{"x":%s}}'
REPAIRS = [
    (
        TRACK % (b"N", b"NaN"),
        {"x": None},
        "numbers that JSON cannot represent (NaN, Infinity, too large) became null: 1",
    ),
    (
        TRACK % (b"N", b'[-Infinity,1e999,"NaN",-1.5e+30]'),
        {"x": [None, None, "NaN", -1.5e30]},
        "numbers that JSON cannot represent (NaN, Infinity, too large) became null: 2",
    ),
    (
        TRACK % (b"N", b'"hi \\ud83d"'),
        {"x": "hi \ufffd"},
        "half characters (lone surrogates) were replaced by U+FFFD: 1",
    ),
]


@pytest.mark.parametrize(("bad", "properties", "reason"), REPAIRS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_one_bad_event_does_not_cost_its_batch(
    caplog: pytest.LogCaptureFixture, bad: bytes, properties: dict[str, object], reason: str, mark: bytes
) -> None:
    caplog.set_level(logging.WARNING, NAME)
    inside = Inside()
    answer = inside.ask("/v1/batch", mark + b'{"batch":[%s,%s]}' % (bad, TRACK % (b"N2", b"1")))
    assert answer.status == 200
    assert [event["properties"] for event in inside.events()] == [properties, {"x": 1}]
    [line] = caplog.records
    assert line.__dict__["fields"]["reason"] == ("a byte order mark was left out; " if mark else "") + reason
    assert [row.reports for row in stored(inside)] == [(Report("json-repaired", "message", reason),), ()]


def stored(inside: Inside) -> list[NewEvent]:
    return [found for number in range(1, 10) if (found := inside.outbox.event(number)) is not None]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/t", b"\xef\xbb\xbf" + TRACK % (b"\xff", b"[NaN,1e999]"), [[MARK, NOT_UTF_8, NO_NUMBERS.format(2)]]),
        (
            "/v1/batch",
            b'{"batch":[%s,%s,%s]}'
            % (
                TRACK % (b"\xff \\ud83d", b'{"\\ud83d":[NaN, "null"],"\\uDE00 \\\\ud83d \xef\xbf\xbd":-1e400}'),
                TRACK % (b"\xf0\x9f\x98\x80 \\ud83d\\ude00", b'"NaN 1e999"'),
                TRACK % (b"N", b'"\xf0\x9f"'),
            ),
            [[NOT_UTF_8, HALVES.format(3), NO_NUMBERS.format(2)], [], [NOT_UTF_8]],
        ),
        (
            "/v1/batch",
            b'{"context":{"n":NaN},"batch":[%s,%s]}' % (TRACK % (b"N", b"1"), TRACK % (b"N", b"Infinity")),
            [[NO_NUMBERS.format(1)], [NO_NUMBERS.format(2)]],
        ),
        ("/v1/batch", b'{"writeKey":"\xff","batch":[%s]}' % TRACK % (b"N", b"1"), [[]]),
        ("/v1/batch", b'{"batch":[7,%s]}' % TRACK % (b"N", b"NaN"), [[NO_NUMBERS.format(1)]]),
        (
            "/v1/batch",
            b'{"batch":[{"a":%s},%s]}' % (b"[" * 300 + b"]" * 300, TRACK % (b"N", b"NaN")),
            [[NO_NUMBERS.format(1)]],
        ),
    ],
)
def test_what_was_repaired_stays_with_its_event(path: str, body: bytes, expected: list[list[str]]) -> None:
    inside = Inside()
    assert inside.ask(path, body).status == 200
    assert [[report.message for report in row.reports] for row in stored(inside)] == expected


def test_a_byte_order_mark_is_left_out() -> None:
    inside = Inside()
    assert inside.ask("/v1/t", b"\xef\xbb\xbf" + TRACK % (b"N", b"1")).status == 200
    assert [event["properties"] for event in inside.events()] == [{"x": 1}]
    assert "waybill_collector_repaired_total 1.0" in inside.observer.text().decode()


ODD = st.text(st.sampled_from('\ud83d\udc4d\ud800\udfff\\u8d"a👍é'), max_size=12)


@given(ODD, st.booleans())
def test_only_lone_surrogates_are_replaced(text: str, escaped: bool) -> None:
    body = json.dumps({text: text}, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    if escaped:
        expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        assert parse_body(body, b"", CollectorLimits()).value == {expected: expected}
    else:  # three bytes that are no UTF-8 each
        found = next(iter(parse_body(body, b"", CollectorLimits()).value))
        assert found.replace("\ufffd", "") == "".join(each for each in text if not "\ud800" <= each <= "\udfff")
