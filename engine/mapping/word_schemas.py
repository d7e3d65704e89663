"""JSON Schemas, for editors and for the check of a file's shape, of words that take more than their kind implies.

They stand beside the model, not in it, because they would hide what the model keeps.
"""

from __future__ import annotations

from engine.mapping.personal import KINDS
from engine.records import JsonObject

TEXT_OR_NULL: JsonObject = {"type": ["string", "null"], "minLength": 1}


def defined(name: str) -> JsonObject:
    """Return the schema of a definition; draft 7 ignores what stands beside a bare `$ref`."""
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}


FLATTEN: JsonObject = {
    "type": ["boolean", "string", "object"],
    "$comment": "flatten",
    "minLength": 1,
    "properties": {
        "separator": {
            "description": "What stands between the joined keys. Default `_`, with `lists: brackets` a dot.",
            "type": "string",
            "default": "_",
        },
        "lists": {
            "description": "What happens to lists inside the object.",
            "enum": ["keep", "index", "brackets", "join", "json", "drop"],
            "enumDescriptions": [
                "they stay as they are (the default)",
                "`key_0`, `key_1` ...",
                "`key[0]`, `key[1].name` ...",
                "their texts, joined with commas",
                "their JSON, as a text",
                "they are left out",
            ],
            "default": "keep",
        },
        "if": {
            "description": "A path: flatten only where it holds: `if: settings.flatten_nested_objects`.",
            "allOf": [{"$ref": "#/definitions/path"}],
        },
    },
    "additionalProperties": False,
}

KEYS: JsonObject = {
    "$comment": "key style",
    "type": ["string", "object"],
    "if": {"type": "object"},
    "then": {
        "$comment": "key pattern",
        "properties": {
            "pattern": {
                "description": "A pattern (RE2) that is found in the names the vendor takes: `^[ -~]+$`.",
                "type": "string",
                "minLength": 1,
            },
            "else": {
                "description": "What happens to any other key.",
                "enum": ["drop"],
                "enumDescriptions": ["it is left out and reported"],
            },
        },
        "required": ["pattern", "else"],
        "additionalProperties": False,
    },
    "else": {
        "enum": ["snake_case", "camel_case", "lowercase"],
        "enumDescriptions": [
            "firstName becomes first_name",
            "first_name becomes firstName",
            "firstName becomes firstname",
        ],
    },
}

WITHIN: JsonObject = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "past": {
            "description": "How far in the past it may be: `7d`.",
            "allOf": [{"$ref": "#/definitions/duration"}],
        },
        "future": {
            "description": "How far in the future it may be: `1m`.",
            "allOf": [{"$ref": "#/definitions/duration"}],
        },
    },
    "additionalProperties": False,
}

PERSONAL: JsonObject = {"type": "array", "uniqueItems": True, "items": {"enum": list(KINDS)}}
"""The schema of `personal`."""
