"""Validation of files against the mapping schema, and of values against the schemas of authors.

Only this module uses the jsonschema library, and imports it when first needed: that takes 60 ms, and a file whose shape
is certainly right does not need it (precheck.py). It changes some things of draft 7: `pattern` and `patternProperties`
use RE2; every `$ref` is linked to its target in advance (links.py), so nothing is ever fetched; a schema inside a
mapping (`must`) is checked in its place; and steps are counted (steps.py), because a short schema can take for ever.
The schema files themselves are not checked against draft 7 at run time; a test does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from engine.mapping.problems import Mark, Problem
from engine.mapping.schema import files, links, precheck
from engine.mapping.schema.clauses import clause
from engine.mapping.schema.links import BadSchema
from engine.mapping.schema.plain_schemas import is_plain
from engine.mapping.schema.steps import MOST_STEPS, TooManySteps, counted, counting_keyword, current_steps
from engine.mapping.yaml.reader import Document
from engine.records import Json, JsonObject, Place

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    from engine.mapping.schema.messages import SchemaFault

Errors: TypeAlias = "Iterator[ValidationError]"
Kind: TypeAlias = Literal["mapping", "parts"]

MOST_ERRORS = 1000
"""The library's errors of one file that are made into problems; it reports a mistake several times."""
DRAFT_7 = "http://json-schema.org/draft-07/schema"


class Places(Protocol):
    """Knows the places of the keys and values of a mapping: a document, or several merged ones."""

    def mark(self, path: Place) -> Mark:
        """Return the place of the value at `path`."""

    def key_mark(self, path: Place) -> Mark:
        """Return the place of the key at `path`."""


def check(document: Document, kind: Kind) -> list[Problem]:
    """Return the problems of a file's shape, ordered by line; none if the file is not YAML."""
    if not document.readable:
        return []
    return [
        problem
        for place, problem in _faults(document.value, document, kind)
        if not any(place[: len(faulty)] == faulty for faulty in document.faulty)
    ]


def check_value(value: Json, places: Places) -> list[Problem]:
    """Return the problems of a mapping's shape after `extends` was resolved."""
    return [problem for _, problem in _faults(value, places, "mapping")]


def validator(schema: Json) -> Callable[[Json], str | None]:
    """Return a function that checks values by `schema` (draft 7): it returns None, or the problem as a clause.

    Raises ValueError for a `$ref` that is not local, does not exist or never ends, and for a pattern that RE2 does not
    support; `check_schema` finds all other problems of a schema.
    """
    check = counting_validator(schema)
    return lambda value: check(value, MOST_STEPS)[0]


def counting_validator(schema: Json) -> Callable[[Json, int], tuple[str | None, int]]:
    """Like `validator`, of a function that takes `most` steps at most and also returns how many it took."""
    return _counting(links.linked(schema))


def own_validator(schema: Json) -> Callable[[Json], str | None]:
    """Like `validator`, for a schema that the engine made: only what is wrong needs the library to say so."""
    linked = links.linked(schema)
    return lambda value: None if precheck.certainly_meets(value, linked) else _counting(linked)(value, MOST_STEPS)[0]


def _counting(linked: Any) -> Callable[[Json, int], tuple[str | None, int]]:
    checker = _draft_7()(linked)

    def check(value: Json, most: int) -> tuple[str | None, int]:
        with counted(most) as steps:
            try:
                error = next(checker.iter_errors(value), None)
                return None if error is None else clause(_deepest(error)), steps.taken
            except RecursionError:
                return "the value is nested too deeply to be checked", steps.taken
            except TooManySteps:
                return f"checking this value takes more than {most:,} steps", steps.taken

    return check


def certainly_meets(value: Json, schema: Json) -> bool:
    """Whether a value surely meets an author's schema, which is plain; found out without the library."""
    return is_plain(schema) and precheck.certainly_meets(value, schema)


def check_schema(schema: Json) -> str | None:
    """Return the problem of an author's schema as a sentence, or None."""
    if isinstance(schema, dict) and str(schema.get("$schema", DRAFT_7)).rstrip("#") != DRAFT_7:
        return f'"$schema" names another version; only draft 7 ({DRAFT_7}#) is supported.'
    error = next(_draft_7()(_linked_draft_7()).iter_errors(schema), None)
    if error is not None:
        return f"This is not a JSON Schema (draft 7): {clause(_deepest(error))}."
    try:
        links.linked(schema)
    except BadSchema as bad:
        return str(bad)
    return None


