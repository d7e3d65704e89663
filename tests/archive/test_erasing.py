"""Persons leave an archive: their rows, their IDs in rows of others, and the files that had them, at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from engine.archive.catalog import ArchiveBusy, Catalog
from engine.archive.compacting import compact
from engine.archive.erasing import Erased, erase
from engine.archive.following import Follower
from engine.archive.queries import opened
from engine.archive.writing import write
from engine.events.persons import PersonIds
from tests.archive.made import NOW, TODAY, archived, files, filled, ids, row, stored
from tests.archive.made import event as raw

ANNIKA = PersonIds(
    frozenset({"annika", "annika-old"}), frozenset({"phone", "tablet"}), frozenset({"annika@example.com", "none"})
)
HERS = {
    "her call": {"userId": "annika"},
    "on her device before": {"userId": None, "anonymousId": "phone"},
    "merged into her": {"type": "alias", "userId": "annika", "previousId": "x"},
    "she, merged into another": {"type": "alias", "userId": "bob", "previousId": "annika-old"},
    "her device, merged into another": {"type": "alias", "userId": "bob", "previousId": "tablet"},
}
OTHERS = {
    "an ID that begins like hers": {"userId": "annika2"},
    "her ID in other letters": {"userId": "Annika"},
    "her anonymousId as a userId": {"userId": "phone"},
    "her userId as an anonymousId": {"userId": None, "anonymousId": "annika"},
    "her ID as a property": {"userId": "bob", "properties": {"friend": "annika"}},
    "her email inside a text": {"userId": "bob", "properties": {"text": "mail annika@example.com.de"}},
    "a word that is no email": {"userId": "bob", "properties": {"email": "none"}},
}
MASKED = {
    "another on her device": ({"userId": "bob", "anonymousId": "phone"}, {"anonymous_id": None}),
    "her email": ({"userId": "bob", "traits": {"by": "annika@example.com"}}, {"traits": '{"by":"(deleted)"}'}),
    "in other letters": ({"userId": "bob", "properties": {"a": ["Annika@Example.com"]}}, {"properties": '{"a":["(deleted)"]}'}),
    "beside another": (
        {"userId": "bob", "context": {"to": "x@y.example", "cc": [{"annika@example.com": "annika@example.com"}]}},
        {"context": '{"to":"x@y.example","cc":[{"(deleted)":"(deleted)"}]}'},
    ),
    "in a field of its own": ({"userId": "bob", "asked": "annika@example.com"}, {"other": '{"asked":"(deleted)"}'}),
}  # fmt: skip


def without_users(fields: dict) -> dict:
    return {name: value for name, value in fields.items() if value is not None}


def rows_of(cases: dict) -> list:
    events = [raw(number, **each) for number, each in enumerate(cases.values())]
    events = [orjson.dumps(without_users(orjson.loads(each))) for each in events]
    return [row_of_raw(each) for each in events]


def row_of_raw(event: bytes):
    from engine.archive.columns import row_of
    from engine.events.normalizing import normalize_json

    return row_of(normalize_json(event, received_at=TODAY), "web", orjson.loads(event)["messageId"], TODAY)


def on_disk(directory: Path) -> bytes:
    """Return all that the files below a directory say: their bytes, and of Parquet also what is in the columns."""
    found = b""
    for path in directory.rglob("*"):
        if path.is_file():
            found += path.read_bytes()
            found += repr(pq.read_table(path).to_pylist()).encode() if path.suffix == ".parquet" else b""
    return found


def test_rows_of_a_person_go_and_those_of_others_stay(tmp_path: Path) -> None:
    masked = {name: fields for name, (fields, _) in MASKED.items()}
    with filled(tmp_path, rows_of(OTHERS), rows_of(HERS), rows_of(masked) + rows_of(HERS)) as catalog:
        before = archived(catalog)
        assert erase(tmp_path, ANNIKA, NOW) == Erased(2 * len(HERS), len(MASKED), 2)
        after = archived(catalog)
        assert after[: len(OTHERS)] == before[: len(OTHERS)]
        was = before[len(OTHERS) + len(HERS) : -len(HERS)]
        expected = [{**one, **change} for one, (_, change) in zip(was, MASKED.values(), strict=True)]
        assert after[len(OTHERS) :] == expected
        assert len(files(tmp_path)) == 2
        assert erase(tmp_path, ANNIKA, NOW) == Erased()


def test_what_compaction_replaced_and_orphans_go_at_once_and_users_are_computed_anew(tmp_path: Path) -> None:
    hers = [row(1, userId="annika", traits={"email": "annika@example.com"}, type="identify")]
    with filled(tmp_path, hers, [row(2)], [row(3, userId="annika")]) as catalog:
        assert [each.made for each in compact(catalog, NOW)] == [1]
        (tmp_path / files(tmp_path)[0]).with_name(".tmp-left").write_bytes(b"annika@example.com")
        (tmp_path / "spill" / "compacting").mkdir(parents=True)
        (tmp_path / "spill" / "compacting" / "left").write_bytes(b"annika@example.com")
        (tmp_path / "spill" / "killed").mkdir()
        (tmp_path / "spill" / "killed" / "left").write_bytes(b"annika@example.com")
        os.utime(tmp_path / "spill" / "killed", (NOW - 7200, NOW - 7200))
        with opened(tmp_path) as archive:
            assert archive.execute("SELECT count(*) FROM users").fetchall() == [(2,)]
        assert b"annika@example.com" in on_disk(tmp_path / "people")
        assert len(files(tmp_path)) == 5
        assert erase(tmp_path, ANNIKA, NOW) == Erased(2, 0, 1)
        assert (ids(catalog), len(files(tmp_path))) == (["m2"], 1)
    assert b"annika" not in on_disk(tmp_path)
    with opened(tmp_path) as archive:
        assert archive.execute("SELECT user_id FROM users").fetchall() == [("u2",)]


def test_a_batch_that_was_read_before_is_not_added_after(tmp_path: Path) -> None:
    """The follower has read her event; it is removed from the outbox, then from the archive; then the batch is added."""
    outbox = tmp_path / "outbox.db"
    stored(outbox, raw(1, userId="annika"), raw(2))
    with filled(tmp_path / "archive") as catalog:
        seen = catalog.erasures()
        erase(tmp_path / "archive", ANNIKA, NOW)
        assert not write(catalog, [row(1, userId="annika")], "x", 1, erasures_seen=seen, now=NOW)

        def erased_meanwhile(step: str) -> None:
            if step == "renamed" and catalog.erasures() == seen + 1:
                with Catalog.open(tmp_path / "archive") as other:
                    other.replace((), (), NOW, erased=True)

        follower = Follower(outbox, catalog, lambda: NOW, reached=erased_meanwhile)
        assert (follower.step().events, ids(catalog), files(tmp_path / "archive")) == (0, [], [])
        assert (follower.step().events, ids(catalog)) == (2, ["m1", "m2"])


def test_it_waits_for_compaction_and_compaction_for_it(tmp_path: Path) -> None:
    """Whoever holds the lock of maintenance is waited for; what a compaction made meanwhile is looked at then."""
    with filled(tmp_path, [row(1, userId="annika")], [row(2)]) as catalog:

        def busy(step: str) -> None:
            if step == "replaced":
                with (
                    Catalog.open(tmp_path) as other,
                    pytest.raises(ArchiveBusy, match="is in use"),
                    other.maintenance(0.0),
                ):
                    pass

        compacting = compact(catalog, NOW)
        with ThreadPoolExecutor(1) as pool:
            [made] = [next(compacting)]  # holds the lock until it goes on
            erasing = pool.submit(erase, tmp_path, ANNIKA, NOW, reached=busy)
            assert made.made == 1
            assert not erasing.done()
            compacting.close()
            assert erasing.result() == Erased(1, 0, 1)
        assert (ids(catalog), len(files(tmp_path))) == (["m2"], 1)


class Killed(BaseException):
    """The process ends here."""


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=SLOW) for step in ("numbered", "written", "renamed", "removed")] + ["replaced"],
)
def test_erasing_that_was_killed_is_done_again(step: str, tmp_path: Path) -> None:
    def killed(reached: str) -> None:
        if reached == step:
            raise Killed

    batches = [[row(number, userId="annika"), row(number + 1)] for number in (1, 3)]
    with filled(tmp_path, *batches) as catalog:
        with pytest.raises(Killed):
            erase(tmp_path, ANNIKA, NOW, reached=killed)
        assert {"m2", "m4"} <= set(ids(catalog))
        again = erase(tmp_path, ANNIKA, NOW)
        assert (ids(catalog), again.damaged) == (["m2", "m4"], ())
        assert b"annika" not in on_disk(tmp_path)
        assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("kept", [pytest.param(0, marks=SLOW), pytest.param(40, marks=SLOW), -200])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_erased(kept: int, tmp_path: Path) -> None:
    with filled(tmp_path, [row(1, userId="annika")], [row(2, userId="annika"), row(3)]) as catalog:
        [bad, _] = catalog.snapshot().files
        path = tmp_path / bad.path
        content = path.read_bytes()
        path.write_bytes(content[:kept] if kept >= 0 else content[:4] + b"\0" * 200 + content[204:])
        assert erase(tmp_path, ANNIKA, NOW) == Erased(1, 0, 1, damaged=(bad.path,))
        assert ids(catalog) == ["m3"]
        assert erase(tmp_path, ANNIKA, NOW).damaged == (bad.path,)
