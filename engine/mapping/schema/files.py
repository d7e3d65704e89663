"""The schema files, and the keys that they define, grouped by the noun of each definition.

`$comment` in the schema is the noun of a definition (`instruction`, `step`, `request`): messages use it, and editors do
not show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from engine.mapping import bundled
from engine.noun import Noun

FILES = {"mapping": "mapping.schema.json", "parts": "parts.schema.json"}


class Vocabulary(Noun, kw_only=False):
    """The parts of a schema that messages use: noun -> key -> description, function -> its parameters."""

    keys: Mapping[str, Mapping[str, str]]
    functions: Mapping[str, Sequence[str]]

    def about(self, noun: str, key: str) -> str:
        """Return the first sentence of a key's description."""
        description = self.keys.get(noun, {}).get(key, "")
        return description.partition(". ")[0].rstrip(".") + "." if description else ""

    def owner(self, key: str) -> str | None:
        """Return the noun that has this key, if there is exactly one."""
        owners = [noun for noun, keys in self.keys.items() if key in keys]
        return owners[0] if len(owners) == 1 else None


@cache
def read(kind: str) -> Any:
    """Read a schema file."""
    import orjson

    return orjson.loads((folder() / FILES[kind]).read_bytes())


def folder() -> Path:
    """Return the directory of the schema files."""
    return bundled("schemas")


@cache
def vocabulary(kind: str) -> Vocabulary:
    """Return the vocabulary of a schema and of the definitions it uses."""
    whole = read(kind)
    definitions = {
        name: thing for name, thing in read("mapping")["definitions"].items() if name not in ("whole", "draft_7")
    }
    things = [whole, *definitions.values()]
    functions = read("mapping")["definitions"]["function"]["else"]["properties"]
    return Vocabulary(
        {thing["$comment"]: _described(thing) for thing in things if "properties" in thing and "$comment" in thing},
        {name: list(rule.get("then", {}).get("properties", ())) for name, rule in functions.items()},
    )


def _described(thing: Any) -> dict[str, str]:
    instruction = read("mapping")["definitions"]["instruction"]["properties"]
    return {
        key: (rule if "description" in rule else instruction[key])["description"]
        for key, rule in thing["properties"].items()
    }
