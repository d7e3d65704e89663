"""Packs: what is encoded is decoded, whatever it is; what is no pack, or a newer release's, says so."""

from __future__ import annotations

from base64 import b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.outbox.base import Discarded, NewEvent, OutboxError
from engine.records import Report
from engine.stream.errors import DamagedPack, UnknownFormat
from engine.stream.layout import subject_token
from engine.stream.packs import (
    MOST_NUMBER,
    PACK_BYTES,
    PACK_EVENTS,
    Pack,
    decode,
    decode_discards,
    digests,
    encode,
    encode_discards,
    event_digest,
    number_of,
    packs_of,
    place_of,
)
from tests.stream.events import event

REPORTS = st.builds(Report, st.text(), st.text(), st.text())
EVENTS = st.builds(
    NewEvent,
    st.text(),
    st.text(),
    st.text(),
    st.binary(max_size=200),
    st.lists(REPORTS, max_size=2).map(tuple),
    st.none(),
)


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    events = draw(st.lists(EVENTS, min_size=1, max_size=PACK_EVENTS))
    numbers = st.lists(st.integers(0, MOST_NUMBER), min_size=len(events), max_size=len(events)).map(tuple)
    return Pack(
        draw(st.lists(st.text(min_size=1, max_size=64), max_size=5, unique=True).map(tuple)),
        events,
        draw(st.booleans()),
        draw(st.just(()) | numbers),
    )


@given(packs())
def test_what_is_encoded_is_decoded(pack: Pack) -> None:
    headers, body = encode(pack)
    assert decode(headers, body) == pack
    assert digests(headers) == [event_digest(each.source, each.message_id) for each in pack.events]
    assert all(value.isascii() and value.isprintable() for value in headers.values())


@given(st.lists(st.integers(0, PACK_BYTES + 10).map(lambda size: event(1)._replace(raw=b"x" * size)), max_size=300))
def test_events_are_divided_in_order(events: list[NewEvent]) -> None:
    found = list(packs_of(events, ["shop"], again=True))
    assert [each for pack in found for each in pack.events] == events
    for pack in found:
        assert 0 < len(pack.events) <= PACK_EVENTS
        assert len(pack.events) == 1 or sum(len(each.raw) for each in pack.events) <= PACK_BYTES
        assert (pack.connections, pack.again) == (("shop",), True)


@given(st.integers(1, 2**50), st.integers(0, 63))
def test_a_number_is_that_of_message_and_place(sequence: int, index: int) -> None:
    assert place_of(number_of(sequence, index)) == (sequence, index)


HEADERS, BODY = encode(Pack(("shop",), [event(1), event(2)]))
NO_PACK = "A message of the stream is no pack of events."
NO_FORMAT = "A message of the stream was not written by waybill: its Waybill-Format is no number."
NO_NAME = "A message of the stream has a name that waybill does not write."
TOO_MANY = (
    "A message of the stream is no pack of events: it names more than 1,000 connections, or with more than 65,536 "
    "characters."
)
DAMAGED = [
    ({}, BODY, "A message of the stream was not written by waybill: it has no header Waybill-Format."),
    (HEADERS, b"", NO_PACK),
    (HEADERS, b"\xff\xfe\n", NO_PACK),
    (HEADERS, b"[]\n", NO_PACK),
    (HEADERS, b'{"events": 1}\n', NO_PACK),
    (HEADERS, BODY[:-1], NO_PACK),
    (HEADERS, BODY + b"x", NO_PACK),
    (HEADERS, BODY.replace(b'"web"', b"12345", 1), NO_PACK),
    (HEADERS, BODY.replace(b'"length":', b'"length":-', 1), NO_PACK),
    (HEADERS, BODY.replace(b'"replayed":[]', b'"replayed":[7]', 1), NO_PACK),
    (HEADERS, b"[" * 100_000, NO_PACK),
    (
        HEADERS | {"Waybill-Ids": "\x1b[2J"},
        BODY,
        "A message of the stream is no pack of events: its Waybill-Ids are not base64.",
    ),
    (
        HEADERS | {"Waybill-Ids": b64encode(b"123").decode()},
        BODY,
        "A message of the stream is no pack of events: its Waybill-Ids have 3 bytes, not 8 for each of 1 to 64 events.",
    ),
    (HEADERS | {"Waybill-Ids": b64encode(b"12345678").decode()}, BODY, NO_PACK),
    (HEADERS | {"Waybill-Ids": b64encode(b"12345678" * 2).decode()}, BODY, NO_PACK),
    (
        HEADERS | {"Waybill-Ids": "A" * 1_000_000},
        BODY,
        "A message of the stream is no pack of events: its Waybill-Ids have 768 bytes, not 8 for each of 1 to 64 events.",
    ),
    (HEADERS | {"Waybill-Connections": "crm"}, BODY, NO_PACK),
    (HEADERS | {"Waybill-Again": "1"}, BODY, NO_PACK),
    (HEADERS, BODY.replace(b'"replayed":[]', b'"replayed":[1,9007199254740992]'), NO_PACK),
    (HEADERS, BODY.replace(b'"progress":[]', b'"progress":[[null,null,"1 x"],[null,null,null]]'), NO_PACK),
    *((HEADERS | {"Waybill-Format": each}, BODY, NO_FORMAT) for each in ("0", "", "-1", "1.0", "\u0662", "9" * 5000)),
    *(
        (
            HEADERS | {"Waybill-Connections": ",".join(map(subject_token, names))},
            BODY.replace(b'["shop"]', orjson.dumps(names)),
            message,
        )
        for names, message in (
            ([""], NO_PACK),
            (["x" * 257], NO_NAME),
            (["shop", "shop"], NO_PACK),
            ([f"c{number}" for number in range(1001)], TOO_MANY),
            (["x" * 250 + str(number) for number in range(300)], TOO_MANY),
        )
    ),
    (HEADERS | {"Waybill-Connections": "\u20ac"}, BODY, NO_PACK),
    (HEADERS | {"Waybill-Connections": "=73hop"}, BODY, NO_PACK),
]


