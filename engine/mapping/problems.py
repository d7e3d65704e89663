"""Problems in mapping files, each with its place, for people and for programs.

Problems are collected, never raised, so that one run reports all of them. The text for people is made here and not in
the command because `MappingError` and `validate-mappings` must say the same; colors and the line of the file, which
has to be read for it, are left to the command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Literal, NamedTuple, TypeAlias

from engine.language.texts import visible
from engine.noun import Noun
from engine.records import JsonObject, Place

Level: TypeAlias = Literal["error", "warning"]

WIDTH = 80
"""Of the text of a problem that is not for a terminal."""

INDENT = "  "
NO_BREAK = "\N{NO-BREAK SPACE}"
YAML_SPAN = re.compile(r"\{ [^{}]{1,48} \}")
"""YAML to copy from an advice, such as `{ const: active }`, which stays on one line."""
PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Mark(NamedTuple):
    """A place in a file; `line` and `column` count from 1, columns in characters."""

    file: str
    line: int
    column: int


class Fix(NamedTuple):
    """What to write instead: `better` in place of `written`, which stands where the problem is."""

    written: str
    better: str


class Message(NamedTuple):
    """The part of a problem that does not depend on the place."""

    code: str
    message: str
    advice: str = ""
    level: Level = "error"
    fix: Fix | None = None


class Problem(Noun, kw_only=False):
    """One problem of a mapping: where, what, and what to do.

    `path` is the place inside the file (`calls.page[0].fields.event_type`, '' for the whole file), `code` the name of a
    file in docs/problems, `message` one or two sentences, `advice` what to do or ''. A `warning` is printed and counted
    but does not fail. `fix` is the answer to *did you mean*, for editors; None where there is no such question.
    """

    file: str
    line: int
    column: int
    path: str
    code: str
    message: str
    advice: str = ""
    level: Level = "error"
    fix: Fix | None = field(default=None, compare=False)

    @classmethod
    def at(cls, mark: Mark, path: Place, message: Message) -> Problem:
        """Make a problem at `mark`, about the value or key at `path`."""
        return cls(*mark, place_text(path), message.code, message.message, message.advice, message.level, message.fix)

    def __lt__(self, other: Problem) -> bool:
        return self._order() < other._order()

    def __str__(self) -> str:
        return f"{self.place()}\n{self.text(WIDTH)}"

    def place(self) -> str:
        """Return where it is: `file:line:column`, and the path in the file."""
        return f"{self.file}:{self.line}:{self.column}{INDENT}{self.path}".rstrip()

    def text(self, width: int) -> str:
        """Return what is wrong: message and advice wrapped at `width`, then the code."""
        return "\n".join(_with_code(list(self._wrapped(width)), f"[{self.code}]", width))

    def as_json(self) -> JsonObject:
        """Return the problem as `--format json` prints it."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "code": self.code,
            "message": self.message,
            "advice": self.advice,
            "level": self.level,
        }

    def github(self) -> str:
        """Return the problem as a GitHub workflow command, which GitHub shows beside the line.

        https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
        """
        where = f"file={_property(self.file)},line={self.line},col={self.column},title={_property(self.code)}"
        text = "\n".join(part for part in (self.path, self.message, self.advice) if part)
        return f"::{self.level} {where}::{_data(text)}"

    def _order(self) -> tuple[str, int, int, str, str, str]:
        return self.file, self.line, self.column, self.code, self.path, self.message

    def _wrapped(self, width: int) -> Iterator[str]:
        import textwrap

        level = "Warning: " if self.level == "warning" else ""
        for paragraph in (*f"{level}{self.message}".splitlines(), *self.advice.splitlines()):
            kept = YAML_SPAN.sub(lambda span: span[0].replace(" ", NO_BREAK), paragraph)
            lines = textwrap.wrap(
                kept,
                width,
                initial_indent=INDENT,
                subsequent_indent=INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
            yield from (line.replace(NO_BREAK, " ") for line in lines)


def place_text(path: Place) -> str:
    """Return a place as text: `calls.track[0].fields["Feed Type"]`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif PLAIN_KEY.fullmatch(key):
            text += f".{key}" if text else key
        else:
            text += f"[{_quoted(key)}]"
    return text


def _quoted(key: str) -> str:
    import json

    return visible(json.dumps(key, ensure_ascii=False))


def _with_code(lines: list[str], code: str, width: int) -> list[str]:
    """Put `code` at the right end of the last line, or on a line of its own if that is full."""
    if not lines or len(lines[-1]) + len(code) + len(INDENT) > width:
        return [*lines, code.rjust(width)]
    return [*lines[:-1], lines[-1] + code.rjust(width - len(lines[-1]))]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
