"""Where a character of a text stands in the file: through quotes, escapes, indentation and folded lines.

The reader keeps where a value begins. From there the source and the text are walked together: both have the same
characters in the same order, except that white space differs and that an escape stands for one character.
"""

from __future__ import annotations

import re

from engine.mapping.yaml.document import Document, Point

BLANK = re.compile(r"[ \t\r\n]*")
BLANK_OR_ESCAPED = re.compile(r"(?:[ \t\r\n]|\\[ nrt\t]|\\\r?\n)*")
HEADER = re.compile(r"[|>][^\n]*\n")
ESCAPE = re.compile(r"\\(?:x..|u....|U........|.)", re.DOTALL)
SURROGATES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..")


def point_inside(document: Document, start: Point, text: str, offset: int) -> Point:
    """Return where character `offset` (from 0) of `text` stands; `text` is the value that begins at `start`."""
    source = document.text
    place = _offset(source, start)
    style = source[place : place + 1]
    if style in ("|", ">") and (header := HEADER.match(source, place)):
        place = header.end()
    elif style in ("'", '"'):
        place += 1
    else:
        style = ""
    return _point(source, _walk(source, place, text, min(offset, len(text)), style))


def _walk(source: str, place: int, text: str, offset: int, style: str) -> int:
    blank = BLANK_OR_ESCAPED if style == '"' else BLANK
    done = 0
    while place < len(source):
        skipped = blank.match(source, place)
        begins = BLANK.match(text, done)
        assert skipped is not None
        assert begins is not None
        if offset < begins.end():
            return place + offset - done if skipped.end() - place >= begins.end() - done else place
        place, done = skipped.end(), begins.end()
        if done >= offset:
            return place
        place, done = place + _width(source, place, style), done + 1
    return place


def _width(source: str, place: int, style: str) -> int:
    """Return how many characters of the source stand for one of the text."""
    if style == "'" and source.startswith("''", place):
        return 2
    if style == '"' and (escape := SURROGATES.match(source, place) or ESCAPE.match(source, place)):
        return len(escape[0])
    return 1


def _offset(source: str, start: Point) -> int:
    place = 0
    for _ in range(start.line):
        place = source.find("\n", place) + 1
    return place + start.column


def _point(source: str, place: int) -> Point:
    before = source[:place]
    return Point(before.count("\n"), len(before) - (before.rfind("\n") + 1))
