"""The Markdown that engine/pages writes, as blocks that a template shows: the page says what `engine docs` prints.

Only what those pages have is known; all else stays text. A template escapes every text, so a mapping cannot put markup
into a page. The pages of the documentation have more; documentation.py reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

SPANS = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)|<(https?://[^\s<>]+)>")
HEADING = re.compile(r"(#{1,3}) (.+)")
ITEM = re.compile(r"(\d+\.) (.+)")
CELLS = re.compile(r"(?<!\\)\|")


class MarkdownSpan(NamedTuple):
    """A piece of a line; `kind` is `text`, `code`, `strong`, or `link` to `href`, or to its text if that is empty.

    A `picture` is at `href`, and has its text for those who cannot see it.
    """

    kind: str
    text: str
    href: str = ""


Spans: TypeAlias = Callable[[str], Sequence[MarkdownSpan]]


class MarkdownBlock(NamedTuple):
    """A heading (`h1` to `h3`), `paragraph`, `item`, `table` or `code` block.

    The first row of a table has its titles. `number` is that of an item, or a bullet; `text` and `language` are those
    of code.
    """

    kind: str
    spans: Sequence[MarkdownSpan] = ()
    rows: Sequence[Sequence[Sequence[MarkdownSpan]]] = ()
    text: str = ""
    language: str = ""
    number: str = ""


def blocks(markdown: str, spans_of: Spans | None = None) -> Iterator[MarkdownBlock]:
    """Return the blocks of a page; `spans_of` reads a line, `spans` if it is not given."""
    spans_of = spans_of or spans
    lines = iter(markdown.split("\n"))
    table: list[list[list[MarkdownSpan]]] = []
    for line in lines:
        if line.startswith("|"):
            if not line.startswith("|---"):
                table.append([list(spans_of(cell.strip().replace("\\|", "|"))) for cell in CELLS.split(line)[1:-1]])
            continue
        if table:
            yield MarkdownBlock("table", rows=table)
            table = []
        if line.startswith("```"):
            yield MarkdownBlock("code", text="\n".join(_until_fence(lines)), language=line[3:])
        elif line and not line.startswith("<!--"):
            yield _block(line, spans_of)
    if table:
        yield MarkdownBlock("table", rows=table)


def _until_fence(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == "```":
            return
        yield line


def _block(line: str, spans_of: Spans) -> MarkdownBlock:
    if heading := HEADING.fullmatch(line):
        return MarkdownBlock(f"h{len(heading[1])}", spans_of(heading[2]))
    if item := ITEM.fullmatch(line):
        return MarkdownBlock("item", spans_of(item[2]), number=item[1])
    return MarkdownBlock("paragraph", spans_of(line))


def spans(text: str) -> list[MarkdownSpan]:
    """Return the pieces of a line: code, links to the web, and text."""
    found, start = [], 0
    for match in SPANS.finditer(text):
        found.append(_plain(text[start : match.start()]))
        found.append(MarkdownSpan("link", match[3]) if match[3] else MarkdownSpan("code", _code(match[2])))
        start = match.end()
    return [each for each in [*found, _plain(text[start:])] if each.text]


def _plain(text: str) -> MarkdownSpan:
    return MarkdownSpan("text", text.replace("&lt;", "<"))


def _code(text: str) -> str:
    is_padded = text.startswith(" ") and text.endswith(" ") and text.strip()
    return text[1:-1] if is_padded else text
