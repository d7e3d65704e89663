"""Cleans the parts of an outbox's pages that hold no data: remnants of what was removed, which SQLite leaves there.

`secure_delete` overwrites what is removed.  But when SQLite moves rows from one page to another, the old page keeps
them in its unallocated part, where a later removal does not look; and a file of an older version of the engine, or of
another build of SQLite, has remnants of all kinds.  SQLite itself has nothing against this but VACUUM, which keeps all
others from writing for as long as it takes to copy the file.

So the unallocated parts are overwritten here, in the file itself (https://www.sqlite.org/fileformat2.html).  That is
safe under three conditions.  This process holds the lock of writers, and the `-wal` is empty, so the file is all there
is, and nobody writes to it.  Only bytes are touched that SQLite never reads: between a page's list of cells and its
cells, inside its free blocks, and free pages.  And a transaction follows, so that other connections forget the pages
that they remember.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from engine.delivery.outbox import statements as sql

HEADERS = {2: 12, 5: 12, 10: 8, 13: 8}
"""Bytes of a page's header by the type of the page; the first byte of pages of other kinds is none of these."""
MOST_PAGES = 2**25
"""Pages of a file; in a larger one, the first byte of other pages could look like a type."""
READ_AT_ONCE = 512
"""Pages that are read at once."""
WRITTEN_AT_ONCE = 200
"""Pages that are cleaned under one lock: a few milliseconds."""
TRIES = 100
"""How often an empty `-wal` is waited for, each time at most 0.15 seconds."""
ZEROS = bytes(65536)

_open: dict[tuple[int, int], int] = {}
"""Descriptors by device and inode.  Closing one would drop SQLite's locks on the file, so none is ever closed."""


def scrub(path: Path) -> bool:
    """Overwrite what is left in unallocated parts; False if others kept the `-wal` from being emptied."""
    with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
        db.execute(sql.SHORT_PATIENCE)
        size = db.execute("PRAGMA page_size").fetchone()[0]
        count = db.execute("PRAGMA page_count").fetchone()[0]
        if count >= MOST_PAGES:
            return False
        descriptor = _descriptor(path)
        _emptied(db)
        found = chain(_unclean(descriptor, size, count), _unclean_free(descriptor, size))
        while part := list(islice(found, WRITTEN_AT_ONCE)):
            if not _clean(db, path, descriptor, size, part):
                return False
        return True


def _descriptor(path: Path) -> int:
    found = path.stat()
    key = (found.st_dev, found.st_ino)
    if key not in _open:
        _open[key] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return _open[key]


def _emptied(db: sqlite3.Connection) -> bool:
    return bool(db.execute(sql.EMPTY_WAL).fetchone()[0] == 0)


def _unclean(descriptor: int, size: int, count: int) -> Iterator[int]:
    """Yield the numbers of pages with remnants, counted from 0."""
    for start in range(0, count, READ_AT_ONCE):
        block = os.pread(descriptor, READ_AT_ONCE * size, start * size)
        for number in range(len(block) // size):
            page = block[number * size : (number + 1) * size]
            if any(page[at:end] != ZEROS[: end - at] for at, end in _unused(page, start + number)):
                yield start + number


def _unclean_free(descriptor: int, size: int) -> Iterator[int]:
    """Yield the numbers of free pages with remnants; one that is in use again by now is looked at once more later."""
    for number, used in dict(_free(descriptor, size)).items():
        if os.pread(descriptor, size, number * size)[used:] != ZEROS[: size - used]:
            yield number


def _unused(page: bytes, number: int) -> Iterator[tuple[int, int]]:
    """Yield the unallocated parts of a page, from and to which byte; none of what does not look like a page."""
    head = 100 if number == 0 else 0
    length = HEADERS.get(page[head])
    if length is None:
        return
    free, cells, content = struct.unpack_from(">HHH", page, head + 1)
    first, content = head + length + 2 * cells, content or 65536
    if first > content or content > len(page):
        return
    yield first, content
    while content <= free <= len(page) - 4:
        following, length = struct.unpack_from(">HH", page, free)
        if length < 4 or free + length > len(page):
            return
        yield free + 4, free + length
        if following <= free:
            return
        free = following


def _clean(db: sqlite3.Connection, path: Path, descriptor: int, size: int, found: list[int]) -> bool:
    """Overwrite the unallocated parts of some pages, and free pages, while nobody else can write."""
    if not _locked_with_empty_wal(db, path):
        return False
    try:
        free = dict(_free(descriptor, size))  # as they are now
        for number in found:
            page = os.pread(descriptor, size, number * size)
            for at, end in [(free[number], size)] if number in free else _unused(page, number):
                os.pwrite(descriptor, ZEROS[: end - at], number * size + at)
        os.fsync(descriptor)
        db.execute(sql.SUPPRESSION_CHANGED)  # any change
        db.execute(sql.COMMIT)
    except BaseException:
        if db.in_transaction:
            db.execute(sql.ROLLBACK)
        raise
    return True


def _locked_with_empty_wal(db: sqlite3.Connection, path: Path) -> bool:
    beside = Path(f"{path.resolve()}-wal")
    for _ in range(TRIES):
        try:
            if not _emptied(db):
                continue
            db.execute(sql.BEGIN_WRITE)
        except sqlite3.OperationalError:  # locked
            continue
        if not beside.exists() or not beside.stat().st_size:
            return True
        db.execute(sql.ROLLBACK)
    return False


def _free(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the numbers of free pages, counted from 0, and how many bytes of each are in use: for the list of them."""
    trunk, _ = struct.unpack(">II", os.pread(descriptor, 8, 32))
    seen: set[int] = set()
    while trunk and trunk not in seen:
        seen.add(trunk)
        page = os.pread(descriptor, size, (trunk - 1) * size)
        following, leaves = struct.unpack_from(">II", page)
        if leaves > size // 4 - 2:
            return
        yield trunk - 1, 8 + 4 * leaves
        yield from ((number - 1, 0) for number in struct.unpack_from(f">{leaves}I", page, 8))
        trunk = following
