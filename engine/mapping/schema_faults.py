"""From the errors of the mapping schema to faults: one for one slip, at its key.

A schema tells every consequence of a slip: `{ cosnt: x }` has an unknown key *and* no source.  Here the errors about
one object are looked at together, and a slip that explains others speaks for them: a key that is nearly the missing
one, or keys of an object that were written without `fields`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.mapping import schema_messages as messages
from engine.mapping.problems import Path, Words
from engine.mapping.schema_files import Vocabulary
from engine.mapping.suggest import closest

SOURCES = ("from", "const", "text", "fields", "merge", "list", "each", "entries")
OTHER_WORDS = {
    "coalesce": "from",
    "constant": "const",
    "condition": "when",
    "convert": "as",
    "exclude": "except",
    "format": "as",
    "foreach": "for_each",
    "function": "as",
    "if": "when",
    "include": "only",
    "literal": "const",
    "lookup": "map",
    "object": "fields",
    "omit": "except",
    "pick": "only",
    "static": "const",
    "template": "text",
    "transform": "as",
    "url": "base_url",
}
"""What other tools call our words; tried where no word of ours is near."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: about the value at `path`, shown at `place` (its key, with `on_key`)."""

    path: Path
    words: Words
    place: Path
    on_key: bool = False


@dataclass(slots=True)
class _Object:
    """What the schema found about the keys of one object."""

    path: Path
    instance: dict[str, Any]
    noun: str = ""
    known: tuple[str, ...] = ()
    unknown: dict[str, str | None] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)
    alone: dict[str, tuple[str, ...]] = field(default_factory=dict)
    no_source: bool = False


def faults(errors: Iterable[Any], vocabulary: Vocabulary) -> list[Fault]:
    """Sort out the errors of a file (jsonschema's ValidationError); their order does not matter yet."""
    objects: dict[Path, _Object] = {}
    found: dict[Path, Fault] = {}
    for error in errors:
        if error.validator not in ABOUT_KEYS:
            fault = _simple(error, vocabulary)
            found.setdefault(fault.path, fault)  # the outer schema speaks first, and knows best what was meant
        elif isinstance(error.instance, dict):
            _note(objects, error)
    return [*found.values(), *(fault for each in objects.values() for fault in _faults_of(each, vocabulary))]


def _simple(error: Any, vocabulary: Vocabulary) -> Fault:
    path = tuple(error.absolute_path)
    if "propertyNames" in list(error.relative_schema_path)[-2:]:
        at = (*path, error.instance)
        return Fault(at, messages.bad_key(error), at, on_key=True)
    return Fault(path, messages.value(error, path, vocabulary), path)


ABOUT_KEYS = ("additionalProperties", "required", "dependencies", "oneOf", "anyOf")


def _note(objects: dict[Path, _Object], error: Any) -> None:
    """Put an error about the keys of an object to the others about that object."""
    path = tuple(error.absolute_path)
    key = path[-1] if error.validator == "additionalProperties" else None
    path = path if key is None else path[:-1]
    instance, schema = error.instance, error.schema
    here = objects.setdefault(path, _Object(path, instance))
    if error.validator in ("additionalProperties", "required"):
        here.noun = schema.get("$comment", "")
        here.known = tuple(schema.get("properties", ()))
    if isinstance(key, str):
        here.unknown[key] = _guess(key, here.known)
    elif error.validator == "required":
        here.missing |= {name: None for name in schema["required"] if name not in instance}
    elif error.validator == "dependencies":
        _note_dependencies(here, schema["dependencies"])
    elif error.validator == "oneOf":
        here.no_source = True
    else:
        word = str(list(error.relative_schema_path)[-2])
        here.alone[word] = tuple(name for option in schema["anyOf"] for name in option["required"])


def _note_dependencies(here: _Object, dependencies: dict[str, Any]) -> None:
    for word, needed in dependencies.items():
        if word in here.instance and isinstance(needed, list):
            absent = tuple(name for name in needed if name not in here.instance)
            if absent:
                here.alone[word] = absent


def _guess(key: str, known: Collection[str]) -> str | None:
    other = OTHER_WORDS.get(key.lower())
    return closest(key, known) or (other if other in known else None)


def _faults_of(here: _Object, vocabulary: Vocabulary) -> Iterator[Fault]:
    guesses = set(here.unknown.values())
    sources = [word for word in here.instance if word in SOURCES]
    if here.noun == "expected invalid":
        yield Fault(here.path, messages.EXPECT, here.path)
        return
    if here.no_source and len(sources) > 1:
        yield Fault(here.path, messages.two_sources(sources), (*here.path, sources[1]), on_key=True)
    elif here.no_source and (None in guesses or not guesses & set(SOURCES)):
        yield Fault(here.path, messages.no_source(list(here.unknown), list(here.instance)), here.path)
        return
    for key, guess in here.unknown.items():
        at = (*here.path, key)
        yield Fault(at, messages.unknown(at, guess, (here.noun, here.known), vocabulary), at, on_key=True)
    missing = [name for name in here.missing if name not in guesses]
    if missing:
        yield Fault(here.path, messages.missing(missing, here.noun, here.path, vocabulary), here.path, on_key=True)
    for word, needed in here.alone.items():
        if not guesses & set(needed):
            at = (*here.path, word)
            yield Fault(at, messages.alone(word, needed), at, on_key=True)
