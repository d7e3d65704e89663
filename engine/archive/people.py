"""What an archive knows of its users: kept in files beside the events, and brought up to date before it is asked.

Files that cannot be read any more are made again from the events.

A refresh reads only the rows after those that are known, and adds what they say to what is known (engine/archive/
identity.py has the rules); from nothing it gives the same.  The catalog names the files that count, in one value, so a
crash leaves those of before.
"""

# ruff: noqa: S608  all SQL of this module is made of its own parts and of quoted paths

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.archive import identity
from engine.archive.catalog import KEPT_FOR_READERS, ArchiveError, ArchiveFile, Catalog, Snapshot
from engine.archive.connecting import QueryLimits, connected, parquet, quoted, spill_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = "people"
VERSION = 1
CHUNK = 5_000_000
"""Rows that are learned from at once, so that memory is bounded."""
PART = 500_000
"""IDs of the users that are made at once, for the same reason."""
MOST_KEY_FILES = 16
"""Files of message IDs, after which they are written into one."""
_META, _OLD, _ROW = "people", "people_old", "people_row"

_END = b"PAR1"
UNREADABLE = (
    "The users of the archive cannot be brought up to date: {reason}. If a file is damaged, `engine archive check` "
    "leaves it out."
)

DERIVED = ("duplicates", "person_of", "users", "groups")
"""The relations that the views are made of."""
_RELATIONS = {
    **identity.COLUMNS,
    "keys": "hash UBIGINT, row BIGINT",
    "duplicates": "row BIGINT",
    "person_of": "id VARCHAR, kind VARCHAR, person_id VARCHAR",
    "users": "person_id VARCHAR, user_id VARCHAR, anonymous_ids VARCHAR[], traits VARCHAR, email VARCHAR, "
    "first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ, events BIGINT",
    "groups": "group_id VARCHAR, traits VARCHAR, first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ",
}


class People(NamedTuple):
    """What is known of the events up to a row: the files of each relation, relative to the archive."""

    row: int
    files: Mapping[str, tuple[str, ...]]
    made_by: str = ""
    erasures: int = 0

    def relation(self, directory: Path, name: str) -> str:
        """Return SQL of a relation, such as `users`."""
        return parquet([directory / each for each in self.files.get(name, ())], _RELATIONS[name])


NOBODY = People(0, {})


def known(catalog: Catalog) -> People:
    """Return what is known now; nothing if it was made by another version, before an erasure, or is not whole."""
    text = catalog.get(_META)
    if text is None:
        return NOBODY
    found = orjson.loads(text)
    people = People(
        found["row"], {name: tuple(each) for name, each in found["files"].items()}, found["made_by"], found["erasures"]
    )
    if people.made_by != _made_by() or people.erasures != catalog.erasures():
        return NOBODY
    files = [catalog.directory / each for files in people.files.values() for each in files]
    return people if all(map(_looks_whole, files)) else NOBODY


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


