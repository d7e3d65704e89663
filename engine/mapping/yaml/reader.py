"""Strict YAML: a file's text -> plain JSON values, with the line and column of every key and value.

The values are built straight from the events of PyYAML's C parser, without its composer: the composer
recurses (60,000 open brackets crash the process) and keeps no places.  One pass counts the depth, refuses what
surprises people (duplicate keys, anchors, aliases, merge keys, tags, keys that are not text) and goes on after
each refusal, so that one run tells everything; only what is no YAML at all ends the reading.

The only implicit types are `true`, `false`, `null` (also `~` and nothing at all), and JSON's numbers: `no`,
`on`, `12:30`, `0123`, `2019-09-01T12:00:00Z` stay text, as in YAML 1.2, which editors use.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from engine.language.texts import NUMBER
from engine.mapping.problems import Mark, Message, Problem
from engine.mapping.yaml import refusals
from engine.mapping.yaml.document import START, Document, OpenNode, Point, Spot, YamlNode
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json, Place

__all__ = ["Document", "parse", "read"]

LARGEST: Final = 1024 * 1024
DEEPEST: Final = 64
MOST_DIGITS: Final = 20
MOST_PROBLEMS: Final = 100
WORDS: Final[dict[str, Json]] = {"": None, "~": None, "null": None, "true": True, "false": False}
CAPITAL_WORDS = frozenset({"True", "TRUE", "False", "FALSE", "Null", "NULL"})
NOT_PRINTABLE: Final = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def read(path: Path) -> Document:
    """Read the file at `path`; whatever is wrong with it is in the document's `problems`."""
    file = path.as_posix()
    try:
        with path.open("rb") as handle:
            return parse(handle.read(LARGEST + 1), file)
    except FileNotFoundError:
        return _refused(file, refusals.FILE_MISSING)
    except IsADirectoryError:
        return _refused(file, refusals.FILE_IS_DIRECTORY)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return _refused(file, refusals.file_unreadable(str(reason)))


