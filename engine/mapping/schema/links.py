"""Preparing a JSON Schema (draft 7): `$ref` linked to its target, patterns compiled, endless schemas refused.

A `$ref` may only name a place in the same schema (`#/...`), so it can be replaced by its target: nothing is ever
fetched, and nothing is looked up while a value is checked. Only the keywords whose values are schemas are followed;
`enum`, `const`, `default` and `examples` are data, even if they look like schemas.
https://json-schema.org/draft-07/draft-handrews-json-schema-validation-01
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from engine.language.regex import compile_pattern
from engine.records import Json, JsonObject

Resolve: TypeAlias = "Callable[[str], Any]"

ONE = ("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
SEVERAL = ("allOf", "anyOf", "items", "oneOf")
NAMED = ("definitions", "dependencies", "patternProperties", "properties")
SAME_VALUE = ("allOf", "anyOf", "dependencies", "else", "if", "not", "oneOf", "then")
"""Keywords whose schemas apply to the same value, not to a value inside it."""


class BadSchema(ValueError):  # noqa: N818  reads as what it is
    """An unusable schema; the text is a sentence that says why."""


def linked(schema: Json, resolve: Resolve | None = None) -> Any:
    """Return a copy of `schema` with linked `$ref`s and compiled patterns; raises BadSchema."""
    linker = _Linker(resolve or (lambda ref: find(schema, ref)))
    result = linker.whole(schema)
    _refuse_endless(linker.copies.values())
    return result


def find(schema: Json, ref: str) -> Json:
    """Return the target of a `$ref` in `schema`; raises BadSchema if it does not exist or is not local."""
    if ref != "#" and not ref.startswith("#/"):
        raise BadSchema(f'"$ref": "{ref}" points outside this schema; only "#/..." is supported.')
    found: Json = schema
    for part in ref.split("/")[1:]:
        key = _unescaped(part)
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise BadSchema(f'"$ref": "{ref}" does not exist in this schema.')
    if not isinstance(found, dict | bool):
        raise BadSchema(f'"$ref": "{ref}" is not a schema.')
    return found


def pattern(text: str) -> Any:
    """Compile a pattern with RE2, which takes linear time for every pattern; raises BadSchema."""
    try:
        return compile_pattern(text)
    except ValueError as error:
        raise BadSchema(f'"{text}" is not a valid RE2 pattern: {error}.') from None


def _unescaped(part: str) -> str:
    from urllib.parse import unquote

    return unquote(part).replace("~1", "/").replace("~0", "~")


class _Linker:
    """Copies a schema; a schema that is referenced twice, or by itself, is copied once.

    The target of a `$ref` is copied later, so that a long chain of them needs no deep recursion.
    """

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self.copies: dict[int, JsonObject] = {}
        self.waiting: list[tuple[dict[str, Any], str]] = []

    def whole(self, schema: Any) -> Any:
        result = self.schema(schema)
        while self.waiting:
            copy, ref = self.waiting.pop()
            copy["$ref"] = self.schema(self.resolve(ref))
        return result

    def schema(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        if id(schema) in self.copies:
            return self.copies[id(schema)]
        copy: dict[str, Any] = {}
        self.copies[id(schema)] = copy
        ref = schema.get("$ref")
        if isinstance(ref, str):
            self.waiting.append((copy, ref))  # draft 7 ignores everything beside a $ref
            return copy
        copy |= {word: self.keyword(word, value) for word, value in schema.items() if word not in ("$id", "$schema")}
        return copy

    def keyword(self, word: str, value: Any) -> Any:
        if word == "pattern" and isinstance(value, str):
            return pattern(value)
        if word in NAMED and isinstance(value, dict):
            inner = {name: self.schema(member) for name, member in value.items()}
            if word == "patternProperties":
                return {pattern(name): member for name, member in inner.items()}
            return inner
        if word in SEVERAL and isinstance(value, list):
            return [self.schema(member) for member in value]
        return self.schema(value) if word in ONE else value


def _refuse_endless(schemas: Iterable[JsonObject]) -> None:
    """Raise BadSchema for a schema that refers back to itself for the same value.

    A depth-first search over the keywords of the same value: `open_here` is the current path, with what is left to
    visit of each schema; a schema that is reached while it is on the path is a circle.
    """
    done: set[int] = set()
    for schema in schemas:
        open_here: dict[int, Iterator[Any]] = {id(schema): _same_value(schema)} if id(schema) not in done else {}
        while open_here:
            current, inner = next(reversed(open_here.items()))
            further = next(inner, None)
            if further is None:
                done.add(current)
                del open_here[current]
            elif id(further) in open_here:
                raise BadSchema('A "$ref" in this schema refers back to itself, so checking would never end.')
            elif id(further) not in done:
                open_here[id(further)] = _same_value(further)


def _same_value(schema: Any) -> Iterator[Any]:
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield schema["$ref"]
        return
    for word in SAME_VALUE:
        inner = schema.get(word)
        if isinstance(inner, list):
            yield from inner
        elif word == "dependencies" and isinstance(inner, dict):
            yield from inner.values()
        elif isinstance(inner, dict):
            yield inner
