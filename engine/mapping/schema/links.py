"""JSON Schema draft 7 made ready to run: `$ref` tied to what it names, patterns compiled, endless schemas refused.

A `$ref` may name a place in the same schema (`#/...`) and nothing else, so it can be replaced by the very thing it
names: nothing is ever fetched, and nothing is looked up while a value is checked.  Only places where draft 7 has a
schema are walked; `enum`, `const`, `default` and `examples` are data, whatever they look like.
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
"""Keywords whose schemas are about the same value, not about something inside it."""


class BadSchema(ValueError):  # noqa: N818  reads as what it is
    """A schema that cannot be used; the text is a sentence that says why."""


def linked(schema: Json, resolve: Resolve | None = None) -> Any:
    """Copy `schema` with every `$ref` tied to what it names and every pattern compiled; raises BadSchema."""
    linker = _Linker(resolve or (lambda ref: find(schema, ref)))
    result = linker.whole(schema)
    _refuse_endless(linker.copies.values())
    return result


def find(schema: Json, ref: str) -> Json:
    """Return what the `$ref` names in `schema`; raises BadSchema where that is nothing, or is not local."""
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
    """Compile a pattern with RE2, which takes linear time whatever the pattern; raises BadSchema."""
    try:
        return compile_pattern(text)
    except ValueError as error:
        raise BadSchema(f'"{text}" is not a valid RE2 pattern: {error}.') from None


def _unescaped(part: str) -> str:
    from urllib.parse import unquote

    return unquote(part).replace("~1", "/").replace("~0", "~")


class _Linker:
    """Copies a schema; a schema that is named twice, or names itself, is copied once.

    What a `$ref` names is copied later and not on the spot, so that a long chain of them is no deep recursion.
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
            self.waiting.append((copy, ref))  # whatever stands beside a $ref is ignored in draft 7
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
    """Raise BadSchema where checking a value would come back to a schema without having gone into the value."""
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
