"""Results are read as they were written, however they are divided; what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.reports import NO_REPORTS, EventReports
from engine.records import Outcome, Report
from engine.stream.errors import DamagedPack, UnknownFormat
from engine.stream.packs import MOST_NUMBER, Pack
from engine.stream.results import ResultBatch, decode, decode_aside, encode, encode_aside, fitting, split

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(0, MOST_NUMBER)
REPORTS = st.sampled_from([NO_REPORTS, EventReports((Report("a", "b", "c"),), (Report("d", "", "\x1b"),))])
CHANGES = st.builds(
    Change,
    NUMBERS,
    st.sampled_from(Outcome),
    TEXTS,
    TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | st.floats(0, 2e9),
    REPORTS,
    st.sampled_from([None, "17", "+3 17 18"]),
)
ATTEMPTS = st.tuples(NUMBERS, st.integers(0, 99), TEXTS, TEXTS, TEXTS).map(
    lambda given: Attempt(*given, 1, 200, "d", True)
)
BATCHES = st.builds(
    ResultBatch,
    NUMBERS,
    st.floats(0, 2e9),
    st.lists(CHANGES, max_size=4).map(tuple),
    st.lists(ATTEMPTS, max_size=2).map(tuple),
    TEXTS,
    TEXTS,
)


@given(BATCHES)
def test_results_are_read_as_they_were_written(batch: ResultBatch) -> None:
    assert decode(*encode(batch)) == batch


@given(BATCHES, st.integers(1, 600))
def test_a_divided_batch_is_whole_and_each_part_small(batch: ResultBatch, most: int) -> None:
    parts = list(split(batch, most))
    assert [change for part in parts for change in part.changes] == list(batch.changes)
    assert [attempt for part in parts for attempt in part.attempts] == list(batch.attempts)
    assert {(part.fence, part.at) for part in parts} <= {(batch.fence, batch.at)}
    seen_changes = False
    for part in parts:
        assert not (seen_changes and part.attempts), "requests stand before the changes that name them"
        seen_changes = seen_changes or bool(part.changes)
        one = len(part.changes) + len(part.attempts) == 1
        assert one or len(encode(part)[1]) - len(encode(part._replace(changes=(), attempts=()))[1]) <= most


def test_changes_that_differ_in_nothing_but_their_event_are_written_once() -> None:
    batch = ResultBatch(7, 1.0, tuple(Change(n, Outcome.DELIVERED, "sent", digest="d") for n in (64, 65, 129)))
    headers, body = encode(batch)
    assert headers == {"Waybill-Format": "1"}
    assert body == (
        b'{"fence":7,"at":1.0,"takeover":"","stream":"","changes":[[[64,65,129],"delivered","sent","","d",null,null,null,null]],'
        b'"attempts":[]}'
    )


LINE = b'[[[1],"delivered","r","e",null,null,null,null,null]]'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"fence":-1,"at":0,"takeover":"","stream":"","changes":[],"attempts":[]}',
        b'{"fence":1,"at":"x","takeover":"","stream":"","changes":[],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":3,"stream":"","changes":[],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[[[1],"sold","r","e",null,null,null,null,null]],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[[["1"],"held","r","e",null,null,null,null,null]],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[[[1],"held","r","e",null,null,null,"{}",null]],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[[[1],"held","r","e",null,null,null,null,"x"]],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[[[1],"held"]],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[],"attempts":[[1]]}',
        b'{"fence":1,"at":"nan","takeover":"","stream":"","changes":[],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[[[9007199254740992],"held","r","e",null,null,null,null,null]],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[[[1],"held","r","e",null,null,"inf",null,null]],"attempts":[]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[],"attempts":[[18446744073709551615,1,"","","",1,1]]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[],"attempts":[[null,1,"","","",1,1]]}',
        b'{"fence":1,"at":0,"takeover":"","stream":"","changes":[],"attempts":[["1",1,"","","",1,1]]}',
    ],
)
def test_what_is_no_results_is_refused(body: bytes) -> None:
    with pytest.raises(DamagedPack) as raised:
        decode({"Waybill-Format": "1"}, body)
    assert str(raised.value) == "A message of the stream is no results of a worker."


def test_results_of_a_newer_release_are_refused() -> None:
    with pytest.raises(UnknownFormat):
        decode({"Waybill-Format": "2"}, b"{}")


def test_what_is_too_large_for_a_message_is_left_out_with_a_report() -> None:
    change = Change(64, Outcome.WAITING, "1 request accepted", progress="x" * 200_000, digest="d")
    report = Report(
        "progress-not-kept",
        "event",
        "what was saved of answers is too large to be kept with the event; if another worker takes it over, its "
        "requests that were accepted are sent again",
    )
    assert fitting(change) == change._replace(progress=None, reports=EventReports(mapping=(report,)))
    small = change._replace(progress="{}")
    assert fitting(small) is small


def test_a_copy_says_what_became_of_its_event_as_far_as_a_header_has_room() -> None:
    event = NewEvent("s", "1", "2026-01-01T00:00:00.000Z", b"{}")
    pack = Pack(("a",), [event], again=True, replayed=(64,))
    change = Change(64, Outcome.REJECTED, "422", "no", "d", "{}", 5.0, EventReports((Report("a", "b", "c"),)), "17")
    assert decode_aside(*encode_aside(pack, change)) == (pack, change)
    large = change._replace(progress="x" * 9000)
    assert decode_aside(*encode_aside(pack, large)) == (pack, change._replace(progress=None, reports=NO_REPORTS))
    headers, body = encode_aside(pack, change)
    for wrong in ("", "%", "e30=", "W10="):
        with pytest.raises(DamagedPack):
            decode_aside({**headers, "Waybill-Result": wrong}, body)