def parse(source: str | bytes, file: str) -> Document:
    """Read YAML text; `file` is the name that its problems carry."""
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(data) > LARGEST:
        return _refused(file, refusals.TOO_LARGE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        end = _end_of(data[: error.start].decode("utf-8-sig"))
        return _refused(file, refusals.not_utf8(data[error.start]), end)
    return _YamlReader(text, file).document()


def _refused(file: str, words: Message, spot: Spot = START) -> Document:
    problem = Problem.at(Mark(file, spot.line + 1, spot.column + 1), (), words)
    return Document(file, problems=(problem,), readable=False)


def _end_of(text: str) -> Point:
    last = (text + "x").splitlines()
    return Point(len(last) - 1, len(last[-1]) - 1)


class _Stop(Exception):  # noqa: N818  reads as what happens
    """The reading cannot go on; why has been noted."""


class _YamlReader:
    """One pass over the events; one method a kind of event."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.problems: list[Problem] = []
        self.faulty: set[Place] = set()
        self.readable = True
        self.levels: list[OpenNode] = []
        self.value: Json = None
        self.root: YamlNode | None = None
        self.last_scalar: Any = None

    def document(self) -> Document:
        from yaml._yaml import CParser
        from yaml.error import MarkedYAMLError
        from yaml.reader import ReaderError

        try:
            self._read(CParser(self.text))
        except MarkedYAMLError as error:
            self._syntax(error)
        except (ReaderError, UnicodeEncodeError):
            self._not_printable()
        except _Stop:
            pass
        root = self.root or YamlNode(START, START)
        found = tuple(self.problems)
        return Document(self.file, self.value, found, self.readable, frozenset(self.faulty), self.text, root)

    def _read(self, parser: Any) -> None:
        from yaml import events

        actions = {
            events.DocumentStartEvent: self._start,
            events.ScalarEvent: self._scalar,
            events.AliasEvent: self._alias,
            events.SequenceStartEvent: self._open_list,
            events.MappingStartEvent: self._open_mapping,
            events.SequenceEndEvent: self._close,
            events.MappingEndEvent: self._close,
            events.StreamEndEvent: self._end,
        }
        while (event := parser.get_event()) is not None and len(self.problems) < MOST_PROBLEMS:
            action = actions.get(type(event))
            if action is not None:
                action(event)
        if event is not None:
            self.readable = False

    def _start(self, event: Any) -> None:
        if self.root is not None:
            self._unreadable(refusals.SEVERAL_DOCUMENTS, event.start_mark)
            raise _Stop

    def _end(self, _event: Any) -> None:
        if self.root is None or (self.value is None and self.last_scalar is None):
            self._unreadable(refusals.EMPTY_FILE, START)

    def _open_list(self, event: Any) -> None:
        self._open(event, is_list=True)

    def _open_mapping(self, event: Any) -> None:
        self._open(event, is_list=False)

    def _open(self, event: Any, *, is_list: bool) -> None:
        self._decorations(event)
        if len(self.levels) == DEEPEST:
            self._unreadable(refusals.too_deep(DEEPEST), event.start_mark)
            raise _Stop
        self.levels.append(OpenNode(event, is_list=is_list, is_key=self._wants_key()))

    def _close(self, _event: Any) -> None:
        level = self.levels.pop()
        if level.is_key:
            self._refuse(refusals.key_not_text("a list" if level.is_list else "a mapping"), level.start)
        else:
            self._keep(level.value, level.node)

    def _scalar(self, event: Any) -> None:
        if event.value or event.style:
            self.last_scalar = event
        self._decorations(event)
        if self._wants_key():
            self._key(event)
        else:
            value = event.value if event.style else self._plain(event)
            self._keep(value, YamlNode(event.start_mark, event.start_mark))

    def _alias(self, event: Any) -> None:
        if self._wants_key():
            self._refuse(refusals.alias(event.anchor), event)
            return
        if not (self.levels and self.levels[-1].key == "<<"):  # that has been refused already
            self._fault(refusals.alias(event.anchor), event)
        self._keep(None, YamlNode(event.start_mark, event.start_mark))

    def _decorations(self, event: Any) -> None:
        """Note an anchor or a tag; the value is read as if it had none."""
        if event.anchor is not None:
            self._note(refusals.anchor(event.anchor), event.start_mark, self._place())
        if event.tag is not None:
            self._fault(self._tag(event), event)

    def _tag(self, event: Any) -> Message:
        written = self.text[event.start_mark.index : event.end_mark.index].partition("\n")[0].strip()
        if event.tag.startswith("tag:") or not hasattr(event, "value"):
            return refusals.plain_tag(written.split()[0])
        return refusals.tag(written)

    def _key(self, event: Any) -> None:
        level, key = self.levels[-1], event.value
        if not event.style and (key in WORDS or NUMBER.fullmatch(key)):
            self._refuse(refusals.key_not_text(_kind(key), key), event, key)
        elif not event.style and key == "<<":
            self._refuse(refusals.MERGE_KEY, event, key)
        elif key in level.value:
            first = level.node.inside[key].key.line + 1
            self._refuse(refusals.duplicate_key(key, first), event, key)
        else:
            level.expect_value(event, key, kept=True)

    def _refuse(self, words: Message, event: Any, key: str | None = None) -> None:
        """Note what is wrong with a key; its value is read only for its own faults."""
        if words.code != "duplicate-key":
            self.faulty.add(self._place())  # there is less in this mapping than its author wrote
        place = self._place() if key is None else (*self._place(), key)
        self._note(words, event.start_mark, place)
        self.levels[-1].expect_value(event, key, kept=False)

    def _keep(self, value: Json, node: YamlNode) -> None:
        if self.levels:
            self.levels[-1].keep(value, node)
        else:
            self.value, self.root = value, node

    def _plain(self, event: Any) -> Json:
        """Read a plain text as what it stands for."""
        text: str = event.value
        if text in WORDS:
            if not text:
                self._check_colon(event)
            return WORDS[text]
        if text[0] in "-0123456789" and (number := NUMBER.fullmatch(text)):
            return self._number(event, whole=not any(number.groups()))
        if text in CAPITAL_WORDS:
            self._note(refusals.capital_word(text), event.start_mark, self._place())
        return text

    def _number(self, event: Any, *, whole: bool) -> Json:
        text = event.value
        if whole and len(text) <= MOST_DIGITS and SMALLEST_INTEGER <= int(text) <= LARGEST_INTEGER:
            return int(text)
        if not whole and abs(float(text)) != float("inf"):
            return float(text)
        self._fault(refusals.number_range("integer" if whole else "number"), event)
        return None

    def _check_colon(self, event: Any) -> None:
        """Note a key of `{ }` without colon: nearly always a text that a comma has cut in two."""
        level = self.levels[-1] if self.levels else None
        if level is None or level.is_list or not level.start.flow_style:
            return
        end = event.start_mark.index
        between = self.text[level.key_event.end_mark.index : end]
        if level.kept and not level.is_key and ":" not in between and self.text[end : end + 1] in (",", "}"):
            self._fault(refusals.key_without_value(level.key or ""), level.key_event)

    def _syntax(self, error: Any) -> None:
        from engine.mapping.yaml import syntax_errors

        seen = (self.last_scalar, self._open_flow(), self.text)
        found = syntax_errors.explain(syntax_errors.SyntaxFault.of(error, *seen))
        self.problems = [each for each in self.problems if each.line != found.spot.line + 1]  # it explains them
        self._unreadable(found.message, found.spot)

    def _not_printable(self) -> None:
        found = re.search(NOT_PRINTABLE, self.text)
        at = found.start() if found else 0
        self._unreadable(refusals.not_printable(ord(self.text[at])), _end_of(self.text[:at]))

    def _open_flow(self) -> Spot | None:
        """Where the innermost [ ] or { } begins, if the reading is inside one."""
        start = self.levels[-1].start if self.levels else None
        return start.start_mark if start is not None and start.flow_style else None

    def _wants_key(self) -> bool:
        return bool(self.levels) and self.levels[-1].wants_key

    def _place(self) -> Place:
        return tuple(key for level in self.levels for key in level.place())

    def _fault(self, words: Message, event: Any) -> None:
        """Note what is wrong with a value, and that nobody need complain about it again."""
        self.faulty.add(self._place())
        self._note(words, event.start_mark, self._place())

    def _unreadable(self, words: Message, spot: Spot) -> None:
        self.readable = False
        self._note(words, spot, ())

    def _note(self, words: Message, spot: Spot, path: Place) -> None:
        mark = Mark(self.file, spot.line + 1, spot.column + 1)
        self.problems.append(Problem.at(mark, path, words))


def _kind(key: str) -> str:
    if key in ("true", "false"):
        return key
    return "null" if key in WORDS else "a number"
