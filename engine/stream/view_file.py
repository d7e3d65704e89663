"""Where a view is, and what happens to one that is damaged, half-written or of another release: it is made again.

Everything in a view comes from the streams, so its file may be removed at any time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Self

from engine.delivery.outbox.base import OutboxError, OutboxFull
from engine.delivery.outbox.location import StreamAddress
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.errors import UsageError
from engine.stream.client import StreamClient
from engine.stream.layout import Layout
from engine.stream.view_tables import identity
from engine.stream.viewing import Progress, ViewFollower, lock

VARIABLE = "WAYBILL_VIEW"
BESIDE = ("", "-wal", "-shm")
MAKING = 60.0
"""Seconds to wait for another process that makes the same view."""
NOT_A_VIEW = (
    "{file} is not a view of streams, so it was left unchanged. A view is made again whenever it is needed: name a "
    f"file that does not exist yet with {VARIABLE}."
)
FOREIGN = (
    "{file} is a link, or belongs to another user, so nothing is written there: a view has the events of the streams "
    f"in it. Name a file of your own with {VARIABLE}."
)
OPEN_FOLDER = (
    "Everybody may write to the folder {folder}, so it is no place for a view, which has the events of the streams in "
    f"it. Take that permission away (chmod o-w), or name another file with {VARIABLE}."
)
NO_PLACE = f"There is no home folder for the view of the streams: name a file for it with {VARIABLE}."
NO_FOLDER = "The folder {folder} for the view of the streams cannot be made ({reason}): name a file with {variable}."
MADE_AGAIN = "The view {file} cannot be used ({reason}): it is built anew."
CHECKED = "SELECT count(*) FROM (SELECT 1 FROM events LIMIT 1)"


def view_file(address: StreamAddress, environ: Mapping[str, str]) -> Path:
    """Return the file of the view of an address: that of WAYBILL_VIEW, or one in the user's cache."""
    if named := environ.get(VARIABLE):
        return Path(named)
    digest = blake2b("\n".join([*sorted(address.servers), address.name]).encode(), digest_size=6).hexdigest()
    return _cache(environ) / "waybill" / "views" / f"{address.name}-{digest}.db"


def _cache(environ: Mapping[str, str]) -> Path:
    if folder := environ.get("XDG_CACHE_HOME"):
        return Path(folder)
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  Path.home() raises where there is none
    if not home or home.startswith("~"):
        raise UsageError(NO_PLACE)
    return Path(home) / ".cache"


class ViewFile:
    """A view in its file: `catch_up` brings it up to date."""

    def __init__(self, outbox: SqliteOutbox, follower: ViewFollower) -> None:
        self.file = outbox.file
        self._outbox, self._follower = outbox, follower

    @classmethod
    @contextmanager
    def opened(
        cls,
        file: Path,
        client: StreamClient,
        layout: Layout,
        *,
        note: Callable[[str], None] = lambda _: None,
        progress: Progress = lambda _read, _all: None,
    ) -> Iterator[Self]:
        """Open or make the view in a file; raise UsageError for a file that is something else."""
        outbox = _opened(file, note)
        try:
            yield cls(outbox, ViewFollower(outbox, client, layout, note=note, progress=progress))
        finally:
            outbox.close()

    def catch_up(self) -> None:
        """Read all that the streams have by now."""
        self._follower.catch_up()


def _opened(file: Path, note: Callable[[str], None]) -> SqliteOutbox:
    _make_folder(file.parent)
    _check_private(file)
    is_ours = Path(f"{file}.lock").exists()  # which the first one to make it leaves beside it
    if file.exists() and file.stat().st_size and not is_ours:
        raise UsageError(NOT_A_VIEW.format(file=file))
    with lock(file, MAKING) as mine:
        if not mine:
            return SqliteOutbox(file, durable=False)
        try:
            return _checked(file)
        except OutboxFull:
            raise
        except OutboxError as error:
            note(MADE_AGAIN.format(file=file, reason=str(error).rstrip(".")))
            for end in BESIDE:
                Path(f"{file}{end}").unlink(missing_ok=True)
            return SqliteOutbox(file, durable=False)


def _checked(file: Path) -> SqliteOutbox:
    """Open a view; raise OutboxError if its pages are damaged."""
    outbox = SqliteOutbox(file, durable=False)
    try:
        outbox.look(identity)
        outbox.look(lambda db: db.execute(CHECKED).fetchone())
    except BaseException:
        with suppress(OutboxError):
            outbox.close()
        raise
    return outbox


def _check_private(file: Path) -> None:
    """Raise UsageError where another user has put something in the place of a view, or could."""
    mode = file.parent.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise UsageError(OPEN_FOLDER.format(folder=file.parent))
    for each in (file, *(Path(f"{file}{end}") for end in (*BESIDE[1:], ".lock"))):
        try:
            found = each.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise UsageError(FOREIGN.format(file=each))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(NO_FOLDER.format(folder=folder, reason=reason, variable=VARIABLE)) from error
