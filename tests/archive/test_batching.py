"""Columns of many events at once are those of the rows that each event is by itself."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.archive.batching import batch_of, row_of_taken
from engine.archive.columns import unnumbered
from engine.delivery.outbox.reading import TakenEvents
from tests.archive.made import TODAY, event
from tests.archive.test_columns import CASES
from tests.events.strategies import EVENTS, JSON, OBJECTS

USUAL = st.sampled_from([TODAY, "2026-11-28T23:59:59.999Z", "2026-12-02T12:00:00.000Z"])
ORDINARY = st.fixed_dictionaries(
    {"type": st.just("track"), "event": st.just("E"), "userId": st.just("u1"), "timestamp": USUAL},
    optional={
        "receivedAt": USUAL,
        "sentAt": USUAL | st.just("2026-02-30T12:00:00.000Z"),
        "originalTimestamp": USUAL | st.just("2026-11-29T12:00:00+0100"),
        "properties": OBJECTS,
        "context": OBJECTS,
        "_metadata": JSON,
        "channel": st.sampled_from(["web", 5]),
    },
)


def taken(raws: list[bytes]) -> TakenEvents:
    count = len(raws)
    names = tuple(f"m{number}" for number in range(count))
    return TakenEvents(tuple(range(1, count + 1)), ("web",) * count, names, (TODAY,) * count, tuple(raws))


def same(raws: list[bytes]) -> None:
    events = taken(raws)
    made = batch_of(events)
    one_by_one = unnumbered([row_of_taken(events, number) for number in range(len(raws))])
    assert made.schema.equals(one_by_one.schema, check_metadata=True)
    assert made.to_pylist() == one_by_one.to_pylist()
    made.validate(full=True)


@settings(max_examples=8)
@given(st.lists(ORDINARY, min_size=1, max_size=4), st.lists(EVENTS, max_size=2))
def test_many_events_are_the_columns_of_each(ordinary: list[dict], others: list[dict]) -> None:
    same([*map(orjson.dumps, ordinary)])
    same([*map(orjson.dumps, [*ordinary[:1], *others, *ordinary])])


@pytest.mark.parametrize("raw", [case[0] for case in CASES.values()], ids=CASES)
def test_a_hostile_event_among_ordinary_ones(raw: bytes) -> None:
    same([event(1), raw, event(2)])
    same([raw])
