"""Writes the functions of `as` into the mapping schema: `python -m engine.reference.schema`.

The rest of schemas/mapping.schema.json is kept by hand.  The functions come from their registry, so that an editor
offers and explains exactly those that are there; a test fails when the file is behind.
"""

from __future__ import annotations

import json
from copy import deepcopy

from engine.mapping.schema import files
from engine.records import JsonObject


def with_functions(schema: JsonObject) -> JsonObject:
    """Copy the schema with every registered function in the definition `function`."""
    from engine.language.functions import FUNCTIONS, parameter_schema

    alone = [function for function in FUNCTIONS.values() if not any(each.required for each in function.parameters)]
    result: JsonObject = deepcopy(schema)
    function = result["definitions"]["function"]  # type: ignore[index, call-overload]
    function["then"]["enum"] = [each.name for each in alone]  # type: ignore[index, call-overload]
    function["then"]["enumDescriptions"] = [each.about for each in alone]  # type: ignore[index, call-overload]
    function["else"]["properties"] = {name: parameter_schema(each) for name, each in FUNCTIONS.items()}  # type: ignore[index, call-overload]
    return result


def text(schema: JsonObject) -> str:
    """Write a schema as the file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite the schema file."""
    path = files.folder() / files.FILES["mapping"]
    path.write_text(text(with_functions(files.read("mapping"))), encoding="utf-8")


if __name__ == "__main__":
    main()
