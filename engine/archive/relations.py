"""Relations of what is known of users, in files: a base, and a smaller file of what changed since it was written.

The file of changes has the rows that are new or other than in the base, by their key, and `gone` for those that are no
more.  It is written anew with each refresh; the base only once in a while, so that a refresh costs what is new.
"""

# ruff: noqa: S608  all SQL of this module is made of its own parts and of quoted paths

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from engine.archive import identity
from engine.archive.connecting import parquet

KEYS = {
    "links": ("anonymous_id",),
    "aliases": ("previous_id",),
    "ids": ("kind", "id"),
    "traits": ("kind", "id", "key"),
    "person_of": ("kind", "id"),
    "users": ("person_id",),
    "groups": ("group_id",),
}
"""The relations that have changes beside their base, and the columns by which a change replaces a row."""
_COLUMNS = {
    **identity.COLUMNS,
    "keys": "hash UBIGINT, row BIGINT",
    "duplicates": "row BIGINT",
    "person_of": "id VARCHAR, kind VARCHAR, person_id VARCHAR",
    "users": "person_id VARCHAR, user_id VARCHAR, anonymous_ids VARCHAR[], traits VARCHAR, email VARCHAR, "
    "first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ, events BIGINT",
    "groups": "group_id VARCHAR, traits VARCHAR, first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ",
}


class People(NamedTuple):
    """What is known of the events up to a row: the files of each relation, relative to the archive.

    `left_out` are the files of events that could not be read.
    """

    row: int
    files: Mapping[str, tuple[str, ...]]
    made_by: str = ""
    erasures: int = 0
    left_out: tuple[str, ...] = ()

    def base(self, directory: Path, name: str) -> str:
        """Return SQL of a relation as it was when its base was written."""
        return parquet([directory / each for each in self.files.get(name, ())], _COLUMNS[name])

    def changes(self, directory: Path, name: str) -> str:
        """Return SQL of what changed in a relation since then, with `gone`; '' if nothing did."""
        paths = [directory / each for each in self.files.get(changed(name), ())]
        return parquet(paths, "") if paths else ""

    def relation(self, directory: Path, name: str, which: str = "") -> str:
        """Return SQL of a relation as it is now, such as `users`; in brackets if it is more than a function.

        `which` picks rows before anything else is done with them: `SEMI JOIN table USING (id)` or `WHERE ...`.
        """
        base, changes = self.base(directory, name), self.changes(directory, name)
        if not changes:
            return f"(FROM {base} {which})" if which else base
        columns, keys = ", ".join(columns_of(name)), ", ".join(KEYS[name])
        picked = f"(FROM {base} {which})" if which else base
        return (
            f"(SELECT {columns} FROM {picked} ANTI JOIN (SELECT {keys} FROM {changes}) AS later USING ({keys}) "
            f"UNION ALL SELECT {columns} FROM (FROM {changes} WHERE NOT gone) {which})"
        )

    def paths(self, directory: Path, names: Iterable[str]) -> list[Path]:
        """Return all files of relations."""
        return [
            directory / path for name in names for kind in (name, changed(name)) for path in self.files.get(kind, ())
        ]


NOBODY = People(0, {})


def columns_of(name: str) -> list[str]:
    """Return the names of the columns of a relation."""
    return [each.split()[0] for each in _COLUMNS[name].split(", ")]


def changed(name: str) -> str:
    """Return the name under which the changes of a relation are listed."""
    return f"{name}_changed"
