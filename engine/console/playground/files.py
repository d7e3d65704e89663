"""The mappings that the playground may read: those of its directories, and the one that is typed in place of a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from engine.mapping import bundled
from engine.mapping.load import Library
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document

NAME = re.compile(r"""^name:[ \t]*["']?([A-Za-z0-9_]{1,64})""", re.MULTILINE)
UNNAMED = "mapping"


def typed_name(text: str) -> str:
    """Return the name that a mapping gives itself, which is what its file would be called."""
    found = NAME.search(text)
    return found[1] if found else UNNAMED


class TypedLibrary(Library):
    """The mappings of some directories, one of them with a text that is typed; `extends` and `include` find the others.

    The typed one stands in `home`, the directory that it was taken from, so that what is beside it there is found.
    """

    def __init__(self, directories: Sequence[Path], text: str, home: Path | None = None) -> None:
        super().__init__(directories, self._read)
        self.path = (home if home in self.directories else bundled("mappings")) / f"{typed_name(text)}.yaml"
        self._text = text

    def _read(self, path: Path) -> Document:
        if path.absolute() == self.path.absolute():
            return reader.parse(self._text, path.as_posix())
        return reader.read(path)


def shown_file(file: str, own: Path) -> str:
    """Return how a file is named on the page: without its folder, but for one of parts."""
    path = Path(file)
    if path.absolute() == own.absolute():
        return own.name
    return f"parts/{path.name}" if path.parent.name == "parts" else path.name
