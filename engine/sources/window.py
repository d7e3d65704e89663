"""The part of a stream that is being looked at: it grows piece by piece, and forgets what was given out."""

from __future__ import annotations

import re
from collections.abc import Iterable


class Window:
    """A stretch of bytes, `text[start:]`, that knows where in the stream and on which line it begins.

    Positions handed around are relative to `start`, so they stay right when `more` drops what lies before it.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.text = b""
        self.start = 0
        self.offset = 0
        self.line = 1
        self.line_begin = 0
        self._pieces = iter(pieces)

    def more(self) -> bool:
        """Take one more piece of the stream in; False when there is none."""
        for piece in self._pieces:
            if piece:
                self.text = self.text[self.start :] + piece
                self.start = 0
                return True
        return False

    def byte(self) -> int:
        return self.text[self.start]

    def peek(self, length: int) -> bytes:
        return self.text[self.start : self.start + length]

    def size(self) -> int:
        return len(self.text) - self.start

    def pass_over(self, length: int) -> None:
        """Give out bytes that are known to hold no line end."""
        self.start += length
        self.offset += length

    def advance(self, length: int) -> None:
        """Give out bytes, and count the lines in them."""
        end = self.start + length
        lines = self.text.count(b"\n", self.start, end)
        if lines:
            self.line += lines
            self.line_begin = self.offset + self.text.rfind(b"\n", self.start, end) + 1 - self.start
        self.pass_over(length)

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Give out whatever `pattern` takes; False when that is everything up to the end of the stream."""
        while True:
            end = self.reach(pattern, 0)
            if end:
                self.advance(end)
            if self.start < len(self.text):
                return True
            if not self.more():
                return False

    def reach(self, pattern: re.Pattern[bytes], at: int) -> int:
        """Say how far `pattern`, which always matches, takes what is there from `at` on."""
        match = pattern.match(self.text, self.start + at)
        return (match.end() if match else self.start + at) - self.start

    def line_length(self, limit: int) -> int | None:
        """Say how long the rest of the line is, without its end; None when that is beyond `limit`."""
        at = 0
        while True:
            end = self.text.find(b"\n", self.start + at)
            at = end - self.start if end >= 0 else self.size()
            if at > limit:
                return None
            if end >= 0 or not self.more():
                return at