def refresh(catalog: Catalog, limits: QueryLimits, *, now: float | None = None, chunk: int = CHUNK) -> People:
    """Bring what is known up to the last row of the archive, under the maintenance lock; return it.

    Raises ArchiveBusy, and ArchiveError for files that cannot be read. Reads nothing where there is nothing new.
    """
    import duckdb

    people, snapshot = known(catalog), catalog.snapshot()
    if people.row >= snapshot.last_row and people.files:
        return people
    with catalog.maintenance():
        people, snapshot = known(catalog), catalog.snapshot()
        if people.row >= snapshot.last_row and people.files:
            return people
        try:
            with spill_folder(catalog.directory) as spill, connected(limits, spill) as connection:
                made = _Refresh(catalog, connection, snapshot, people)
                return made.run(time.time() if now is None else now, chunk)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise ArchiveError(UNREADABLE.format(reason=str(error).partition("\n")[0])) from error


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
        self._files = dict(people.files)
        self._written: list[str] = []
        self._erasures = catalog.erasures()

    def run(self, now: float, chunk: int) -> People:
        (self._directory / FOLDER).mkdir(mode=0o700, exist_ok=True)
        self._remove_unlisted(now)
        row = self._people.row
        while row < self._snapshot.last_row:
            until = min(row + chunk, self._snapshot.last_row)
            self._learn(row, until)
            row = until
        self._derive()
        people = People(self._snapshot.last_row, self._files, _made_by(), self._erasures)
        self._list(people, now)
        return people

    def _learn(self, after: int, until: int) -> None:
        """Add the rows after one and up to another."""
        files = [each for each in self._whole if each.first_row <= until and each.last_row > after]
        self._view("rows", f"SELECT * FROM {self._events(files)} WHERE row > {after:d} AND row <= {until:d}")
        self._find_duplicates()
        # Conditions are pushed through ANTI JOIN into the files, not through NOT EXISTS.
        repeated = " ANTI JOIN repeated ON repeated.row = rows.row" if self._count("repeated") else ""
        self._view("fresh", f"SELECT * FROM rows{repeated} WHERE type IS NOT NULL")
        for name, of_rows in identity.OF_ROWS.items():
            both = f"(FROM {self._relation(name)} UNION ALL BY NAME ({of_rows}))" if self._files.get(name) else ""
            self._replace(name, identity.TOGETHER[name].format(both=both) if both else of_rows)

    def _find_duplicates(self) -> None:
        """Make `repeated`: the new rows whose source and messageId an earlier row has.

        Rows that share a hash are few; only of those the IDs are compared.
        """
        run = self._connection.execute
        run("CREATE OR REPLACE TEMP TABLE fresh_keys AS SELECT hash(source, message_id) AS hash, row FROM rows "
            "WHERE type IS NOT NULL")  # fmt: skip
        run(f"""
            CREATE OR REPLACE TEMP TABLE suspects AS
            WITH shared AS (
                SELECT hash, row FROM {self._relation("keys")} WHERE hash IN (SELECT hash FROM fresh_keys)
            ), twice AS (SELECT hash FROM fresh_keys GROUP BY hash HAVING count(*) > 1)
            SELECT row FROM shared
            UNION ALL
            SELECT row FROM fresh_keys WHERE hash IN (SELECT hash FROM shared UNION ALL SELECT hash FROM twice)
            """)
        self._compare_suspects()
        self._append("keys", "FROM fresh_keys")
        if self._count("repeated"):
            self._append("duplicates", "FROM repeated")

    def _compare_suspects(self) -> None:
        run = self._connection.execute
        [[first, last]] = run("SELECT min(row), max(row) FROM suspects").fetchall()
        if first is None:
            run("CREATE OR REPLACE TEMP TABLE repeated (row BIGINT)")
            return
        files = [each for each in self._whole if each.first_row <= last and each.last_row >= first]
        run(f"""
            CREATE OR REPLACE TEMP TABLE repeated AS
            WITH compared AS (
                SELECT row, source, message_id FROM {self._events(files)}
                WHERE row IN (SELECT row FROM suspects)
            )
            SELECT row FROM (
                SELECT row, min(row) OVER (PARTITION BY source, message_id) AS first FROM compared
            ) WHERE row > first AND row IN (SELECT row FROM fresh_keys)
            """)

    def _derive(self) -> None:
        """Make the relations of users and groups anew."""
        for name in identity.COLUMNS:
            self._view(name, f"FROM {self._relation(name)}")
        for statement in identity.PERSON_OF:
            self._connection.execute(statement)
        self._replace("person_of", "FROM person_of ORDER BY kind")
        parts = 1 + self._count("ids") // PART
        names = [self._write("users", identity.USERS, {"part": part, "parts": parts}) for part in range(parts)]
        self._files["users"] = tuple(names)
        self._replace("groups", identity.GROUPS)

    def _relation(self, name: str) -> str:
        return self._people._replace(files=self._files).relation(self._directory, name)

    def _events(self, files: Sequence[ArchiveFile]) -> str:
        return events(self._directory, files)

    def _view(self, name: str, statement: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {statement}")

    def _count(self, name: str) -> int:
        [[number]] = self._connection.execute(f"SELECT count(*) FROM {name}").fetchall()
        return int(number)

    def _replace(self, name: str, statement: str) -> None:
        self._files[name] = (self._write(name, statement),)

    def _append(self, name: str, statement: str) -> None:
        files = (*self._files.get(name, ()), self._write(name, statement))
        self._files[name] = files
        if len(files) > MOST_KEY_FILES:
            self._replace(name, f"FROM {self._relation(name)}")

    def _write(self, name: str, statement: str, parameters: dict[str, int] | None = None) -> str:
        """Write a statement's rows into a new file, and to the disk; return its path within the archive."""
        path = f"{FOLDER}/{name}-{secrets.token_hex(8)}.parquet"
        whole = self._directory / path
        self._written.append(path)
        for key, value in (parameters or {}).items():
            statement = statement.replace(f"${key} ", f"{value:d} ").replace(f"${key})", f"{value:d})")
        self._connection.execute(f"COPY ({statement}) TO {quoted(whole)} (FORMAT parquet, COMPRESSION zstd)")
        whole.chmod(0o600)
        _sync(whole)
        return path

    def _list(self, people: People, now: float) -> None:
        """Let the new files count, and remove what was replaced long ago or never counted."""
        _sync(self._directory / FOLDER)
        current = {each for files in people.files.values() for each in files}
        before = {each for files in self._people.files.values() for each in files} - current
        old = self._replaced() | dict.fromkeys(before, now)
        value = orjson.dumps(people._asdict()).decode()
        self._catalog.set({_META: value, _OLD: orjson.dumps(old).decode(), _ROW: str(people.row)})
        for path in set(self._written) - current:
            (self._directory / path).unlink(missing_ok=True)

    def _replaced(self) -> dict[str, float]:
        text = self._catalog.get(_OLD)
        return {} if text is None else orjson.loads(text)

    def _remove_unlisted(self, now: float) -> None:
        """Remove files that nothing lists (a crash), and those that were replaced too long ago for any reader."""
        old = {path: at for path, at in self._replaced().items() if 0 <= now - at < KEPT_FOR_READERS}
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


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
