"""The declaration of a key of a mapping file, made beside the attribute of the model that keeps its value.

build.py reads by it, walk.py finds the paths and values in it, engine/reference/schema.py tells editors about it,
and whatever goes through the modifiers takes their order from it.  So a new key is declared once, and no check can
overlook a path in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, field, fields, replace
from enum import Enum, auto
from typing import Any, Literal, TypeAlias

from engine.noun import Noun
from engine.records import JsonObject

Stage: TypeAlias = Literal["", "condition", "change", "object", "default", "test", "required", "null"]
"""When a modifier is applied: around the source, or after it in this order."""

NO_LOOP: frozenset[str] = frozenset()
IN_LIST = frozenset({"item", "index"})
IN_OBJECT = frozenset({"item", "index", "key"})
IN_ENVELOPE = frozenset({"body"})


class Holds(Enum):
    """What stands behind a key, as far as reading and walking must know."""

    PLAIN = auto()  # kept as written
    JSON = auto()  # kept as written, null included
    PATH = auto()
    PATH_OR_PLAIN = auto()  # text is a path; anything else is kept as written
    TEXT = auto()  # text with `${path}`
    VALUE = auto()
    VALUES = auto()  # a list of values
    VALUES_OR_VALUE = auto()  # a list of values, or one value that gives a list
    TEXT_OR_VALUE = auto()  # text with `${path}`, or an instruction
    TEXT_BY_NAME = auto()  # headers and the like: name to text or instruction
    VALUE_BY_KEY = auto()  # an object: text with `${path}` to value
    PATH_BY_NAME = auto()
    MESSAGE_BY_PATH = auto()
    BODY = auto()  # the instruction whose words stand beside the other keys
    RULES = auto()  # rules of `responses`
    RESULTS = auto()  # `results` of a batch
    SIGNATURE = auto()
    OAUTH2 = auto()


class Key(Noun):
    """One key: `word` in the file, `attribute` of the model."""

    holds: Holds
    word: str = ""
    attribute: str = ""
    about: str = ""  # for editors
    schema: JsonObject = field(default_factory=dict)  # besides what `holds` implies
    required: bool = False
    convert: Callable[[Any], object] | None = None  # from what is written to what the model keeps
    beside: str = ""  # the word without which this one means nothing
    stage: Stage = ""
    scope: str = ""  # the kind of scope its paths are read in, where that is not the scope of what has the key
    adds: frozenset[str] = NO_LOOP  # names that its paths may read besides those of the scope of what has the key
    opens: frozenset[str] = NO_LOOP  # names that the keys after this one may use: it is what a loop runs over


def declare(holds: Holds, about: str = "", *, default: Any = MISSING, **declared: Any) -> Any:
    """Declare a key as the attribute of a dataclass; without a default the file must have it."""
    declaration = Key(holds=holds, about=about, required=default is MISSING, **declared)
    if default == {}:
        return field(default_factory=dict, metadata={"key": declaration})
    return field(default=default, metadata={"key": declaration})


def plain(default: Any = None, **declared: Any) -> Any:
    """Declare a key whose value is kept as written."""
    return declare(Holds.PLAIN, default=default, **declared)


_KEYS: dict[Any, tuple[Key, ...]] = {}


def keys_of(noun: Any) -> tuple[Key, ...]:
    """Return the keys declared in a class of the model, in order."""
    if noun not in _KEYS:
        declared = [(each.name, each.metadata["key"]) for each in fields(noun) if "key" in each.metadata]
        _KEYS[noun] = tuple(replace(key, attribute=name, word=key.word or name.rstrip("_")) for name, key in declared)
    return _KEYS[noun]
