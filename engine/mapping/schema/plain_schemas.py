"""Schemas of authors that are plain: certainly JSON Schema, and checked in one walk over a value, without a library.

Most `body_schema`s have types, properties and a few limits, and most bodies meet them. Importing jsonschema to find
that out would take as long as all the rest of checking a file. Any other schema, and any value that is not certainly
right, is left to the library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.mapping.schema import links
from engine.records import Json

SIMPLE_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def is_plain(schema: Json) -> bool:
    """Whether a schema is certainly one of draft 7, and has no words but those below."""
    if isinstance(schema, bool):
        return True
    return isinstance(schema, dict) and all(word in WORDS and WORDS[word](rule) for word, rule in schema.items())


def _is_count(rule: Any) -> bool:
    return type(rule) is int and rule >= 0


def _is_number(rule: Any) -> bool:
    return type(rule) in (int, float)


def _is_text(rule: Any) -> bool:
    return isinstance(rule, str)


def _are_names(rule: Any) -> bool:
    return isinstance(rule, list) and all(map(_is_text, rule)) and len(set(rule)) == len(rule)


def _are_choices(rule: Any) -> bool:
    """Whether an `enum` is of different texts, numbers and null, which cannot be confused as 1 and true can."""
    if not isinstance(rule, list) or not all(each is None or type(each) in (str, int, float) for each in rule):
        return False
    return bool(rule) and len(set(rule)) == len(rule)


def _is_type(rule: Any) -> bool:
    if isinstance(rule, str):
        return rule in SIMPLE_TYPES
    return bool(rule) and _are_names(rule) and SIMPLE_TYPES.issuperset(rule)


def _is_pattern(rule: Any) -> bool:
    try:
        return isinstance(rule, str) and links.pattern(rule) is not None
    except links.BadSchema:
        return False


def _are_schemas(rule: Any) -> bool:
    return isinstance(rule, dict) and all(map(is_plain, rule.values()))


def _are_alternatives(rule: Any) -> bool:
    return isinstance(rule, list) and bool(rule) and all(map(is_plain, rule))


WORDS: dict[str, Callable[[Any], bool]] = {
    "$comment": _is_text,
    "additionalProperties": is_plain,
    "anyOf": _are_alternatives,
    "description": _is_text,
    "enum": _are_choices,
    "items": is_plain,
    "maxItems": _is_count,
    "maxLength": _is_count,
    "maxProperties": _is_count,
    "maximum": _is_number,
    "minItems": _is_count,
    "minLength": _is_count,
    "minProperties": _is_count,
    "minimum": _is_number,
    "pattern": _is_pattern,
    "properties": _are_schemas,
    "propertyNames": is_plain,
    "required": _are_names,
    "title": _is_text,
    "type": _is_type,
}
"""What the rule of each word has to be."""
