"""The files of one version of a mapping as bytes, and back: what planned an event can be read, shown and run later.

They are the text of the mapping's file and of all that it extends and includes, each under the path that problems show.
Settings are not among them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from engine.mapping.load import Library, Loaded
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of all files of a version, as JSON before compression."""

NO_VERSION = "these bytes are not the files of a mapping"


class VersionFile(NamedTuple):
    """A file under the path that problems show; `name` is what `extends` or `include` calls it."""

    name: str
    file: str
    text: str


class _StoredLibrary(Library):
    """Finds what a mapping extends and includes among stored files, and nothing on the disk."""

    def __init__(self, base: VersionFile | None, parts: Iterable[VersionFile]) -> None:
        super().__init__([])
        self.directories = ()
        self._base = base
        self._parts = {each.name: each for each in parts}
        self.read_document = self._stored

    def _stored(self, path: Path) -> Document:
        found = [*self._parts.values(), *([] if self._base is None else [self._base])]
        each = next(each for each in found if Path(each.file) == path)
        return reader.parse(each.text, each.file)

    def beside(self, path: Path, name: str) -> Path | None:  # noqa: ARG002
        """Return the path of what `extends` names."""
        return Path(self._base.file) if self._base is not None and self._base.name == name else None

    def part_file(self, path: Path, name: str) -> Path | None:  # noqa: ARG002
        """Return the path of what `include` names."""
        return Path(self._parts[name].file) if name in self._parts else None


def pack(loaded: Loaded) -> bytes | None:
    """Return the files of a mapping, compressed; None for more than MOST_BYTES."""
    resolved = loaded.resolved
    base = resolved.base
    value = {
        "path": str(loaded.path),
        "mapping": _packed("", resolved.document),
        "extends": None if base is None else _packed(str(resolved.extended), base),
        "include": [_packed(name, document) for name, document in resolved.included.items()],
    }
    packed = orjson.dumps(value)
    return zlib.compress(packed) if len(packed) <= MOST_BYTES else None


def unpack(files: bytes) -> Loaded:
    """Load the mapping from its packed files, without the disk; raises ValueError for other bytes."""
    stored = _stored(files)
    own = stored.mapping
    return _StoredLibrary(stored.extends, stored.include).of(reader.parse(own.text, own.file), stored.path)


class _Stored(NamedTuple):
    path: Path
    mapping: VersionFile
    extends: VersionFile | None
    include: list[VersionFile]


def _stored(files: bytes) -> _Stored:
    try:
        value: dict[str, Any] = orjson.loads(zlib.decompressobj().decompress(files, MOST_BYTES + 1))
        extends = None if value["extends"] is None else VersionFile(*value["extends"])
        include = [VersionFile(*each) for each in value["include"]]
        found = _Stored(Path(value["path"]), VersionFile(*value["mapping"]), extends, include)
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(NO_VERSION) from error
    stored = [found.mapping, *found.include, *([] if extends is None else [extends])]
    if not all(isinstance(each, str) for file in stored for each in file):
        raise ValueError(NO_VERSION)
    return found


def _packed(name: str, document: Document) -> tuple[str, str, str]:
    return name, document.file, document.text
