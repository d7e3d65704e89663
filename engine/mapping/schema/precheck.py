"""Does a value meet a schema of ours? A quick answer that needs no library, and is only trusted if it is yes.

Importing jsonschema takes about as long as all the rest of checking a file, and most files are right. So the keywords
that our schemas use are here again, each as a yes or no; whatever is not certainly right is left to validation.py,
which finds out what is wrong. A keyword that is not here is never certainly right, nor is an author's own schema that
is not plain (plain_schemas.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from engine.language.regex import compile_pattern
from engine.mapping.schema import files, links
from engine.mapping.schema.plain_schemas import is_plain
from engine.records import Json

Keyword: TypeAlias = Callable[[Any, Any, Any], bool]
"""Whether a value meets a keyword, given its rule and the schema that it stands in."""


class _Uncertain(Exception):  # noqa: N818  reads as what it is
    """Only the library can tell."""


def certainly_meets(value: Json, schema: Any) -> bool:
    """Return whether a value surely meets a schema: of a file, of a setting's value (linked), or a plain one."""
    try:
        return _meets(value, schema)
    except (_Uncertain, RecursionError):
        return False


@cache
def target(ref: str) -> Any:
    """Return the target of a `$ref` in our schema files: a definition, all of which are in the mapping schema.

    Its definition of draft 7 serves editors; here, the check of an author's schema also covers `$ref` and patterns.
    """
    if ref == "#/definitions/draft_7":
        return {"author's schema": True}
    return links.find(files.read("mapping"), f"#{ref.partition('#')[2]}")


def _meets(value: Any, schema: Any) -> bool:
    if schema is True or schema is False:
        return schema
    if "$ref" in schema:
        return _meets(value, target(schema["$ref"]))
    for word, rule in schema.items():
        if word not in ANNOTATIONS and not KEYWORDS.get(word, _uncertain)(value, rule, schema):
            return False
    return True


def _uncertain(_value: Any, _rule: Any, _schema: Any) -> bool:
    raise _Uncertain


def _type(value: Any, rule: Any, _schema: Any) -> bool:
    return TYPES[rule](value) if isinstance(rule, str) else any(TYPES[name](value) for name in rule)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value == value // 1,
}


def _enum(value: Any, rule: Any, _schema: Any) -> bool:
    if isinstance(value, dict | list):
        raise _Uncertain  # 1 and true inside them are not equal
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in rule)


def _pattern(value: Any, rule: Any, _schema: Any) -> bool:
    if not isinstance(value, str):
        return True
    try:
        return (_compiled(rule) if isinstance(rule, str) else rule).search(value) is not None
    except UnicodeEncodeError:  # half of a surrogate pair: RE2 cannot read it, and no pattern can match it
        return False


_compiled = cache(compile_pattern)


def _properties(value: Any, rule: Any, _schema: Any) -> bool:
    return not isinstance(value, dict) or all(_meets(value[key], rule[key]) for key in value if key in rule)


def _additional_properties(value: Any, rule: Any, schema: Any) -> bool:
    known = schema.get("properties", ())
    return not isinstance(value, dict) or all(_meets(member, rule) for key, member in value.items() if key not in known)


def _property_names(value: Any, rule: Any, _schema: Any) -> bool:
    return not isinstance(value, dict) or all(_meets(key, rule) for key in value)


def _required(value: Any, rule: Any, _schema: Any) -> bool:
    return not isinstance(value, dict) or all(key in value for key in rule)


def _dependencies(value: Any, rule: Any, _schema: Any) -> bool:
    needed = [each for key, each in rule.items() if key in value] if isinstance(value, dict) else []
    return all(_meets(value, {"required": each} if isinstance(each, list) else each) for each in needed)


def _items(value: Any, rule: Any, _schema: Any) -> bool:
    return not isinstance(value, list) or all(_meets(item, rule) for item in value)


def _unique_items(value: Any, _rule: Any, _schema: Any) -> bool:
    if not isinstance(value, list) or len(value) < 2:
        return True
    if not all(isinstance(item, str) for item in value):
        raise _Uncertain  # lists and objects cannot be compared so simply, nor can 1 and true
    return len(set(value)) == len(value)


def _if(value: Any, rule: Any, schema: Any) -> bool:
    return _meets(value, schema.get("then" if _meets(value, rule) else "else", True))


def _authors_schema(value: Any, _rule: Any, _schema: Any) -> bool:
    if not is_plain(value):
        raise _Uncertain
    return True


def _limit(kind: Callable[[Any], bool], holds: Callable[[Any, Any], bool]) -> Keyword:
    return lambda value, rule, _schema: not kind(value) or holds(value, rule)


KEYWORDS: dict[str, Keyword] = {
    "author's schema": _authors_schema,
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "maxLength": _limit(TYPES["string"], lambda text, most: len(text) <= most),
    "minLength": _limit(TYPES["string"], lambda text, least: len(text) >= least),
    "minimum": _limit(_is_number, lambda number, least: number >= least),
    "maximum": _limit(_is_number, lambda number, most: number <= most),
    "minItems": _limit(TYPES["array"], lambda items, least: len(items) >= least),
    "maxItems": _limit(TYPES["array"], lambda items, most: len(items) <= most),
    "minProperties": _limit(TYPES["object"], lambda members, least: len(members) >= least),
    "maxProperties": _limit(TYPES["object"], lambda members, most: len(members) <= most),
    "properties": _properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "required": _required,
    "dependencies": _dependencies,
    "items": _items,
    "uniqueItems": _unique_items,
    "if": _if,
    "allOf": lambda value, rule, _schema: all(_meets(value, each) for each in rule),
    "anyOf": lambda value, rule, _schema: any(_meets(value, each) for each in rule),
    "oneOf": lambda value, rule, _schema: sum(_meets(value, each) for each in rule) == 1,
}
ANNOTATIONS = frozenset(
    {"$comment", "$schema", "default", "definitions", "description", "else", "enumDescriptions", "then", "title"}
)
"""Words without a meaning for a value, and those that `if` reads."""
