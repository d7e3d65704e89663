"""The window of duplicates equals a plain model, from wherever it is begun and in whichever portions it is filled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.delivery.outbox.base import OutboxError
from engine.stream import duplicates, segments
from engine.stream.duplicates import DuplicateWindow
from engine.stream.segments import PackIds, SeenSegment, decode_segment, encode_segment

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


def segments_of(packs: list[PackIds], sizes: list[int], most: int) -> list[SeenSegment]:
    """Return what processes publish that divide packs in different ways, as it comes back from the streams."""
    found, after = [], 0
    for size in sizes:
        some, packs = packs[:size], packs[size:]
        if some:
            made = DuplicateWindow()
            made.most = most
            made.begin(0.0, after)
            made.add(some)
            made._close()
            after = some[-1].sequence
            found += [decode_segment(*encode_segment(each, "s"), "s") for each in made.unpublished]
            made.close()
    assert None not in found
    return found  # type: ignore[return-value]


@settings(max_examples=25)
@given(
    streams(),
    st.sampled_from("abc"),
    st.lists(st.integers(1, 6), max_size=6),
    st.integers(1, 8),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.integers(1, 3),
)
def test_any_segments_present_or_missing_change_no_answer(
    stream: list[PackIds], connection: str, sizes: list[int], most: int, present: list[bool], row: int
) -> None:
    left = [each for each, there in zip(segments_of(stream, sizes, most), present, strict=False) if there]
    window = DuplicateWindow()
    window.most = 8 - most // 2
    window.begin(0.0)
    duplicates.MERGED, before = row, duplicates.MERGED
    try:
        for pack in stream:
            while left and left[0].after <= window.reach < left[0].upto:
                window.take(left.pop(0))
            window.add([pack])
    finally:
        duplicates.MERGED = before
    found = {pack.sequence: window.duplicates(pack, connection) for pack in stream}
    window.close()
    assert found == model(stream, connection)


def test_forgetting_removes_what_nobody_asks_about_and_nothing_else(monkeypatch) -> None:
    monkeypatch.setattr(duplicates, "MERGED", 4)
    window = DuplicateWindow()
    window.begin(0.0)
    made = [(n * 2654435761 % 2**64).to_bytes(8, "big") for n in range(1600)]
    for sequence in range(32):
        at = float(1000 * sequence)  # each is a segment of its own
        window.add([PackIds(sequence + 1, at, made[sequence * 50 : sequence * 50 + 50], frozenset("a"))])
    window.forget(14_000.0)
    assert (window.since, len(window._file.runs), window._file._count) == (11_000.001, 4, 7)
    early, late = made[: 12 * 50], made[12 * 50 :]
    for digests, expected in ((early, 0), (late, 2**50 - 1)):
        for first in range(0, len(digests), 50):
            asked = PackIds(2000, 32_000.0, digests[first : first + 50], frozenset("a"))
            assert window.duplicates(asked, "a") == expected
    for sequence in range(32, 60):
        window.add([PackIds(sequence + 1, 1000.0 * sequence, made[:50], frozenset("a"))])
        window.forget(1000.0 * (sequence - 20))
    assert window._file._count == 7, "room in the file is used again"
    window.close()


def test_an_id_that_is_sent_again_and_again_takes_the_room_of_one() -> None:
    window = DuplicateWindow()
    window.begin(0.0)
    window.add([PackIds(number, number / 100, [IDS[1]] * 50, frozenset("a")) for number in range(1, 3000)])
    assert window._builder._count == 1
    asked = [PackIds(number, number / 100, [IDS[1]] * 2, frozenset("a")) for number in (1, 2, 2999)]
    assert [window.duplicates(pack, "a") for pack in asked] == [0b10, 0b11, 0b11]
    window.close()


def test_ids_that_were_chosen_to_lie_together_are_looked_through_in_portions(monkeypatch) -> None:
    monkeypatch.setattr(segments, "SCANNED", 16)
    window = DuplicateWindow()
    window.begin(0.0)
    together = [bytes([7, 7, *number.to_bytes(6, "big")]) for number in range(200)]
    window.add([PackIds(1, 0.0, together, frozenset("a"))])
    window._close()
    asked = PackIds(9, 1.0, [*together[::7], bytes([7, 7, 0, 0, 0, 0, 9, 9])], frozenset("a"))
    assert window.duplicates(asked, "a") == 2 ** len(together[::7]) - 1
    assert window.duplicates(asked, "b") == 0
    window.close()


def test_without_room_for_the_file_it_is_said(monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(duplicates, "MERGED", 1)
    monkeypatch.setattr("os.pwrite", full)
    window = DuplicateWindow()
    window.begin(0.0)
    window.add([PackIds(1, 0.0, IDS, frozenset("a"))])
    with pytest.raises(OutboxError) as raised:
        window.add([PackIds(2, 1000.0, IDS, frozenset("a"))])
    assert str(raised.value) == (
        "The window of duplicates cannot be kept in a temporary file ([Errno 28] No space left on device). Make room "
        "there, or name another folder with TMPDIR."
    )
    window.close()


def test_an_event_is_no_duplicate_of_itself_nor_of_a_later_one() -> None:
    window = DuplicateWindow()
    window.begin(0.0)
    packs = [PackIds(n, 1.0, [IDS[0], IDS[1]], frozenset("a")) for n in (1, 2)]
    window.add(packs)
    assert [window.duplicates(pack, "a") for pack in packs] == [0, 0b11]
    window.close()
