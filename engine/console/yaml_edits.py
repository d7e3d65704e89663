"""Changes one entry of a YAML file and nothing else: comments, order, quotes and line ends around it stay.

Texts are spliced into the file at the places where ruamel.yaml finds the old ones. The file is never written from a
parsed form, which would lay out anew what nobody touched. Texts are written so that they can be nothing but texts:
plain where that is certain, else in double quotes with escapes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import orjson

from engine.language.texts import visible
from engine.records import Json, JsonObject

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|https?://[A-Za-z0-9][A-Za-z0-9_./-]*|[1-9][0-9]*/[smh]")
"""A text without quotes, in any place."""
REFERENCE = re.compile(r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}")
"""A text without quotes, but not inside brackets."""
WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
COMMENT = re.compile(r"(?:(?<=\s)|^)#[^\r\n]*", re.MULTILINE)
WIDTH = 100
"""Characters of a line, above which objects and lists get a line for each member."""
MARK = "\ufeff"


class Splice(NamedTuple):
    """A piece of a text, from `start` to `end`, that is replaced."""

    start: int
    end: int
    text: str


class EditedText(NamedTuple):
    """The new text of a file, and the comments that are gone with values that were replaced or removed."""

    text: str
    lost: tuple[str, ...] = ()


class _Entry(NamedTuple):
    """A member of an object or a list: where it starts and ends in the text, and the nodes of its key and value."""

    start: int
    end: int
    key: Any
    value: Any


def edited(text: str, old: JsonObject, name: str, fields: JsonObject) -> EditedText:
    """Return the text with the entry `name` changed to `fields`, or added; `old` is the parsed value of the text.

    Raises ValueError and IndexError for a layout that it does not know; one that it takes for another may be spliced
    wrongly, so the caller parses the result and compares.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    body = text.removeprefix(MARK)
    root = YAML(pure=True).compose(body)
    splicer = _Splicer(body)
    splicer.table(root, old, {**old, name: fields}, depth=2)
    new = splicer.text()
    try:
        after = YAML(pure=True).compose(new)
    except YAMLError as error:
        raise ValueError(str(error)) from error
    gone = Counter(_comments(body, root)) - Counter(_comments(new, after))
    return EditedText(MARK * text.startswith(MARK) + new, tuple(gone.elements()))


def entry_text(name: str, fields: JsonObject) -> str:
    """Return a new entry of a file, with a line end."""
    return _entry(name, fields, 0, depth=2) + "\n"


def scalar(value: Json, *, flow: bool = False) -> str:
    """Return a text, number, boolean or null as YAML."""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    is_plain = PLAIN.fullmatch(value) and value.lower() not in WORDS
    if is_plain or (not flow and REFERENCE.fullmatch(value)):
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(each if visible(each) == each else _escape(ord(each)) for each in quoted)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def inline(value: Json, *, flow: bool = False) -> str:
    """Return a value in one line."""
    if isinstance(value, dict):
        members = ", ".join(f"{scalar(key, flow=True)}: {inline(each, flow=True)}" for key, each in value.items())
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, list):
        return f"[{', '.join(inline(each, flow=True) for each in value)}]"
    return scalar(value, flow=flow)


def _entry(key: str, value: Json, column: int, depth: int = 0) -> str:
    """Return `key: value`; below it, the members of what is long, or of objects down to `depth`."""
    line = f"{scalar(key)}: {inline(value)}"
    if not isinstance(value, dict | list) or not value or not (_is_open(value, depth) or column + len(line) > WIDTH):
        return line
    return "\n".join([f"{scalar(key)}:", *_members(value, column + 2, depth)])


def _is_open(value: Json, depth: int) -> bool:
    return isinstance(value, dict) and depth > 0


def _members(value: JsonObject | list[Json], column: int, depth: int = 0) -> Iterator[str]:
    """Return the lines of an object's or a list's members."""
    if isinstance(value, list):
        yield from (f"{' ' * column}- {inline(each)}" for each in value)
    else:
        yield from (f"{' ' * column}{_entry(key, each, column, depth - 1)}" for key, each in value.items())


