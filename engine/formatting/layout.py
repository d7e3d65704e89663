"""A mapping file in the canonical layout: the same text again, with other spaces and its keys in order.

Scalars and comments are copied as they are written, never made anew from values: a library that dumps what it loaded
changes numbers, times, quotes and lines that people chose. What lies between them (spaces, line ends, `:` and `-`) is
written anew. The result is read again and must be the same value with the same comments, or nothing is changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any, NamedTuple

from engine.errors import WaybillError
from engine.formatting.orders import order_at, ordered
from engine.mapping.yaml import reader
from engine.records import Json, Place

WIDTH = 120
INDENT = 2
EDITOR_LINE = "# yaml-language-server"
"""Begins the comment that names the schema, which stays the first line."""


class LayoutError(WaybillError):
    """A file that cannot be written in the canonical layout without changing what it says."""


@dataclass(slots=True)
class LayoutNode:
    """A value or key of the file: its text is `text[start:end]`; a leaf is copied, or is flow style on one line."""

    start: int
    end: int
    style: str | None = None
    flow: bool = False
    is_list: bool = False
    items: list[LayoutNode] = field(default_factory=list)
    keys: list[LayoutNode] = field(default_factory=list)
    is_scalar: bool = False

    @property
    def is_block(self) -> bool:
        """Whether it is a list or mapping over several lines, by indentation."""
        return not self.is_scalar and not self.flow


class SourceLine(NamedTuple):
    """A whole line between two leaves: a comment and its column, or an empty line."""

    text: str
    column: int = 0


class Gap(NamedTuple):
    """What stands between two leaves: a comment on the first one's line, with the spaces before it, and whole lines."""

    trailing: str
    lines: tuple[SourceLine, ...]


class Block(NamedTuple):
    """A block as it is written: the lines above its first entry, which may go above a `-`, and its own."""

    above: list[SourceLine]
    lines: list[str]


def formatted(text: str, file: str) -> str:
    """Return the text of a mapping in the canonical layout; `text` has passed the reader. Raises LayoutError."""
    source = re.sub(r"\r\n?", "\n", text.removeprefix("\ufeff"))
    result = _Layout(source).text()
    before, after = reader.parse(source, file), reader.parse(result, file)
    if after.problems or not _same(before.value, after.value) or _comments(source) != _comments(result):
        raise LayoutError(f"{file}: the layout of this file is too unusual to be changed safely; it was left as it is.")
    return result


