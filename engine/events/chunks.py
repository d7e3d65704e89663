"""The bytes of a file or a pipe in chunks, decompressed where necessary.

The first two bytes show whether they are compressed, not the name: a download may have lost its `.gz`, and a pipe has
no name.  A chunk is whatever is available, so that a slow pipe is not waited for.  A failure on the way (a truncated
file, a failing disk) does not raise: everything before it can be read, and `trouble` says what happened then.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain
from typing import IO

SIZE = 256 * 1024
GZIP = b"\x1f\x8b"
_GZIP_FORMAT = 31  # means for zlib: a gzip header, and the largest window
_ADVICE = "The rest is missing: copy or compress the file again"


class Chunks:
    """The chunks of one stream; `consumed` counts the bytes read from it, before decompression."""

    def __init__(self, stream: IO[bytes], size: int = SIZE) -> None:
        self.consumed = 0
        self.trouble: str | None = None
        self._stream = stream
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._pieces()
        first = b""
        for piece in pieces:
            first += piece
            if len(first) >= len(GZIP):
                break
        all_pieces = chain([first], pieces)
        yield from self._unpacked(all_pieces) if first.startswith(GZIP) else all_pieces

    def _pieces(self) -> Iterator[bytes]:
        read = getattr(self._stream, "read1", self._stream.read)
        try:
            while piece := read(self._size):
                self.consumed += len(piece)
                yield piece
        except OSError as error:
            self.trouble = f"reading stopped here: {error.strerror or error}; the rest is missing"

    def _unpacked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        member = zlib.decompressobj(_GZIP_FORMAT)
        try:
            for piece in pieces:
                packed = piece
                while packed:
                    if member.eof:  # a gzip file may have several members, and padding of zeros
                        packed = packed.lstrip(b"\0")
                        if not packed:
                            break
                        member = zlib.decompressobj(_GZIP_FORMAT)
                    yield member.decompress(packed, self._size)
                    packed = member.unused_data if member.eof else member.unconsumed_tail
            yield member.flush()
        except zlib.error as error:
            self.trouble = f"the compressed data is corrupt here ({error}). {_ADVICE}"
            return
        if not member.eof:
            self.trouble = self.trouble or f"the compressed data ends early. {_ADVICE}"
