"""Files of people: what stands at a path, and texts that are written as a whole or not at all.

A full disk, or the end of the process, leaves the old file, or none: never half of one. Errors name the file that was
meant, never the temporary one beside it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

KINDS = {
    stat.S_IFDIR: "is a folder, not a file",
    stat.S_IFIFO: "is a named pipe, not a file",
    stat.S_IFSOCK: "is a socket, not a file",
    stat.S_IFCHR: "is a device, not a file",
    stat.S_IFBLK: "is a device, not a file",
}


def not_a_file(path: Path) -> str | None:
    """Return why a path is no regular file, as the end of a sentence; None where it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a symbolic link to a file that does not exist" if path.is_symlink() else "does not exist"
    except NotADirectoryError:
        return "does not exist"
    except (OSError, ValueError) as error:  # a loop of links, a name that is too long, a null character
        reason = getattr(error, "strerror", None) or error
        return f"cannot be opened ({str(reason).lower()})"
    return None if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "is not a regular file")


def version_of(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written or replaced, () for one that is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def sync_to_disk(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable; raises OSError."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def create(path: Path, text: str) -> None:
    """Write a file that is not there yet; raises FileExistsError, also for a link to nothing, and OSError."""
    path.open("xb").close()  # the name is ours from here, with the mode of a new file
    try:
        replace(path, text)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def replace(path: Path, text: str) -> None:
    """Write a new file beside the old one, with its mode and owner, and rename it; a link is replaced itself.

    Raises OSError.
    """
    with written(path, like=path) as file:
        file.write(text.encode())


@contextmanager
def written(path: Path, like: Path | None = None) -> Iterator[IO[bytes]]:
    """Take the bytes of a file that is there, or replaced, once all are written; raises OSError.

    It gets mode and owner of the file `like`; without one, only the owner can read it.
    """
    temporary = None
    try:
        number, name = tempfile.mkstemp(prefix=".waybill-", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(number, "wb") as file:
            yield file
        if like is not None:
            with suppress(OSError):  # only root may give a file to another
                os.chown(temporary, like.stat().st_uid, like.stat().st_gid)
            shutil.copymode(like, temporary)
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