def _same(one: Json, other: Json) -> bool:
    """Whether two values are one in JSON, where `true` is not 1 and 1.0 is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _scalars(node: Any) -> Iterator[Any]:
    if node.id == "scalar":
        yield node
    for member in node.value if node.id != "scalar" else ():
        for each in member if isinstance(member, tuple) else (member,):
            yield from _scalars(each)


def _comments(text: str, root: Any) -> list[str]:
    """Return the comments of a text: what begins with # outside its texts."""
    pieces, start = [], 0
    for node in _scalars(root):
        pieces += [text[start : node.start_mark.index], "x" * (node.end_mark.index > node.start_mark.index)]
        start = node.end_mark.index
    return [each.rstrip() for each in COMMENT.findall("".join([*pieces, text[start:]]))]


class _Splicer:
    """Collects the splices of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._splices: list[Splice] = []

    def text(self) -> str:
        """Return the text with all splices made, from the last to the first."""
        text = self._text
        for each in sorted(self._splices, reverse=True):
            text = text[: each.start] + each.text.replace("\n", self._line_end) + text[each.end :]
        return text

    def table(self, node: Any, old: JsonObject, new: JsonObject, depth: int = 0) -> None:
        """Change an object to another, of which at least one member stays."""
        entries = self._entries(node)
        for name, entry in zip(old, entries, strict=True):
            if name in new and not _same(old[name], new[name]):
                self._value(entry, old[name], new[name], in_flow=bool(node.flow_style), depth=depth - 1)
        kept = [number for number, name in enumerate(old) if name in new]
        self._remove(entries, kept, in_flow=bool(node.flow_style))
        column = entries[0].key.start_mark.column
        added = [(name, value) for name, value in new.items() if name not in old]
        if node.flow_style:
            self._add_inline(
                entries[kept[-1]].end, [f"{scalar(k, flow=True)}: {inline(v, flow=True)}" for k, v in added]
            )
        elif column or not added:
            self._add_lines(entries[kept[-1]].end, column, [_entry(k, v, column, depth - 1) for k, v in added])
        else:
            self._append([_entry(k, v, 0, depth) for k, v in added])

    def _value(self, entry: _Entry, old: Json, new: Json, *, in_flow: bool, depth: int = 0) -> None:
        node = entry.value
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() & new.keys():
            self.table(node, old, new, depth)
        elif isinstance(old, list) and isinstance(new, list) and _is_changed_by_item(old, new):
            self._list(node, old, new)
        else:
            self._replace(entry, new, in_flow=in_flow, depth=depth)

    def _list(self, node: Any, old: list[Json], new: list[Json]) -> None:
        """Change a list: items at its start and end that stay are left alone."""
        entries = self._entries(node)
        first, last = _kept(old, new)
        changed, fresh = entries[first : len(old) - last], new[first : len(new) - last]
        pairs = list(zip(changed, old[first:], fresh, strict=False))
        for entry, before, after in pairs:
            self._value(entry, before, after, in_flow=True)
        gone = range(first + len(pairs), len(old) - last)
        self._remove(entries, [each for each in range(len(old)) if each not in gone], in_flow=bool(node.flow_style))
        texts = [inline(each, flow=bool(node.flow_style)) for each in fresh[len(pairs) :]]
        before_these = first + len(pairs)
        if node.flow_style and before_these:
            self._add_inline(entries[before_these - 1].end, texts)
        elif node.flow_style:
            self._splices.append(Splice(entries[0].start, entries[0].start, "".join(f"{each}, " for each in texts)))
        elif before_these:
            column = node.start_mark.column
            self._add_lines(entries[before_these - 1].end, column, [f"- {each}" for each in texts])
        else:
            indent = " " * node.start_mark.column
            lines = "".join(f"- {each}\n{indent}" for each in texts)
            self._splices.append(Splice(entries[0].start, entries[0].start, lines))

    def _replace(self, entry: _Entry, new: Json, *, in_flow: bool, depth: int) -> None:
        """Replace a value; a comment behind its key stays there, others before the value move behind it."""
        if entry.key is None:
            start = entry.value.start_mark.index
            space = "" if self._text[start - 1 : start].isspace() or self._text[start - 1 : start] in "[," else " "
            self._splices.append(Splice(start, entry.end, space + inline(new, flow=True)))
            return
        colon = self._text.index(":", entry.key.end_mark.index) + 1
        start = colon if entry.end == colon else entry.value.start_mark.index
        head, *between = self._text[colon:start].splitlines() or [""]
        comments = [line.rstrip() for line in between if line.lstrip().startswith("#")]
        column, key = entry.key.start_mark.column, entry.key.value
        short = inline(new, flow=in_flow)
        is_long = (
            isinstance(new, dict | list) and bool(new) and (depth > 0 or column + len(key) + len(short) + 2 > WIDTH)
        )
        comment = f"  {head.strip()}" if head.strip() else ""
        if is_long and not in_flow:
            lines = [comment, *comments, *_members(cast("JsonObject", new), column + 2, depth)]
        else:
            lines = [f"{' ' if between or not head else head}{short}{comment}", *comments]
        self._splices.append(Splice(colon, entry.end, "\n".join(lines)))

    def _remove(self, entries: Sequence[_Entry], kept: Sequence[int], *, in_flow: bool) -> None:
        """Remove the members that are not kept, of which there is at least one."""
        last = kept[-1]
        for number in range(last):
            if number not in kept:
                entry, following = entries[number], entries[number + 1]
                alone = not in_flow and not self._text[self._line_start(entry.start) : entry.start].strip()
                span = self._lines(entry) if alone else (entry.start, following.start)
                self._splices.append(Splice(*span, ""))
        if in_flow and last < len(entries) - 1:
            self._splices.append(Splice(entries[last].end, entries[-1].end, ""))
        elif not in_flow:
            self._splices += [Splice(*self._lines(each), "") for each in entries[last + 1 :]]

    def _lines(self, entry: _Entry) -> tuple[int, int]:
        """Return the start of a member's first line and of the line after its last."""
        end = self._text.find("\n", entry.end)
        return self._line_start(entry.start), len(self._text) if end < 0 else end + 1

    def _line_start(self, position: int) -> int:
        return self._text.rfind("\n", 0, position) + 1

    def _add_inline(self, position: int, texts: Sequence[str]) -> None:
        self._splices.append(Splice(position, position, "".join(f", {each}" for each in texts)))

    def _add_lines(self, position: int, column: int, texts: Sequence[str]) -> None:
        """Insert lines behind the line of `position`, which may end with a comment."""
        end = self._text.find("\n", position)
        end = len(self._text) if end < 0 else end - self._text[:end].endswith("\r")
        self._splices.append(Splice(end, end, "".join(f"\n{' ' * column}{each}" for each in texts)))

    def _append(self, texts: Sequence[str]) -> None:
        """Add entries to the end of the file, behind comments that stand there."""
        space = "\n" if self._text.endswith("\n") else "\n\n"
        self._splices.append(Splice(len(self._text), len(self._text), "".join(f"{space}{each}\n" for each in texts)))

    def _entries(self, node: Any) -> list[_Entry]:
        if node.id == "mapping":
            return [_Entry(key.start_mark.index, self._end(value, key), key, value) for key, value in node.value]
        return [_Entry(self._dash(node, each), self._end(each), None, each) for each in node.value]

    def _dash(self, node: Any, item: Any) -> int:
        """Return where an item of a list starts: at its dash, if it has one."""
        start = int(item.start_mark.index)
        return start if node.flow_style else self._text.rindex("-", 0, start)

    def _end(self, node: Any, key: Any = None) -> int:
        """Return where a value ends; the marks of what has lines of its own include the blank lines behind it."""
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        if node.id != "scalar" and not node.flow_style:
            last = node.value[-1]
            return self._end(last[1], last[0]) if isinstance(last, tuple) else self._end(last)
        if end > start or key is None:
            return start + len(self._text[start:end].rstrip())
        return self._text.index(":", key.end_mark.index) + 1


def _is_changed_by_item(old: Sequence[Json], new: Sequence[Json]) -> bool:
    return _kept(old, new) != (0, 0) or len(old) == len(new) > 0


def _kept(old: Sequence[Json], new: Sequence[Json]) -> tuple[int, int]:
    """Return how many items two lists have in common at their start, and at their end behind those."""
    shorter = min(len(old), len(new))
    first = next((each for each in range(shorter) if not _same(old[each], new[each])), shorter)
    rest = shorter - first
    last = next((each for each in range(rest) if not _same(old[-1 - each], new[-1 - each])), rest)
    return first, last
