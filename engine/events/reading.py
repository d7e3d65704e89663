"""Reading events from files and pipes of any size, one after the other.

One JSON value, a list of them, one object a line, objects over many lines, each also compressed with gzip: the content
shows which it is, never the name.  What cannot be read becomes a `Line` with an error, and reading goes on after it;
only a file that cannot be opened raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from engine.errors import UsageError
from engine.events.splitting import LIMIT, SIZE, Chunks, Line, Splitter

STDIN = "-"


class EventReader:
    """The lines of one file, read on demand; closes the file at its end."""

    def __init__(
        self,
        stream: IO[bytes],
        name: str,
        *,
        owned: bool,
        limit: int = LIMIT,
        size: int = SIZE,
        before_read: Callable[[], object] | None = None,
    ) -> None:
        self.name = name
        self._stream = stream
        self._owned = owned
        self._chunks = Chunks(stream, size)
        self._lines = iter(Splitter(self._chunks, name, limit, before_read))

    @property
    def consumed(self) -> int:
        """Bytes read from the file so far, before decompression; out of `total_size`, for a progress bar."""
        return self._chunks.consumed

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        try:
            return next(self._lines)
        except StopIteration:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, but not standard input."""
        if self._owned:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_events(
    path: str | Path,
    *,
    stdin: IO[bytes] | None = None,
    limit: int = LIMIT,
    before_read: Callable[[], object] | None = None,
) -> EventReader:
    """Open a file of events, or `stdin` for `-`; iterating yields its `Line`s, `with` closes it early.

    `before_read` is called when all that was read so far has been yielded, and more is read, which may take long.
    """
    if str(path) == STDIN:
        if stdin is None:
            raise UsageError("There is no standard input to read; name a file of events.")
        return EventReader(stdin, "stdin", owned=False, limit=limit, before_read=before_read)
    return EventReader(_open(Path(path)), str(path), owned=True, limit=limit, before_read=before_read)


def total_size(path: str | Path) -> int | None:
    """Return the size of a file in bytes; None for standard input, a pipe or a missing file."""
    file = Path(path)
    return file.stat().st_size if str(path) != STDIN and file.is_file() else None


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except (FileNotFoundError, ValueError):  # a ValueError where the name is invalid
        raise UsageError(f"File {path} does not exist; name a file of events, or - for standard input.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory; name the files in it, such as {path}/*.ndjson.") from None
    except PermissionError:
        raise UsageError(f"{path} cannot be read: permission denied (chmod u+r {path}).") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror}.") from None
