"""What is sure about a value's JSON type before any event: for checks of functions, loops and object words."""

from __future__ import annotations

from engine.errors import PathError
from engine.language import functions, paths
from engine.mapping.model import (
    Choice,
    Const,
    Each,
    Entries,
    Fields,
    From,
    ListOf,
    Mapping,
    Merge,
    Modifiers,
    PathValue,
    Source,
    TextOf,
    Value,
)
from engine.records import Json

ANY = frozenset({"text", "number", "boolean", "object", "list"})
OBJECT, LIST, TEXT = frozenset({"object"}), frozenset({"list"}), frozenset({"text"})
SETTING_TYPES = {"string": "text", "url": "text", "integer": "number", "table": "object"}
OBJECT_FIELDS = frozenset({"traits", "properties", "context", "integrations", "options", "message", "settings"})
TEXT_FIELDS = frozenset({"type", "messageId", "userId", "anonymousId", "groupId", "previousId", "event", "name"})
OBJECT_WORDS = ("only", "except_", "rename", "flatten", "keys", "prefix")


def of_json(value: Json) -> frozenset[str]:
    """Give the type of a literal; null has none, so it is never wrong."""
    if value is None:
        return ANY
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, str):
        return TEXT
    if isinstance(value, int | float):
        return frozenset({"number"})
    return OBJECT if isinstance(value, dict) else LIST


def of_value(mapping: Mapping, value: Value, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """Give the types a value can have."""
    if isinstance(value, PathValue):
        return _of_path(mapping, value.path, seen)
    if isinstance(value, Choice):
        return frozenset().union(*(of_value(mapping, alternative, seen) for alternative in value.alternatives))
    return after(value.modifiers, of_source(mapping, value.source, seen))


def of_source(mapping: Mapping, source: Source, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """Give the types a source can give, before any modifier."""
    if isinstance(source, From):
        return of_value(mapping, source.value, seen)
    if isinstance(source, Const):
        return of_json(source.value)
    if isinstance(source, TextOf):
        return TEXT
    if isinstance(source, Fields | Merge | Entries):
        return OBJECT
    assert isinstance(source, ListOf | Each)
    return LIST


def after(modifiers: Modifiers, types: frozenset[str]) -> frozenset[str]:
    """Give the types a value can have after its modifiers."""
    for use in modifiers.as_:
        function = functions.FUNCTIONS.get(use.name)
        types = function.gives if function is not None else ANY
    if modifiers.map is not None:
        entries = list(modifiers.map.values()) if isinstance(modifiers.map, dict) else None
        looked_up = frozenset().union(*(of_json(entry) for entry in entries)) if entries else ANY
        types = looked_up | types if modifiers.unmapped == "keep" else looked_up
    if any(getattr(modifiers, word) is not None for word in OBJECT_WORDS):
        types = OBJECT
    if modifiers.default is not None:
        types |= of_json(modifiers.default[0])
    return types


def _of_path(mapping: Mapping, path: str, seen: frozenset[str]) -> frozenset[str]:
    try:
        parsed = paths.parse(path)
    except PathError:
        return ANY
    if len(parsed.roots) != 1:
        return ANY
    root = parsed.roots[0]
    plain = ".".join((root.name, *root.members))
    if path.strip() != plain:
        return ANY
    if not root.members:
        return OBJECT if root.name in OBJECT_FIELDS else TEXT if root.name in TEXT_FIELDS else ANY
    if len(root.members) > 1:
        return ANY
    if root.name == "settings" and root.members[0] in mapping.settings:
        word = mapping.settings[root.members[0]].type
        return frozenset({SETTING_TYPES.get(word, word)})
    if root.name == "parts" and root.members[0] in mapping.parts and root.members[0] not in seen:
        return of_value(mapping, mapping.parts[root.members[0]], seen | {root.members[0]})
    return ANY
