"""From an outbox to its archive: each event once, without a hole, also across erasures, full disks and other outboxes."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from engine.archive import following
from engine.archive.catalog import Catalog
from engine.archive.following import Followed, Follower
from engine.archive.status import archive_status, behind, followed_outboxes
from tests.archive.made import NOW, event, files, ids, stored


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def test_what_comes_in_is_archived_once(outbox: Path, tmp_path: Path) -> None:
    stored(outbox, event(1), event(2))
    with Catalog.open(tmp_path / "a", create=True) as catalog:
        follower = Follower(outbox, catalog, lambda: NOW)
        assert behind(catalog, outbox) == 2
        assert [follower.step(), follower.step()] == [Followed(2, more=False), Followed(0, more=False)]
        stored(outbox, event(3))
        assert behind(catalog, outbox) == 1
        assert Follower(outbox, catalog, lambda: NOW).step() == Followed(1, more=False)
        assert (ids(catalog), behind(catalog, outbox)) == (["m1", "m2", "m3"], 0)
        assert followed_outboxes(catalog) == [outbox.resolve()]


def test_batches_have_limits(outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(outbox, *map(event, range(1, 6)))
    monkeypatch.setattr(following, "MOST_EVENTS", 2)
    with Catalog.open(tmp_path / "a", create=True) as catalog:
        follower = Follower(outbox, catalog, lambda: NOW)
        assert [follower.step() for _ in range(3)] == [
            Followed(2, more=True),
            Followed(2, more=True),
            Followed(1, more=False),
        ]
        monkeypatch.setattr(following, "MOST_BYTES", 1)
        stored(outbox, event(6), event(7))
        assert [follower.step() for _ in range(2)] == [Followed(1, more=True), Followed(1, more=True)]
        assert ids(catalog) == [f"m{number}" for number in range(1, 8)]


@pytest.mark.parametrize("source", ["audiences", "deletion"])
def test_the_engines_own_events_are_not_archived(source: str, outbox: Path, tmp_path: Path) -> None:
    stored(outbox, event(1), event(2), source=source)
    with Catalog.open(tmp_path / "a", create=True) as catalog:
        assert Follower(outbox, catalog, lambda: NOW).step() == Followed(2, more=False)
        assert (ids(catalog), behind(catalog, outbox)) == ([], 0)


def test_events_that_left_the_outbox_are_counted(outbox: Path, tmp_path: Path) -> None:
    stored(outbox, event(1))
    with Catalog.open(tmp_path / "a", create=True) as catalog:
        follower = Follower(outbox, catalog, lambda: NOW)
        follower.step()
        stored(outbox, event(2), event(3), event(4), keep=1)
        assert follower.step() == Followed(1, more=False)
        assert (ids(catalog), archive_status(catalog).gaps) == (["m1", "m4"], 2)


def test_an_archive_that_begins_later_has_no_gap(outbox: Path, tmp_path: Path) -> None:
    stored(outbox, event(1), event(2), keep=1)
    with Catalog.open(tmp_path / "a", create=True) as catalog:
        Follower(outbox, catalog, lambda: NOW).step()
        assert (ids(catalog), archive_status(catalog).gaps) == (["m2"], 0)


@pytest.mark.parametrize("count", [1, 3], ids=["fewer events", "more events"])
def test_another_outbox_at_the_same_path_is_archived_from_its_beginning(
    count: int, outbox: Path, tmp_path: Path
) -> None:
    stored(outbox, event(1), event(2))
    with Catalog.open(tmp_path / "a", create=True) as catalog:
        follower = Follower(outbox, catalog, lambda: NOW)
        follower.step()
        outbox.unlink()
        stored(outbox, *map(event, range(11, 11 + count)))
        assert follower.step() == Followed(count, more=False)
        assert ids(catalog) == ["m1", "m2", *(f"m{number}" for number in range(11, 11 + count))]


def test_an_erasure_while_a_batch_is_written_reads_it_again(outbox: Path, tmp_path: Path) -> None:
    stored(outbox, event(1), event(2))
    with Catalog.open(tmp_path / "a", create=True) as catalog, Catalog.open(tmp_path / "a") as other:
        erasing = [True]

        def erase(step: str) -> None:
            if step == "renamed" and erasing:
                erasing.clear()
                stored(outbox, keep=1)  # removes the event of u1
                other.replace([], [], NOW, erased=True)

        follower = Follower(outbox, catalog, lambda: NOW, reached=erase)
        assert [follower.step(), follower.step()] == [Followed(0, more=True), Followed(1, more=False)]
        assert (ids(catalog), len(files(tmp_path / "a"))) == (["m2"], 1)


def test_a_full_disk_is_waited_for(
    outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored(outbox, event(1))
    left = [1, 2]
    stop = threading.Event()

    def refuse(step: str) -> None:
        if step == "written" and left:
            left.pop()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    waits: list[float] = []
    monkeypatch.setattr(stop, "wait", waits.append)
    caplog.set_level("INFO", "waybill.archive")
    with Catalog.open(tmp_path / "a", create=True) as catalog:
        Follower(outbox, catalog, lambda: NOW, reached=refuse).run(stop, maintain=stop.set)
        assert ids(catalog) == ["m1"]
    assert waits == [1.0, 2.0, 5.0]
    assert [(each.message, getattr(each, "fields", {}).get("reason")) for each in caplog.records] == [
        ("archive follows the outbox", None),
        ("archive waits", f"No space left on the disk of {tmp_path / 'a'}. The archive is whole; free some space."),
        ("archive goes on", None),
    ]
