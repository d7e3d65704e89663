"""The window of duplicates equals a plain model, from wherever it is begun and in whichever portions it is filled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.stream import duplicates
from engine.stream.duplicates import DuplicateWindow, PackIds
from engine.stream.packs import number_of

HOUR = 3600.0
DAY = 24 * HOUR
IDS = [bytes([first, *range(7)]) for first in (0, 1, 128, 255)]
NAMES = st.sets(st.sampled_from("abc"), min_size=1).map(frozenset)


@st.composite
def streams(draw: st.DrawFn) -> list[PackIds]:
    at, packs = 0.0, []
    for sequence in sorted(draw(st.sets(st.integers(1, 50), max_size=12))):
        at += draw(st.sampled_from([0.0, 1.0, 11 * HOUR, 12 * HOUR, 13 * HOUR, DAY]))
        ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=4))
        packs.append(PackIds(sequence, at, ids, draw(NAMES), draw(st.sampled_from([False, False, True]))))
    return packs


def model(stream: list[PackIds], connection: str) -> dict[int, int]:
    """Return the bits of duplicates of each pack, found by looking at every earlier event."""
    seen: list[tuple[bytes, float]] = []
    found = {}
    for pack in stream:
        bits = 0
        for index, digest in enumerate(pack.digests):
            bits |= (not pack.again and any(d == digest and at >= pack.at - DAY for d, at in seen)) << index
            if connection in pack.connections and not pack.again:
                seen.append((digest, pack.at))
        found[pack.sequence] = bits
    return found


@pytest.fixture(scope="module")
def window() -> Iterator[DuplicateWindow]:
    made = DuplicateWindow()
    yield made
    made.close()


@given(streams(), st.sampled_from("abc"), st.integers(0, 12), st.integers(1, 5))
def test_the_window_equals_the_model_from_any_start(
    window: DuplicateWindow, stream: list[PackIds], connection: str, start: int, portion: int
) -> None:
    asked = stream[start:]
    since = asked[0].at - DAY if asked else 0.0
    window.begin(since)
    rest = [pack for pack in stream if pack.at >= since]
    while rest:  # whoever is ahead adds more than the one who asks has come to
        window.add(rest[:portion])
        window.add(rest[:1])
        rest = rest[portion:]
    expected = model(stream, connection)
    assert {pack.sequence: window.duplicates(pack, connection) for pack in asked} == {
        pack.sequence: expected[pack.sequence] for pack in asked
    }


def test_forgetting_removes_what_nobody_asks_about_and_nothing_else(monkeypatch) -> None:
    monkeypatch.setattr(duplicates, "FEWEST", 1)
    window = DuplicateWindow()
    window.begin(0.0)
    made = [(n * 2654435761 % 2**64).to_bytes(8, "big") for n in range(200 * duplicates.SLICES)]
    for sequence in range(2 * duplicates.SLICES):
        ids = made[sequence * 100 : sequence * 100 + 50]
        at = 1.0 if sequence < duplicates.SLICES else 100.0
        window.add([PackIds(sequence + 1, at, ids, frozenset("a"))])
    for more in range(duplicates.SLICES):
        window.add([PackIds(900 + more, 100.0, made[-50:], frozenset("b"))])
        window.forget(50.0 + more)
    assert window.since == 50.0 + duplicates.SLICES - 1
    again = PackIds(2000, 100.0 + DAY, made[: 50 * 100], frozenset("a"))
    late = PackIds(2000, 100.0, made[duplicates.SLICES * 100 :][:50], frozenset("a"))
    assert window.duplicates(again, "a") == 0
    assert window.duplicates(late, "a") == 2**50 - 1
    window.close()


def test_an_event_is_no_duplicate_of_itself_nor_of_a_later_one() -> None:
    window = DuplicateWindow()
    window.begin(0.0)
    packs = [PackIds(n, 1.0, [IDS[0], IDS[1]], frozenset("a")) for n in (1, 2)]
    window.add(packs)
    assert [window.duplicates(pack, "a") for pack in packs] == [0, 0b11]
    assert number_of(1, 1) < number_of(2, 0)
    window.close()
