"""What an archive knows of its users: kept in files beside the events, and brought up to date before it is asked.

Files that cannot be read any more are made again from the events.

A refresh reads only the rows after those that are known, and adds what they say to what is known (engine/archive/
identity.py has the rules); from nothing it gives the same.  Few new rows become changes beside the files of before
(engine/archive/touched.py and relations.py), many write those files anew.  The catalog names the files that count, in
one value, so a crash leaves those of before.
"""

# ruff: noqa: S608  all SQL of this module is made of its own parts and of quoted paths

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.archive import identity
from engine.archive.catalog import KEPT_FOR_READERS, ArchiveError, ArchiveFile, Catalog, Snapshot
from engine.archive.connecting import QueryLimits, connected, parquet, quoted, spill_folder
from engine.archive.relations import KEYS, NOBODY, People, changed
from engine.archive.touched import find_changes
from engine.files import sync_to_disk

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = "people"
VERSION = 3
CHUNK = 25_000_000
"""Rows that are learned from at once, so that memory is bounded."""
PART = 1_000_000
"""IDs of the users that are made at once, for the same reason."""
FEW = 250_000
"""New rows that become changes beside the files of before; more than these write those files anew."""
SMALL = 10_000
SHARE = 0.1
"""Changes of a relation become part of its base when they are more rows than both, the share is that of the base."""
MOST_FILES = 16
"""Files of message IDs or duplicates, after which they are written into one."""
_ORDERS = {"person_of": " ORDER BY kind"}
"""So that a condition on it leaves most rows unread."""
_META, _OLD, _ROW = "people", "people_old", "people_row"

_END = b"PAR1"
UNREADABLE = (
    "The users of the archive cannot be brought up to date: {reason}. If a file is damaged, `engine archive check` "
    "leaves it out."
)

DERIVED = ("duplicates", "person_of", "users", "groups")
"""The relations that the views are made of."""


class RefreshSizes(NamedTuple):
    """How much a refresh does at once; the defaults are right for 1 GB of memory."""

    chunk: int = CHUNK
    few: int = FEW
    small: int = SMALL


SIZES = RefreshSizes()


def known(catalog: Catalog) -> People:
    """Return what is known now; nothing if it was made by another version, before an erasure, or is not whole."""
    text = catalog.get(_META)
    if text is None:
        return NOBODY
    found = orjson.loads(text)
    if found["made_by"] != _made_by() or found["erasures"] != catalog.erasures():
        return NOBODY
    files = {name: tuple(each) for name, each in found["files"].items()}
    people = People(found["row"], files, found["made_by"], found["erasures"], tuple(found["left_out"]))
    paths = [catalog.directory / each for found in files.values() for each in found]
    return people if all(map(_looks_whole, paths)) else NOBODY


