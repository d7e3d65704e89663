"""The spare file beside a large outbox: room on a full disk for the purge that makes more.

A purge has to write before it frees anything.  It writes into the `-wal`, which can be used again from its start only
once all of it is in the outbox's file, and that file may have to grow for this, on a full disk.  What it can have to
grow by is the `-wal`: about 2,000 pages.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SPARE_BYTES = 2000 * 8192


class Spare:
    """The spare file of an outbox of at least its own size; a smaller outbox has none, because it frees less."""

    def __init__(self, outbox: Path, *, wanted: bool = True) -> None:
        self._outbox = outbox
        self._path = Path(f"{outbox.resolve()}-spare")
        self._settled, self._given_up = not wanted, False

    def keep(self) -> None:
        """Make the file once the outbox is large enough, if there is none and the disk has room."""
        if self._settled:
            return
        with suppress(OSError):
            self._settled = self._outbox.stat().st_size >= SPARE_BYTES
        if self._settled:
            self._make()

    def give_up(self) -> bool:
        """Remove the file; False if there is none."""
        self._settled = True
        with suppress(OSError):
            self._path.unlink()
            self._given_up = True
        return self._given_up

    def restore(self) -> None:
        """Make the file again after `give_up`, if the disk has room by now."""
        if self._given_up:
            self._given_up = not self._make()

    def _make(self) -> bool:
        """Make the file with all its blocks; False if that is impossible."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return True
        except OSError:
            return False
        try:
            with os.fdopen(descriptor, "wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, SPARE_BYTES)
                else:
                    file.write(bytes(SPARE_BYTES))
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        return True
