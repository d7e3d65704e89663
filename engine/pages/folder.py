"""The pages of many mappings as files of a folder: one each, and an index with a matrix of destinations and calls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import UsageError
from engine.events.spec import FIELDS
from engine.files import create, replace
from engine.mapping.load import Loaded
from engine.mapping.model import Mapping
from engine.pages import markdown
from engine.pages.markdown import code, prose
from engine.pages.page import MADE, destination_page

INDEX = "README.md"
FIRST_BYTES = 2000
"""Of a page, in which the mark is that `engine docs` made it."""
MOST_NAMED = 10


class Stale(NamedTuple):
    """A page that is not as the mappings have it, and why."""

    path: Path
    reason: str


def index_page(mappings: Sequence[Mapping]) -> str:
    """Return the index: which destination takes which calls."""
    calls = [call for call in FIELDS if any(call in (*each.calls, *each.shared) for each in mappings)]
    rows = [
        [f"[{prose(each.title)}]({each.name}.md)", code(each.name), *(_cell(each, call) for call in calls)]
        for each in sorted(mappings, key=lambda each: each.title.lower())
    ]
    table = markdown.table(["destination", "mapping", *map(code, calls)], rows)
    return "\n".join(["# Destinations\n", f"{MADE}\n", *table]).rstrip("\n") + "\n"


def _cell(mapping: Mapping, call: str) -> str:
    steps = mapping.calls.get(mapping.shared.get(call, call))
    return ", ".join(dict.fromkeys(code(step.request) for step in steps)) if steps else ""


def pages(found: Sequence[Loaded]) -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    index = index_page([loaded.mapping for loaded in found])
    return {INDEX: index} | {f"{loaded.mapping.name}.md": destination_page(loaded) for loaded in found}


def stale(folder: Path, wanted: dict[str, str]) -> list[Stale]:
    """Return the pages of a folder that are missing, out of date, or of a mapping that is gone."""
    found = []
    for name, text in wanted.items():
        path = folder / name
        if not path.is_file():
            found.append(Stale(path, "is missing"))
        elif path.read_text(encoding="utf-8", errors="replace") != text:
            found.append(Stale(path, "is out of date"))
    return [*found, *(Stale(path, "is of no mapping any more") for path in _gone(folder, wanted))]


def write(folder: Path, wanted: dict[str, str]) -> tuple[list[Path], list[Path]]:
    """Write the pages that are missing or out of date, and remove those of mappings that are gone; returns both.

    Raises UsageError, and writes nothing, if a file that `engine docs` did not make is in the way.
    """
    if foreign := [folder / name for name in wanted if _is_foreign(folder / name)]:
        raise UsageError(_in_the_way(foreign))
    folder.mkdir(parents=True, exist_ok=True)
    changed = [each.path for each in stale(folder, wanted) if each.path.name in wanted]
    for path in changed:
        (replace if path.exists() else create)(path, wanted[path.name])
    gone = _gone(folder, wanted)
    for path in gone:
        path.unlink()
    return changed, gone


def _gone(folder: Path, wanted: dict[str, str]) -> list[Path]:
    """Return the pages that `engine docs` made earlier, and would not make today; other files are left alone."""
    others = [path for path in sorted(folder.glob("*.md")) if path.name not in wanted]
    return [path for path in others if _is_made(path)]


def _is_made(path: Path) -> bool:
    """Whether a page is one of ours. A link is not: it may lead to any file outside the folder."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return MADE.encode() in file.read(FIRST_BYTES)


def _is_foreign(path: Path) -> bool:
    return os.path.lexists(path) and not _is_made(path)


def _in_the_way(paths: Sequence[Path]) -> str:
    shown = ", ".join(str(path) for path in paths[:MOST_NAMED])
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return (
        f"Not made by engine docs, so not replaced: {shown}{more}. Nothing was written. Move it away, or choose "
        "another folder with --output."
    )