def damaged(catalog: Catalog) -> tuple[str, ...]:
    """Return which of the files of people cannot be read; reads all of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = catalog.get(_META)
    found = []
    for path in () if text is None else (each for files in orjson.loads(text)["files"].values() for each in files):
        try:
            with pq.ParquetFile(catalog.directory / path) as file:
                for _ in file.iter_batches(10_000):
                    pass
        except (OSError, pa.ArrowException):
            found.append(path)
    return tuple(found)


def _looks_whole(path: Path) -> bool:
    """Whether a file has the end of a Parquet file, which is written last."""
    try:
        with path.open("rb") as opened:
            opened.seek(-len(_END), os.SEEK_END)
            return opened.read() == _END
    except OSError:
        return False


def refresh(catalog: Catalog, limits: QueryLimits, *, now: float | None = None, sizes: RefreshSizes = SIZES) -> People:
    """Bring what is known up to the last row of the archive, under the maintenance lock; return it.

    Raises ArchiveBusy, and ArchiveError for files that cannot be read. Reads nothing where there is nothing new.
    """
    import duckdb

    people, snapshot = known(catalog), catalog.snapshot()
    if _is_whole(catalog, people, snapshot):
        return people
    now = time.time() if now is None else now
    with catalog.maintenance():
        people, snapshot = known(catalog), catalog.snapshot()
        if _is_whole(catalog, people, snapshot):
            return people
        if _came_back(catalog, people, snapshot):
            start_over(catalog, now)
            people = NOBODY
        try:
            with spill_folder(catalog.directory) as spill, connected(limits, spill) as connection:
                return _Refresh(catalog, connection, snapshot, people).run(now, sizes)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise ArchiveError(UNREADABLE.format(reason=str(error).partition("\n")[0])) from error


def _is_whole(catalog: Catalog, people: People, snapshot: Snapshot) -> bool:
    """Whether all events that can be read are known."""
    return people.row >= snapshot.last_row and bool(people.files) and not _came_back(catalog, people, snapshot)


def _came_back(catalog: Catalog, people: People, snapshot: Snapshot) -> bool:
    """Whether a file that could not be read can be now, or became part of another: it was restored."""
    missed = set(people.left_out) - {each.path for each in snapshot.damaged}
    faulty = [each for each in snapshot.files if each.path in missed and fault_of_file(catalog.directory, each)]
    return len(faulty) < len(missed)


def start_over(catalog: Catalog, now: float) -> None:
    """Have the next refresh read all events, since some that are known were removed; under the maintenance lock.

    What is known now stays on disk for those who read it.
    """
    before = dict.fromkeys((each for files in known(catalog).files.values() for each in files), now)
    catalog.set({_META: None, _OLD: orjson.dumps(_replaced(catalog) | before).decode(), _ROW: None})


def _replaced(catalog: Catalog) -> dict[str, float]:
    """Return the files that were replaced, with when."""
    text = catalog.get(_OLD)
    return {} if text is None else orjson.loads(text)


def forget(catalog: Catalog) -> None:
    """Remove all that is known, at once, because somebody was erased; under the maintenance lock.

    The next refresh reads the whole archive.
    """
    catalog.set({_META: None, _OLD: None, _ROW: None})
    for path in (catalog.directory / FOLDER).glob("*"):
        path.unlink(missing_ok=True)


def _made_by() -> str:
    """Return which rules and which library made the files: hashes may differ between versions of DuckDB."""
    from importlib.metadata import version

    return f"{VERSION} {version('duckdb')}"


class _Refresh:
    """One refresh: what is known and the rows after it become files, which the catalog then names."""

    def __init__(self, catalog: Catalog, connection: DuckDBPyConnection, snapshot: Snapshot, people: People) -> None:
        self._catalog, self._connection, self._snapshot = catalog, connection, snapshot
        self._people = people
        self._directory = catalog.directory
        self._whole = [each for each in snapshot.files if not fault_of_file(catalog.directory, each)]
        missed = {each.path for each in (*snapshot.files, *snapshot.damaged)} - {each.path for each in self._whole}
        self._left_out = tuple(sorted(missed))
        self._files = dict(people.files)
        self._written: list[str] = []
        self._erasures = catalog.erasures()

    def run(self, now: float, sizes: RefreshSizes) -> People:
        (self._directory / FOLDER).mkdir(mode=0o700, exist_ok=True)
        self._remove_unlisted(now)
        if self._people.files and self._snapshot.last_row - self._people.row <= sizes.few:
            self._change(sizes.small)
        else:
            self._renew(sizes.chunk)
        people = People(self._snapshot.last_row, self._files, _made_by(), self._erasures, self._left_out)
        self._list(people, now)
        return people

    def _change(self, small: int) -> None:
        """Put what few new rows change beside the files of before."""
        self._show_fresh(self._people.row, self._snapshot.last_row)
        wanted = "row, type, timestamp, user_id, anonymous_id, previous_id, group_id, "
        about = "CASE WHEN type IN ('identify', 'group') THEN traits END AS traits"
        self._connection.execute(f"CREATE TEMP TABLE few AS SELECT {wanted}{about} FROM fresh")
        self._view("fresh", "FROM few")
        find_changes(self._connection, self._directory, self._people)
        for name in KEYS:
            if self._count(f"changed_{name}"):
                self._add_changes(name, small)

    def _add_changes(self, name: str, small: int) -> None:
        statement, before = f"FROM changed_{name}", self._now().changes(self._directory, name)
        if before:
            keys = ", ".join(KEYS[name])
            statement = f"FROM {before} ANTI JOIN changed_{name} USING ({keys}) UNION ALL BY NAME {statement}"
        self._files[changed(name)] = (self._write(changed(name), statement),)
        size, base = self._count(self._now().changes(self._directory, name)), self._now().base(self._directory, name)
        if size > small and size > SHARE * self._count(base):
            self._replace(name, f"FROM {self._relation(name)}{_ORDERS.get(name, '')}")

    def _renew(self, chunk: int) -> None:
        row = self._people.row
        while row < self._snapshot.last_row:
            until = min(row + chunk, self._snapshot.last_row)
            self._learn(row, until)
            row = until
        self._derive()

    def _show_fresh(self, after: int, until: int) -> None:
        """Make `fresh`, the rows after one and up to another, without duplicates."""
        files = [each for each in self._whole if each.first_row <= until and each.last_row > after]
        self._view("rows", f"SELECT * FROM {self._events(files)} WHERE row > {after:d} AND row <= {until:d}")
        self._find_duplicates()
        # Conditions are pushed through ANTI JOIN into the files, not through NOT EXISTS.
        repeated = " ANTI JOIN repeated ON repeated.row = rows.row" if self._count("repeated") else ""
        self._view("fresh", f"SELECT * FROM rows{repeated} WHERE type IS NOT NULL")

    def _learn(self, after: int, until: int) -> None:
        """Add the rows after one and up to another."""
        self._show_fresh(after, until)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE pairs AS {identity.PAIRS}")
        for name, of_rows in identity.OF_ROWS.items():
            if self._files.get(name):
                both = f"(FROM {self._relation(name)} UNION ALL BY NAME ({of_rows}))"
                self._replace(name, identity.TOGETHER[name].format(both=both))
            else:
                self._replace(name, of_rows)
        self._connection.execute("DROP TABLE pairs")

    def _find_duplicates(self) -> None:
        """Make `repeated`: the new rows whose source and messageId an earlier row has.

        Rows that share a hash are few; only of those the IDs are compared.
        """
        known = self._relation("keys") if self._files.get("keys") else ""
        fresh = self._append("keys", "SELECT hash(source, message_id) AS hash, row FROM rows WHERE type IS NOT NULL")
        self._view("fresh_keys", f"FROM {fresh}")
        run = self._connection.execute
        of_known = f"FROM {known} SEMI JOIN fresh_keys USING (hash)" if known else "FROM fresh_keys LIMIT 0"
        run(f"CREATE OR REPLACE TEMP TABLE shared AS {of_known}")
        run("""
            CREATE OR REPLACE TEMP TABLE suspects AS
            WITH twice AS (SELECT hash FROM fresh_keys GROUP BY hash HAVING count(*) > 1)
            SELECT row FROM shared
            UNION ALL
            SELECT row FROM fresh_keys WHERE hash IN (SELECT hash FROM shared UNION ALL SELECT hash FROM twice)
            """)
        self._compare_suspects()
        if self._count("repeated"):
            self._append("duplicates", "FROM repeated")

    def _compare_suspects(self) -> None:
        files = self._files_of_suspects()
        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE repeated AS
            WITH compared AS (
                SELECT row, source, message_id FROM {self._events(files)} WHERE row IN (SELECT row FROM suspects)
            )
            SELECT row FROM (
                SELECT row, min(row) OVER (PARTITION BY source, message_id) AS first FROM compared
            ) WHERE row > first AND row IN (SELECT row FROM fresh_keys)
            """)

    def _files_of_suspects(self) -> list[ArchiveFile]:
        if not self._count("suspects"):
            return []
        ranges = ", ".join(f"({n:d}, {each.first_row:d}, {each.last_row:d})" for n, each in enumerate(self._whole))
        found = self._connection.execute(f"""
            SELECT DISTINCT number FROM (VALUES {ranges}) AS ranges(number, first, last)
            JOIN suspects ON row BETWEEN first AND last
            """).fetchall()
        return [self._whole[number] for (number,) in found]

    def _derive(self) -> None:
        """Make the relations of users and groups anew."""
        for name in identity.COLUMNS:
            self._view(name, f"FROM {self._relation(name)}")
        for statement in identity.PERSON_OF:
            self._connection.execute(statement)
        self._replace("person_of", f"FROM person_of{_ORDERS['person_of']}")
        for statement in identity.OF_PERSONS:
            self._connection.execute(statement)
        parts = 1 + self._count("persons") // PART
        names = [self._write("users", identity.USERS, {"part": part, "parts": parts}) for part in range(parts)]
        self._set("users", *names)
        self._replace("groups", identity.GROUPS)

    def _now(self) -> People:
        return self._people._replace(files=self._files)

    def _relation(self, name: str) -> str:
        return self._now().relation(self._directory, name)

    def _events(self, files: Sequence[ArchiveFile]) -> str:
        return events(self._directory, files)

    def _view(self, name: str, statement: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {statement}")

    def _count(self, name: str) -> int:
        [[number]] = self._connection.execute(f"SELECT count(*) FROM {name}").fetchall()
        return int(number)

    def _set(self, name: str, *paths: str) -> None:
        """Let files be the base of a relation, without changes."""
        self._files[name] = paths
        self._files.pop(changed(name), None)

    def _replace(self, name: str, statement: str) -> None:
        self._set(name, self._write(name, statement))

    def _append(self, name: str, statement: str) -> str:
        """Add a file to a relation; return SQL of its rows. When there are too many, the small ones become one."""
        new = self._write(name, statement)
        files = (*self._files.get(name, ()), new)
        self._set(name, *files)
        if len(files) > MOST_FILES:
            sizes = [(self._directory / each).stat().st_size for each in files]
            kept = 1 if sizes[0] * SHARE > sum(sizes[1:]) else 0
            small = self._now()._replace(files={name: files[kept:]}).relation(self._directory, name)
            self._set(name, *files[:kept], self._write(name, f"FROM {small}"))
        return parquet([self._directory / new], "")

    def _write(self, name: str, statement: str, parameters: dict[str, int] | None = None) -> str:
        """Write a statement's rows into a new file, and to the disk; return its path within the archive."""
        path = f"{FOLDER}/{name}-{secrets.token_hex(8)}.parquet"
        whole = self._directory / path
        self._written.append(path)
        for key, value in (parameters or {}).items():
            statement = statement.replace(f"${key} ", f"{value:d} ").replace(f"${key})", f"{value:d})")
        self._connection.execute(f"COPY ({statement}) TO {quoted(whole)} (FORMAT parquet, COMPRESSION lz4_raw)")
        whole.chmod(0o600)
        sync_to_disk(whole)
        return path

    def _list(self, people: People, now: float) -> None:
        """Let the new files count, and remove what was replaced long ago or never counted."""
        sync_to_disk(self._directory / FOLDER)
        current = {each for files in people.files.values() for each in files}
        before = {each for files in self._people.files.values() for each in files} - current
        old = _replaced(self._catalog) | dict.fromkeys(before, now)
        value = orjson.dumps(people._asdict()).decode()
        self._catalog.set({_META: value, _OLD: orjson.dumps(old).decode(), _ROW: str(people.row)})
        for path in set(self._written) - current:
            (self._directory / path).unlink(missing_ok=True)

    def _remove_unlisted(self, now: float) -> None:
        """Remove files that nothing lists (a crash), and those that were replaced too long ago for any reader."""
        old = {path: at for path, at in _replaced(self._catalog).items() if 0 <= now - at < KEPT_FOR_READERS}
        listed = {each for files in self._people.files.values() for each in files} | old.keys()
        for path in (self._directory / FOLDER).iterdir():
            if f"{FOLDER}/{path.name}" not in listed:
                with suppress(OSError):
                    path.unlink()
        self._catalog.set({_OLD: orjson.dumps(old).decode()})


def events(directory: Path, files: Sequence[ArchiveFile]) -> str:
    """Return SQL of a relation of the rows in files, with their `day`."""
    from engine.archive.columns import COLUMNS, TIMES

    kinds = {"row": "BIGINT", **dict.fromkeys(TIMES, "TIMESTAMPTZ")}
    columns = ", ".join(f'"{name}" {kinds.get(name, "VARCHAR")}' for name in COLUMNS)
    return parquet([directory / each.path for each in files], f"{columns}, day DATE", by_day=True)


def fault_of_file(directory: Path, file: ArchiveFile) -> str:
    """Return why a file is not as it was written, '' if it looks whole by its length and its end."""
    try:
        with (directory / file.path).open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(size - len(_END), 0))
            end = opened.read(len(_END))
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if size != file.bytes:
        return f"it has {size:,} bytes instead of {file.bytes:,}"
    return "" if end == _END else "its end is not that of a Parquet file"
