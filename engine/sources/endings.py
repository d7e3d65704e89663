"""How long the JSON value at the beginning of a window is, found without reading what it says.

Brackets outside of texts are counted, text by text and piece by piece; nothing is looked at twice, however slowly
a value arrives.  A line end inside a text, a bracket that closes another kind, an object where JSON allows none:
these show that the end of something was lost, long before the end of the file would.
"""

from __future__ import annotations

import re

from engine.sources.window import Window

OBJECT, LIST, LIST_END, QUOTE = b'{[]"'

_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")*+')
_TO_END_OF_TEXT = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+')
_TO_END_OF_WORD = re.compile(rb"[^,\] \t\r\n]++")
_CLOSERS = {OBJECT: ord("}"), LIST: LIST_END}
_BEFORE_AN_OPENING = {ord("}"): b":", LIST_END: b"[,"}


class Lost(Exception):  # noqa: N818  it says what happened
    """The end of a value cannot be found; `upto` is how far it was followed."""

    def __init__(self, upto: int) -> None:
        self.upto = upto


def length_of_value(window: Window, limit: int) -> int:
    """Give the length of the value that begins in `window`, which grows as needed; raises Lost, also beyond `limit`."""
    first = window.byte()
    if first in _CLOSERS:
        return _length_of_structure(window, limit)
    return _end_of_text(window, 1, limit) if first == QUOTE else _length_of_word(window, limit)


def _length_of_structure(window: Window, limit: int) -> int:
    closers = bytearray()
    at = 0
    while True:
        at = _next_bracket(window, at, limit)
        bracket = window.text[window.start + at]
        if bracket in _CLOSERS:
            if closers and not _may_open(window, at, closers[-1]):
                raise Lost(at)
            closers.append(_CLOSERS[bracket])
        elif closers.pop() != bracket:
            raise Lost(at + 1)
        at += 1
        if not closers:
            return at


def _next_bracket(window: Window, at: int, limit: int) -> int:
    while True:
        at = window.reach(_TO_BRACKET, at)
        if at > limit:
            raise Lost(at)
        if at < window.size():
            if window.text[window.start + at] != QUOTE:
                return at
            at = _end_of_text(window, at + 1, limit)  # a text that the pieces read so far do not close
        elif not window.more():
            raise Lost(at)


def _end_of_text(window: Window, at: int, limit: int) -> int:
    while True:
        at = window.reach(_TO_END_OF_TEXT, at)
        stop = window.text[window.start + at : window.start + at + 2]
        if at > limit:
            raise Lost(at)
        if stop[:1] == b'"':
            return at + 1
        if b"\n" in stop:
            raise Lost(at)
        if not window.more():
            raise Lost(window.size())


def _length_of_word(window: Window, limit: int) -> int:
    length = window.reach(_TO_END_OF_WORD, 0)
    while length == window.size() and length <= limit and window.more():
        length = window.reach(_TO_END_OF_WORD, 0)
    if length > limit:
        raise Lost(length)
    return length


def _may_open(window: Window, at: int, inside: int) -> bool:
    """Whether JSON allows an object or list here: behind a colon in an object, a comma or the bracket in a list."""
    text, before = window.text, window.start + at - 1
    while text[before] in b" \t\r\n":
        before -= 1
    return text[before] in _BEFORE_AN_OPENING[inside]
