"""A position is the sum of what was read and of the results, in whichever order and from wherever it is summed."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change
from engine.records import Outcome
from engine.stream.errors import DamagedPack
from engine.stream.packs import number_of
from engine.stream.positions import NotedEvent, StreamPosition
from engine.stream.results import ResultBatch


class History(NamedTuple):
    """Packs by sequence with the events (bits) that concern the connection, and the results that were written."""

    packs: list[tuple[int, int]]
    results: list[tuple[int, ResultBatch]]


@st.composite
def histories(draw: st.DrawFn) -> History:
    sequences = sorted(draw(st.sets(st.integers(1, 40), max_size=8)))
    packs = [(sequence, draw(st.integers(0, 15))) for sequence in sequences]
    numbers = [number_of(sequence, index) for sequence, bits in packs for index in range(4) if bits >> index & 1]
    changes = []
    open_ones = set(numbers)
    for number in draw(st.lists(st.sampled_from(numbers), max_size=20)) if numbers else []:
        if number not in open_ones:
            continue  # a queue writes no change of what is finished
        outcome = draw(st.sampled_from([Outcome.DELIVERED, Outcome.REJECTED, Outcome.WAITING, Outcome.WAITING]))
        changes.append(Change(number, outcome, "r", progress=draw(st.sampled_from([None, "{}"])), digest="d"))
        if outcome is not Outcome.WAITING:
            open_ones.remove(number)
    batches, at = [], 100
    while changes:
        size = draw(st.integers(1, 3))
        attempts = (Attempt(at, 1, "", "POST", "", 1, 200),)
        batches.append((at, ResultBatch(1, 0.0, tuple(changes[:size]), attempts)))
        changes, at = changes[size:], at + draw(st.integers(1, 3))
    return History(packs, batches)


def summed(position: StreamPosition, history: History, order: list[bool], *, to: int | None = None) -> StreamPosition:
    """Read on and count results in, in an order: of `order` each True is a pack, each False a results message."""
    packs = [each for each in history.packs if each[0] > position.read_to]
    results = [each for each in history.results if each[0] > position.results]
    steps = [*order, *[True] * len(packs), *[False] * len(results)]
    for is_pack in steps[:to]:
        if is_pack and packs:
            position.read(*packs.pop(0))
        elif not is_pack and results:
            position.apply(*results.pop(0))
    return position


ORDERS = st.lists(st.booleans(), max_size=30)


@given(histories(), ORDERS, st.integers(0, 30), ORDERS)
def test_every_interleaving_and_every_earlier_position_lead_to_the_same(
    history: History, one: list[bool], when: int, other: list[bool]
) -> None:
    kept = StreamPosition.decode(summed(StreamPosition(), history, one, to=when).encode())
    again = summed(StreamPosition.decode(kept.encode()), history, other)
    for sequence, batch in history.results:  # counting in what is in already changes nothing
        again.apply(sequence, batch)
    assert again == summed(StreamPosition(), history, [])


@given(histories(), ORDERS)
def test_open_is_what_was_read_and_has_no_outcome(history: History, order: list[bool]) -> None:
    position = summed(StreamPosition(), history, order)
    finished = {
        change.place
        for _, batch in history.results
        for change in batch.changes
        if change.outcome is not Outcome.WAITING
    }
    numbers = [
        number_of(sequence, index) for sequence, bits in history.packs for index in range(4) if bits >> index & 1
    ]
    left = [number for number in numbers if number not in finished]
    assert position.open_after(0, 1000) == left
    assert position.count == len(left)
    assert position.oldest == (left[0] // 64 if left else None)
    assert [position.open_after(number, 2) for number in left] == [left[at + 1 : at + 3] for at in range(len(left))]
    assert all((number in position) == (number in left) for number in numbers)


def test_what_was_noted_goes_on_as_the_file_has_it() -> None:
    position = StreamPosition()
    position.read(3, 0b11)
    change = Change(192, Outcome.WAITING, "busy", progress="{}", digest="d", tried_at=5.0, attempts="17")
    position.apply(9, ResultBatch(1, 0.0, (change,)))
    position.apply(10, ResultBatch(1, 0.0, (Change(192, Outcome.WAITING, "busy", progress="{1}", digest="e"),)))
    assert position.noted(192) == NotedEvent("{1}", "e", None, attempts="17")
    assert StreamPosition.decode(position.encode()) == position
    position.apply(11, ResultBatch(1, 0.0, (Change(192, Outcome.DELIVERED, ""),)))
    assert (position.noted(192), position.open_after(0, 9)) == (None, [193])
    position.gone(3)
    assert (position.count, position.open_after(0, 9), position.oldest) == (0, [], None)


def test_a_position_of_a_long_backlog_stays_small() -> None:
    position = StreamPosition()
    for sequence in range(1, 20_001):
        position.read(sequence * 7, 1)
    assert len(position.encode()) < 20_000


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"x\x9c", StreamPosition().encode()[:-9], b"x\x9c\x03\x00\x00\x00\x00\x01", b"\x00" * 50]
)
def test_what_is_no_position_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedPack) as raised:
        StreamPosition.decode(data)
    assert str(raised.value) == "A position of the shared state is damaged."


def test_results_of_a_stream_that_was_removed_count_for_nothing() -> None:
    position = StreamPosition("new")
    position.read(1, 0b11)
    late = ResultBatch(1, 0.0, (Change(64, Outcome.DELIVERED, ""),))
    for sequence, batch in enumerate([ResultBatch(takeover="w", stream="old"), late], 1):
        position.apply(sequence, batch)
    assert (position.results, position.open_after(0, 9)) == (2, [64, 65])
    position = StreamPosition.decode(position.encode())
    for sequence, batch in enumerate([late, ResultBatch(takeover="v", stream="new"), late], 3):
        position.apply(sequence, batch)
        assert position.open_after(0, 9) == ([65] if sequence == 5 else [64, 65])
