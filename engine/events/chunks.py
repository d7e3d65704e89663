"""The bytes of a file or a pipe in chunks, decompressed where necessary.

The first two bytes show whether they are compressed, not the name: a download may have lost its `.gz`, and a pipe has
no name.  A chunk is whatever is available, so that a slow pipe is not waited for.  A failure on the way (a truncated
file, a failing disk) does not raise: everything before it can be read, and `trouble` says what happened then.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from typing import IO, cast

SIZE = 256 * 1024
GZIP = b"\x1f\x8b"
_ADVICE = "The rest is missing: copy or compress the file again"


class Chunks:
    """The chunks of one stream; `consumed` counts the bytes read from it, before decompression."""

    def __init__(self, stream: IO[bytes], size: int = SIZE) -> None:
        self.consumed = 0
        self.trouble: str | None = None
        self._first = b""
        self._read = getattr(stream, "read1", stream.read)
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        try:
            while len(self._first) < len(GZIP) and (chunk := self._next(self._size)):
                self._first += chunk
            is_compressed = self._first.startswith(GZIP)
            read = GzipFile(fileobj=cast("IO[bytes]", self)).read1 if is_compressed else self.read
            while chunk := read(self._size):
                yield chunk
        except EOFError:
            self.trouble = f"the compressed data ends early. {_ADVICE}"
        except (zlib.error, BadGzipFile) as error:
            self.trouble = f"the compressed data is corrupt here ({error}). {_ADVICE}"
        except OSError as error:
            self.trouble = f"reading stopped here: {error.strerror or error}; the rest is missing"

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes before decompression: all that GzipFile needs of a file."""
        chunk, self._first = self._first[:size], self._first[size:]
        return chunk or self._next(min(size, self._size))

    def _next(self, size: int) -> bytes:
        chunk = self._read(size)
        self.consumed += len(chunk)
        return cast("bytes", chunk)
