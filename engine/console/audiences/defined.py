"""What the file of definitions says, for the pages: read in the process of `process.py`, because SQL is checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from engine.audiences.checking import connection_names
from engine.audiences.compiling import compiled
from engine.audiences.definitions import DefinitionsError, load
from engine.audiences.model import Definition, Definitions
from engine.audiences.reasons import duration_text
from engine.errors import UsageError
from engine.records import Json, JsonObject

LONGEST_TEXT = 20_000
"""Characters of a definition, or of its query, that a page shows."""
MOST_PROBLEMS = 50


def read(question: JsonObject) -> JsonObject:
    """Return the definitions of a file; if it has errors, those with the definitions of the copy that is followed."""
    file, problems = Path(str(question["file"])), list[str]()
    found, of_copy = None, False
    listed = question.get("connections_file")
    try:
        found = load(file, connections=None if listed is None else connection_names(Path(str(listed))))
    except DefinitionsError as error:
        problems = list(error.problems)[:MOST_PROBLEMS]
    except (UsageError, OSError) as error:
        problems = [str(error)]
    if found is None and (copy := question.get("copy")) is not None:
        found, of_copy = _copy(Path(str(copy))), True
        file = Path(str(copy))
    now = float(cast("float", question["now"]))
    entries = [] if found is None else [_entry(each, _lines(file), now) for each in found]
    return {
        "definitions": cast("Json", entries),
        "problems": cast("Json", problems),
        "of_copy": of_copy and found is not None,
    }


def _copy(path: Path) -> Definitions | None:
    """Return the definitions of the copy, None where there is none, or it is of an older version."""
    try:
        return load(path)
    except (UsageError, OSError):
        return None


def named(question: JsonObject) -> tuple[Definition, ...]:
    """Return the definitions that a question is about: those of `file`; raises UsageError."""
    try:
        return load(Path(str(question["file"]))).entries
    except DefinitionsError:
        if question.get("copy") is None:
            raise
    return load(Path(str(question["copy"]))).entries


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _entry(definition: Definition, lines: Sequence[str], now: float) -> JsonObject:
    query = compiled(definition, now)
    return {
        "key": definition.key,
        "name": definition.name,
        "kind": definition.kind,
        "title": definition.title,
        "about": definition.about,
        "connections": list(definition.connections),
        "every": definition.every,
        "every_text": "" if definition.every is None else duration_text(definition.every),
        "guard": definition.guard,
        "id": definition.id,
        "is_sql": definition.sql is not None,
        "line": definition.place.line,
        "text": text_at(lines, definition.place.line, definition.place.column)[:LONGEST_TEXT],
        "sql": query.sql[:LONGEST_TEXT],
        "parameters": [str(each)[:200] for each in query.parameters],
    }


def text_at(lines: Sequence[str], line: int, column: int) -> str:
    """Return the lines of the list's entry that is at a place: those after it that are indented as far as it is."""
    first = line - 1
    end = first + 1
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) >= column - 1):
        end += 1
    return "\n".join(lines[first:end]).rstrip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
