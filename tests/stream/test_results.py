"""Results are read as they were written, however they are divided; what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change
from engine.delivery.outbox.reports import NO_REPORTS, EventReports
from engine.records import Outcome, Report
from engine.stream.errors import DamagedPack, UnknownFormat
from engine.stream.results import ResultBatch, decode, encode, split

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(min_value=0, max_value=2**62)
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
    st.lists(CHANGES, max_size=9).map(tuple),
    st.lists(ATTEMPTS, max_size=4).map(tuple),
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
