"""The parts of the mapping schema that are declared in code.

Functions come from their registry, the words of an instruction and the keys of `http`, `signature` and `oauth2` from
the model, so that an editor offers and explains exactly those that exist.  The rest of schemas/mapping.schema.json is
kept by hand; a test fails when the file is out of date.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from engine.language.functions import FUNCTIONS, parameter_schema
from engine.mapping.keys import Holds, Key, keys_of
from engine.mapping.model import MODIFIERS, SOURCES, Http, OAuth2, Signature
from engine.mapping.schema import files

Schema = dict[str, Any]


def with_declared(schema: Schema) -> Schema:
    """Copy the schema with everything that is declared in code."""
    result = deepcopy(schema)
    definitions = result["definitions"]
    _set_functions(definitions["function"])
    definitions["instruction"]["properties"] = _instruction()
    definitions["instruction"]["dependencies"] = _dependencies()
    definitions["one_source"]["oneOf"] = _any_of(SOURCES)
    definitions["loop"]["anyOf"] = _any_of(LOOPS)
    _set_step(definitions["step"])
    for word, noun in (("http", Http), ("signature", Signature), ("oauth2", OAuth2)):
        definitions[word]["properties"] = {key.word: _described(key) for key in keys_of(noun)}
    return result


def _set_functions(function: Schema) -> None:
    alone = [each for each in FUNCTIONS.values() if not any(parameter.required for parameter in each.parameters)]
    function["then"]["enum"] = [each.name for each in alone]
    function["then"]["enumDescriptions"] = [each.about for each in alone]
    function["else"]["properties"] = {name: parameter_schema(each) for name, each in FUNCTIONS.items()}


LOOPS = [word for word, source in SOURCES.items() if keys_of(source)[0].opens]

VALUE: Schema = {"$ref": "#/definitions/value"}
IMPLIED: dict[Holds, Schema] = {
    Holds.PATH: {"allOf": [{"$ref": "#/definitions/path"}]},
    Holds.TEXT: {"type": "string", "minLength": 1},
    Holds.VALUE: {"allOf": [VALUE]},
    Holds.VALUES: {"type": "array", "minItems": 1, "items": VALUE},
    Holds.VALUE_BY_KEY: {"type": "object", "minProperties": 1, "additionalProperties": VALUE},
}
"""The schema of a key that declares none of its own."""


def _described(key: Key) -> Schema:
    return {"description": key.about, **(key.schema or IMPLIED.get(key.holds, {}))}


def _instruction() -> Schema:
    """Return every word of an instruction: sources, the words beside them, modifiers."""
    sources = [keys_of(source)[0] for source in SOURCES.values()]
    beside = [key for source in SOURCES.values() for key in keys_of(source)[1:] if key.about]
    return {key.word: _described(key) for key in (*sources, *beside, *MODIFIERS)}


def _dependencies() -> Schema:
    """Return which words need another one beside them."""
    needed: Schema = {}
    owners: dict[str, list[str]] = {}
    for word, source in SOURCES.items():
        _, *beside = keys_of(source)
        required = [key.word for key in beside if key.required]
        needed |= {word: required} if required else {}
        for key in beside:
            owners.setdefault(key.word, []).append(word)
    needed |= {word: {"$ref": "#/definitions/loop"} if words == LOOPS else words for word, words in owners.items()}
    return needed | {key.word: [key.beside] for key in MODIFIERS if key.beside}


def _set_step(step: Schema) -> None:
    """Set the words of an instruction beside the step's own, which are those with a description."""
    own = {word: rule for word, rule in step["properties"].items() if "description" in rule}
    words = [word for word in _instruction() if word not in own]
    step["properties"] = own | {word: {"$ref": f"#/definitions/instruction/properties/{word}"} for word in words}
    step["dependencies"] = _dependencies() | {"where": {"$comment": "loop", "anyOf": _any_of(["for_each", *LOOPS])}}
    step["if"]["anyOf"] = _any_of(words)


def _any_of(words: Any) -> list[Schema]:
    return [{"required": [word]} for word in words]


def schema_text() -> str:
    """Return the text of schemas/mapping.schema.json."""
    return json.dumps(with_declared(files.read("mapping")), indent=2, ensure_ascii=False) + "\n"
