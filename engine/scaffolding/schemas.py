"""Schemas of OpenAPI 3.0 and 3.1 as draft 7, and as the fields of a body with samples that meet them.

`$ref` leads to the same document only. A schema that leads back to itself ends there, and one that is large is cut: a
mapping is for people, and the checker takes 5,000 values. What is left out is reported. Each sample is checked against
the schema that is written, so that the example of the new mapping passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.language.regex import compile_pattern
from engine.mapping.schema import own_validator
from engine.records import Json, JsonObject
from engine.scaffolding.known import plain
from engine.scaffolding.outline import DEEPEST, MOST_FIELDS, SURROGATES, VendorField, clean, shortened, snake

MOST_REFS = 50
"""One after the other."""
PLAIN = (
    *("minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
)
LIMITS = frozenset(PLAIN)
TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
KINDS = {"string": "text", "array": "list", "number": "number", "integer": "integer", "boolean": "boolean"}
NUMBERS = frozenset(["number", "integer", "boolean"])
FORMATS: dict[str, str] = {
    "email": "ann@example.com",
    "uuid": "3f2b1c9e-8d4a-4c6f-9b1e-2a7d5c8e0f13",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "date-time": "2024-03-05T10:15:30Z",
    "date": "2024-03-05",
    "ipv4": "203.0.113.7",
    "byte": "dGV4dA==",
}
SAMPLES: dict[str, str] = {
    **dict.fromkeys(("event", "eventname", "eventtype"), "Order Completed"),
    "email": "ann@example.com",
    "firstname": "Ann",
    "lastname": "Lee",
    "name": "Ann Lee",
    "phone": "+15550100",
    "country": "US",
    "currency": "EUR",
    "language": "en",
    "locale": "en-US",
    "timezone": "Europe/Berlin",
    "url": "https://example.com/",
    "ip": "203.0.113.7",
    "id": "id-1",
    "userid": "user-1",
    "groupid": "group-1",
}
MOST_ENUM = 100
Node = dict[str, Any]


class Schemas:
    """The schemas of one document. `left_out` says what of them is not in the mapping."""

    def __init__(self, document: Node, secret: Callable[[str], str]) -> None:
        self.document = document
        self._secret = secret
        self.left_out: list[str] = []
        self._left = MOST_FIELDS

    def resolve(self, node: Any) -> Node:
        """Follow `$ref` to the object that it names; {} where there is none in this document."""
        for _ in range(MOST_REFS):
            if not isinstance(node, dict):
                return {}
            ref = node.get("$ref")
            if not isinstance(ref, str):
                return node
            node = self._target(ref)
        self._leave("a $ref that leads to itself")
        return {}

    def _target(self, ref: str) -> Any:
        if not ref.startswith("#/"):
            self._leave("a $ref to another document")
            return {}
        node: Any = self.document
        for part in ref[2:500].split("/"):
            key = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            node = node.get(key) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            self._leave(f"{clean(ref, 60)}, which is not in the document")
        return node

    def _leave(self, what: str) -> None:
        if len(self.left_out) < 10 and what not in self.left_out:
            self.left_out.append(what)

    def draft_7(self, node: Any) -> JsonObject:
        """Return the schema of a request's body as draft 7, of at most 200 parts."""
        self._left = MOST_FIELDS
        return self._converted(node, ())

    def _converted(self, node: Any, above: tuple[int, ...]) -> JsonObject:
        found = self.resolve(node)
        self._left -= 1
        if id(found) in above:
            self._leave("a schema inside itself")
            return {}
        if self._left < 0 or len(above) > DEEPEST:
            self._leave(f"what is beyond {MOST_FIELDS} parts or {DEEPEST} levels")
            return {}
        inner = (*above, id(found))
        made = self._scalar(found)
        for word in ("allOf", "anyOf", "oneOf"):
            if isinstance(found.get(word), list) and found[word]:
                made[word] = [self._converted(each, inner) for each in found[word][:20]]
        self._object(found, made, inner)
        if isinstance(found.get("items"), dict):
            made["items"] = self._converted(found["items"], inner)
        return made

    def _object(self, found: Node, made: JsonObject, inner: tuple[int, ...]) -> None:
        properties = found.get("properties")
        if isinstance(properties, dict):
            sent = {_key(key): each for key, each in properties.items() if not self.resolve(each).get("readOnly")}
            made["properties"] = {key: self._converted(each, inner) for key, each in sent.items() if self._left > 0}
            if len(sent) > len(made["properties"]):  # type: ignore[arg-type]
                self._leave(f"what is beyond {MOST_FIELDS} parts or {DEEPEST} levels")
        required = found.get("required")
        if isinstance(required, list):
            hidden = {key for key, each in (properties or {}).items() if self.resolve(each).get("readOnly")}
            known = made.get("properties")
            named = [_key(name) for name in required[:MOST_FIELDS] if isinstance(name, str) and name not in hidden]
            names = [name for name in named if not isinstance(known, dict) or name in known]
            if len(names) < len(named):
                self._leave("a required property of which nothing is said")
            if names:
                made["required"] = list(dict.fromkeys(names))
        more = found.get("additionalProperties")
        if more is False:
            made["additionalProperties"] = False
        elif isinstance(more, dict) and more:
            made["additionalProperties"] = self._converted(more, inner)

    def _scalar(self, found: Node) -> JsonObject:
        """Return the words about one value: type, choices and limits."""
        made: JsonObject = {}
        types = _types(found)
        if types:
            made["type"] = types[0] if len(types) == 1 else list(types)
        if isinstance(found.get("enum"), list) and found["enum"]:
            if len(found["enum"]) <= MOST_ENUM:
                values = [_scalar_value(each) for each in found["enum"]]
                values = [value for at, value in enumerate(values) if value not in values[:at]]
                made["enum"] = [*values, *([None] if "null" in types and None not in values else [])]
            else:
                self._leave(f"an enum of more than {MOST_ENUM} values")
        if "const" in found:
            made["const"] = _scalar_value(found["const"])
        for word in PLAIN:
            value = found.get(word)
            if _is_limit(word, value):
                made[word] = value
        for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if found.get(word) is True and bound in made:  # OpenAPI 3.0
                made[word] = made.pop(bound)
        pattern = found.get("pattern")
        if isinstance(pattern, str) and self._is_pattern(pattern):
            made["pattern"] = pattern
        return made

    def _is_pattern(self, pattern: str) -> bool:
        try:
            compile_pattern(pattern)
        except ValueError:
            self._leave("a pattern that RE2 does not have")
            return False
        return len(pattern) <= 500

    # Samples and fields

    def sample(self, node: Any, schema: JsonObject, key: str) -> Json:
        """Return a value that meets `schema`, in which limits that none is found for are left out."""
        value = self._sample(self.resolve(node), schema, key)
        if own_validator(schema)(value) is None:
            return value
        for word in ("pattern", *PLAIN):
            if schema.pop(word, None) is not None:
                self._leave(f"{word} of {clean(key, 40)}, for which no example is known")
        if own_validator(schema)(value) is not None:
            self._leave(f"what {clean(key, 40)} has to be, for which no example is known")
            schema.clear()
        return value

    def _sample(self, found: Node, schema: JsonObject, key: str) -> Json:
        valid = own_validator(schema)
        given = found.get("examples")
        for value in (found.get("example"), *(given if isinstance(given, list) else ()), found.get("default")):
            if value is not None and valid(shortened(value)) is None:
                return shortened(value)
        if "const" in schema:
            return schema["const"]
        choices = schema.get("enum")
        if isinstance(choices, list):
            return choices[0]
        kind = next(
            (each for each in _types(found) if each != "null"), "string" if "properties" not in schema else "object"
        )
        if kind == "string":
            return _text(found, schema, key)
        if kind in ("number", "integer"):
            return _number(schema, whole=kind == "integer")
        others: JsonObject = {"boolean": True, "array": [], "object": {}}
        return others.get(kind)

    def fields(self, node: Any, schema: JsonObject, depth: int = 0) -> tuple[VendorField, ...]:
        """Return the fields of an object; `schema` is its draft 7, which loses what no sample meets."""
        found = self.resolve(node)
        made = []
        for part, converted in self._parts(found, schema):
            required = converted.get("required")
            names = frozenset(required) if isinstance(required, list) else frozenset()
            table, written = part.get("properties"), converted.get("properties")
            if not isinstance(table, dict) or not isinstance(written, dict):
                continue
            for key, each in table.items():
                inner = written.get(_key(key))
                if isinstance(inner, dict):
                    made.append(self._field(_key(key), each, inner, required=key in names, depth=depth))
        return tuple({each.key: each for each in made}.values())

    def _parts(self, found: Node, schema: JsonObject) -> list[tuple[Node, JsonObject]]:
        """Return an object's schema, those of allOf, and the first of oneOf and anyOf."""
        parts = [(found, schema)]
        for word in ("allOf", "oneOf", "anyOf"):
            written = schema.get(word)
            if isinstance(written, list):
                pairs = list(zip(found[word], written, strict=False))
                for each, converted in pairs if word == "allOf" else pairs[:1]:
                    if isinstance(converted, dict):
                        parts += self._parts(self.resolve(each), converted)
        return parts

    def _field(self, key: str, node: Any, schema: JsonObject, *, required: bool, depth: int) -> VendorField:
        found = self.resolve(node)
        types = [each for each in _types(found) if each != "null"]
        made = VendorField(key, "any", required=required, note=_note(schema), schema=schema)
        made.setting = self._secret(key)
        if made.setting:
            schema.clear()
            made.kind = "text"
            schema["type"] = "string"
            return made
        if "const" in schema or (isinstance(schema.get("enum"), list) and len(schema["enum"]) == 1):  # type: ignore[arg-type]
            made.constant = True
        members = self.fields(found, schema, depth + 1) if depth < DEEPEST else ()
        if members or types[:1] == ["object"]:
            made.kind, made.members = "object", members
            made.sample = {each.key: each.sample for each in members if not each.setting}
            return made
        made.kind = KINDS.get(types[0], "any") if types else "any"
        if made.kind == "list":
            return self._list(made, found, schema, depth)
        made.sample = self.sample(found, schema, key)
        if made.kind in NUMBERS and not _is_of(made.kind, made.sample):
            made.kind = "any"  # its choices contradict its type
        made.format = found["format"] if found.get("format") in ("date-time", "date") else ""
        return made

    def _list(self, made: VendorField, found: Node, schema: JsonObject, depth: int) -> VendorField:
        items = schema.get("items")
        if isinstance(items, dict):
            made.members = self.fields(found["items"], items, depth + 1) if depth < DEEPEST else ()
            one = {each.key: each.sample for each in made.members if not each.setting} or self.sample(
                found["items"], items, made.key
            )
            least = schema.get("minItems")
            made.sample = [one] * min(least if isinstance(least, int) and least > 0 else 1, 3)
        made.sample = made.sample if isinstance(items, dict) else self.sample(found, schema, made.key)
        if own_validator(schema)(made.sample) is not None:
            for word in ("minItems", "maxItems", "uniqueItems"):
                schema.pop(word, None)
        return made


