"""Which file an outbox is: whether it is ours before anything writes to it, and whether it still has its name later.

`recognize` looks through SQLite with `immutable`, which creates and changes nothing.  It must not open the file in any
other way: closing a file drops all locks that this process has on it, also those of another connection of SQLite.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from engine.delivery.outbox import statements as sql
from engine.delivery.outbox.base import OutboxDamaged, OutboxMoved

APPLICATION_ID = 0x57617942  # "WayB"; a file of version 0.1 has none
TABLES = frozenset({"events", "connections", "states"})
SHOWN_TABLES = 5
OTHER_FILE = "It was left unchanged; name another file with --outbox."
SPECIAL = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def recognize(path: Path) -> None:
    """Raise OutboxDamaged unless the file is an outbox, is empty or does not exist; sqlite3.Error if it is unreadable.

    A file without an application id is an outbox if it has the tables of one.
    """
    if not _size(path):
        if _wal_size(path) and not _size(path):  # another process may have made it in between
            raise OutboxDamaged(
                f"{path} is missing or empty, but {path}-wal is not: events are in there. Move the outbox back to "
                f"{path}, or move {path}-wal away to start a new one."
            )
        return
    with closing(_connect(path)) as db:
        contents = _contents(db)
        if not contents.tables and not contents.application and _wal_size(path):
            contents = _contents_with_wal(path, db.serialize())
    if contents.application != APPLICATION_ID and (contents.application or TABLES - contents.tables):
        raise OutboxDamaged(f"{path} is a SQLite file of another program ({contents}), not an outbox. {OTHER_FILE}")


class _Contents(NamedTuple):
    application: int
    tables: frozenset[str]

    def __str__(self) -> str:
        if self.application:
            return f"application id {self.application:#x}"
        names = sorted(name[:40] if name.isprintable() else "?" for name in self.tables)
        more = [f"{len(names) - SHOWN_TABLES} more"] if len(names) > SHOWN_TABLES else []
        return f"tables: {', '.join([*names[:SHOWN_TABLES], *more])}" if names else "without tables"


def _size(path: Path) -> int:
    """Return the size of a regular file, 0 if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    except OSError as error:
        reason = (error.strerror or str(error)).lower()  # a loop of symlinks, a name that is too long
        raise OutboxDamaged(f"{path} cannot be opened ({reason}). {OTHER_FILE}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = SPECIAL.get(stat.S_IFMT(found.st_mode), "no regular file")
        raise OutboxDamaged(f"{path} is {kind}, not an outbox. {OTHER_FILE}")
    if not os.access(path, os.R_OK):
        raise OutboxDamaged(f"{path} cannot be read by this user. Change its mode or its owner.")
    return found.st_size


def _wal_size(path: Path) -> int:
    try:
        return Path(f"{path.resolve()}-wal").stat().st_size
    except OSError:
        return 0


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    db.execute(sql.ALLOW_SHORT_FILE)
    return db


def _contents(db: sqlite3.Connection) -> _Contents:
    application = db.execute(sql.APPLICATION_ID).fetchone()[0]
    if application:  # the tables may be damaged; their reader will say so
        return _Contents(application, frozenset())
    return _Contents(application, frozenset(name for (name,) in db.execute(sql.TABLES)))


def _contents_with_wal(path: Path, main: bytes) -> _Contents:
    """Return what is in a file together with its `-wal`, read from copies.

    An outbox of version 0.1 that was never closed may have its tables in the `-wal` only, which has 16 MB then.
    """
    with tempfile.TemporaryDirectory(prefix="waybill-") as directory:
        copy = Path(directory) / "copy.db"
        copy.write_bytes(main)
        Path(f"{copy}-wal").write_bytes(Path(f"{path.resolve()}-wal").read_bytes())
        with closing(sqlite3.connect(copy)) as db:
            return _contents(db)


class FileIdentity:
    """Remembers which files are open, by device and inode, and notices when their names lead elsewhere.

    SQLite writes on into a file that was removed: without this check, events would be answered 200 and then be lost.
    """

    def __init__(self, path: Path) -> None:
        """Look at the path before SQLite opens it."""
        self._shown = path
        self._path = path.absolute()  # a directory that is renamed takes a relative path along
        self._files = {self._path: _inode(self._path)}

    def opened(self) -> None:
        """SQLite has opened the file and read from it, so its `-wal` and `-shm` stay as long as it is open."""
        self.check()
        real = self._path.resolve()
        beside = {each: _inode(each) for each in (Path(f"{real}-wal"), Path(f"{real}-shm"))}
        self._files |= {each: inode for each, inode in beside.items() if inode is not None}

    def check(self) -> None:
        """Raise OutboxMoved if a name no longer leads to the file that is open."""
        for file, inode in self._files.items():
            if _inode(file) != inode:
                raise OutboxMoved(self._text(file))

    def _text(self, file: Path) -> str:
        what = f"{self._shown}{file.name[-4:] if file != self._path else ''}"
        became = "was replaced" if os.path.lexists(file) else "was removed or renamed"
        if file != self._path:
            return (
                f"{what} {became} while this process has the outbox open, so nothing more is stored or sent. End this "
                f"process before any other one uses {self._shown}: its end writes into that file what is missing there."
            )
        return (
            f"{what} {became} while this process has it open, so nothing more is stored or sent. Move the file back, "
            "or start again with what is there now; what was not sent is lost if this process ends before the file is "
            "back or copied (engine docs delivery)."
        )


def _inode(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
