"""Markdown, in which no text of a mapping becomes markup that it should not be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from engine.language.texts import visible
from engine.records import Json

LONGEST = 160
"""Characters of a value in a table."""
_SPANS = re.compile(r"(`[^`]*`)")


def code(text: str) -> str:
    """Return a text as code, whatever is in it."""
    shown = visible(text)
    longest = max((len(each) for each in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{space}{shown}{space}{fence}"


def value(found: Json) -> str:
    """Return a JSON value as code, shortened; text without its quotes."""
    text = found if isinstance(found, str) and found.strip() else json.dumps(found, ensure_ascii=False)
    return code(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def prose(text: str) -> str:
    """Return a sentence of a mapping: code in it stays code, and there is no HTML."""
    pieces = _SPANS.split(visible(" ".join(text.split())))
    return "".join(each if each.startswith("`") else each.replace("<", "&lt;") for each in pieces)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a table, an empty one last; none without rows."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    if lines:
        yield "| " + " | ".join(titles) + " |"
        yield "|" + "---|" * len(titles)
        yield from lines
        yield ""


def block(language: str, text: str) -> Iterator[str]:
    """Return a text as a block of code."""
    from engine.language.texts import visible_lines

    yield f"```{language}"
    yield visible_lines(text)
    yield "```\n"