def _is_of(kind: str, sample: Json) -> bool:
    if isinstance(sample, bool) or kind == "boolean":
        return isinstance(sample, bool) and kind == "boolean"
    return isinstance(sample, int | float)


def _is_limit(word: str, value: Any) -> bool:
    """Whether a limit is one that draft 7 has; checking by `multipleOf: 0` would divide by zero."""
    if word == "uniqueItems" or isinstance(value, bool):
        return word == "uniqueItems" and isinstance(value, bool)
    if word.endswith(("Length", "Items", "Properties")):
        return isinstance(value, int) and value >= 0
    return isinstance(value, int | float) and (word != "multipleOf" or value > 0)


def _types(found: Node) -> list[str]:
    given = found.get("type")
    types = [each for each in (given if isinstance(given, list) else [given]) if each in TYPES]
    return [*types, "null"] if types and found.get("nullable") is True and "null" not in types else types


def _note(schema: JsonObject) -> str:
    choices = schema.get("enum")
    if not isinstance(choices, list) or len(choices) < 2:
        return ""
    shown = ", ".join(clean(str(each), 20) for each in choices[:6] if each is not None)
    return f"one of {shown}{', ...' if len(choices) > 6 else ''}"


def _scalar_value(value: Any) -> Json:
    return shortened(value) if isinstance(value, str | int | float | bool | list | dict) else None


def _key(key: Any) -> str:
    return SURROGATES.sub("\ufffd", str(key))[:100]


def _text(found: Node, schema: JsonObject, key: str) -> str:
    text = FORMATS.get(str(found.get("format"))) or SAMPLES.get(plain(key)) or snake(key, "text").replace("_", "-")
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) and len(text) < least <= 1000:
        text = text.ljust(least, "x")
    return text[:most] if isinstance(most, int) and most >= 0 else text


def _number(schema: JsonObject, *, whole: bool) -> int | float:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    step = schema.get("multipleOf")
    value: float = 1 if whole else 1.5
    if isinstance(low, int | float) and value <= low:
        value = low + 1
    if isinstance(high, int | float) and value > high:
        value = high
    if isinstance(step, int | float) and step > 0:
        value = step * max(1, round(value / step))
    return int(value) if whole and abs(value) < 1e15 else value
