"""The bytes of a file or a pipe, piece by piece, unpacked where they are compressed.

Whether they are is told by the first two bytes, not by the name: a download may have lost its `.gz`, and what
comes through a pipe has none.  A piece is what there is: nobody waits for a full buffer while a pipe is slow.
What goes wrong on the way (a file cut short, a disk that fails) does not raise: everything before it can be
read, and `trouble` says what happened then.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import chain
from typing import IO

SIZE = 256 * 1024
GZIP = b"\x1f\x8b"
_GZIP_FORMAT = 31  # zlib's word for: a gzip header, and the largest window
_ADVICE = "The rest is missing: copy or compress the file again"


class Chunks:
    """The pieces of one stream; `consumed` counts the bytes taken from it, compressed as they may be."""

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
                    if member.eof:  # a gzip file may be several, one after the other, and padded with zeros
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
