"""JSON Schema: is a file shaped like a mapping, and does a value meet the schema its author wrote for it.

The one place that uses the jsonschema library, imported when first needed (it takes 60 ms).  Three things are
changed in its draft 7: `pattern` and `patternProperties` run on RE2, `$ref` is tied to its target beforehand
(schema_links.py), so nothing is ever fetched, and a schema inside a mapping (`must`) is checked where it stands.
The schema files are not checked against draft 7 at run time; a test does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from engine.mapping.problems import Mark, Problem
from engine.mapping.schema import files, links, messages, sentences
from engine.mapping.schema.links import BadSchema
from engine.mapping.yaml.reader import Document
from engine.records import Json, JsonObject, Place

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Errors: TypeAlias = "Iterator[ValidationError]"
Kind: TypeAlias = Literal["mapping", "parts"]

DRAFT_7 = "http://json-schema.org/draft-07/schema"


class Places(Protocol):
    """Whatever knows where the keys and values of a mapping stand: a document, or several laid over each other."""

    def mark(self, path: Place) -> Mark:
        """Return the place of the value at `path`."""

    def key_mark(self, path: Place) -> Mark:
        """Return the place of the key at `path`."""


def check(document: Document, kind: Kind) -> list[Problem]:
    """Return what is wrong with the shape of a file, in the order of its lines; nothing for one that is no YAML."""
    if not document.readable:
        return []
    return [
        problem
        for place, problem in _faults(document.value, document, kind)
        if not any(place[: len(faulty)] == faulty for faulty in document.faulty)
    ]


def check_value(value: Json, places: Places) -> list[Problem]:
    """Return what is wrong with the shape of a mapping whose `extends` has been worked in."""
    return [problem for _, problem in _faults(value, places, "mapping")]


def validator(schema: Json) -> Callable[[Json], str | None]:
    """Make a check of values by `schema` (draft 7), which gives None or what is wrong, as a clause without full stop.

    Raises ValueError for a `$ref` that leads out of the schema, names nothing or never ends, and for a pattern
    that RE2 does not know; for anything else that may be wrong with the schema ask `check_schema`.
    """
    checker = _draft_7()(links.linked(schema))

    def check(value: Json) -> str | None:
        try:
            error = next(checker.iter_errors(value), None)
            return None if error is None else sentences.sentence(_deepest(error))
        except RecursionError:
            return "the value is nested too deeply to be checked"

    return check


def check_schema(schema: Json) -> str | None:
    """Return what is wrong with a schema somebody wrote, as a sentence, or None."""
    if isinstance(schema, dict) and str(schema.get("$schema", DRAFT_7)).rstrip("#") != DRAFT_7:
        return f'"$schema" names another version; only draft 7 ({DRAFT_7}#) is supported.'
    error = next(_draft_7()(_linked_draft_7()).iter_errors(schema), None)
    if error is not None:
        return f"This is not a JSON Schema (draft 7): {sentences.sentence(_deepest(error))}."
    try:
        links.linked(schema)
    except BadSchema as bad:
        return str(bad)
    return None


def _faults(value: Json, places: Places, kind: Kind) -> list[tuple[Place, Problem]]:
    errors = _draft_7()(_linked_file(kind)).iter_errors(value)
    faults = messages.faults(errors, files.vocabulary(kind))
    problems = [(fault.path, Problem.at(_mark(fault, places), fault.path, fault.message)) for fault in faults]
    return sorted(problems, key=lambda found: found[1])


def _mark(fault: messages.SchemaFault, places: Places) -> Mark:
    return places.key_mark(fault.place) if fault.on_key else places.mark(fault.place)


def _deepest(error: ValidationError) -> ValidationError:
    """Of alternatives that all failed, take the error that got furthest: the one its author most likely meant."""
    inner = [each for each in error.context or () if each.validator != "type" or each.relative_path]
    if not inner:
        return error
    return _deepest(max(inner, key=lambda each: len(each.relative_path)))


@cache
def _linked_file(kind: Kind) -> Any:
    return links.linked(files.read(kind), _named)


def _named(ref: str) -> Any:
    """Return what a `$ref` of our own schema files names: a definition, all of which are in the mapping's file.

    Draft 7 stands there for editors; here an author's schema gets the check that also knows `$ref` and patterns.
    """
    if ref == "#/definitions/draft_7":
        return {"author's schema": True}
    return links.find(files.read("mapping"), f"#{ref.partition('#')[2]}")


@cache
def _linked_draft_7() -> Any:
    from jsonschema import Draft7Validator

    return links.linked(cast("JsonObject", Draft7Validator.META_SCHEMA))


@cache
def _draft_7() -> Any:
    from jsonschema import Draft7Validator
    from jsonschema.validators import extend

    changed = {
        "$ref": _ref,
        "additionalProperties": _additional_properties,
        "author's schema": _authors_schema,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
    }
    return extend(Draft7Validator, changed)  # type: ignore[no-untyped-call]


def _ref(checker: Any, target: Any, instance: Any, _schema: Any) -> Errors:
    return cast("Errors", checker.descend(instance, target))


def _pattern(_checker: Any, pattern: Any, instance: Any, _schema: Any) -> Errors:
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and not _found(pattern, instance):
        yield ValidationError("pattern")


def _pattern_properties(checker: Any, patterns: Any, instance: Any, _schema: Any) -> Errors:
    if isinstance(instance, dict):
        for pattern, schema in patterns.items():
            for key, member in instance.items():
                if _found(pattern, key):
                    yield from checker.descend(member, schema, path=key, schema_path=pattern.pattern)


def _additional_properties(checker: Any, allowed: Any, instance: Any, schema: Any) -> Errors:
    from jsonschema.exceptions import ValidationError

    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, member in instance.items():
        if key in known or any(_found(pattern, key) for pattern in patterns):
            continue
        if allowed is False:
            yield ValidationError("additionalProperties", path=(key,))
        else:
            yield from checker.descend(member, allowed, path=key)


def _authors_schema(_checker: Any, _true: Any, instance: Any, _schema: Any) -> Errors:
    from jsonschema.exceptions import ValidationError

    fault = check_schema(instance) if isinstance(instance, dict) else None
    if fault is not None:
        yield ValidationError(fault)


def _found(pattern: Any, text: str) -> bool:
    try:
        return pattern.search(text) is not None
    except UnicodeEncodeError:  # half of a surrogate pair, which RE2 cannot read, and no pattern can mean
        return False
