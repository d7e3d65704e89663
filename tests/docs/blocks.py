"""The fenced blocks of a Markdown page, and those that belong together.

What a block is for stands after its language: ```` ```yaml fields ````.  Editors and GitHub show only the language.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```(\S*) ?(.*)$")


class Block(NamedTuple):
    """A fenced block: its language, the words after it, its text, and the heading and line it stands at."""

    language: str
    words: str
    text: str
    heading: str
    line: int


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    found: list[Block] = []
    opening: tuple[str, str, str, int] | None = None
    heading, inside = "", []
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if opening is None:
            if line.startswith("#"):
                heading = line.lstrip("# ")
            if fence:
                opening, inside = (fence[1], fence[2], fence[3].strip(), number), []
        elif line.strip() == "```":
            indent, language, words, start = opening
            text = "".join(row.removeprefix(indent) + "\n" for row in inside)
            found.append(Block(language, words, text, heading, start))
            opening = None
        else:
            inside.append(line)
    assert opening is None, f"{page}: a block is not closed"
    return found


def prose(page: str) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
