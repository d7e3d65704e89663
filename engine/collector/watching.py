"""Which files a server was made from, and whether one of them is another now.

Size and time of the last change are compared once a second: that works on network file systems and in containers,
where the system's notifications do not.  A file is stamped before it is read, so that a change during a load counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document

Stamp: TypeAlias = tuple[int, int] | None
"""Time of the last change in nanoseconds, and size in bytes; None for a file that is not there."""

EVERY = 1.0
"""Seconds between two looks."""


def stamp(path: Path) -> Stamp:
    """Return a file's stamp."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


class WatchedFiles:
    """The files that one load reads; `read` is for those that are mappings, `add` for others."""

    def __init__(self) -> None:
        self._stamps: dict[Path, Stamp] = {}
        self._folders: dict[Path, Stamp] = {}

    def add(self, path: Path) -> None:
        """Watch a file that is about to be read."""
        self._stamps[path] = stamp(path)

    def read(self, path: Path) -> Document:
        """Read a mapping's file and watch it."""
        self.add(path)
        return reader.read(path)

    def changed(self) -> bool:
        """Whether a file is no longer what was read."""
        return any(stamp(path) != before for path, before in (*self._stamps.items(), *self._folders.items()))

    def failed_after(self, earlier: WatchedFiles) -> None:
        """Watch what may mend a load that failed: the files of the last good one too, and the folders of all.

        Something may have to be created, such as the file of an `include`.
        """
        for path in earlier._stamps:
            if path not in self._stamps:
                self.add(path)
        for folder in {path.parent for path in self._stamps}:
            self._folders |= {each: stamp(each) for each in (folder, folder / "parts")}


async def watch(changed: Callable[[], bool], reload: Callable[[], Awaitable[object]], every: float = EVERY) -> None:
    """Reload whenever something changed, until it is cancelled."""
    while True:
        await asyncio.sleep(every)
        if await asyncio.to_thread(changed):
            await reload()
