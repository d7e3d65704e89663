"""Persons leave the state of audiences: who was sent, what is still to be sent, and words that name them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.audiences.changes import CHANGE_COLUMNS, COLUMNS, packs, write_columns
from engine.audiences.erasing import erase
from engine.audiences.state import DONE, FAILED, SENDING, AudienceState, Run, SeenDefinition, SyncBusy
from engine.events.persons import PersonIds
from tests.archive.test_erasing import on_disk

NOW = 1_796_000_000.0
HANNA = PersonIds(frozenset({"hanna"}), frozenset({"phone-7"}), frozenset({"hanna@example.com"}))
ROWS = [
    ("hanna", "hanna", None, None, "u:hanna", "true"),
    ("bob", "bob", None, "bob@example.com", "t:bob@example.com", "true"),
    ("phone-7", None, "phone-7", None, "a:phone-7", "true"),
    ("carl", "carl", None, " Hanna@Example.com", "t:hanna@example.com", "true"),
    ("phone-77", None, "phone-77", None, "a:phone-77", "true"),
    ("hanna2", "hanna2", None, None, "u:hanna2", "true"),
    ("hanna", "hanna", None, None, "u:hanna", "true"),
]
STAY = [row for row in ROWS if row[0] in ("bob", "phone-77", "hanna2")]


@pytest.fixture
def state(tmp_path: Path):
    state = AudienceState(tmp_path / "audiences")
    state.see([SeenDefinition("buyers", "audience", "Buyers", "d", NOW, ("extole",), None, None)], NOW)
    yield state
    state.close()


def columns(rows: list) -> list:
    return [list(values) for values in zip(*rows, strict=True)]


def rows_of(path: Path) -> list:
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def changes(state: AudienceState, run: Run) -> None:
    from engine.audiences.changes import _numbered, _numbered_schema, write

    path = state.file("changes", run.key, run.number)
    table = [("all", "entered", *row) for row in ROWS]
    write_columns(path, CHANGE_COLUMNS[1:], columns(table))
    found = pq.read_table(path)
    write(path, _numbered_schema(found.schema), _numbered(found.to_reader()))


def test_who_was_sent_and_who_is_still_to_be_sent(state: AudienceState) -> None:
    done = state.begin("buyers", "d", NOW, NOW)
    state.note(done._replace(state=DONE, sent_run=done.number, size=6))
    write_columns(state.file("sent", "buyers", done.number), COLUMNS, columns(ROWS))
    run = state.begin("buyers", "d", NOW, NOW)
    state.note(run._replace(state=SENDING, total=len(ROWS), fed=1))
    for kind in ("members", "sent"):
        write_columns(state.file(kind, "buyers", run.number), COLUMNS, columns(ROWS))
    write_columns(state.file("merged", "buyers", run.number), ["id"], [["hanna", "x"]])
    changes(state, run)
    left = state.directory / "buyers" / ".sent-9.parquet.tmp"
    left.write_bytes(b"hanna")

    assert erase(state.directory, HANNA) == 4
    assert rows_of(state.file("sent", "buyers", done.number)) == STAY
    assert rows_of(state.file("sent", "buyers", run.number)) == STAY
    assert rows_of(state.file("merged", "buyers", run.number)) == [("x",)]
    # What is fed keeps its ordinal, so that its messageId stays the same; the run ends after the last of them.
    [pack] = packs(state.file("changes", "buyers", run.number), 0)
    assert [(each.ordinal, each.person_id) for each in pack] == [(1, "bob"), (4, "phone-77"), (5, "hanna2")]
    assert (state.run(run.number).total, state.run(run.number).fed) == (6, 1)
    on_it = on_disk(state.directory).replace(b"hanna2", b"").replace(b"phone-77", b"")
    assert [each for each in (b"hanna", b"Hanna", b"phone-7") if each in on_it] == []
    assert erase(state.directory, HANNA) == 0


def test_a_run_that_had_only_the_person_ends(state: AudienceState) -> None:
    run = state.begin("buyers", "d", NOW, NOW)
    state.note(run._replace(state=SENDING, total=len(ROWS), fed=6))
    changes(state, run)
    erase(state.directory, HANNA)
    assert state.run(run.number).total == 6


def test_words_of_a_run_that_name_a_person(state: AudienceState) -> None:
    messages = ["no number: 'Hanna@example.com' (line 3)", "user hanna", "hanna2 is fine", ""]
    for message in messages:
        run = state.begin("buyers", "d", NOW, NOW)
        state.note(run._replace(state=FAILED, message=message))
    erase(state.directory, HANNA)
    assert [run.message for run in state.runs("buyers")] == ["", "hanna2 is fine", "(deleted)", "(deleted)"]


def test_a_sync_that_is_under_way_ends_first(state: AudienceState) -> None:
    with state.lock(), pytest.raises(SyncBusy, match="Another process is syncing audiences"):
        erase(state.directory, HANNA, patience=0.0)


def test_an_archive_without_audiences(tmp_path: Path) -> None:
    assert erase(tmp_path / "audiences", HANNA) == 0
    assert not (tmp_path / "audiences").exists()
