"""What the outbox keeps beside events and states, its bounds, and what a purge removes of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.delivery.outbox import looking
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import Change, Chosen, Discarded, NewEvent
from engine.delivery.outbox.keeping import DISCARDS_A_SECOND, LARGEST_DISCARD, MOST_DISCARDS, keys_of_raw
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome

NOW = 1_700_000_000.0
ATTEMPT = Attempt(1, 12, "send", "POST", "https://x.example/v1", 3, 200)


def discard(source: str, now: float, number: int = 0, raw: bytes = b"{}") -> Discarded:
    return Discarded(source, now, "bad_request", f"reason {number % 3}", f"m{number}", raw)


def kept(outbox: SqliteOutbox, source: str | None = None) -> list[Discarded]:
    return [each for _, each in outbox.look(lambda db: looking.discards(db, source, 10_000))]


def test_the_last_thousand_of_a_source_are_kept(durable) -> None:
    for start in range(0, 1500, 100):
        many = [discard("web", NOW + number, number) for number in range(start, start + 100)]
        durable.keep_discards([*many, discard("app", NOW, start)], {"web": 100, "app": 1}, NOW + start)
    assert [each.message_id for each in kept(durable, "web")] == [
        f"m{n}" for n in range(1499, 1499 - MOST_DISCARDS, -1)
    ]
    assert len(kept(durable, "app")) == 15


def test_pages_and_groups_of_discards(durable) -> None:
    durable.keep_discards([discard("web", NOW + n, n) for n in range(10)], {"web": 10}, NOW)
    durable.keep_discards([discard("app", NOW + 50, 1)], {"app": 1}, NOW + 50)
    first = durable.look(lambda db: looking.discards(db, None, 4))
    rest = durable.look(lambda db: looking.discards(db, None, 100, before=first[-1][0]))
    assert [each.message_id for _, each in [*first, *rest]] == ["m1", *(f"m{n}" for n in range(9, -1, -1))]
    assert durable.look(looking.discard_groups) == [
        ("web", "bad_request", "reason 0", 4, NOW, NOW + 9),
        ("web", "bad_request", "reason 1", 3, NOW + 1, NOW + 7),
        ("web", "bad_request", "reason 2", 3, NOW + 2, NOW + 8),
        ("app", "bad_request", "reason 1", 1, NOW + 50, NOW + 50),
    ]


def test_of_one_second_a_source_has_twenty_from_whichever_process(tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "o.db")) as one, closing(SqliteOutbox(tmp_path / "o.db")) as other:
        for outbox in (one, other):
            outbox.keep_discards([discard("web", NOW + n / 100) for n in range(15)], {"web": 500}, NOW)
            outbox.keep_discards([discard("app", NOW)], {"app": 1}, NOW)
        assert (len(kept(one, "web")), len(kept(one, "app"))) == (DISCARDS_A_SECOND, 2)
        other.keep_discards([discard("web", NOW + 1.2)], {"web": 1}, NOW + 1)
        one.keep_discards([discard("web", NOW - 3600)], {"web": 1}, NOW - 3600)
        assert len(kept(one, "web")) == DISCARDS_A_SECOND + 2, "also after a clock was put back"
        one.keep_discards([discard("web", NOW)] * 50, {"web": 50}, NOW, all_of_them=True)
        assert len(kept(one, "web")) == DISCARDS_A_SECOND + 52
        came = one.look(lambda db: looking.slots_arrived(db, NOW, 60))
        assert [(each.source, each.events, each.discarded) for each in came] == [("app", 0, 2), ("web", 0, 1051)]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 3), st.integers(1, 30)), max_size=12))
def test_no_second_has_more_than_twenty(tmp_path: Path, arrivals: list[tuple[str, float, int]]) -> None:
    with closing(SqliteOutbox(tmp_path / f"{len([*tmp_path.iterdir()])}.db")) as outbox:
        outbox._db.execute("PRAGMA synchronous = OFF")
        for source, after, count in sorted(arrivals, key=lambda each: each[1]):
            outbox.keep_discards([discard(source, NOW + after)] * count, {source: count}, NOW)
        for source in "ab":
            times = sorted(each.discarded_at for each in kept(outbox, source))
            assert all(later - first >= 1 for first, later in zip(times, times[DISCARDS_A_SECOND:], strict=False))
            wanted = sum(count for name, _, count in arrivals if name == source)
            assert len(times) >= min(wanted, DISCARDS_A_SECOND)


def test_a_discard_is_cut(durable) -> None:
    durable.keep_discards([discard("web", NOW, raw=b"x" * 40_000)], {"web": 1}, NOW)
    assert kept(durable)[0].raw == b"x" * LARGEST_DISCARD


def test_old_discards_are_forgotten(durable) -> None:
    durable.keep_discards([discard("web", NOW + day * 86400, day) for day in range(9)], {"web": 9}, NOW)
    assert durable.forget_discards(NOW + 2 * 86400) == 2
    assert durable.forget_discards(NOW) == 0
    assert durable.purge(NOW + 5 * 86400, (Outcome.DELIVERED,)) == ({}, 0)
    assert len(kept(durable)) == 7, "these are no outcome"
    durable.purge(NOW + 5 * 86400)
    assert [each.message_id for each in kept(durable)] == ["m8", "m7", "m6", "m5"]


def test_a_version_of_a_mapping_is_kept_once(durable) -> None:
    durable.keep_version("d1", "shop", b"one", NOW)
    durable.keep_version("d1", "other", b"two", NOW + 1)
    assert durable.version_files("d1") == ("shop", b"one")
    assert durable.version_files("d2") is None
    assert OutboxFile(durable.path).look(lambda db: looking.version_files(db, "d1")) == ("shop", b"one")


@pytest.mark.parametrize("outcomes", [(), (Outcome.DELIVERED,), (Outcome.REJECTED, Outcome.INVALID)])
def test_a_purge_forgets_attempts_by_their_age(durable, outcomes: tuple[Outcome, ...]) -> None:
    """Those that something was refused in stay as long as what was refused stays."""
    durable.take_in([NewEvent("s", "m1", "r", b"{}")], ["shop"], NOW)
    fence = durable.lease("shop", "me", NOW, 10)
    times = [NOW, NOW + 1, NOW + 100]
    attempts = [
        ATTEMPT._replace(number=int(when * 1e6) + refused, refused=bool(refused))
        for when in times
        for refused in (0, 1)
    ]
    durable.write("shop", fence, [], NOW, attempts)
    assert durable.last_attempt("shop") == attempts[-1].number
    durable.purge(NOW + 50, outcomes)
    numbers = [each.number for each in attempts]
    left = [each.number for each in durable.look(lambda db: looking.attempts_of(db, "shop", numbers))]
    stay = [each for each in attempts if each.refused] if outcomes == (Outcome.DELIVERED,) else []
    assert left == [each.number for each in attempts if each in stay or each.number > (NOW + 50) * 1e6]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([b'{"userId":"u"}', b"{", b"[]"])), max_size=30), st.data()
)
def test_a_purge_leaves_no_key_behind(tmp_path: Path, events: list[tuple[int, bytes]], data: st.DataObject) -> None:
    path = tmp_path / f"{len([*tmp_path.iterdir()])}.db"
    with closing(SqliteOutbox(path)) as outbox:
        outbox._db.execute("PRAGMA synchronous = OFF")
        for number, (after, raw) in enumerate(events):
            keys = keys_of_raw(raw)
            outbox.take_in([NewEvent("s", f"m{number}", "r", raw, keys=keys)], ["a", "b"], NOW + after)
        fence = outbox.lease("a", "me", NOW, 10)
        fence_b = outbox.lease("b", "me", NOW, 10)
        assert fence is not None
        assert fence_b is not None
        for name, number in (("a", fence), ("b", fence_b)):
            rows = outbox.waiting(name, 0, 100)
            ended = [row for row in rows if data.draw(st.booleans())]
            outbox.write(name, number, [Change(row.place, Outcome.DELIVERED, "") for row in ended], NOW + 7)
        outbox.purge(NOW + data.draw(st.integers(0, 9)))
        with closing(sqlite3.connect(path)) as db:
            left = db.execute("SELECT id FROM events WHERE taken_at >= 0 AND length(raw) > 5 ORDER BY 1").fetchall()
            assert db.execute("SELECT event FROM event_keys ORDER BY 1").fetchall() == left
            assert db.execute("SELECT count(*) FROM unkeyed").fetchone() == (0,)
        counts = Counter(row.outcome for row in outbox.look(lambda db: looking.newest(db, Chosen(user="u"), 100)))
        assert sum(counts.values()) == outbox.look(lambda db: looking.counted(db, Chosen(user="u")))