def pattern_fault(pattern: str) -> str | None:
    """Return the problem of an author's pattern as a sentence, or None."""
    try:
        links.pattern(pattern)
    except BadSchema as bad:
        return str(bad)
    return None


def _faults(value: Json, places: Places, kind: Kind) -> list[tuple[Place, Problem]]:
    if precheck.certainly_meets(value, files.read(kind)):
        return []
    from engine.mapping.schema import messages

    errors = islice(_draft_7()(_linked_file(kind)).iter_errors(value), MOST_ERRORS)
    faults = messages.faults(errors, files.vocabulary(kind))
    problems = [(fault.path, Problem.at(_mark(fault, places), fault.path, fault.message)) for fault in faults]
    return sorted(problems, key=lambda found: found[1])


def _mark(fault: SchemaFault, places: Places) -> Mark:
    return places.key_mark(fault.place) if fault.on_key else places.mark(fault.place)


def _deepest(error: ValidationError) -> ValidationError:
    """Return the deepest error of failed alternatives: that alternative is most likely the intended one."""
    inner = [each for each in error.context or () if each.validator != "type" or each.relative_path]
    if not inner:
        return error
    return _deepest(max(inner, key=lambda each: len(each.relative_path)))


@cache
def _linked_file(kind: Kind) -> Any:
    return links.linked(files.read(kind), precheck.target)


@cache
def _linked_draft_7() -> Any:
    from jsonschema import Draft7Validator

    return links.linked(cast("JsonObject", Draft7Validator.META_SCHEMA))


@cache
def _draft_7() -> Any:
    from jsonschema import Draft7Validator
    from jsonschema.validators import extend

    changed = {
        **Draft7Validator.VALIDATORS,
        "$ref": _ref,
        "additionalProperties": _additional_properties,
        "author's schema": _authors_schema,
        "not": _not,
        "oneOf": _one_of,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "uniqueItems": _unique_items,
    }
    counting = {word: counting_keyword(check) for word, check in changed.items()}
    return extend(Draft7Validator, counting)  # type: ignore[no-untyped-call]


def _ref(checker: Any, target: Any, instance: Any, _schema: Any) -> Errors:
    """Check by the schema that is referred to, once for each value: a schema of `$ref`s can name it a billion times."""
    from jsonschema.exceptions import ValidationError

    known = current_steps().known
    key = (id(target), id(instance))  # both live as long as this check
    if key not in known:
        known[key] = True
        for error in checker.descend(instance, target):
            known[key] = False
            yield error
    elif not known[key]:
        yield ValidationError("$ref")


def _not(checker: Any, excluded: Any, instance: Any, _schema: Any) -> Errors:
    """The library's error would hold the schema as text, in which every `$ref` is written out."""
    from jsonschema.exceptions import ValidationError

    if checker.evolve(schema=excluded).is_valid(instance):
        yield ValidationError("not")


def _one_of(checker: Any, alternatives: Any, instance: Any, _schema: Any) -> Errors:
    """See `_not`."""
    from jsonschema.exceptions import ValidationError

    context: list[ValidationError] = []
    met = 0
    for number, alternative in enumerate(alternatives):
        errors = list(checker.descend(instance, alternative, schema_path=number))
        context += errors
        met += not errors
        if met > 1:
            break
    if met != 1:
        yield ValidationError("oneOf", context=[] if met else context)


def _unique_items(_checker: Any, unique: Any, instance: Any, _schema: Any) -> Errors:
    """Compare by what equal values have in common: the library compares each with each."""
    from jsonschema.exceptions import ValidationError

    if unique and isinstance(instance, list) and len({_comparable(item) for item in instance}) < len(instance):
        yield ValidationError("uniqueItems")


def _comparable(value: Json) -> object:
    """Return something hashable that is equal for equal JSON values: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, dict):
        return frozenset((key, _comparable(member)) for key, member in value.items())
    if isinstance(value, list):
        return tuple(_comparable(member) for member in value)
    return ("boolean", value) if isinstance(value, bool) else value


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
    except UnicodeEncodeError:  # half of a surrogate pair: RE2 cannot read it, and no pattern can match it
        return False
