"""What is known about the word under the cursor: its description, and the value that it has in the first example.

Text of a mapping is escaped, because editors show Markdown: an image in the description of a stranger's mapping must
not be loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from engine.editing import words
from engine.editing.completion import WORD_ABOUT, signature
from engine.editing.positions import BYTE_ORDER_MARK, Position, Range, TextLines
from engine.editing.slots import Slot, slot_at
from engine.editing.values import ExampleValues, Shown
from engine.editing.workspace import Understood
from engine.errors import PathError
from engine.language import paths
from engine.language.functions.model import Example
from engine.language.functions.registry import FUNCTIONS
from engine.language.paths.syntax import NAMES
from engine.language.texts import visible
from engine.mapping.walk import Occurrence
from engine.records import Json, Place

LONGEST_VALUE = 600
LONGEST_TEXT = 1000
PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$@:])")
MOST_FUNCTION_EXAMPLES = 3


class Hover(NamedTuple):
    """Markdown, and the range that it is about."""

    markdown: str
    range: Range

    def on(self, line: int) -> Hover:
        """Return it on another line."""
        start, end = (each._replace(line=line) for each in self.range)
        return self._replace(range=Range(start, end))


def hover(lines: TextLines, position: Position, known: Understood | None, kind: str) -> Hover | None:
    """Return what to show at a position of a mapping, or None.

    While a text cannot be read, a line that stands unchanged in the last one that could is looked up there.
    """
    if known is not None and not known.is_of(lines.text):
        mark = BYTE_ORDER_MARK if lines.text.startswith(BYTE_ORDER_MARK) else ""
        before = lines.other(mark + known.loaded.resolved.document.text)
        moved = _line_in(before, lines, position.line)
        if moved is not None:
            found = _hover(before, position._replace(line=moved), known, known.kind)
            return found and found.on(position.line)
    return _hover(lines, position, known, kind)


def _line_in(before: TextLines, lines: TextLines, number: int) -> int | None:
    """Return the number of a line in an earlier text, None if it is not among those above or below all changes."""
    if all(lines.line(each) == before.line(each) for each in range(number + 1)):
        return number if number < len(before) else None
    behind = len(lines) - number
    if behind <= len(before) and all(
        lines.line(len(lines) - each) == before.line(len(before) - each) for each in range(1, behind + 1)
    ):
        return len(before) - behind
    return None


def _hover(lines: TextLines, position: Position, known: Understood | None, kind: str) -> Hover | None:
    column = lines.column(position)
    slot = slot_at(lines, position.line, column)
    if slot is None or not slot.text:
        return None
    reader = _HoverReader(lines, slot, column, known, kind)
    found = "\n\n".join(filter(None, reader.sections()))
    return Hover(found, lines.in_line(slot.line, reader.start, reader.end)) if found else None


class _HoverReader:
    """Puts together what is known about one slot; `start` and `end` are the columns of the word that it is about."""

    def __init__(self, lines: TextLines, slot: Slot, column: int, known: Understood | None, kind: str) -> None:
        self._lines = lines
        self._slot = slot
        self._column = column
        self._known = known
        self._kind = kind
        self.start, self.end = slot.start, slot.end

    def sections(self) -> Iterator[str]:
        place, text = self._slot.place, self._slot.text
        if self._slot.kind == "key":
            around = place[:-1]
            if text in FUNCTIONS and "function" in words.nouns(self._kind, around):
                yield function_markdown(text)
            else:
                yield self._key_markdown(around, text)
            yield from self._of_path()
            yield from self._value_of(place)
            return
        if text in FUNCTIONS and "function" in words.nouns(self._kind, place):
            yield function_markdown(text)
            return
        found = list(self._of_path())
        yield from found or (word.about for word in words.values(self._kind, place) if word.text == text)
        yield from self._named()
        yield from self._value_of(place)

    def _key_markdown(self, around: Place, key: str) -> str:
        about = words.about(self._kind, (*around, key))
        return f"**{escaped(key)}**: {about}" if about else ""

    def _named(self) -> Iterator[str]:
        if self._known is not None and self._slot.place[-1] in ("request", "if_missing", "check"):
            yield self._defined("requests", self._slot.text)

    def _of_path(self) -> Iterator[str]:
        """Describe the name of a path that the cursor is on, and what the path reads."""
        for found, begin in self._paths():
            try:
                path = paths.parse(found.path)
            except PathError:
                continue
            self.start, self.end = begin, begin + len(found.path)
            for root in path.roots:
                names = [token for token in path.tokens if token.kind in NAMES and token.column >= root.column]
                last = names[min(len(root.members), len(names) - 1)]
                if root.column - 1 <= self._column - begin <= last.column - 1 + len(str(last.value)):
                    yield self._root_markdown(root)
                    yield self._shown(
                        f"{'.'.join((root.name, *root.members))}", self._reads(found.place, root, found.path)
                    )

    def _paths(self) -> Iterator[tuple[Occurrence, int]]:
        """Return the paths that the cursor is in, each with its first column in the line."""
        if self._known is None:
            return
        resolved = self._known.loaded.resolved
        for found in self._known.occurrences.all:
            if found.place not in (self._slot.place, self._slot.place[:-1]) or found.key != (self._slot.kind == "key"):
                continue
            inside = resolved.key_mark_inside if found.key else resolved.mark_inside
            mark = inside(self._slot.place, found.column)
            begin = self._lines.at(mark) - self._lines.offset(Position(self._slot.line, 0))
            line = self._lines.line(self._slot.line)
            if line.startswith(found.path, begin) and begin <= self._column <= begin + len(found.path):
                yield found, begin

    def _root_markdown(self, root: paths.Root) -> str:
        if root.name in ("parts", "settings") and root.members:
            return self._defined(root.name, root.members[0])
        return WORD_ABOUT.get(root.name, "") if not root.members else ""

    def _defined(self, section: str, name: str) -> str:
        """Describe what a name stands for, from its definition."""
        assert self._known is not None
        mapping, mark = self._known.loaded.mapping, self._known.loaded.mark((section, name))
        where = f"{mark.file.rpartition('/')[2]}:{mark.line}"
        if section == "settings" and name in mapping.settings:
            setting = mapping.settings[name]
            kind = f"{setting.type}{', secret' if setting.secret else ''}{', optional' if setting.optional else ''}"
            return (
                f"setting **{escaped(name)}** ({kind}), {escaped(where)}\n\n{escaped(setting.about or setting.title)}"
            )
        if section == "requests" and name in mapping.requests:
            request = mapping.requests[name]
            about = self._known.loaded.resolved.at(("requests", name, "about"))
            path = self._known.loaded.resolved.at(("requests", name, "path"))
            line = f"{getattr(request.method, 'literal', None) or ''} {path if isinstance(path, str) else ''}".strip()
            about = escaped(about) if isinstance(about, str) else ""
            return f"request **{escaped(name)}**, {escaped(where)}\n\n{fenced(line) if line else ''}\n\n{about}".strip()
        if section == "parts" and name in mapping.parts:
            return f"part **{escaped(name)}**, {escaped(where)}"
        return ""

    def _reads(self, place: Place, root: paths.Root, path: str) -> list[Shown]:
        values = self._values()
        if values is None:
            return []
        whole = ".".join((root.name, *root.members))
        return values.of_path(place, whole) or values.of_path(place, path)

    def _value_of(self, place: Place) -> Iterator[str]:
        """Show what the vendor gets for a key of `fields`, or what a part is."""
        values = self._values()
        if values is not None and self._slot.kind == "key":
            yield self._shown("value", values.of_value(place))

    def _values(self) -> ExampleValues | None:
        return self._known.values if self._known is not None and self._known.kind == "mapping" else None

    def _shown(self, name: str, shown: list[Shown]) -> str:
        return "\n\n".join(
            f"{escaped(name)} in the example “{escaped(example)}”:\n{fenced(json_text(value))}"
            if value is not None
            else f"{escaped(name)} is absent in the example “{escaped(example)}”"
            for example, value in shown
        )


def function_markdown(name: str) -> str:
    """Return the reference of a function of `as`: what it does, what it takes, parameters and examples."""
    function = FUNCTIONS[name]
    lines = [f"**{escaped(name)}**: {signature(name)}", function.about]
    lines += [f"- `{each.name}`{'' if each.required else ' (optional)'}: {each.about}" for each in function.parameters]
    shown = "\n".join(_example(name, each) for each in function.examples[:MOST_FUNCTION_EXAMPLES])
    return "\n\n".join([*lines, fenced(shown)])


def _example(name: str, example: Example) -> str:
    given = f"{name} {json_text(dict(example.parameters))}" if example.parameters else name
    result = f"cannot convert: {example.reason}" if example.reason else json_text(example.gives)
    return f"{json_text(example.given)} | {given} -> {result}"


def escaped(text: str) -> str:
    """Return text of a mapping so that Markdown shows it as it is."""
    return PUNCTUATION.sub(r"\\\1", visible(" ".join(text[:LONGEST_TEXT].split())))


def fenced(text: str) -> str:
    """Return text as a block of code; its own backquotes cannot end it."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}\n{text}\n{fence}"


def json_text(value: Json) -> str:
    """Return JSON on one line, shortened, with nothing that a reader could not see."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # half a character, an integer beyond 64 bits
        text = repr(value)
    return visible(text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…")
