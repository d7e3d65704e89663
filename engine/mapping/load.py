"""Name or path -> a loaded mapping: read, check against the schema, resolve `extends` and `include`, build the model.

A bad file raises nothing: its problems are in `Loaded.problems`, and there is a `Loaded.mapping` only if its shape is
valid. The rules that a schema cannot express are in engine/mapping/checks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from engine.errors import MappingError, MappingNotFound
from engine.files import not_a_file
from engine.language.suggest import closest
from engine.mapping import bundled, extent, schema
from engine.mapping.build import BuildFaults, build
from engine.mapping.model import Mapping
from engine.mapping.problems import Fix, Mark, Message, Problem
from engine.mapping.resolve import Resolved
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document
from engine.records import Json, JsonObject, Place

VARIABLES = ("WAYBILL_MAPPINGS", "ENGINE_MAPPINGS")
"""The second is deprecated, as the commands say."""
HERE = Path("mappings")
"""Where mappings of one's own are looked for unless the environment says where."""

NOTHING_ELSE: JsonObject = {"name": "parts", "title": "Parts", "http": {"base_url": "https://parts.invalid"}}
"""The keys that a mapping requires, for a file of parts that is loaded by itself."""


class Loaded:
    """A mapping with the places of its values; `problems` of reading and schema, `faults` of its texts."""

    def __init__(self, path: Path, resolved: Resolved, problems: Iterable[Problem]) -> None:
        self.path = path
        self.resolved = resolved
        self.problems = tuple(problems)
        self.faults = BuildFaults()
        self.included: dict[str, str] = {}
        self._mapping: Mapping | None = None
        if not any(problem.level == "error" for problem in self.problems):
            self._mapping = build(resolved.value, self.faults)

    @property
    def readable(self) -> bool:
        """Whether the shape is valid, so that there is a model."""
        return self._mapping is not None

    @property
    def raw(self) -> JsonObject:
        """The document with `extends` and `include` resolved."""
        return self.resolved.value

    @property
    def mapping(self) -> Mapping:
        """The model; only where `readable`."""
        assert self._mapping is not None
        return self._mapping

    def need(self) -> None:
        """Raise MappingError if reading or the schema found errors."""
        if not self.readable:
            raise MappingError(self.problems)

    def mark(self, place: Place) -> Mark:
        """Return file, line and column of a place in the mapping."""
        return self.resolved.mark(place)


class Library:
    """The directories of mappings: the user's first, then the one that ships with the engine.

    `read` reads their files; an editor has some of them open and not saved.
    """

    def __init__(
        self, directories: Iterable[Path] | None = None, read: Callable[[Path], Document] = reader.read
    ) -> None:
        own = list(directories) if directories is not None else _from_environment()
        self.read_document = read
        self.directories = tuple(dict.fromkeys([*own, bundled("mappings")]))

    def names(self) -> list[str]:
        """Return the names of all mappings, sorted."""
        return sorted({path.stem for directory in self.directories for path in directory.glob("*.yaml")})

    def find(self, name: str) -> Path:
        """Find a mapping by name or path; raises MappingNotFound with the nearest name."""
        if name.endswith((".yaml", ".yml")) or "/" in name:
            if fault := not_a_file(Path(name)):
                raise MappingNotFound(f"Mapping file {name} {fault}.")
            return Path(name)
        for path in self._candidates(name):
            return path
        if Path(f"{name}.yaml").is_file():
            raise MappingNotFound(f"Unknown mapping {name}; for the file {name}.yaml here, write {name}.yaml.")
        guess = closest(name, self.names())
        advice = f"did you mean {guess}?" if guess else f"available: {', '.join(self.names())}"
        raise MappingNotFound(f"Unknown mapping {name}; {advice}")

    def _candidates(self, name: str) -> Iterator[Path]:
        for directory in self.directories:
            path = directory / f"{name}.yaml"
            if path.is_file():
                yield _near(path)

    def load(self, name: str) -> Loaded:
        """Load a mapping by name or path."""
        return self.read(self.find(name))

    def read(self, path: Path) -> Loaded:
        """Load the mapping file at `path`."""
        return self.of(self.read_document(path), path)

    def of(self, document: Document, path: Path) -> Loaded:
        """Load a mapping that has been read; `extends` and `include` are relative to `path`."""
        problems = _read_problems(document, "mapping")
        resolved = Resolved(document)
        if _fine(problems):
            problems += _name_problems(document, path)
            problems += self._resolve(path, resolved)
        return Loaded(path, resolved, problems)

    def _resolve(self, path: Path, resolved: Resolved) -> list[Problem]:
        problems: list[Problem] = []
        name = resolved.value.get("extends")
        own_parts = set(cast("JsonObject", resolved.value.get("parts") or {}))
        own_include = "include" in resolved.value
        if isinstance(name, str):
            problems += self._extend(path, resolved, name)
        if _fine(problems):
            problems += self._include(path, resolved, own_parts if own_include else None, own_parts)
        return problems or _too_large(resolved.value, resolved.mark)

    def _extend(self, path: Path, resolved: Resolved, name: str) -> list[Problem]:
        mark, place = resolved.mark(("extends",)), ("extends",)
        found = self.beside(path, name)
        if found is None:
            guess = closest(name, self.names())
            advice = f"Did you mean {guess}?" if guess else f"Available: {', '.join(self.names())}."
            message = f'Unknown mapping "{name}" in `extends`.'
            return [Problem.at(mark, place, Message("unknown-mapping", message, advice, fix=_better(name, guess)))]
        if found.resolve() == path.resolve():
            advice = "Name another mapping, or remove `extends`."
            return [Problem.at(mark, place, Message("extends-itself", "A mapping cannot extend itself.", advice))]
        base = self.read_document(found)
        problems = _read_problems(base, "mapping")
        if not _fine(problems):
            return problems
        if isinstance(base.value, dict) and "extends" in base.value:
            message = f'"{name}" itself extends another mapping; only one level is allowed.'
            advice = f"Extend {base.value['extends']} instead."
            return [Problem.at(mark, place, Message("extends-twice", message, advice))]
        lower = Resolved(base)
        resolved.extend(lower)
        resolved.extended, resolved.base = name, base
        return [*problems, *schema.check_value(resolved.value, resolved)]

    def beside(self, path: Path, name: str) -> Path | None:
        """Return the file of the mapping that `extends` names in the mapping at `path`."""
        own = path.parent / f"{name}.yaml"
        return own if own.is_file() else next(self._candidates(name), None)

    def _include(self, path: Path, resolved: Resolved, strict: set[str] | None, own: set[str]) -> list[Problem]:
        problems: list[Problem] = []
        names = cast("list[str]", resolved.value.get("include") or [])
        seen: dict[str, str] = {}
        for number, name in enumerate(names):
            place: Place = ("include", number)
            found = self.part_file(path, name)
            if found is None:
                message = _unknown_include(name, self.part_names(path))
                problems.append(Problem.at(resolved.mark(place), place, message))
                continue
            document = resolved.included[name] = self.read_document(found)
            faults = _read_problems(document, "parts")
            problems += faults
            if _fine(faults):
                problems += _add_parts(resolved, document, place, seen, strict, own)
        return problems

    def part_file(self, path: Path, name: str) -> Path | None:
        """Return the file of parts that `include` names in the mapping at `path`."""
        for directory in (path.parent, *self.directories):
            candidate = directory / "parts" / f"{name}.yaml"
            if candidate.is_file():
                return _near(candidate)
        return None

    def part_names(self, path: Path) -> list[str]:
        """Return the names that `include` may have in the mapping at `path`, sorted."""
        folders = (path.parent, *self.directories)
        return sorted({file.stem for folder in folders for file in folder.glob("parts/*.yaml")})


