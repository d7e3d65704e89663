"""Completion and hover for the page's editor: what `engine lsp` answers, for texts that are no files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.console.playground.files import TypedLibrary
from engine.console.playground.question import Question, lines_of
from engine.console.playground.spans import TextSpan, Units
from engine.editing.completion import Completion, complete
from engine.editing.hover import hover
from engine.editing.positions import Position, TextLines
from engine.editing.workspace import Workspace
from engine.records import Json, JsonObject

MOST_EDITORS = 8
"""Pages whose last readable text is remembered."""
MOST_PROPOSED = 200
KIND = "mapping"


class Editors:
    """One workspace for each page, because what is named in a mapping is asked of its last readable text."""

    def __init__(self) -> None:
        self._workspaces: dict[str, Workspace] = {}

    def answer(self, asked: Question, question: JsonObject, directories: Sequence[Path]) -> JsonObject:
        """Return proposals or a description at a line and a unit of UTF-16, both from 0."""
        path = TypedLibrary(directories, asked.mapping, asked.home).path.absolute()
        workspace = self._workspace(str(question.get("page"))[:64], directories)
        for each in [each for each in workspace.texts if each != path]:
            workspace.close(each)
        workspace.open(path, asked.mapping)
        workspace.samples = [line.value for line in lines_of(asked.events) if line.error is None]
        lines = TextLines(asked.mapping)
        position = Position(_number(question.get("line")), _number(question.get("unit")))
        known = workspace.understood(path)
        if question.get("ask") == "complete":
            found = complete(workspace, lines, position, known, KIND)[:MOST_PROPOSED]
            return {"proposals": [_proposal(each, lines) for each in found]}
        shown = hover(lines, position, known, KIND)
        if shown is None:
            return {"markdown": None}
        return {"markdown": shown.markdown, "range": _range(lines, shown.range.start, shown.range.end)}

    def _workspace(self, page: str, directories: Sequence[Path]) -> Workspace:
        found = self._workspaces.pop(page, None) or Workspace(directories)
        self._workspaces[page] = found
        while len(self._workspaces) > MOST_EDITORS:
            self._workspaces.pop(next(iter(self._workspaces)))
        return found


def _proposal(each: Completion, lines: TextLines) -> Json:
    place = _range(lines, each.edit.range.start, each.edit.range.end)
    return {
        "label": each.label,
        "kind": each.kind,
        "detail": each.detail,
        "about": each.about,
        "range": place,
        "text": each.edit.text,
    }


def _range(lines: TextLines, start: Position, end: Position) -> list[Json]:
    return list(Units(lines.text).of(TextSpan(lines.offset(start), lines.offset(end))))


def _number(value: Json) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
