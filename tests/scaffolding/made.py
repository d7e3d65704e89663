"""Makes mappings from drafts as `engine new` does, without files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from engine.mapping.yaml import reader
from engine.scaffolding import curl
from engine.scaffolding.build import build
from engine.scaffolding.outline import Outline

PATH = Path("acme.yaml")


class Made(NamedTuple):
    """A mapping: its text, its value, what the checker says, and the notes for the person."""

    text: str
    value: dict[str, Any]
    problems: list[str]
    notes: list[str]


def made(outline: Outline, similar=None) -> Made:
    """Build the mapping of an outline."""
    mapping = build(outline, PATH, similar=similar)
    document = reader.parse(mapping.text, "acme.yaml")
    assert document.readable
    return Made(mapping.text, document.value, [str(problem) for problem in mapping.problems], outline.notes)


def from_curl(*commands: str, calls: tuple[str, ...] = ()) -> Made:
    """Make the mapping of curl commands."""
    outline = Outline("acme", "Acme")
    for command in commands:
        curl.read(command, outline, calls=calls)
    return made(outline)
