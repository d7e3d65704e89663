"""What an author's schema (`must`, `body_schema`, a setting) says of a value, as a clause for people.

`items[0].price ("abc") is not a number`: where, what stands there, and what is wrong with it.  Long values are cut
and secret ones masked by `shown`; objects and lists are only named by their kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.language.texts import LONGEST_SHOWN, compact_json, shown
from engine.mapping.problems import place_text
from engine.records import Json

KINDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
MOST_CHOICES = 10


def sentence(error: Any) -> str:
    """Say what is wrong (jsonschema's ValidationError), as a clause without full stop."""
    tell = SENTENCES.get(str(error.validator), _other)
    path = list(error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        path = path[:-1]  # the error stands at the key that is too much; the clause is about the object
    what = shown(error.instance)
    return f"{f'{place_text(tuple(path))} ({what})' if path else what} {tell(error)}"


def kinds(types: Any) -> str:
    """Name the types of a schema: `text or null`."""
    names = [KINDS.get(name, str(name)) for name in (types if isinstance(types, list) else [types])]
    return " or ".join(names)


def _type(error: Any) -> str:
    return f"is not {kinds(error.validator_value)}"


def _enum(error: Any) -> str:
    choices = error.validator_value
    if len(choices) > MOST_CHOICES:
        return f"is not one of the {len(choices)} allowed values"
    return f"is not one of {', '.join(_written(choice) for choice in choices)}"


def _const(error: Any) -> str:
    return f"is not {_written(error.validator_value)}"


def _written(value: Json) -> str:
    """Show a value of the schema, which is no secret: also what is in an object or a list."""
    text = compact_json(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _pattern(error: Any) -> str:
    return f"does not match the pattern {error.validator_value.pattern}"


def _required(error: Any) -> str:
    missing = [name for name in error.validator_value if name not in error.instance]
    return f"has no {' and no '.join(shown(name) for name in missing)}"


def _additional(error: Any) -> str:
    return f"must not have {shown(error.absolute_path[-1])}" if error.absolute_path else "has too many keys"


def _dependencies(error: Any) -> str:
    for word, needed in error.validator_value.items():
        missing = [name for name in needed if name not in error.instance] if isinstance(needed, list) else []
        if word in error.instance and missing:
            return f"has {shown(word)} and therefore needs {shown(missing[0])}"
    return "does not meet the schema's `dependencies`"


def _any(error: Any) -> str:
    types = [inner.validator_value for inner in error.context if inner.validator == "type"]
    if len(types) == len(error.context):
        return f"is not {kinds([name for each in types for name in (each if isinstance(each, list) else [each])])}"
    return "meets none of the schema's alternatives"


def _never(_error: Any) -> str:
    return "is not allowed here"


def _other(error: Any) -> str:
    return f"does not meet the schema's `{error.validator}`" if error.validator else _never(error)


def _limit(text: str) -> Callable[[Any], str]:
    return lambda error: text.format(shown(error.validator_value))


SENTENCES: dict[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "required": _required,
    "additionalProperties": _additional,
    "dependencies": _dependencies,
    "const": _const,
    "minimum": _limit("is less than {}"),
    "maximum": _limit("is more than {}"),
    "exclusiveMinimum": _limit("is not more than {}"),
    "exclusiveMaximum": _limit("is not less than {}"),
    "multipleOf": _limit("is not a multiple of {}"),
    "minLength": _limit("is shorter than {} characters"),
    "maxLength": _limit("is longer than {} characters"),
    "minItems": _limit("has fewer than {} entries"),
    "maxItems": _limit("has more than {} entries"),
    "minProperties": _limit("has fewer than {} keys"),
    "maxProperties": _limit("has more than {} keys"),
    "uniqueItems": _limit("has a duplicate entry"),
    "contains": _limit("lacks an entry that it must contain"),
    "not": _limit("is excluded by the schema's `not`"),
    "anyOf": _any,
    "oneOf": lambda error: _any(error) if error.context else "meets several of the schema's alternatives, not one",
}
