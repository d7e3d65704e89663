"""The schema files: where they are, and the words they define, by the noun each thing goes by.

`$comment` in the schema names what is defined (`instruction`, `step`, `request`): messages use it, and it shows
nowhere in an editor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILES = {"mapping": "mapping.schema.json", "parts": "parts.schema.json"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the messages need to know of a schema: noun -> word -> description, function -> its parameters."""

    words: Mapping[str, Mapping[str, str]]
    functions: Mapping[str, Sequence[str]]

    def about(self, noun: str, word: str) -> str:
        """Return the first sentence of a word's description."""
        description = self.words.get(noun, {}).get(word, "")
        return description.partition(". ")[0].rstrip(".") + "." if description else ""

    def owner(self, word: str) -> str | None:
        """Return the noun that has this word, if exactly one has."""
        owners = [noun for noun, words in self.words.items() if word in words]
        return owners[0] if len(owners) == 1 else None


@cache
def read(kind: str) -> Any:
    """Read a schema file."""
    import orjson

    return orjson.loads((folder() / FILES[kind]).read_bytes())


def folder() -> Path:
    """Return the directory of the schema files: in the wheel, or in a checkout."""
    engine = Path(__file__).resolve().parents[2]
    bundled = engine / "bundled" / "schemas"
    return bundled if bundled.is_dir() else engine.parent / "schemas"


@cache
def vocabulary(kind: str) -> Vocabulary:
    """Return the words of a schema and of what it uses."""
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
        word: (rule if "description" in rule else instruction[word])["description"]
        for word, rule in thing["properties"].items()
    }
