"""The canonical layout of `engine fmt`, as the smallest change of what an editor has."""

from __future__ import annotations

from os.path import commonprefix

from engine.editing.positions import Replacement, TextLines
from engine.editing.workspace import RefusedError
from engine.formatting.layout import LayoutError, formatted
from engine.mapping.yaml import reader


def layout(lines: TextLines, file: str) -> list[Replacement]:
    """Return what changes a file into the canonical layout, nothing if it has it; raises RefusedError."""
    document = reader.parse(lines.text, file)
    errors = [problem for problem in document.problems if problem.level == "error"]
    if errors:
        raise RefusedError(f"Line {errors[0].line}: {errors[0].message} The layout is changed once this is correct.")
    try:
        text = formatted(document.text, file)
    except LayoutError as error:
        raise RefusedError(str(error)) from None
    if "\r\n" in lines.text:
        text = text.replace("\n", "\r\n")  # an editor keeps the line ends that it found
    if text == lines.text:
        return []
    start = len(commonprefix([lines.text, text]))  # noqa: RUF071  of characters
    most = min(len(lines.text), len(text)) - start
    rest = len(commonprefix([lines.text[::-1], text[::-1]])[:most])  # noqa: RUF071
    end = len(lines.text) - rest
    return [Replacement(lines.range(start, end), text[start : len(text) - rest])]
