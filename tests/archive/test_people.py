"""Users by the rules of identity: SQL and a plain model agree, and refreshes one by one with one over everything."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import duckdb
import orjson
import pytest

from engine.archive import people
from engine.archive.catalog import ArchiveBusy, ArchiveError, Catalog
from engine.archive.columns import ArchiveRow, row_of
from engine.archive.compacting import check, remove_old
from engine.archive.connecting import QueryLimits
from engine.archive.people import RefreshSizes, refresh
from engine.archive.queries import opened
from engine.events.normalizing import normalize
from tests.archive.made import NOW, TODAY, filled, row
from tests.archive.people_model import Known, end_of, known_of
from tests.operating import said

SMALL = QueryLimits(memory="200MB", threads=1)
ANEW = RefreshSizes(few=0)
TYPES = ("identify", "identify", "track", "alias", "alias", "group", "oops")
TRAITS = (
    {"email": "a@b.example", "plan": "free"},
    {"email": None},
    {"email": {"not": "text"}, "a.b": [1, {"c": None}]},
    {"plan": "pro", 'quo"te\\': "é\u2028\x1b", "n": 12345678901234567890},
    {"plan": None, "": 1},
    {"email": "null", "z": "null"},
    {},
)


def world(random: Random, name: str) -> list[ArchiveRow]:
    """Return events among a few IDs, times and messageIds, so that all of them meet; worlds share none."""
    rows = []
    for _ in range(random.randint(1, 14)):
        ids = [f"{name}:{each}" for each in "abcd"]
        call = {
            "type": random.choice(TYPES),
            "event": "x",
            "userId": random.choice([None, *ids]),
            "anonymousId": random.choice([None, *ids, f"{name}:anon1", f"{name}:anon2"]),
            "previousId": random.choice([*ids, f"{name}:anon1", f"{name}:anon2"]),
            "groupId": random.choice([None, f"{name}:group"]),
            "traits": random.choice(TRAITS),
            "timestamp": f"2026-11-29T10:00:0{random.randint(0, 3)}Z",
            "receivedAt": TODAY,
        }
        found = normalize({key: value for key, value in call.items() if value is not None})
        message_id = f"{name}:{random.randint(0, 40)}"
        rows.append(row_of(found, random.choice(["web", "app"]), message_id, TODAY))
    return rows


STEPS = (
    RefreshSizes(),
    RefreshSizes(),  # changes beside the first
    RefreshSizes(),  # changes of changes
    RefreshSizes(few=0),  # all anew
    RefreshSizes(small=0),  # changes that become part of the base
)


def batches(seed: int, worlds: int, steps: int = len(STEPS)) -> list[list[ArchiveRow]]:
    random = Random(seed)
    parts: list[list[ArchiveRow]] = [[] for _ in range(steps)]
    for number in range(worlds):
        rows = world(random, f"w{number}")
        cuts = sorted(random.randint(0, len(rows)) for _ in range(steps - 1))
        for part, piece in zip(parts, pairwise([0, *cuts, len(rows)]), strict=True):
            part.extend(rows[slice(*piece)])
    return parts


def found_in(catalog: Catalog) -> Known:
    """Return what the files of an archive say."""
    known, read = people.known(catalog), duckdb.connect(":memory:", config={"threads": 1})
    read.execute("SET TimeZone = 'UTC'")

    def rows(name: str, columns: str) -> list[tuple]:
        return read.execute(f"SELECT {columns} FROM {known.relation(catalog.directory, name)}").fetchall()

    times = "epoch_us(first_seen), epoch_us(last_seen)"
    users = {
        person: {"traits": orjson.loads(traits), "first_seen": first, "last_seen": last, "user_id": user,
                 "anonymous_ids": ids, "events": events, "email": email}
        for person, user, ids, traits, email, events, first, last in rows(
            "users", f"person_id, user_id, anonymous_ids, traits, email, events, {times}")
    }  # fmt: skip
    groups = {
        group: {"traits": orjson.loads(traits), "first_seen": first, "last_seen": last}
        for group, traits, first, last in rows("groups", f"group_id, traits, {times}")
    }
    person_of = rows("person_of", "kind, id, person_id")
    assert len({(kind, id_) for kind, id_, _ in person_of}) == len(person_of)
    duplicates = [number for (number,) in rows("duplicates", "row")]
    assert len(set(duplicates)) == len(duplicates)
    return Known(set(duplicates), {(kind, id_): person for kind, id_, person in person_of}, users, groups)


def agree(directory: Path, parts: list[list[ArchiveRow]]) -> None:
    with filled(directory) as catalog:
        for number, part in enumerate(parts):
            filled(directory, part).close()
            refresh(catalog, SMALL, now=NOW, sizes=STEPS[number])
        step_by_step = found_in(catalog)
        assert step_by_step == known_of([row for part in parts for row in part])
        people.forget(catalog)
        assert not list((directory / "people").iterdir())
        refresh(catalog, SMALL, now=NOW, sizes=RefreshSizes(chunk=50))
        assert found_in(catalog) == step_by_step


def test_refreshes_one_by_one_agree_with_one_over_everything_and_with_the_model(tmp_path: Path) -> None:
    agree(tmp_path, batches(1, 12, 4))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_the_same_for_more_worlds(tmp_path: Path, seed: int) -> None:
    agree(tmp_path, batches(seed, 400))


CHAINS = {
    "none": ({}, "a"),
    "one": ({"a": "b"}, "b"),
    "ten": ({f"{n:02}": f"{n + 1:02}" for n in range(10)}, "10"),
    "more than ten": ({f"{n:02}": f"{n + 1:02}" for n in range(15)}, "10"),
    "a circle": ({"c": "b", "b": "d", "d": "c"}, "b"),
    "into a circle": ({"x": "z", "z": "y", "y": "z"}, "y"),
    "a circle too long": ({f"{n:02}": f"{(n + 1) % 12:02}" for n in range(12)}, "10"),
}


def test_chains_of_aliases_end(tmp_path: Path) -> None:
    rows, starts = [], {}
    for name, (aliases, end) in CHAINS.items():
        starts[name] = (next(iter(aliases), "a"), end)
        assert end_of(starts[name][0], aliases) == end
        for before, after in aliases.items():
            ids = {"userId": f"{name}:{after}", "previousId": f"{name}:{before}"}
            rows.append(row(len(rows) + 1, type="alias", **ids))
    with filled(tmp_path, rows) as catalog:
        refresh(catalog, SMALL)
        found = found_in(catalog).person_of
    for name, (start, end) in starts.items():
        assert found.get(("user", f"{name}:{start}"), f"{name}:{start}") == f"{name}:{end}"


def test_nothing_new_reads_and_writes_nothing(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)]) as catalog:
        first = refresh(catalog, SMALL)
        with Catalog.open(tmp_path) as other, other.maintenance():
            assert refresh(catalog, SMALL) == first
            filled(tmp_path, [row(2)]).close()
            catalog.maintenance = lambda: other.maintenance(0.0)  # type: ignore[method-assign]
            with pytest.raises(ArchiveBusy):
                refresh(catalog, SMALL)


def test_files_of_before_are_kept_for_readers_and_then_removed(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)]) as catalog:
        before = refresh(catalog, SMALL, now=NOW)
        (tmp_path / "people" / "links-crashed.parquet").write_bytes(b"half of a file")
        filled(tmp_path, [row(2)]).close()
        refresh(catalog, SMALL, now=NOW, sizes=ANEW)
        old = {tmp_path / path for name in ("links", "users") for path in before.files[name]}
        assert all(path.exists() for path in old)
        assert not (tmp_path / "people" / "links-crashed.parquet").exists()
        filled(tmp_path, [row(3)]).close()
        refresh(catalog, SMALL, now=NOW + 601, sizes=ANEW)
        assert not any(path.exists() for path in old)
        assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "people").iterdir()} == {"0o600"}


def test_who_was_erased_is_forgotten_by_reading_everything_again(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1), row(2)]) as catalog:
        refresh(catalog, SMALL)
        [file] = catalog.snapshot().files
        kept = filled(tmp_path / "other", [row(2)])
        [other] = kept.snapshot().files
        target = tmp_path / other.path.replace(".parquet", "-x.parquet")
        target.write_bytes((tmp_path / "other" / other.path).read_bytes())
        assert catalog.replace([file], [other._replace(path=target.relative_to(tmp_path).as_posix())], NOW, erased=True)
        assert people.known(catalog) == people.NOBODY
        refresh(catalog, SMALL)
        assert set(found_in(catalog).users) == {"u2"}


def test_what_only_removed_days_said_is_forgotten_with_them(tmp_path: Path) -> None:
    """Or an erasure of somebody else, which reads everything again, would change what is known of all others."""
    old = {"timestamp": "2025-01-01T00:00:00Z", "receivedAt": "2025-01-01T00:00:00Z", "type": "identify"}
    said = row(1, **old, anonymousId="device", traits={"plan": "pro"})
    with filled(tmp_path, [said, row(2, **old)], [row(3, userId="u1"), row(4, userId=None, anonymousId="device")]) as c:
        before = refresh(c, SMALL, now=NOW)
        assert set(found_in(c).users) == {"u1", "u2"}
        remove_old(c, 400 * 86_400.0, NOW)
        refresh(c, SMALL, now=NOW)
        found = found_in(c)
        assert {user: each["traits"] for user, each in found.users.items()} == {"u1": {}, "device": {}}
        assert all((tmp_path / path).exists() for path in before.files["users"])  # for those who read it
        people.forget(c)
        refresh(c, SMALL, now=NOW)
        assert found_in(c) == found


def test_a_file_that_is_restored_is_learned_from(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)], [row(2)]) as catalog:
        damaged = tmp_path / catalog.snapshot().files[0].path
        content = damaged.read_bytes()
        damaged.write_bytes(content[:-1])
        refresh(catalog, SMALL)
        assert [reason for _, reason in check(catalog) if reason]
        filled(tmp_path, [row(3)]).close()
        refresh(catalog, SMALL)
        assert set(found_in(catalog).users) == {"u2", "u3"}
        damaged.write_bytes(content)
        assert not [reason for _, reason in check(catalog) if reason]
        refresh(catalog, SMALL)
        assert set(found_in(catalog).users) == {"u1", "u2", "u3"}


def test_other_versions_of_the_library_begin_again(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)]) as catalog:
        refresh(catalog, SMALL)
        known = orjson.loads(catalog.get("people") or "")
        catalog.set({"people": orjson.dumps({**known, "made_by": "1 1.0.0"}).decode()})
        assert people.known(catalog) == people.NOBODY
        assert refresh(catalog, SMALL).row == 1


@pytest.mark.parametrize(
    "content", [*(pytest.param(each, marks=pytest.mark.slow) for each in (None, b"", b"text")), bytes(2000)]
)
def test_files_of_users_that_cannot_be_read_are_made_again(content: bytes | None, tmp_path: Path) -> None:
    with filled(tmp_path, [row(1), row(2)]) as catalog:
        before = refresh(catalog, SMALL)
        for path in (tmp_path / people.FOLDER).iterdir():
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
        assert people.damaged(catalog) == tuple(each for files in before.files.values() for each in files)
        assert people.known(catalog) == people.NOBODY
        refresh(catalog, SMALL)
        assert people.damaged(catalog) == ()


def test_a_file_of_users_that_is_damaged_inside_is_named_by_check(tmp_path: Path) -> None:
    with filled(tmp_path, [row(1)]) as catalog:
        users = tmp_path / refresh(catalog, SMALL).files["users"][0]
        users.write_bytes(b"PAR1" + bytes(2000) + b"PAR1")
        wanted = r"cannot be read: .* `engine archive check` finds and leaves out such"
        with pytest.raises(ArchiveError, match=wanted), opened(tmp_path, SMALL):
            pass
        assert said("archive", "check", "--archive", str(tmp_path)) == (
            0,
            "1 file can be read.\n1 file of users could not be read; the next query computes users again.\n",
        )
        with opened(tmp_path, SMALL) as connection:
            assert connection.warnings == ()


def test_a_damaged_file_is_left_out_by_name(tmp_path: Path) -> None:
    filled(tmp_path, [row(1)], [row(2)]).close()
    with Catalog.open(tmp_path) as catalog:
        first, second = (tmp_path / each.path for each in catalog.snapshot().files)
    first.write_bytes(first.read_bytes()[:-1])
    with opened(tmp_path, SMALL) as connection:
        assert connection.query("SELECT person_id FROM events").read_all().to_pylist() == [{"person_id": "u2"}]
        size = first.stat().st_size
        assert connection.warnings == (
            f"{first} is left out: it has {size:,} bytes instead of {size + 1:,}. `engine archive check` says more.",
        )
    second.unlink()
    with opened(tmp_path, SMALL) as connection:
        assert connection.query("SELECT * FROM events").read_all().num_rows == 0
        assert connection.warnings[1].startswith(f"{second} is left out: no such file or directory. ")


def test_conditions_on_the_day_reach_the_files(tmp_path: Path) -> None:
    later = "2026-11-30T12:00:00.000Z"
    filled(tmp_path, [row(1)], [row(2, timestamp=later, receivedAt=later)]).close()
    with opened(tmp_path, SMALL) as connection:
        sql = "EXPLAIN ANALYZE SELECT count(*) FROM events WHERE day = DATE '2026-11-30'"
        [[_, plan]] = connection.execute(sql).fetchall()
        assert "delim" not in plan  # all columns of all rows, kept twice
        assert "Scanning Files: 1/2" in plan or "Total Files Read: 1" in plan, plan