@pytest.mark.parametrize(("headers", "body", "message"), DAMAGED)
def test_what_is_no_pack_says_so(headers: dict[str, str], body: bytes, message: str) -> None:
    with pytest.raises(DamagedPack) as raised:
        decode(headers, body)
    assert str(raised.value) == message


@given(st.binary())
def test_any_bytes_are_a_pack_or_damaged(body: bytes) -> None:
    with pytest.raises(DamagedPack):
        decode(HEADERS, body)


def test_a_newer_format_is_not_guessed_at() -> None:
    with pytest.raises(UnknownFormat) as raised:
        decode(HEADERS | {"Waybill-Format": "2"}, BODY)
    assert str(raised.value) == (
        'A message of the stream has the format "2", this release reads "1": it was written by a newer release. '
        "Upgrade this worker; until then nothing of it is skipped."
    )


def test_what_nobody_would_read_is_not_written() -> None:
    with pytest.raises(OutboxError) as raised:
        encode(Pack(tuple(f"c{number}" for number in range(1001)), [event(1)]))
    assert str(raised.value) == (
        "An event is for 1,001 connections, more than streams can name with it: at most 1,000, with 65,536 characters. "
        "Divide them over several sources."
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"at":1,"count":18446744073709551615,"discards":[]}',
        b'{"at":1e300,"count":1,"discards":[]}',
        b'{"at":"inf","count":1,"discards":[]}',
        b'{"at":1,"count":1,"discards":[["nan","c","r","m","x"]]}',
        b'{"at":1,"count":true,"discards":[]}',
    ],
)
def test_numbers_that_no_file_takes_are_no_discards(body: bytes) -> None:
    with pytest.raises(DamagedPack):
        decode_discards("web", HEADERS, body)


def test_discards_are_decoded_and_large_ones_take_several_messages() -> None:
    copies = [Discarded("web", 1.5, "no-id", "no id", f"m{n}", b'{"a":"%s"}' % (b"x" * 40_000)) for n in range(5)]
    bodies = list(encode_discards(copies, 9, 2.5))
    found = [decode_discards("web", HEADERS, body) for body in bodies]
    assert [len(discards) for discards, _, _ in found] == [2, 2, 1]
    assert [each for discards, _, _ in found for each in discards] == copies
    assert [(count, at) for _, count, at in found] == [(9, 2.5), (0, 2.5), (0, 2.5)]
    assert decode_discards("web", HEADERS, next(encode_discards([], 4, 3.0))) == ([], 4, 3.0)
    with pytest.raises(DamagedPack) as raised:
        decode_discards("web", HEADERS, b"{}")
    assert str(raised.value) == "A message of the stream is no list of discarded events."
