"""Events of 32 KB that make as much as they can of a mapping, and mappings that copy as much as they can."""

from __future__ import annotations

from engine.records import Json, JsonObject

SIZE = 32_000
KEY = "k" * (SIZE // 2)

PROPERTIES: dict[str, JsonObject] = {
    "a long key over many": {"deep": {KEY: {str(number): 0 for number in range(1900)}}, "text": "t"},
    "a long text and a long list": {
        "text": "t" * (SIZE // 2),
        "list": [0] * (SIZE // 5),
        "deep": {str(number): 0 for number in range(500)},
    },
    "many short texts": {"text": "t", "list": [""] * (SIZE // 4), "deep": {}},
    "many objects": {"text": "t" * 1000, "list": [{"a": 0}] * (SIZE // 10), "deep": {"a": {}}},
    "many keys": {"text": "t" * 1000, "list": [1], "deep": {str(number): {} for number in range(SIZE // 10)}},
    "quotes": {"text": '"' * (SIZE // 4), "list": ['"'] * (SIZE // 18), "deep": {'"' * 1000: '"' * (SIZE // 10)}},
    "control characters": {"text": "\x01" * (SIZE // 18), "list": ["\x01"] * 900, "deep": {"\x01" * 900: {"\x01": 1}}},
    "numbers that grow": {"text": 1e15, "list": [1e15] * (SIZE // 40), "deep": {"a": [1e15] * (SIZE // 40)}},
    "deep nesting": {"text": "t", "list": [], "deep": None},
}


def _nested(levels: int) -> Json:
    value: Json = 0
    for _ in range(levels):
        value = {"k" * 300: value}
    return value


PROPERTIES["deep nesting"]["deep"] = _nested(90)


def _doubling(word: str, first: JsonObject) -> JsonObject:
    """Thirty parts, each made of the one before it twice."""
    parts: JsonObject = {"p0": first}
    for number in range(6):  # a mapping with more is refused, checks/limits.py
        one = f"parts.p{number}"
        parts[f"p{number + 1}"] = {"text": f"${{{one}}}${{{one}}}"} if word == "text" else {word: [one, one]}
    return parts


PARTS: dict[str, JsonObject] = {
    "text of the text before": _doubling("text", {"from": "properties.text", "as": "string"}),
    "list of the list before": _doubling("list", {"from": "properties.list"}),
}
LAST = "parts.p6"

LIST, TEXT, DEEP = "properties.list", "properties.text", "properties.deep"
TEN = {"text": "".join("${properties.text}" for _ in range(10))}

VALUES: dict[str, Json] = {
    "flatten": {"from": "properties", "flatten": True},
    "flatten by index": {"from": "properties", "flatten": {"lists": "index", "separator": "_____"}},
    "flatten to JSON": {"from": "properties", "flatten": {"lists": "json"}},
    "flatten to texts": {"from": "properties", "flatten": {"lists": "join"}},
    "flatten twice": {"from": {"from": "properties", "flatten": True, "prefix": "x"}, "flatten": {"lists": "index"}},
    "only and flatten": {"from": "properties", "only": ["deep"], "flatten": True},
    "prefix": {"from": DEEP, "prefix": "${properties.text}"},
    "prefix of a loop": {"each": LIST, "value": {"from": DEEP, "prefix": "${properties.text}"}},
    "keys": {"from": "properties", "keys": "snake_case", "flatten": True},
    "join": {"from": "join(properties.text, properties.list)"},
    "join of texts": {"from": "join(to_string(properties.text), properties.list[*].to_string(@))"},
    "an object for every item": {"each": LIST, "value": "properties"},
    "a text for every item": {"each": LIST, "value": {"text": "${properties.text}${index}"}},
    "a text for every entry": {"entries": DEEP, "value": {"text": "${properties.text}${key}"}},
    "a key for every entry": {"entries": DEEP, "key": {"text": "${properties.text}${key}"}},
    "a part for every item": {"each": LIST, "value": {"fields": {"a": LAST, "b": "item"}}},
    "a constant for every item": {"each": LIST, "value": {"const": "c" * 1000}},
    "a constant in paths": {"from": "properties.list[*].{" + "k" * 1000 + ": @, b: `" + '"' + "c" * 1000 + '"' + "`}"},
    "each in each": {"each": LIST, "value": {"each": LIST, "value": "item"}},
    "each in each in each": {"each": LIST, "value": {"each": LIST, "value": {"each": LIST, "value": "index"}}},
    "entries in each": {"each": LIST, "value": {"entries": DEEP, "value": "item"}},
    "merge in each": {"each": LIST, "value": {"merge": [DEEP, {"fields": {"i": "index"}}]}},
    "list in each": {"each": LIST, "value": {"list": [TEXT, LIST, DEEP]}},
    "JSON in each": {"each": LIST, "value": {"from": "properties", "as": "json"}},
    "Base64 in each": {"each": LIST, "value": {"from": TEXT, "as": "base64"}},
    "a hash in each": {"each": LIST, "value": {"from": TEXT, "as": ["string", "sha256"]}},
    "a slow function in each": {"each": LIST, "value": {"from": TEXT, "as": ["string", "camel_case"]}},
    "a table in each": {"each": LIST, "value": {"from": "index", "map": DEEP, "unmapped": "keep"}},
    "names in each": {"each": LIST, "value": {"from": DEEP, "only": "keys(properties.deep)"}},
    "a filter in each": {"each": LIST, "value": "properties.list[?@ == `1`]"},
    "rename in each": {"each": LIST, "value": {"from": DEEP, "rename": DEEP}},
    "forty copies": {"list": ["properties"] * 40},
    "ninety copies in a text": {"text": "${properties.text}" * 90},
    "copies in a path": {"from": "properties.[@, @, @, @, @] | [@, @, @, @, @] | [@, @]"},
    "functions that make longer": {"from": TEXT, "as": ["string", "url_encode", "json", "json", "base64"]},
    "JSON of JSON": {"from": "properties", "as": ["json"] * 12},
    "split": {"from": TEXT, "as": ["string", {"split": "t"}, {"join": ", and so on, "}]},
    "replace": {"from": TEXT, "as": ["string", {"replace": {"find": "t", "with": "w" * 100}}]},
    "pattern_replace": {
        "from": TEXT,
        "as": ["string", {"pattern_replace": {"pattern": "t", "with": "\\0" * 50}}],
    },
    "pairs": {"from": DEEP, "as": {"pairs": {"key": "k" * 100, "value": "v" * 100}}},
    "a part that doubles": LAST,
    "JSON of a part that doubles": {"from": LAST, "as": "json"},
    "a part that doubles, flattened": {"from": {"fields": {"a": LAST}}, "flatten": {"lists": "index"}},
    "many of a part that doubles": {"list": [LAST] * 20},
}