def read_parts(path: Path, read: Callable[[Path], Document] = reader.read) -> Loaded:
    """Load a file of shared parts by itself, as a mapping with nothing else."""
    document = read(path)
    problems = _read_problems(document, "parts")
    if _fine(problems):
        document = replace(document, value={**NOTHING_ELSE, **cast("JsonObject", document.value)})
    return Loaded(path, Resolved(document), problems)


def _read_problems(document: Document, kind: schema.Kind) -> list[Problem]:
    problems = list(document.problems)
    if not _fine(problems):
        return problems
    return [*problems, *(_too_large(document.value, document.mark) or schema.check(document, kind))]


def _too_large(value: Json, mark: Callable[[Place], Mark]) -> list[Problem]:
    """Refuse what would take minutes to check; also after `extends` and `include`, which add up."""
    found = extent.fault(value)
    return [] if found is None else [Problem.at(mark(found[0]), *found)]


def _unknown_include(name: str, names: list[str]) -> Message:
    guess = closest(name, names)
    advice = f"Did you mean {guess}?" if guess else f"Available: {', '.join(names)}." if names else ""
    message = f"parts/{name}.yaml exists neither beside this mapping nor among the parts that ship with waybill."
    return Message("unknown-include", message, advice, fix=_better(name, guess))


def _better(name: str, guess: str | None) -> Fix | None:
    return None if guess is None else Fix(name, guess)


def _add_parts(
    resolved: Resolved, document: Document, place: Place, seen: dict[str, str], strict: set[str] | None, own: set[str]
) -> list[Problem]:
    problems = []
    included = cast("JsonObject", cast("JsonObject", document.value)["parts"])
    for name, value in included.items():
        other = seen.get(name)
        if other is None and strict is not None and name in strict:
            other = resolved.mark(("parts", name)).file
        if other is not None:
            text = f'The part "{name}" of {document.file} is also in {other}.'
            message = Message("duplicate-part", text, "Rename or remove one of them.")
            problems.append(Problem.at(resolved.mark(place), place, message))
            continue
        seen[name] = document.file
        if name not in own:
            resolved.add_part(name, value, document)
    return problems


def _fine(problems: Iterable[Problem]) -> bool:
    return not any(problem.level == "error" for problem in problems)


def _name_problems(document: Document, path: Path) -> list[Problem]:
    name = cast("JsonObject", document.value).get("name")
    if name == path.stem:
        return []
    text = f'The name is "{name}" and the file is called {path.name}; they must be the same.'
    message = Message("name-is-not-file", text, f"Rename the file to {name}.yaml, or correct the name.")
    return [Problem.at(document.mark(("name",)), ("name",), message)]


def _from_environment() -> list[Path]:
    """Return the folders of the environment; without any, `mappings` in the current folder, if there is one."""
    value = next((os.environ[name] for name in VARIABLES if name in os.environ), None)
    if value is None:
        return [HERE] if HERE.is_dir() else []
    return [Path(part) for part in value.split(os.pathsep) if part]


def _near(path: Path) -> Path:
    """Return a path relative to the current directory, if it is inside."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
