"""The mappings that an editor has open, with the text that is not saved yet, and the last readable form of each.

While someone types, a file is mostly broken. So what is complete, is named or has a value is asked of the last text
that could be read; problems are always those of the text as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from engine.editing.seen import SeenFields, events_of_file, events_of_mapping
from engine.editing.values import ExampleValues
from engine.errors import UsageError
from engine.mapping.load import Library, Loaded, read_parts
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrences
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document
from engine.records import Json
from engine.testing.files import check_file

Kind = Literal["mapping", "parts"]

IS_MAPPING = re.compile(r"^mapping[ \t]*:", re.MULTILINE)
IS_PARTS = re.compile(r"^parts[ \t]*:", re.MULTILINE)
MOST_OPEN = 200
"""Files of which the last readable form is kept."""


class RefusedError(UsageError):
    """What an editor asked for cannot be done; the text says why."""


def kind_of(path: Path, text: str) -> Kind | None:
    """Return what a file is: a mapping, shared parts, or None where it is something else."""
    if path.suffix not in (".yaml", ".yml"):
        return None
    if IS_MAPPING.search(text):
        return "mapping"
    return "parts" if path.parent.name == "parts" and IS_PARTS.search(text) else None


class Understood:
    """A file as it could last be read: its model, who uses what, and the fields of the events it was written for."""

    def __init__(self, loaded: Loaded, kind: Kind, samples: Sequence[Json] = ()) -> None:
        self.loaded = loaded
        self.kind = kind
        self._samples = samples

    def is_of(self, text: str) -> bool:
        """Whether this is the text that was read, and not a later one that could not be."""
        return self.loaded.resolved.document.text == text.removeprefix("\ufeff")

    @cached_property
    def occurrences(self) -> Occurrences:
        """Every path, with its scope."""
        return Occurrences(self.loaded.mapping)

    @cached_property
    def values(self) -> ExampleValues:
        """What paths and values are in the examples."""
        return ExampleValues(self.loaded)

    @cached_property
    def seen(self) -> SeenFields:
        """The fields of the examples' events and of the sample."""
        return SeenFields([*events_of_mapping(self.loaded.mapping), *self._samples])


class Workspace:
    """Open files by path; reading a mapping takes their text, and the disk's for all others."""

    def __init__(self, directories: Iterable[Path] | None = None, samples: Iterable[Path] = ()) -> None:
        self.library = Library(directories, self.read)
        self.texts: dict[Path, str] = {}
        self.samples = [event for path in samples for event in events_of_file(path)]
        """The events of sample files."""
        self._understood: dict[Path, Understood] = {}
        self._last_read: dict[Path, tuple[str, int]] = {}
        self._changes = 0

    def open(self, path: Path, text: str) -> None:
        """Take the text of a file that was opened or changed; `path` is absolute."""
        self.texts[path] = text
        self._changes += 1

    def read(self, path: Path) -> Document:
        """Read a file: what the editor has of it, else what is on the disk."""
        text = self.texts.get(path.absolute())
        return reader.read(path) if text is None else reader.parse(text, path.as_posix())

    def text(self, path: Path) -> str:
        """Return the text of a file; '' where it cannot be read."""
        open_text = self.texts.get(path.absolute())
        if open_text is not None:
            return open_text
        try:
            with path.open("rb") as handle:
                return handle.read(reader.LARGEST).decode("utf-8", "replace")
        except OSError:
            return ""

    def close(self, path: Path) -> None:
        """Forget an open file."""
        self.texts.pop(path, None)
        self._understood.pop(path, None)
        self._last_read.pop(path, None)
        self._changes += 1

    def kind(self, path: Path) -> Kind | None:
        """Return what an open file is."""
        return kind_of(path, self.texts.get(path, ""))

    def problems(self, path: Path) -> list[Problem]:
        """Return what `validate-mappings` would say of an open file, those of files it includes among it."""
        return check_file(self.library, path) if self.kind(path) else []

    def understood(self, path: Path) -> Understood | None:
        """Return a file as it could last be read, or None if it never could."""
        text, (last, change) = self.text(path), self._last_read.get(path, (None, 0))
        if last != text or (change != self._changes and self._includes_open(path)):
            self._read_again(path, text)
        return self._understood.get(path)

    def users_of(self, path: Path) -> list[Path]:
        """Return the open mappings that extend or include a file."""
        found = (each for each in self.texts if each != path and each in self._understood)
        return [each for each in found if _has(self._understood[each].loaded, path)]

    def _includes_open(self, path: Path) -> bool:
        """Whether something that a file is made of is open too, so that it may have changed."""
        known = self._understood.get(path)
        return known is not None and any(_has(known.loaded, other) for other in self.texts if other != path)

    def _read_again(self, path: Path, text: str) -> None:
        kind = kind_of(path, text)
        self._last_read[path] = (text, self._changes)
        if kind is None:
            return
        try:
            loaded = self.library.read(path) if kind == "mapping" else read_parts(path, self.read)
        except (MemoryError, RecursionError, SyntaxError):
            return
        if loaded.readable:
            self._understood[path] = Understood(loaded, kind, self.samples)
            while len(self._understood) > MOST_OPEN:
                self._understood.pop(next(iter(self._understood)))


def _has(loaded: Loaded, path: Path) -> bool:
    return any(Path(file).absolute() == path for file in loaded.resolved.files)
