"""The names of a mapping: where each is defined, where it is used, and what a new name changes, in all files beside it.

A name is found by the walk that the checks use. Before text is changed, it is compared: a use that is not written
literally (with escapes, over several lines) makes a rename fail as a whole, because half a rename breaks a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from engine.editing.positions import Encoding, Position, Range, Replacement, TextLines
from engine.editing.slots import Slot, slot_at
from engine.editing.workspace import RefusedError, Understood, Workspace
from engine.errors import PathError
from engine.language import paths
from engine.mapping.checks.paths import member_column
from engine.mapping.problems import Mark
from engine.records import Place

SECTIONS = ("parts", "settings", "requests", "batches")
NOUNS = {"parts": "part", "settings": "setting", "requests": "request", "batches": "batch"}
NAME = re.compile(r"[a-z][a-z0-9_]*")
MOST_FILES = 200


class Symbol(NamedTuple):
    """A name that a mapping defines: `parts` and `first_name`."""

    section: str
    name: str


class NameUse(NamedTuple):
    """Where a name is written: the beginning of the name itself."""

    symbol: Symbol
    mark: Mark
    place: Place
    is_definition: bool = False


class NamePlace(NamedTuple):
    """Where an editor should go."""

    path: Path
    range: Range


def uses(known: Understood) -> Iterator[NameUse]:
    """Return every use of every name of a mapping, and every definition."""
    yield from _definitions(known)
    yield from _in_paths(known)
    yield from _named(known)


def _definitions(known: Understood) -> Iterator[NameUse]:
    mapping, resolved = known.loaded.mapping, known.loaded.resolved
    nouns = (mapping.parts, mapping.settings, mapping.requests, mapping.batches)
    for section, names in zip(SECTIONS, nouns, strict=True):
        for name in names:
            place: Place = (section, name)
            if resolved.owner(place).holds(place):
                yield NameUse(Symbol(section, name), resolved.key_mark_inside(place, 1), place, is_definition=True)


def _in_paths(known: Understood) -> Iterator[NameUse]:
    resolved = known.loaded.resolved
    for found in known.occurrences.all:
        try:
            path = paths.parse(found.path)
        except PathError:
            continue
        for root in path.roots:
            if root.name in ("parts", "settings") and root.members:
                column = found.column + member_column(path, root, root.members[0]) - 1
                place = found.place
                if place[-1:] == ("flatten",) and isinstance(resolved.at(place), dict):
                    place = (*place, "if")
                inside = resolved.key_mark_inside if found.key else resolved.mark_inside
                yield NameUse(Symbol(root.name, root.members[0]), inside(place, column), place)


def _named(known: Understood) -> Iterator[NameUse]:
    """Return the names that stand alone: of requests and batches, and those in examples."""
    mapping, resolved = known.loaded.mapping, known.loaded.resolved
    plain: list[tuple[str, str | None, Place]] = [("requests", mapping.check, ("check",))]
    keys: list[tuple[str, str, Place]] = []
    for steps in mapping.calls.values():
        plain += [("requests", step.request, (*step.place, "request")) for step in steps]
    for request in mapping.requests.values():
        plain.append(("requests", request.if_missing, (*request.place, "if_missing")))
        plain.append(("batches", request.batch, (*request.place, "batch")))
    for example in mapping.examples:
        keys += [("settings", name, (*example.place, "settings", name)) for name in example.settings]
        for number, reply in enumerate(example.replies):
            plain.append(("requests", str(reply["request"]), (*example.place, "replies", number, "request")))
        for number, entry in enumerate(example.expect if isinstance(example.expect, list) else ()):
            names = entry if isinstance(entry, dict) else {}
            keys += [("requests", name, (*example.place, "expect", number, name)) for name in names]
    for section, name, place in plain:
        if name is not None:
            yield NameUse(Symbol(section, name), resolved.mark_inside(place, 1), place)
    for section, name, place in keys:
        yield NameUse(Symbol(section, name), resolved.key_mark_inside(place, 1), place)


def use_at(known: Understood, lines: TextLines, path: Path, position: Position) -> NameUse | None:
    """Return the name that a cursor is on."""
    offset = lines.offset(position)
    for use in uses(known):
        if Path(use.mark.file).absolute() != path:
            continue
        start = lines.at(use.mark)
        if start <= offset <= start + len(use.symbol.name) and lines.text.startswith(use.symbol.name, start):
            return use
    return None


class Navigation:
    """Answers of one workspace, in the encoding of its editor."""

    def __init__(self, workspace: Workspace, encoding: Encoding = "utf-16") -> None:
        self._workspace = workspace
        self._encoding = encoding

    def definition(self, path: Path, position: Position) -> NamePlace | None:
        """Return where the name under the cursor is defined, or the file that `extends` or `include` names."""
        known = self._workspace.understood(path)
        lines = self._lines(path)
        file = self._file_at(path, slot_at(lines, position.line, lines.column(position)))
        if file is not None:
            return NamePlace(file.absolute(), Range(Position(0, 0), Position(0, 0)))
        use = use_at(known, lines, path, position) if known is not None else None
        if known is None or use is None:
            return None
        found = (each for each in _definitions(known) if each.symbol == use.symbol)
        return next((self._target(each) for each in found), None)

    def references(self, path: Path, position: Position) -> list[NamePlace]:
        """Return every use of the name under the cursor in a mapping and the files beside it."""
        known = self._workspace.understood(path)
        use = use_at(known, self._lines(path), path, position) if known is not None else None
        if known is None or use is None:
            return []
        return list(dict.fromkeys(self._target(each) for each in self._everywhere(known, path, use.symbol)))

    def nameable(self, path: Path, position: Position) -> Range | None:
        """Return the range of the name under the cursor, if it can be changed."""
        known, lines = self._workspace.understood(path), self._lines(path)
        use = use_at(known, lines, path, position) if known is not None else None
        return self._target(use).range if use is not None else None

    def rename(self, path: Path, position: Position, name: str) -> dict[Path, list[Replacement]]:
        """Return what to change, by file, so that the name under the cursor is `name`; raises RefusedError."""
        known = self._workspace.understood(path)
        use = use_at(known, self._lines(path), path, position) if known is not None else None
        if known is None or use is None:
            raise RefusedError("There is no name of a part, setting, request or batch here.")
        if not known.is_of(self._workspace.text(path)):
            raise RefusedError("This file cannot be read as it is now; correct its problems first.")
        self._check(known, path, use.symbol, name)
        edits: dict[Path, dict[Range, Replacement]] = {}
        for each in self._everywhere(known, path, use.symbol, strict=True):
            file = Path(each.mark.file).absolute()
            lines = self._lines(file)
            if not lines.text.startswith(use.symbol.name, lines.at(each.mark)):
                where = f"{each.mark.file}:{each.mark.line}:{each.mark.column}"
                raise RefusedError(
                    f"{where}: {use.symbol.name} is not written plainly here; change this use by hand first."
                )
            target = self._target(each)
            edits.setdefault(file, {})[target.range] = Replacement(target.range, name)
        return {file: list(found.values()) for file, found in edits.items()}

    def _check(self, known: Understood, path: Path, symbol: Symbol, name: str) -> None:
        if not NAME.fullmatch(name):
            raise RefusedError(
                f'"{name[:60]}" is no name: write lowercase letters, digits and _, beginning with a letter.'
            )
        noun = NOUNS[symbol.section]
        defined = {each.symbol: each for each in _definitions(known)}
        if Symbol(symbol.section, name) in defined:
            raise RefusedError(f"This mapping already has a {noun} named {name}.")
        if symbol not in defined:
            raise RefusedError(f"This mapping has no {noun} named {symbol.name}, so there is nothing to rename.")
        file = Path(defined[symbol].mark.file).absolute()
        if not file.is_relative_to(_folder(path)):
            raise RefusedError(f"{symbol.name} is defined in {file}, which is not beside this file; rename it there.")

    def _everywhere(self, known: Understood, path: Path, symbol: Symbol, *, strict: bool = False) -> Iterator[NameUse]:
        """Return the uses of a name in all files that share its definition; `strict` raises if one cannot be read."""
        home = next((each.mark for each in _definitions(known) if each.symbol == symbol), None)
        yield from (each for each in uses(known) if each.symbol == symbol)
        if home is None:
            return
        for other in sorted(_folder(path).glob("*.yaml"))[:MOST_FILES]:
            if other.absolute() == path:
                continue
            found = self._read(other, symbol, strict=strict)
            if found is not None and any(each.is_definition and each.mark == home for each in found):
                yield from found

    def _read(self, path: Path, symbol: Symbol, *, strict: bool) -> list[NameUse] | None:
        loaded = self._workspace.library.read(path)
        if loaded.readable:
            return [each for each in uses(Understood(loaded, "mapping")) if each.symbol == symbol]
        if strict and re.search(rf"\b{re.escape(symbol.name)}\b", self._workspace.text(path)):
            raise RefusedError(f"{path} uses this name too, or may, and cannot be read; correct it first.")
        return None

    def _file_at(self, path: Path, slot: Slot | None) -> Path | None:
        if slot is None or slot.kind == "key" or not slot.text:
            return None
        library = self._workspace.library
        if slot.place == ("extends",):
            return library.beside(path, slot.text)
        return library.part_file(path, slot.text) if slot.place[:1] == ("include",) else None

    def _lines(self, path: Path) -> TextLines:
        return _lines(self._workspace.text(path), self._encoding)

    def _target(self, use: NameUse) -> NamePlace:
        path = Path(use.mark.file).absolute()
        lines = self._lines(path)
        start = lines.at(use.mark)
        return NamePlace(path, lines.range(start, start + len(use.symbol.name)))


@lru_cache(maxsize=8)
def _lines(text: str, encoding: Encoding) -> TextLines:
    return TextLines(text, encoding)


def _folder(path: Path) -> Path:
    """Return the folder of the mappings that a file is beside."""
    return path.parent.parent if path.parent.name == "parts" else path.parent
