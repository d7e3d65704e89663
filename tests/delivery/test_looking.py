"""Searches, counts and standings against slow and obvious ones in Python, on outboxes with a random past."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.delivery.outbox import looking
from engine.delivery.outbox.attempts import MOST_OF_EVENT, Attempt, AttemptNumbers
from engine.delivery.outbox.base import Change, Chosen, Discarded, NewEvent, OutboxDamaged
from engine.delivery.outbox.keeping import KEPT_SLOTS, SLOT, keys_of_raw
from engine.delivery.outbox.looking import SET_ASIDE, WAITING, PageEnd
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Json, Outcome

NO_FSYNC = "PRAGMA synchronous = OFF"
START = 1_700_000_000.0
CONNECTIONS = ("shop", "crm", "mail")
USERS: tuple[Json, ...] = ("Ada", "ada", "bob", "7", 7, "7.0", "", " ", "no one", "Ünal", "a" * 1500, None, [], 7.5)
NAMES: tuple[Json, ...] = ("Order Completed", "order completed", "E", "", 7, None)
CALLS: tuple[Json, ...] = ("track", "page", "identify", "group", "alias", 7, None)
REASONS = ("the vendor answered 400", "the vendor answered 422", "field É is required", "Paused", "100%", "a_b")
ERRORS = ("", "", "Bad Email", "bad phone", "É_%")
ENDS = (Outcome.DELIVERED, Outcome.DELIVERED, Outcome.IGNORED, Outcome.REJECTED, Outcome.INVALID, Outcome.WAITING)


class State(NamedTuple):
    """A state with its event, as the tables have them."""

    event: int
    place: int
    connection: str
    outcome: Outcome
    reason: str
    error: str
    changed_at: float
    message_id: str
    value: Json


def value(random: Random, number: int) -> Json:
    made: dict[str, Json] = {"messageId": f"m{number}", "type": random.choice(CALLS), "userId": random.choice(USERS)}
    made["anonymousId" if number % 2 else "previousId"] = random.choice(USERS)
    made["name" if number % 5 == 0 else "event"] = random.choice(NAMES)
    made["groupId"] = random.choice(USERS)
    traits = {"email": random.choice(USERS)}
    made.update({"traits": traits} if number % 3 else {"context": {"traits": traits}})
    return made if number % 29 else [made]


def past(path: Path, seed: int) -> float:
    """Make an outbox with a random past; return the time of its end."""
    random, now = Random(seed), START
    with closing(SqliteOutbox(path)) as outbox:
        outbox._db.execute(NO_FSYNC)
        for number in range(60):
            now += random.choice([0.5, 3.0, 60.0])
            act(outbox, random, number, now)
        outbox.hold("crm", "the vendor answered 401", "", now)
    return now


def act(outbox: SqliteOutbox, random: Random, number: int, now: float) -> None:
    events = []
    for each in random.sample(range(number * 10, number * 10 + 12), 8):
        made = value(random, each)
        raw = b"{" if each % 31 == 0 else orjson.dumps(made)
        events.append(NewEvent("s", f"m{each}", "2026-01-01T00:00:00Z", raw, keys=keys_of_raw(raw)))
    outbox.take_in(events, random.sample(CONNECTIONS, random.randrange(4)), now, again=random.random() < 0.1)
    name = random.choice(CONNECTIONS)
    fence = outbox.lease(name, "me", now, 10)
    assert fence is not None
    rows = random.sample(found := outbox.waiting(name, 0, 30), len(found) // 2)
    changes = [Change(row.place, random.choice(ENDS), random.choice(REASONS), random.choice(ERRORS)) for row in rows]
    outbox.write(name, fence, changes, now)
    if number % 7 == 0:
        ended = [row.place for row in outbox.listed(Chosen(outcomes=SET_ASIDE), 0, 10)]
        outbox.replay(random.sample(ended, len(ended) // 2), "replayed", now)
    if number in (20, 40):
        outbox.purge(START + number * 8, random.choice([(), (Outcome.DELIVERED,)]))


def states(path: Path) -> list[State]:
    """Return all states, the newest event first."""
    statement = """
        SELECT e.id, s.place, c.name, s.outcome, s.reason, s.words, s.changed_at, e.message_id, e.raw, c.held
        FROM states AS s, events AS e, connections AS c WHERE s.event = e.id AND s.connection = c.id
    """
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(statement).fetchall()
    found = []
    for *start, outcome, reason, error, changed_at, message_id, raw, held in rows:
        shown = Outcome.HELD if held and outcome == "waiting" else Outcome(outcome)
        content = None if raw == b"{" else orjson.loads(raw)
        found.append(State(*start, shown, reason, error, changed_at, message_id, content))
    return sorted(found, reverse=True, key=lambda each: each[:2])


def lower(text: str) -> str:
    """As SQLite does."""
    return "".join(each.lower() if each.isascii() else each for each in text)


def people(event: dict[str, Json]) -> Iterator[Json]:
    yield from (event.get(name) for name in ("userId", "anonymousId", "previousId", "groupId"))
    for holder in (event, event.get("context")):
        traits = holder.get("traits") if isinstance(holder, dict) else None
        email = traits.get("email") if isinstance(traits, dict) else None
        yield email if isinstance(email, str) else None


def is_person(given: Json, user: str) -> bool:
    if isinstance(given, float) and given != int(given):
        return False
    text = str(given) if isinstance(given, int) else given
    return isinstance(text, str) and text != "" and text[:1000].lower() == user[:1000].lower()


def name_of(event: dict[str, Json]) -> Json:
    return next((event[each] for each in ("event", "name") if isinstance(event.get(each), str) and event[each]), None)


def is_meant(state: State, chosen: Chosen) -> bool:
    event = state.value if isinstance(state.value, dict) else None
    outcomes = chosen.outcomes or ((*SET_ASIDE, *WAITING) if chosen.reason is not None else ())
    wanted = [
        chosen.connection in (None, state.connection),
        not outcomes or state.outcome in outcomes,
        chosen.since is None or state.changed_at >= chosen.since,
        chosen.until is None or state.changed_at <= chosen.until,
        chosen.event is None or chosen.event in (state.message_id, str(state.event)),
        chosen.user is None or (event is not None and any(is_person(each, chosen.user) for each in people(event))),
        chosen.name is None or (event is not None and name_of(event) == chosen.name),
        chosen.call is None or (event is not None and event.get("type") == chosen.call),
        chosen.reason is None or any(lower(chosen.reason) in lower(text) for text in (state.reason, state.error)),
    ]
    return all(wanted)


class Past(NamedTuple):
    db: sqlite3.Connection
    end: float
    states: list[State]

    def __repr__(self) -> str:
        """Return something short: hypothesis shows it."""
        return f"Past(end={self.end})"


@pytest.fixture(scope="module")
def pasts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Past]]:
    paths = [tmp_path_factory.mktemp("past") / "o.db" for _ in range(2)]
    found = [Past(sqlite3.connect(path), past(path, seed), states(path)) for seed, path in enumerate(paths)]
    yield found
    for each in found:
        each.db.close()


TIMES = st.none() | st.floats(START - 10, START + 1500)
CHOSEN = st.builds(
    Chosen,
    connection=st.sampled_from([None, None, *CONNECTIONS, "nowhere"]),
    outcomes=st.lists(st.sampled_from(Outcome), max_size=3, unique=True).map(tuple),
    since=TIMES,
    until=TIMES,
    event=st.sampled_from([None] * 6 + ["m5", "m77", "200", "0", "", "-1", "m5' OR 1", "007"]),
    user=st.sampled_from([None] * 4 + [each for each in USERS if isinstance(each, str)] + ["ADA"]),
    name=st.sampled_from([None, None, None, "Order Completed", "E", "", "nothing"]),
    call=st.sampled_from([None, None, None, "track", "group", "7"]),
    reason=st.sampled_from([None, None, None, "VENDOR", "422", "bad", "é", "%", "_", "", "nothing like it", "paused"]),
)


@example(0, Chosen(reason="%"), 60, 2000, 0)  # in some reasons, and in messages of other states
@example(0, Chosen(reason="%"), 60, 0, 0)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1), CHOSEN, st.integers(2, 60), st.sampled_from([0, 5, 50, 2000]), st.integers(0, 3))
def test_a_search_finds_what_a_slow_one_finds(
    pasts: list[Past], number: int, chosen: Chosen, limit: int, few: int, skip: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(looking, "FEW", few)
        check(pasts[number], chosen, limit, skip)


def check(given: Past, chosen: Chosen, limit: int, skip: int) -> None:
    expected = [each[:2] for each in given.states if is_meant(each, chosen)]
    found: list[tuple[int, int]] = []
    before = None
    while rows := looking.newest(given.db, chosen, limit, before=before):
        found += [(row.event, row.place) for row in rows]
        before = PageEnd(*found[-1])
    assert found == expected
    rows = looking.newest(given.db, chosen, limit, skip=skip)
    assert [(row.event, row.place) for row in rows] == expected[skip : skip + limit]
    assert looking.counted(given.db, chosen) == len(expected)
    assert looking.counted(given.db, chosen, 3) == min(len(expected), 4)


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_found_is_whole(pasts: list[Past], number: int) -> None:
    given = pasts[number]
    rows = looking.newest(given.db, Chosen(), 1000)
    assert len(rows) == len(given.states) > 200
    for row, state in zip(rows, given.states, strict=True):
        shown = (row.event, row.place, row.connection, row.outcome, row.reason, row.error, row.changed_at)
        assert (*shown, row.message_id, row.value) == state


@pytest.mark.parametrize("number", [0, 1])
def test_counts_and_groups_are_those_of_all_states(pasts: list[Past], number: int) -> None:
    given = pasts[number]
    assert looking.counts(given.db) == Counter((each.connection, each.outcome) for each in given.states)
    groups = looking.groups(given.db)
    asked = (Outcome.REJECTED, Outcome.INVALID)
    expected = Counter((each.connection, each.outcome, each.reason) for each in given.states if each.outcome in asked)
    assert {each[:3]: each.events for each in groups} == expected
    assert all(earlier.events >= later.events for earlier, later in pairwise(groups))
    for group in groups:
        times = [each.changed_at for each in given.states if each[2:5] == group[:3]]
        assert (group.first_at, group.last_at) == (min(times), max(times))
        assert group.error in [
            each.error for each in given.states if (*each[2:5], each.changed_at) == (*group[:3], max(times))
        ]


@pytest.mark.parametrize("number", [0, 1])
def test_no_key_is_left_without_its_event(pasts: list[Past], number: int) -> None:
    db = pasts[number].db
    events = dict(db.execute("SELECT id, raw FROM events WHERE taken_at >= 0"))
    keys = set(db.execute("SELECT event, key FROM event_keys"))
    assert keys == {(event, key) for event, raw in events.items() for key in keys_of_raw(raw)}
    assert max(events) > len(events), "some were purged"


@pytest.mark.parametrize("seed", range(2))
def test_slots_and_standings_are_those_of_what_happened(tmp_path: Path, seed: int) -> None:
    random, now, ended, arrived = Random(seed), START, list[tuple[float, Outcome]](), list[tuple[float, int]]()
    with closing(SqliteOutbox(tmp_path / "o.db")) as outbox:
        outbox._db.execute(NO_FSYNC)
        for number in range(60):
            now += random.choice([1.0, 9.9, 10.0, 61.0, 400.0])
            count = random.randrange(1, 6)
            taken = [NewEvent("web", f"{number}-{n % 4}", "r", b"%d" % n) for n in range(count)]
            ignored = outbox.take_in(taken, ["shop"], now).duplicates
            arrived.append((now, count))
            ended += [(now, Outcome.IGNORED)] * ignored
            fence = outbox.lease("shop", "me", now, 5000)
            assert fence is not None
            rows = outbox.waiting("shop", 0, random.randrange(4) + 1)
            changes = [Change(row.place, random.choice(ENDS), "r") for row in rows]
            ended += [(now, each.outcome) for each in outbox.write("shop", fence, changes, now)]
        waiting = outbox.waiting("shop", 0, 1000)
        standing, *others = outbox.look(lambda db: looking.standings(db, now))
        slots = outbox.look(lambda db: looking.slots_ended(db, now, 1e9))
        came = outbox.look(lambda db: looking.slots_arrived(db, now, 1e9))
    ended = [each for each in ended if each[1] is not Outcome.WAITING]
    last = int(now // SLOT)
    kept = [(int(when // SLOT), outcome) for when, outcome in ended if when // SLOT >= last - KEPT_SLOTS]
    assert {(each.slot, each.outcome): each.events for each in slots if each.slot >= last - KEPT_SLOTS} == Counter(kept)
    in_slots: Counter[int] = Counter()
    for when, count in arrived:
        in_slots[int(when // SLOT)] += count
    assert {each.slot: each.events for each in came} == {
        slot: count for slot, count in in_slots.items() if slot >= last - KEPT_SLOTS
    }
    minute = len([slot for slot, _ in kept if last - 60 // SLOT <= slot < last])
    hour = Counter(outcome for slot, outcome in kept if slot >= int((now - 3600) // SLOT))
    assert (others, standing.waiting, standing.rate, standing.hour) == ([], len(waiting), minute / 60, hour)
    assert standing.lag == (now - min(row.queued_at for row in waiting) if waiting else None)
    assert standing.drain == (len(waiting) / standing.rate if waiting and minute else None)


def test_a_standing_has_the_version_that_planned_last(durable) -> None:
    durable.take_in([NewEvent("web", f"m{n}", "r", b"{}") for n in range(3)], ["shop"], START)
    fence = durable.lease("shop", "me", START, 10)
    for number, digest in enumerate(("d1", "d2", None)):
        durable.write("shop", fence, [Change(number + 1, Outcome.DELIVERED, "", digest=digest)], START + number)
    [standing] = durable.look(lambda db: looking.standings(db, START + 9))
    assert (standing.digest, standing.state) == ("d2", "idle")


NUMBERS = st.lists(st.integers(1, 2**62), max_size=60)


@given(NUMBERS)
def test_numbers_of_attempts_are_the_last_ones_in_their_order(numbers: list[int]) -> None:
    found = AttemptNumbers()
    for number in numbers:
        found = AttemptNumbers.of(found.text()).plus(number)
    assert found.numbers == tuple(numbers[-MOST_OF_EVENT:])
    assert found.earlier == max(0, len(numbers) - MOST_OF_EVENT)
    assert AttemptNumbers.of(found.text()) == found


DAMAGE = {
    "request 5": "UPDATE attempts SET status = x'00'",
    "discard 1": "UPDATE discards SET raw = 'text'",
    "mapping version d": "UPDATE mapping_versions SET files = 7",
    "count of ended events 170000000": "UPDATE ended SET outcome = 'gone'",
    "count of events that came in 170000000": "UPDATE arrived SET discarded = 'x'",
    "key x": "INSERT INTO event_keys VALUES ('x', 1)",
    "state 1": "UPDATE states SET attempts = '5; 6'",
}


def full(path: Path) -> SqliteOutbox:
    """Return an outbox with a row in each table."""
    outbox = SqliteOutbox(path)
    outbox.take_in([NewEvent("web", "m1", "r", b'{"userId":"u"}', keys=(7,))], ["shop"], START)
    fence = outbox.lease("shop", "me", START, 10)
    assert fence is not None
    attempt = Attempt(5, 10, "send", "POST", "https://x.example", 1, 400)
    outbox.write("shop", fence, [Change(1, Outcome.REJECTED, "no", attempts="5")], START, [attempt])
    outbox.keep_version("d", "shop", b"{}", START)
    outbox.keep_discards([Discarded("web", START, "bad_request", "r", "", b"7")], {"web": 1}, START)
    return outbox


@pytest.mark.parametrize(("what", "statement"), DAMAGE.items(), ids=DAMAGE)
def test_damage_to_what_is_looked_at_is_found(tmp_path: Path, what: str, statement: str) -> None:
    path = tmp_path / "o.db"
    with closing(full(path)) as outbox:
        outbox.verify()
        outbox._db.execute(statement)
        with pytest.raises(OutboxDamaged) as raised:
            outbox.verify()
    assert str(raised.value) == (
        f"{path} is damaged or not an outbox (impossible values in {what}). It was left unchanged: move it away to "
        f"start a new one, or try to recover its content with: sqlite3 {path} .recover"
    )


UNREADABLE = {
    "attempts = '+'": "",
    "attempts = 'x'": " in state 1",
    "outcome = 'gone'": " in state 1",
    "reports = '{\"event\":7}'": "",
    "reports = 'no'": " in state 1",
}


@pytest.mark.parametrize(("damage", "place"), UNREADABLE.items())
def test_a_search_that_meets_damage_says_so(tmp_path: Path, damage: str, place: str) -> None:
    path = tmp_path / "o.db"
    with closing(full(path)) as outbox:
        outbox._db.execute(f"UPDATE states SET {damage}")
        for look in (outbox.look, OutboxFile(path).look):
            with pytest.raises(OutboxDamaged) as raised:
                look(lambda db: looking.newest(db, Chosen(), 5))
            assert str(raised.value) == (
                f"{path} is damaged or not an outbox (impossible values{place}). It was left unchanged: move it away to "
                f"start a new one, or try to recover its content with: sqlite3 {path} .recover"
            )
