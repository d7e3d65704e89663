"""What the Events page reads of its address and form, its pages and tail, and values that fold: without HTTP."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path

import pytest

from engine.console.folding import DEEPEST, LONGEST_TEXT, MOST_MEMBERS, MOST_NODES, FoldedValue, fold, hides
from engine.console.searching import (
    MOST_PERSONS,
    UNKNOWN_PERSON,
    SearchedPersons,
    aliases_of,
    read_before,
    read_search,
    read_tail,
)
from engine.delivery.outbox.base import Chosen
from engine.delivery.outbox.looking import PageEnd
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from tests.console.event_seeding import NOW, new_event

LONG = "x" * 501
TIME = "This is not a time: write how long ago (30m, 2h, 7d) or a date such as 2026-01-31T12:00:00Z."


def persons() -> SearchedPersons:
    numbers = count(1)
    return SearchedPersons(lambda: f"p{next(numbers)}")


def test_a_search_is_read() -> None:
    known = persons()
    pairs = [("user", " Ada "), ("name", "Order Completed"), ("call", "track"), ("connection", "shop"), ("since", "2h")]
    pairs += [("outcome", "rejected"), ("outcome", "invalid"), ("reason", "e-mail"), ("id", "m1"), ("csrf", "secret")]
    found = read_search(pairs, known, NOW)
    outcomes = (Outcome.REJECTED, Outcome.INVALID)
    assert found.chosen == Chosen("shop", outcomes, NOW - 7200, "m1", None, "Ada", "Order Completed", "track", "e-mail")
    query = (
        "name=Order+Completed&call=track&connection=shop&reason=e-mail&id=m1&since=2h&outcome=rejected&outcome=invalid"
    )
    assert found.query() == f"{query}&person=p1"
    assert found.query(before="1-2") == f"{query}&person=p1&before=1-2"
    assert read_search([("person", "p1")], known, NOW).chosen == Chosen(user="Ada")


@pytest.mark.parametrize(
    ("pair", "field", "problem"),
    [
        (("since", "soon"), "since", TIME),
        (("until", "2026-99-99"), "until", TIME),
        (("user", LONG), "user", "This has more than 500 characters; shorten it."),
        (("name", LONG), "name", "This has more than 500 characters; shorten it."),
        (("since", LONG), "since", "This has more than 500 characters; shorten it."),
        (
            ("call", "buy"),
            "call",
            "There is no such type of call; it is one of identify, track, page, screen, group, alias, delete.",
        ),
        (
            ("outcome", "lost"),
            "outcome",
            "There is no such outcome; it is one of waiting, held, delivered, rejected, invalid, ignored.",
        ),
        (("person", "gone"), "user", UNKNOWN_PERSON),
    ],
)
def test_what_is_wrong_with_a_search(pair: tuple[str, str], field: str, problem: str) -> None:
    assert read_search([pair], persons(), NOW).problems == {field: problem}


def test_the_latest_persons_are_remembered() -> None:
    known = persons()
    for number in range(MOST_PERSONS + 1):
        known.token(f"person {number}")
    assert known.find("p1") is None
    assert known.find(f"p{MOST_PERSONS + 1}") == f"person {MOST_PERSONS}"
    assert known.token("person 5") == "p6"


@pytest.mark.parametrize(
    ("text", "place"),
    [("12-34", PageEnd(12, 34)), ("", None), ("12", None), ("-3", None), ("1-2-3", None), ("1-" + "9" * 20, None)],
)
def test_where_a_page_begins(text: str, place: PageEnd | None) -> None:
    assert read_before(text) == place


def test_a_tail_shows_the_latest_and_counts_the_others(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db")
    for second in range(3):
        events = [new_event({"type": "track", "event": f"E{second}"}, f"{second}.{each}") for each in range(100)]
        outbox.take_in(events, ["shop", "crm"], NOW + second)
    outbox.close()
    look = OutboxFile(tmp_path / "outbox.db").look
    found = look(lambda db: read_tail(db, Chosen(connection="crm"), NOW + 1, NOW + 2, 20))
    assert ({row.name for row in found.rows}, {row.connection for row in found.rows}) == ({"E1"}, {"crm"})
    assert (len(found.rows), found.changed) == (20, 100)
    assert [row.event for row in found.rows] == sorted((row.event for row in found.rows), reverse=True)
    both = look(lambda db: read_tail(db, Chosen(name="E2"), NOW, NOW + 3, 20))
    assert both.changed == 200
    assert look(lambda db: read_tail(db, Chosen(connection="nothing"), NOW, NOW + 3, 20)).changed == 0


def test_a_person_is_found_by_the_other_ids_it_has(tmp_path: Path) -> None:
    known = {"type": "identify", "traits": {"email": "Ada@example.com"}}
    events = [{**known, "userId": "ada"}, {"type": "track", "event": "Order", "userId": "ada"}]
    events += [{"type": "group", "groupId": "all", "userId": f"u{number}"} for number in range(4)]
    outbox = SqliteOutbox(tmp_path / "outbox.db")
    outbox.take_in([new_event(each, number) for number, each in enumerate(events)], ["shop"], NOW)
    outbox.close()
    look = OutboxFile(tmp_path / "outbox.db").look
    found = {each: look(partial(aliases_of, user=each)) for each in ("ada@EXAMPLE.com", "ADA", "all", "", "nobody")}
    assert found == {"ada@EXAMPLE.com": ("ada",), "ADA": (), "all": (), "": (), "nobody": ()}


def nodes(tree: FoldedValue) -> int:
    return 1 + sum(map(nodes, tree.members))


def depth(tree: FoldedValue) -> int:
    return 1 + max(map(depth, tree.members), default=0)


def test_a_value_folds() -> None:
    tree = fold({"a": [1, "x", None], "b.c": {}})
    assert [(each.path, each.kind, each.size) for each in tree.members] == [("a", "list", 3), ('["b.c"]', "object", 0)]
    assert [(each.path, each.kind, each.text) for each in tree.members[0].members] == [
        ("a[0]", "number", "1"),
        ("a[1]", "text", "x"),
        ("a[2]", "word", "null"),
    ]
    assert not hides(tree)


def test_a_large_value_is_cut() -> None:
    wide = fold({f"k{number}": number for number in range(10_000)})
    assert (len(wide.members), wide.hidden) == (MOST_MEMBERS, 10_000 - MOST_MEMBERS)
    text = fold(["x" * 1_000_000]).members[0]
    assert (len(text.text), text.hidden) == (LONGEST_TEXT, 1_000_000 - LONGEST_TEXT)
    many = fold([[[0] * 100] * 100] * 100)
    assert nodes(many) <= MOST_NODES + 3
    assert hides(many)
    deep: object = 1
    for _ in range(500):
        deep = {"a" * 10_000: deep}
    tree = fold(deep)  # type: ignore[arg-type]
    assert depth(tree) == DEEPEST + 1
    assert hides(tree)
