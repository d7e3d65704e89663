"""The functions of `as` in the mapping schema, made from their registry.

The rest of schemas/mapping.schema.json is kept by hand.  So an editor offers and explains exactly the functions there
are.
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


def schema_text() -> str:
    """Return the text of schemas/mapping.schema.json."""
    return json.dumps(with_functions(files.read("mapping")), indent=2, ensure_ascii=False) + "\n"
