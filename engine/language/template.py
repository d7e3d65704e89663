"""Text with `${path}` in it: the one place that splits it into pieces.

A `${` ends at the first `}` outside quotes, so a filter with quotes works; `$${` is a literal `${`.  What happens to
the pieces (encoded, left out, refused) depends on where the text is used and is decided there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from engine.errors import PathError
from engine.noun import Noun

QUOTES = "'\"`"


class Hole(Noun, kw_only=False):
    """One `${path}`; `column` is where the path begins in the text, from 1."""

    path: str
    column: int


Piece: TypeAlias = str | Hole


class Text(Noun, kw_only=False):
    """A text as literal pieces and holes."""

    pieces: tuple[Piece, ...]

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The `${}` of the text, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Hole))

    @property
    def literal(self) -> str | None:
        """The text itself where it has no `${}`, else None."""
        return None if self.holes else "".join(piece for piece in self.pieces if isinstance(piece, str))


@lru_cache(maxsize=4096)
def parse(text: str) -> Text:
    """Split `text` into pieces; raises PathError where a `${` has no `}`."""
    pieces: list[Piece] = []
    literal = ""
    at = 0
    while (found := text.find("${", at)) >= 0:
        if found > at and text[found - 1] == "$":
            literal += text[at : found - 1] + "${"
            at = found + 2
            continue
        literal += text[at:found]
        end = _end_of_hole(text, found + 2)
        if literal:
            pieces.append(literal)
        pieces.append(Hole(text[found + 2 : end], found + 3))
        literal, at = "", end + 1
    literal += text[at:]
    if literal:
        pieces.append(literal)
    return Text(tuple(pieces))


def parse_or_none(text: str) -> Text | None:
    """Split a text into pieces; None where a `${` has no `}`."""
    try:
        return parse(text)
    except PathError:
        return None


def _end_of_hole(text: str, start: int) -> int:
    quote = ""
    at = start
    while at < len(text):
        character = text[at]
        if quote:
            if character == "\\":
                at += 1
            elif character == quote:
                quote = ""
        elif character in QUOTES:
            quote = character
        elif character == "}":
            return at
        at += 1
    raise PathError("`${` has no closing `}`; write $${ for a literal ${", start - 1)