def _same(old: Json, new: Json) -> bool:
    """Whether two values are the same, with the same types; the order of keys may differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(member, new[key]) for key, member in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return type(old) is type(new) and old == new


def _comments(text: str) -> Counter[str]:
    layout = _Layout(text)
    return Counter(
        part.strip()
        for gap in layout.gaps
        for part in (gap.trailing, *(line.text for line in gap.lines))
        if part.strip()
    )


def _root(text: str) -> LayoutNode:
    """Return the tree of a text that the reader has accepted."""
    from yaml import events
    from yaml._yaml import CParser

    parser = CParser(text)
    levels: list[LayoutNode] = []
    root: LayoutNode | None = None
    while (event := parser.get_event()) is not None:
        if isinstance(event, events.CollectionEndEvent):
            levels.pop().end = _end(event)
        if not isinstance(event, events.NodeEvent):
            continue
        node = _node(event)
        if levels:
            level = levels[-1]
            (level.items if level.is_list or len(level.keys) > len(level.items) else level.keys).append(node)
        root = root or node
        if not node.is_scalar:
            levels.append(node)
    assert root is not None
    return root


def _end(event: Any) -> int:
    end: int = event.end_mark.index
    return end


def _node(event: Any) -> LayoutNode:
    from yaml import events

    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, events.ScalarEvent):
        return LayoutNode(start, end, event.style, is_scalar=True)
    is_list = isinstance(event, events.SequenceStartEvent)
    return LayoutNode(start, end, flow=bool(event.flow_style), is_list=is_list)


def _leaves(node: LayoutNode) -> Iterator[LayoutNode]:
    """Yield what is copied, in the order of the text: scalars, also absent ones, and flow collections as a whole."""
    if not node.is_block:
        yield node
    elif node.is_list:
        for item in node.items:
            yield from _leaves(item)
    else:
        for key, item in zip(node.keys, node.items, strict=True):
            yield key
            yield from _leaves(item)


def _gap(text: str, *, first: bool, last: bool) -> Gap:
    """Take a gap apart: of a whole line only a comment counts, since `-`, `:` and `---` are written anew."""
    segments = text.split("\n")
    whole = segments[0 if first else 1 : None if last else -1]
    lines = []
    for segment in whole:
        if "#" in segment:
            column = segment.index("#")
            lines.append(SourceLine(segment[column:].rstrip(), column))
        elif not segment.strip():
            lines.append(SourceLine(""))
    found = None if first else re.search(r"[ \t]*#.*", segments[0])
    return Gap(found[0].rstrip() if found else "", tuple(lines))


def _split(lines: Sequence[SourceLine], column: int) -> tuple[list[SourceLine], list[SourceLine]]:
    """Return the lines that belong to what is above, whose comments stand deeper than a column, and the others."""
    end = 0
    for number, line in enumerate(lines, 1):
        if line.text and line.column <= column:
            break
        end = number if line.text else end
    return list(lines[:end]), list(lines[end:])


def _written(lines: Sequence[SourceLine], indent: int) -> list[str]:
    """Return comments at an indentation; of several empty lines one."""
    found: list[str] = []
    for line in lines:
        if line.text or not found or found[-1]:
            found.append(" " * indent + line.text if line.text else "")
    return found


def _without_first_empty(lines: Sequence[SourceLine]) -> list[SourceLine]:
    return list(dropwhile(lambda line: not line.text, lines))


class _Layout:
    """One file; `gaps[n]` stands before the leaf number n, the last one at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root = _root(text)
        leaves = list(_leaves(self._root))
        self._numbers = {id(leaf): number for number, leaf in enumerate(leaves)}
        ends = [0, *map(self._end, leaves)]
        starts = [*(leaf.start for leaf in leaves), len(text)]
        self.gaps = [
            _gap(text[end:start], first=number == 0, last=number == len(leaves))
            for number, (end, start) in enumerate(zip(ends, starts, strict=True))
        ]

    def _end(self, leaf: LayoutNode) -> int:
        """Return where a leaf ends; the parser ends a block scalar only where the next token begins."""
        if leaf.style not in ("|", ">"):
            return leaf.end
        written = self._text[leaf.start : leaf.end]
        if "+" in written.partition("\n")[0].partition("#")[0]:  # the empty lines at its end count
            return leaf.end - written.endswith("\n")
        return leaf.start + len(re.sub(r"(\n *)+$", "", written))

    def text(self) -> str:
        """Return the text in the canonical layout."""
        first, last = _without_first_empty(self.gaps[0].lines), self.gaps[-1]
        if not self._root.is_block:
            leaf = self._leaf(self._root, 0, 0)
            lines = [*_written(first, 0), *leaf[:-1], leaf[-1] + last.trailing, *_written(last.lines, 0)]
            return "\n".join(lines).strip("\n") + "\n"
        header = 0
        for number, line in enumerate(first, 1):
            if not line.text or line.text.startswith(EDITOR_LINE):
                header = number
        made = self._block(self._root, 0, (), first[header:], list(last.lines))
        lines = [*_written(_without_first_empty([*first[:header], *made.above]), 0), *made.lines]
        return "\n".join(lines).rstrip("\n") + "\n"

    def _block(
        self, node: LayoutNode, indent: int, place: Place, lead: list[SourceLine], tail: list[SourceLine]
    ) -> Block:
        """Return a list or mapping in block style; `lead` stands above its first entry, `tail` behind its last."""
        column = self._column(node.start)
        starts = node.items if node.is_list else node.keys
        leads, tails = [lead], []
        for entry in starts[1:]:
            above, below = _split(self.gaps[self._first(entry)].lines, column)
            tails.append(above)
            leads.append(below)
        own, rest = _split(tail, column)
        tails.append(own)
        lines: list[str] = []
        numbers = self._order(node, place)
        for number in numbers:
            if node.is_list:
                above, written = self._item(node, number, indent, place, (leads[number], tails[number]))
            else:
                above, written = leads[number], self._member(node, number, indent, place, tails[number])
            if number != numbers[0]:
                lines += _written(above, indent)
            lines += written
            if number == numbers[0]:
                highest = above
        return Block(highest, lines + _written(rest, indent))

    def _order(self, node: LayoutNode, place: Place) -> list[int]:
        words = [] if node.is_list else [self._word(key) for key in node.keys]
        if node.is_list or (not place and "mapping" not in words):  # parts, settings, connections
            return list(range(len(node.items)))
        return ordered(words, order_at(place))

    def _item(
        self, node: LayoutNode, number: int, indent: int, place: Place, around: tuple[list[SourceLine], list[SourceLine]]
    ) -> tuple[list[SourceLine], list[str]]:
        """Return the lines above an entry of a list, and its own."""
        item, (lead, tail) = node.items[number], around
        if not item.is_block:
            first, *others = self._leaf(item, self._column(node.start), indent)
            lines = [f"{' ' * indent}- {first}".rstrip(), *others]
            lines[-1] += self._trailing(item)
            return lead, lines + self._behind(item, tail, indent)
        made = self._block(item, indent + INDENT, (*place, number), [], tail)
        made.lines[0] = f"{' ' * indent}- {made.lines[0][indent + INDENT :]}"
        return lead + made.above, made.lines

    def _member(self, node: LayoutNode, number: int, indent: int, place: Place, tail: list[SourceLine]) -> list[str]:
        """Return the lines of a key and its value."""
        key, value = node.keys[number], node.items[number]
        first = f"{' ' * indent}{self._source(key)}:{self._trailing(key)}"
        between = list(self.gaps[self._first(value)].lines)
        if value.is_block:
            made = self._block(value, indent + INDENT, (*place, self._word(key)), between, tail)
            above = _without_first_empty(made.above)
            return [first, *_written(above, indent + INDENT), *made.lines]
        written = self._leaf(value, self._column(node.start), indent)
        if self._goes_below(key, value, first, written, indent):
            inside = " " * (indent + INDENT)
            lines = [
                first,
                *_written(_without_first_empty(between), indent + INDENT),
                inside + written[0],
                *written[1:],
            ]
        else:
            lines = [f"{first} {written[0]}".rstrip(), *written[1:]]
        lines[-1] += self._trailing(value)
        return lines + self._behind(value, tail, indent)

    def _goes_below(self, key: LayoutNode, value: LayoutNode, first: str, written: list[str], indent: int) -> bool:
        """Whether a value goes on the line after its key: where it was, or what is too long beside the key."""
        if value.style in ("|", ">") or value.start == value.end:
            return False
        if "\n" in self._text[key.end : value.start]:
            return True
        length = len(written[0]) + len(self._trailing(value))
        return value.flow and len(written) == 1 and len(first) + 1 + length > WIDTH >= indent + INDENT + length

    def _behind(self, leaf: LayoutNode, tail: list[SourceLine], indent: int) -> list[str]:
        """Return the comments behind a leaf; as deep as a block scalar they would be part of it."""
        return _written(tail, indent if leaf.style in ("|", ">") else indent + INDENT)

    def _leaf(self, node: LayoutNode, column: int, indent: int) -> list[str]:
        """Return the lines of a leaf that stood in a block at a column; the first without its indentation."""
        if node.flow and "\n" not in self._source(node):
            return [self._flow(node)]
        first, *others = self._source(node).split("\n")
        moved = indent - column
        if node.style in ("|", ">") and not re.search(r"[0-9]", first.partition("#")[0]):
            depths = [len(line) - len(line.lstrip(" ")) for line in others if line.strip(" ")]
            moved = indent + INDENT - depths[0] if depths else 0
        return [first, *(_moved_by(line, moved) for line in others)]

    def _flow(self, node: LayoutNode) -> str:
        """Return a flow collection on one line: `{ a: 1 }` and `[a, b]`."""
        if node.is_scalar:
            return self._source(node)
        if node.is_list:
            return f"[{', '.join(map(self._flow, node.items))}]"
        pairs = zip(map(self._flow, node.keys), map(self._flow, node.items), strict=True)
        inside = ", ".join(f"{key}: {value}" for key, value in pairs)
        if self._text[node.start] != "{":  # the pair in `[a: b]`
            return inside
        return f"{{ {inside.rstrip()} }}" if inside else "{}"

    def _source(self, node: LayoutNode) -> str:
        return self._text[node.start : self._end(node)]

    def _word(self, key: LayoutNode) -> str:
        return self._source(key).strip("'\"")

    def _column(self, index: int) -> int:
        return index - (self._text.rfind("\n", 0, index) + 1)

    def _first(self, node: LayoutNode) -> int:
        """Return the number of the first leaf in a node."""
        return self._numbers[id(next(_leaves(node)))]

    def _trailing(self, leaf: LayoutNode) -> str:
        return self.gaps[self._numbers[id(leaf)] + 1].trailing


def _moved_by(line: str, columns: int) -> str:
    """Return a further line of a leaf with other spaces in front; of an empty line none is left."""
    text = line.lstrip(" ")
    depth = len(line) - len(text)
    if not text:
        return " " * max(0, depth + columns) if depth + columns > 0 and columns < 0 else ""
    return " " * max(0, depth + columns) + text
