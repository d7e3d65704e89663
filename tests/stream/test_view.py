"""Views: what the streams say as an outbox file, the same for everybody who builds one, and built again when it must."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from engine.archive.catalog import Catalog
from engine.archive.following import GAPS, Follower
from engine.archive.status import behind
from engine.delivery.outbox import looking
from engine.delivery.outbox.attempts import Attempt
from engine.delivery.outbox.base import (
    DUPLICATE,
    NOT_SENT_YET,
    QUEUED_AGAIN,
    Change,
    Chosen,
    Discarded,
    OutboxError,
)
from engine.delivery.outbox.reading import events_behind, followed_place
from engine.delivery.outbox.reports import EventReports
from engine.errors import UsageError
from engine.records import Outcome, Report
from engine.stream.outbox import StreamOutbox, opened_stream
from engine.stream.packs import place_of
from engine.stream.results import ResultBatch
from engine.stream.view_file import VARIABLE, ViewFile, view_file
from engine.stream.view_tables import OUTBOX_TABLES, OWN_TABLES
from engine.stream.viewing import lock
from tests.stream.events import event
from tests.stream.worker import Worker

Opening = Callable[..., StreamOutbox]


@pytest.fixture(autouse=True)
def every_question_reads_the_streams(monkeypatch) -> None:
    monkeypatch.setattr("engine.stream.outbox.FRESH", 0.0)


@pytest.fixture
def opening(new_address, tmp_path: Path) -> Iterator[Callable]:
    """Return what opens the outbox of one address, with a view of its own for each name."""
    address = new_address(partitions=2)

    @contextmanager
    def opened(view: str = "view", notes: list[str] | None = None) -> Iterator[StreamOutbox]:
        environ = {VARIABLE: str(tmp_path / view)}
        with opened_stream(address, environ, create=True, note=(notes or []).append) as outbox:
            yield outbox

    opened.address, opened.folder = address, tmp_path
    return opened


def worker_of(outbox: StreamOutbox) -> Worker:
    return Worker(outbox._client, outbox._layout)


def numbers(outbox: StreamOutbox, connection: str = "shop") -> list[int]:
    return [row.event for row in outbox.listed(Chosen(connection), 0, 100)]


def seen(outbox: StreamOutbox, connection: str = "shop") -> dict[str, tuple[Outcome, str]]:
    return {row.message_id: (row.outcome, row.reason) for row in outbox.listed(Chosen(connection), 0, 100)}


def content(file: Path) -> dict[str, list]:
    """Return all rows of a view, by table.

    Not how many events ended lately: what ended before it was queued again is counted by who looked in between. And
    not which copies there are, which a new view knows better.
    """
    with closing(sqlite3.connect(file)) as db:
        tables = [each for each in (*OUTBOX_TABLES, *OWN_TABLES) if each not in ("ended", "view_asides")]
        return {table: sorted(db.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}


def lively(outbox: StreamOutbox) -> None:
    """Let everything happen that streams can say, with questions in between, so that a view reads it bit by bit."""
    events = [event(number, userId=f"u{number}") for number in range(6)]
    outbox.take_in(events[:3], ["shop", "crm"], 0)
    worker, first = worker_of(outbox), numbers(outbox)
    worker.batch("shop", ResultBatch(takeover="one"))
    refused = Change(first[0], Outcome.REJECTED, "refused", "no", digest="d", progress="{}", attempts="7")
    worker.copy("shop", events[0], refused)
    worker.write("shop", [refused], [Attempt(7, 12, "order", "POST", "https://x.test", 1, 400, refused=True)])
    worker.write(
        "shop", [Change(first[1], Outcome.WAITING, "busy", tried_at=5.0), Change(first[2], Outcome.DELIVERED, "")]
    )
    assert seen(outbox)["m1"] == (Outcome.WAITING, "busy")
    outbox.replay([row.place for row in outbox.listed(Chosen("shop", (Outcome.REJECTED,)), 0, 9)], QUEUED_AGAIN, 0)
    outbox.take_in([events[0], *events[3:]], ["shop"], 0)
    [again] = [row for row in outbox.listed(Chosen("shop"), 0, 100) if row.reason == QUEUED_AGAIN]
    worker.write("shop", [Change(again.place >> 10, Outcome.DELIVERED, "")])
    worker.write("shop", [Change(numbers(outbox)[-1], Outcome.IGNORED, DUPLICATE)])
    outbox.hold("crm", "the vendor answered 401", "Check the key.", 3.0)
    outbox.keep_version("d", "exponea", b"files", 0)
    outbox.keep_discards([Discarded("web", 4.0, "code", "why", "m9", b"{}")], {"web": 2}, 1000.0)
    outbox.last_place()


def test_a_view_that_is_built_at_once_is_the_one_that_followed(opening) -> None:
    with opening("followed") as outbox:
        lively(outbox)
        with opening("new") as other:
            other.last_place()
            assert content(other.file) == content(outbox.file)
            assert seen(other) == seen(outbox)


def test_a_view_shows_what_the_streams_say(opening) -> None:
    with opening() as outbox:
        lively(outbox)
        found = seen(outbox)
        assert found["m0"] in ((Outcome.DELIVERED, ""), (Outcome.WAITING, NOT_SENT_YET), (Outcome.IGNORED, DUPLICATE))
        assert found["m2"] == (Outcome.DELIVERED, "")
        assert outbox.counts()["crm", Outcome.HELD] == 3
        assert outbox.connections("crm")[0][:4] == ("crm", "the vendor answered 401", "Check the key.", 3.0)
        assert [row.owner for row in outbox.connections() if row.name == "shop"] == ["one"]
        assert outbox.version_files("d") == ("exponea", b"files")
        [group] = outbox.look(lambda db: looking.discard_groups(db, 9))
        assert (group.source, group.code, group.reason, group.events) == ("web", "code", "why", 1)
        [attempt] = outbox.look(lambda db: looking.attempts_of(db, "shop", [7]))
        assert (attempt.url, attempt.status, attempt.refused) == ("https://x.test", 400, True)


def test_an_event_has_the_number_of_its_pack_and_its_place_there(opening) -> None:
    given = event(1, userId="ada")._replace(reports=(Report("id-converted", "userId", "it was a number"),))
    with opening() as outbox:
        outbox.take_in([given, event(2)], ["shop"], 0)
        assert [place_of(number) for number in numbers(outbox)] == [(1, 0), (1, 1)]
        assert outbox.event(64) == given
        [row] = outbox.listed(Chosen(user="ADA"), 0, 9)
        assert (row.message_id, row.outcome, row.reason) == ("m1", Outcome.WAITING, NOT_SENT_YET)


def test_what_is_queued_again_keeps_its_number_and_what_was_accepted(opening) -> None:
    with opening() as outbox:
        outbox.take_in([event(1), event(2)], ["shop", "crm"], 0)
        worker, [first, _] = worker_of(outbox), numbers(outbox)
        worker.reject("shop", event(1), Change(first, Outcome.REJECTED, "no", digest="d", progress="{}", attempts="7"))
        [row] = outbox.listed(Chosen(outcomes=(Outcome.REJECTED,)), 0, 9)
        assert outbox.replay([row.place], QUEUED_AGAIN, 0) == 1
        assert outbox.replay([row.place], QUEUED_AGAIN, 0) == 0, "what waits is not queued twice"
        last = outbox.listed(Chosen("shop"), 0, 9)[-1]
        assert (last.event, last.reason, last.place > row.place) == (first, QUEUED_AGAIN, True)
        [waiting] = outbox.stored_at([last.place])
        assert (waiting.progress, waiting.digest, waiting.attempts, waiting.replayed) == ("{}", "d", "7", True)
        [pack] = outbox._client.call(outbox._client.read(outbox._layout.events, "*.events.*", 1, 9))
        assert orjson.loads(pack.data.partition(b"\n")[0])["replayed"] == [first]
        copies = outbox._client.call(outbox._client.read(outbox._layout.set_aside, ">", 0, 9))
        assert copies == [], "the new pack has the event now"


def test_two_people_who_queue_the_same_again_queue_it_once(opening) -> None:
    with opening("one") as one, opening("two") as two:
        one.take_in([event(1)], ["shop"], 0)
        worker_of(one).write("shop", [Change(numbers(one)[0], Outcome.DELIVERED, "")])
        [place] = [row.place for row in two.listed(Chosen(), 0, 9)]
        one.catch_up()
        one._fresh_until = two._fresh_until = float("inf")  # both have looked before either of them acts
        assert [each.replay([place], QUEUED_AGAIN, 0) for each in (one, two)] == [1, 1]
        assert len(one._client.call(one._client.read(one._layout.events, ">", 0, 9))) == 2


def test_what_was_set_aside_is_there_when_its_pack_and_its_result_are_gone(opening) -> None:
    with opening("old") as outbox:
        outbox.take_in([event(1), event(2)], ["shop"], 0)
        worker, found = worker_of(outbox), numbers(outbox)
        report = EventReports((), (Report("not-converted", "total", "it was left out"),))
        refused = Change(found[0], Outcome.INVALID, "no total", digest="d", reports=report)
        worker.reject("shop", event(1), refused)
        worker.write("shop", [Change(found[1], Outcome.DELIVERED, "")])
        for stream in (outbox._layout.events, outbox._layout.results):
            worker.forget(stream)
        with opening("new") as other:
            assert seen(other) == {"m1": (Outcome.INVALID, "no total")}
            [row] = other.listed(Chosen(), 0, 9)
            assert (row.event, row.reports) == (found[0], report)
            assert other.replay([row.place], QUEUED_AGAIN, 0) == 1
            assert seen(other) == {"m1": (Outcome.WAITING, QUEUED_AGAIN)}
            assert [row.event for row in other.listed(Chosen(), 0, 9)] == found[:1]


def test_a_copy_whose_result_was_never_written_is_no_outcome(opening) -> None:
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        worker = worker_of(outbox)
        worker.copy("shop", event(1), Change(numbers(outbox)[0], Outcome.REJECTED, "no"))
        assert seen(outbox) == {"m1": (Outcome.WAITING, NOT_SENT_YET)}


def test_a_result_of_an_event_that_is_gone_is_skipped(opening) -> None:
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        worker = worker_of(outbox)
        worker.write("shop", [Change(64 * 99, Outcome.DELIVERED, ""), Change(64, Outcome.DELIVERED, "sent")])
        worker.write("shop", [Change(64, Outcome.REJECTED, "too late")])
        assert seen(outbox) == {"m1": (Outcome.DELIVERED, "sent")}


def test_what_the_stream_no_longer_has_leaves_the_view(opening) -> None:
    with opening() as outbox:
        outbox.take_in([event(1), event(2)], ["shop"], 0)
        worker, found = worker_of(outbox), numbers(outbox)
        worker.reject("shop", event(1), Change(found[0], Outcome.REJECTED, "no"))
        worker.write("shop", [Change(found[1], Outcome.DELIVERED, "")])
        assert len(seen(outbox)) == 2
        worker.forget(outbox._layout.events)
    with opening() as outbox:
        assert seen(outbox) == {"m1": (Outcome.REJECTED, "no")}
        assert outbox.event(found[1]) is None


def test_a_purge_reaches_every_view_and_removes_the_copies(opening) -> None:
    with opening("one") as one, opening("two") as two:
        one.take_in([event(1), event(2), event(3)], ["shop"], 0)
        worker, found = worker_of(one), numbers(one)
        worker.reject("shop", event(1), Change(found[0], Outcome.REJECTED, "no"))
        worker.write("shop", [Change(found[1], Outcome.DELIVERED, "")])
        assert len(seen(two)) == 3
        chosen = (Outcome.REJECTED,)
        assert one.purgeable(2e9, chosen) == one.purge(2e9, chosen) == ({Outcome.REJECTED: 1}, 1)
        assert list(seen(one)) == list(seen(two)) == ["m2", "m3"]
        with opening("three") as three:
            assert list(seen(three)) == ["m2", "m3"]
        assert one._client.call(one._client.read(one._layout.set_aside, ">", 0, 9)) == []


def test_streams_that_were_made_again_have_a_view_of_their_own(opening) -> None:
    notes: list[str] = []
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        assert len(seen(outbox)) == 1
        outbox._client.call(outbox._client.api(f"STREAM.DELETE.{outbox._layout.events}"))
    with opening() as outbox:
        outbox._view._follower._note = notes.append
        outbox.take_in([event(2)], ["shop"], 0)
        assert list(seen(outbox)) == ["m2"]
    assert notes == [
        f"The view {opening.folder / 'view'} is of other streams, or of another release: it is built anew."
    ]


def test_a_view_of_another_release_is_built_anew(opening) -> None:
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        expected = seen(outbox)
        with closing(sqlite3.connect(outbox.file, isolation_level=None)) as db:
            db.execute("UPDATE view_of SET identity = replace(identity, 'format=', 'format=0.')")
            db.execute("DELETE FROM states")
        assert seen(outbox) == expected


@pytest.mark.parametrize("damage", [b"no database at all" * 400, b"SQLite format 3\0" + b"\xff" * 20_000, b"\0"])
def test_a_damaged_view_is_built_anew_with_one_line(opening, damage) -> None:
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        expected, file = seen(outbox), outbox.file
    file.write_bytes(damage)
    Path(f"{file}-wal").unlink(missing_ok=True)
    notes: list[str] = []
    environ = {VARIABLE: str(file)}
    with opened_stream(opening.address, environ, note=notes.append) as outbox:
        assert seen(outbox) == expected
    [line] = notes
    assert line.startswith(f"The view {file} cannot be used (")
    assert line.endswith("): it is built anew.")


def test_a_file_that_is_no_view_is_left_alone(opening) -> None:
    file = opening.folder / "mine.db"
    file.write_text("a diary")
    with pytest.raises(UsageError) as raised, opened_stream(opening.address, {VARIABLE: str(file)}, create=True):
        pass
    assert str(raised.value) == (
        f"{file} is not a view of streams, so it was left unchanged. A view is made again whenever it is needed: name "
        "a file that does not exist yet with WAYBILL_VIEW."
    )
    assert file.read_text() == "a diary"


def test_a_view_that_another_process_brings_up_to_date_is_read_as_it_is(opening) -> None:
    notes: list[str] = []
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        assert len(seen(outbox)) == 1
        outbox.take_in([event(2)], ["shop"], 0)
        outbox._view._follower._note, outbox._view._follower._patience = notes.append, 0.0
        with lock(outbox.file, 0) as mine:
            assert mine
            assert list(seen(outbox)) == ["m1"]
        assert list(seen(outbox)) == ["m1", "m2"]
        with closing(sqlite3.connect(outbox.file, isolation_level=None)) as db:
            db.execute("UPDATE view_of SET complete = 0")
        with (
            lock(outbox.file, 0),
            pytest.raises(OutboxError, match=r"^Another process is building the view .*: try again"),
        ):
            outbox.last_place()
    assert notes == [
        f"Another process is still bringing the view {outbox.file} up to date: what follows may lack the latest events."
    ]


def test_an_archive_follows_a_view_and_counts_what_was_gone_before(opening) -> None:
    with opening("old") as outbox, Catalog.open(opening.folder / "archive", create=True) as catalog:
        outbox.take_in([event(1), event(2)], ["shop"], 0)
        for number in (3, 4):
            outbox.take_in([event(number)], ["shop"], 0)
        outbox.last_place()
        file = outbox.file
        assert events_behind(file, 0) == 4
        assert Follower(file, catalog).step().events == 4
        assert (behind(catalog, file), catalog.get(GAPS)) == (0, None)
        for number in (5, 6):
            outbox.take_in([event(number)], ["shop"], 0)
        outbox._client.call(outbox._client.api(f"STREAM.MSG.DELETE.{outbox._layout.events}", {"seq": 4}))
        outbox.last_place()
        assert behind(catalog, file) == 1
        assert Follower(file, catalog).step().events == 1
        assert catalog.get(GAPS) == "1"


def test_a_view_that_is_being_built_is_not_followed(opening) -> None:
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        outbox.last_place()
        with closing(sqlite3.connect(outbox.file, isolation_level=None)) as db:
            db.execute("UPDATE view_of SET complete = 0")
        with pytest.raises(OutboxError) as raised:
            followed_place(outbox.file, 64)
        assert str(raised.value) == (
            f"The view {outbox.file} is being built; it can be followed once all of the streams was read."
        )
        outbox.last_place()
        assert followed_place(outbox.file, 64) == ("m1", 64)


HOSTILE = [
    pytest.param("events_subject", (0,), b"\xff\0", {}, "was not written by waybill", id="no pack"),
    pytest.param("events_subject", (0,), b"{}", {"Waybill-Format": "1", "Waybill-Ids": "AAAAAAAAAAA="}, "no pack of events", id="an empty pack"),
    pytest.param("results_subject", (0, "shop"), b"[]", {"Waybill-Format": "1"}, "no results of a worker", id="no results"),
    pytest.param("discards_subject", ("web",), b"7", {"Waybill-Format": "1"}, "no list of discarded events", id="no discards"),
    pytest.param("state_subject", ("purged", "all"), b"[1]", {}, "says nothing of what was removed", id="no purge"),
    pytest.param("set_aside_subject", ("shop", 0), b"x", {"Waybill-Format": "1"}, "no pack of events", id="no copy"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "names", "body", "headers", "text"), HOSTILE)
def test_a_message_of_somebody_else_is_noted_and_the_rest_is_shown(
    opening, subject, names, body, headers, text
) -> None:
    notes: list[str] = []
    with opening() as outbox:
        outbox._view._follower._note = notes.append
        seq = worker_of(outbox).publish(target := getattr(outbox._layout, subject)(*names), body, headers)
        outbox.take_in([event(1)], ["shop"], 0)
        assert seen(outbox) == {"m1": (Outcome.WAITING, NOT_SENT_YET)}
    [line] = notes
    assert text in line
    assert line.endswith(f" It is message {seq} of {target}, and is not shown.")


def test_a_message_of_a_newer_release_stops_the_view_there(opening) -> None:
    with opening() as outbox:
        worker_of(outbox).publish(outbox._layout.events_subject(0), b"{}", {"Waybill-Format": "2"})
        outbox.take_in([event(1)], ["shop"], 0)
        with pytest.raises(OutboxError, match=r'^A message of the stream has the format "2", this release reads "1"'):
            seen(outbox)


def test_what_only_workers_do_is_refused(opening) -> None:
    with opening() as outbox:
        path = outbox.path
        for call in (lambda: outbox.lease("a", "w", 0, 1), lambda: outbox.write("a", 1, [], 0)):
            with pytest.raises(OutboxError) as raised:
                call()
            assert (
                str(raised.value)
                == f"{path} is an outbox on streams: only the workers of `engine serve` deliver from it."
            )
        with pytest.raises(OutboxError, match=r"whose events leave with their age"):
            outbox.change(lambda db: None)


def test_where_a_view_is(new_address) -> None:
    address = new_address()
    found = view_file(address, {"XDG_CACHE_HOME": "/cache"})
    assert found == view_file(address._replace(partitions=3), {"XDG_CACHE_HOME": "/cache"})
    assert found.parent == Path("/cache/waybill/views")
    assert found.name.startswith(f"{address.name}-")
    assert view_file(address, {"HOME": "/home/ada"}).parent == Path("/home/ada/.cache/waybill/views")
    assert view_file(address, {VARIABLE: "/v.db", "HOME": "/home/ada"}) == Path("/v.db")


@pytest.mark.parametrize("end", ["", "-wal", ".lock"])
def test_nothing_is_written_through_a_link(tmp_path: Path, end: str) -> None:
    (target := tmp_path / "elsewhere").write_bytes(b"")
    (link := tmp_path / f"view{end}").symlink_to(target)
    with pytest.raises(UsageError) as raised, ViewFile.opened(tmp_path / "view", None, None):
        pass
    assert str(raised.value) == (
        f"{link} is a link, or belongs to another user, so nothing is written there: a view has the events of the "
        "streams in it. Name a file of your own with WAYBILL_VIEW."
    )
    assert target.read_bytes() == b""


def test_a_folder_in_which_everybody_may_write_is_no_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(UsageError) as raised, ViewFile.opened(tmp_path / "view", None, None):
        pass
    assert str(raised.value) == (
        f"Everybody may write to the folder {tmp_path}, so it is no place for a view, which has the events of the "
        "streams in it. Take that permission away (chmod o-w), or name another file with WAYBILL_VIEW."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_view_is_for_its_owner_alone(opening) -> None:
    with opening() as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        outbox.last_place()
        assert {each.name: oct(each.stat().st_mode & 0o777) for each in opening.folder.glob("view*")} == dict.fromkeys(
            ("view", "view-wal", "view-shm", "view.lock"), "0o600"
        )
