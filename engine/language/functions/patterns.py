r"""Patterns, and replacing inside text: replace, pattern_replace, matches.

RE2's Python wrapper expands `\1` in a replacement with Python's escapes and garbles what is not ASCII, so `with` is
parsed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from engine.language.functions.arguments import check_length, text_from
from engine.language.functions.model import BOOLEAN, NUMBER, TEXT, CannotConvert, Example, Function, Parameter
from engine.language.regex import compile_pattern
from engine.language.texts import LONE_SURROGATE, shown
from engine.records import Json

_MOST_MATCHES = 5000
"""RE2 takes linear time for one match, its wrapper some microseconds more; a text of a megabyte would take a minute."""

_MARK = re.compile(r"\\(.?)", re.DOTALL)


def replace(**given: str) -> Callable[[Json], Json]:
    find, instead = given["find"], given["with"]  # `with` is a keyword of Python
    longer = len(instead) - len(find)

    def replaced(value: Json) -> Json:
        text = value if type(value) is str else text_from(value)
        if longer > 0:
            check_length(len(text) + longer * text.count(find))
        return text.replace(find, instead)

    return replaced


def pattern_replace(**given: str) -> Callable[[Json], Json]:
    pattern = _pattern(given["pattern"], "pattern_replace")
    instead = _replacement(given["with"], pattern.groups)

    def replaced(value: Json) -> Json:
        text = value if type(value) is str else text_from(value)
        length = len(text)

        def counted(match: Any) -> str:
            nonlocal length
            made = instead(match)
            length += len(made)
            check_length(length)
            return made

        try:
            changed, matches = pattern.subn(counted, text, _MOST_MATCHES + 1)
        except UnicodeEncodeError:
            raise CannotConvert(LONE_SURROGATE) from None
        if matches > _MOST_MATCHES:
            raise CannotConvert(f"more than {_MOST_MATCHES} matches")
        return str(changed)

    return replaced


def matches(pattern: str) -> Callable[[Json], Json]:
    compiled = _pattern(pattern, "matches")

    def matched(value: Json) -> Json:
        text = value if type(value) is str else text_from(value)
        try:
            return compiled.search(text) is not None
        except UnicodeEncodeError:
            raise CannotConvert(LONE_SURROGATE) from None

    return matched


def _pattern(text: str, function: str) -> Any:
    try:
        return compile_pattern(text)
    except ValueError as error:
        message = f'"pattern" of {function} is not a valid RE2 pattern: {error} (in {shown(text)}).'
        raise ValueError(message) from None


def _replacement(text: str, groups: int) -> Callable[[Any], str]:
    """Return the function that builds the replacement for a match from literal text and groups."""
    first, *rest = _MARK.split(text)
    pieces: list[str | int] = [first]
    for mark, literal in zip(rest[::2], rest[1::2], strict=True):
        pieces += [_piece(mark, groups), literal]
    if all(isinstance(piece, str) for piece in pieces):
        whole = "".join(map(str, pieces))
        return lambda _match: whole
    return lambda match: _joined([(match[piece] or "") if isinstance(piece, int) else piece for piece in pieces])


def _joined(texts: list[str]) -> str:
    check_length(sum(map(len, texts)))
    return "".join(texts)


def _piece(mark: str, groups: int) -> str | int:
    if mark == "\\":
        return mark
    if mark in "0123456789"[: groups + 1] and mark:
        return int(mark)
    most = f"a group number (0 to {groups})" if groups else "0, for the whole match,"
    raise ValueError(f'In "with" of pattern_replace, a backslash must be followed by {most} or another backslash.')


FUNCTIONS = (
    Function(
        name="replace",
        group="text",
        about="Every occurrence of one text replaced with another.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        parameters=(
            Parameter(name="find", about="The text to find; case matters.", at_least=1),
            Parameter(name="with", about="The replacement.", default=""),
        ),
        examples=(
            Example("a-b-c", "a_b_c", {"find": "-", "with": "_"}),
            Example("a-b-c", "abc", {"find": "-"}),
            Example("abc", "abc", {"find": "x", "with": "y"}),
            Example(1.5, "1,5", {"find": ".", "with": ","}),
            Example(False, parameters={"find": "f"}, reason="a boolean is not text"),
        ),
        call=replace,
    ),
    Function(
        name="pattern_replace",
        group="text",
        about="Every match of a pattern replaced. In `with`, `\\1` is the first group's match, `\\0` the whole match.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        parameters=(
            Parameter(
                name="pattern", about="An RE2 pattern: no look-around, no back-references.", kind="pattern", at_least=1
            ),
            Parameter(name="with", about="The replacement for each match.", default=""),
        ),
        examples=(
            Example("Order #123", "Order ", {"pattern": "#[0-9]+"}),
            Example("2019-09-01", "01.09.2019", {"pattern": r"(\d+)-(\d+)-(\d+)", "with": r"\3.\2.\1"}),
            Example("größe", "[ö]", {"pattern": "^.*(ö).*$", "with": r"[\1]"}),
            Example("a.b", r"a\.b", {"pattern": r"\.", "with": r"\\\0"}),
            Example("abc", "-a-b-c-", {"pattern": "x*", "with": "-"}),
            Example({}, parameters={"pattern": "a"}, reason="an object is not text"),
        ),
        call=pattern_replace,
        source="https://github.com/google/re2/wiki/Syntax",
    ),
    Function(
        name="matches",
        group="text",
        about="Whether a pattern is found in the text; `^` and `$` stand for its beginning and end.",
        takes=TEXT | NUMBER,
        gives=BOOLEAN,
        parameters=(
            Parameter(
                name="pattern", about="An RE2 pattern: no look-around, no back-references.", kind="pattern", at_least=1
            ),
        ),
        examples=(
            Example("ann@example.com", True, {"pattern": "@example[.]com$"}),
            Example("ann@example.org", False, {"pattern": "@example[.]com$"}),
            Example("Order Completed", True, {"pattern": "(?i)^order "}),
            Example(404, True, {"pattern": "^4..$"}),
            Example(True, parameters={"pattern": "true"}, reason="a boolean is not text"),
        ),
        call=matches,
        source="https://github.com/google/re2/wiki/Syntax",
    ),
)
