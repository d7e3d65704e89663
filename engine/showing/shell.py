"""Commands for a shell, safe to paste: they mean the same in dash, bash and zsh, typed, pasted or in a script.

Events are data, so nothing of them may end a quotation, expand, or edit the line on its way through a terminal.  Only
printable ASCII is written, in single quotes; `'` and `!` (history) never stand in them.  Other bytes, and long bodies,
go through `printf`, whose octal escapes mean the same in all three, unlike `$'...'` and `echo`; as a builtin it has no
limit on its arguments.  A terminal takes lines of 4,096 bytes at most (1,024 on a Mac), so that no line is longer than
LONGEST_LINE.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

LONGEST_LINE = 900
"""Characters."""

LONGEST_PIECE = 800
"""Characters of one quotation, so that it fits into a line with what stands around it."""

PLAIN = re.compile(r"[A-Za-z0-9_./:@-]+")
QUOTABLE = re.compile(r"[ -~]*")
NEVER_QUOTED = re.compile(r"['!]")
ESCAPED = {ord(character): f"\\{ord(character):03o}" for character in "'!\\"} | {ord("%"): "%%"}
LEADING_DASH, OCTAL_DASH = re.compile(r"^-"), r"\\055"  # an option of printf otherwise
NEXT_LINE = "\\\n"


def command(
    words: Iterable[str],
    body: bytes | None,
    *,
    body_option: str,
    input_options: Sequence[str],
    through: Sequence[str] = (),
) -> str:
    """Return a command of one or more lines, without a line end.

    A body that is short and printable is the argument of `body_option`; any other is the command's standard input, and
    `input_options` say so. A body that goes `through` another command always is.
    """
    start = [word(each) for each in words]
    if body is None:
        return _lines(start)
    text = body.decode("latin-1")
    if not through and len(text) <= LONGEST_PIECE and _quotable(text):
        return _lines([*start, body_option, f"'{text}'"])
    pipe = [_lines(through)] if through else []
    return " | ".join([_printed(body), *pipe, _lines([*start, *input_options])])


def word(text: str) -> str:
    """Return a text as one word of a command."""
    if PLAIN.fullmatch(text):
        return text
    if _quotable(text):
        return NEXT_LINE.join(f"'{piece}'" for piece in _pieces(text)) or "''"
    return NEXT_LINE.join(f'"$({each})"' for each in _printfs(text.encode()))


def _quotable(text: str) -> bool:
    return QUOTABLE.fullmatch(text) is not None and not NEVER_QUOTED.search(text)


def _printed(body: bytes) -> str:
    """Return the command that prints a body; a shell runs nothing of a group before it has read all of it."""
    first, *others = _printfs(body)
    return "\n".join(["{ " + first, *others, "}"]) if others else first


def _printfs(raw: bytes) -> Iterator[str]:
    escaped = (ESCAPED.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}") for byte in raw)
    for piece in _pieces(escaped):
        yield f"printf '{LEADING_DASH.sub(OCTAL_DASH, piece)}'"


def _pieces(characters: Iterable[str]) -> Iterator[str]:
    piece: list[str] = []
    length = 0
    for each in characters:
        if length + len(each) > LONGEST_PIECE:
            yield "".join(piece)
            piece, length = [], 0
        piece.append(each)
        length += len(each)
    if piece:
        yield "".join(piece)


def _lines(words: Sequence[str]) -> str:
    """Join words, on as few lines as they fit on."""
    text, column = words[0], len(words[0])
    for each in words[1:]:
        first, last = each.partition("\n")[0], each.rpartition("\n")[2]
        if column + 1 + len(first) > LONGEST_LINE - len(NEXT_LINE):
            text, column = f"{text} {NEXT_LINE} ", 1
        else:
            text, column = f"{text} ", column + 1
        text += each
        column = len(last) if first != each else column + len(each)
    return text
