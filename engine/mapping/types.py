"""What is sure about a value's JSON type before any event: for checks of functions, loops and object words."""

from __future__ import annotations

from engine.errors import PathError
from engine.language import functions, paths
from engine.language.paths.syntax import Node
from engine.mapping import rows
from engine.mapping.model import (
    OBJECT_WORDS,
    Choice,
    Const,
    From,
    Mapping,
    Modifiers,
    PathValue,
    Source,
    Value,
    looked_up,
)
from engine.mapping.setting import Setting
from engine.mapping.walk import of_noun
from engine.records import Json

ANY = frozenset({"text", "number", "boolean", "object", "list"})
OBJECT, LIST, TEXT = frozenset({"object"}), frozenset({"list"}), frozenset({"text"})
NUMBER, BOOLEAN = frozenset({"number"}), frozenset({"boolean"})
KINDS = {"text": "text", "number": "a number", "boolean": "true or false", "object": "an object", "list": "a list"}
"""The types in a sentence."""
SETTING_TYPES = {
    **dict.fromkeys(("string", "url", "template"), "text"),
    "integer": "number",
    "table": "object",
    "rows": "list",
}
ROOT_TYPES = {
    **dict.fromkeys(("traits", "properties", "context", "integrations", "options", "message"), OBJECT),
    **dict.fromkeys(("settings", "parts", "saved", "headers"), OBJECT),
    **dict.fromkeys(("type", "userId", "anonymousId", "groupId", "previousId", "event", "key", "group"), TEXT),
    "timestamp": TEXT,
    **dict.fromkeys(("status", "index"), NUMBER),
    "items": LIST,
}
"""What an event's own fields are after normalizing, and the other names a path may begin with."""
FUNCTION_TYPES = {
    **dict.fromkeys(("abs", "avg", "ceil", "floor", "length", "sum", "to_number"), NUMBER),
    **dict.fromkeys(("join", "to_string", "type"), TEXT),
    **dict.fromkeys(("contains", "ends_with", "starts_with"), BOOLEAN),
    **dict.fromkeys(("keys", "map", "sort", "sort_by", "to_array", "values"), LIST),
    "merge": OBJECT,
}
"""What JMESPath's functions give; those that are not here give what they are given, or one of several."""
NODE_TYPES = {
    **dict.fromkeys(("projection", "value_projection", "filter_projection", "multi_select_list"), LIST),
    **dict.fromkeys(("comparator", "not_expression"), BOOLEAN),
    "multi_select_dict": OBJECT,
}


def of_json(value: Json) -> frozenset[str]:
    """Return the type of a literal; null has none, so it is never wrong."""
    if value is None:
        return ANY
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return TEXT
    if isinstance(value, int | float):
        return NUMBER
    return OBJECT if isinstance(value, dict) else LIST


def of_value(mapping: Mapping, value: Value) -> frozenset[str]:
    """Return the types a value can have."""
    if isinstance(value, PathValue):
        return of_path(mapping, value.path)
    if isinstance(value, Choice):
        return frozenset().union(*(of_value(mapping, alternative) for alternative in value.alternatives))
    return after(value.modifiers, of_source(mapping, value.source))


def of_source(mapping: Mapping, source: Source) -> frozenset[str]:
    """Return the types a source can give, before any modifier."""
    if isinstance(source, From):
        return of_value(mapping, source.value)
    if isinstance(source, Const):
        return of_json(source.value)
    return frozenset({source.gives})


def after(modifiers: Modifiers, types: frozenset[str]) -> frozenset[str]:
    """Return the types a value can have after its modifiers."""
    for use in modifiers.as_:
        types = functions.FUNCTIONS[use.name].gives if use.name in functions.FUNCTIONS else ANY
    if modifiers.map is not None:
        found = frozenset().union(*map(of_json, looked_up(modifiers).values())) or (TEXT if modifiers.reverse else ANY)
        types = found | types if modifiers.unmapped == "keep" else found
    if _makes_object(modifiers):
        types = OBJECT
    if modifiers.default is not None and modifiers.default[0] is not None:
        types |= of_json(modifiers.default[0])
    return types


def _makes_object(modifiers: Modifiers) -> bool:
    """Whether only an object gets past the object words; one whose path is absent lets anything pass."""
    by_path = {found.place[0] for found in of_noun(modifiers)}
    return any(key.word not in by_path for key in OBJECT_WORDS if getattr(modifiers, key.attribute) is not None)


def of_path(mapping: Mapping, path: str) -> frozenset[str]:
    """Return the types a path can give where it gives anything."""
    try:
        parsed = paths.parse(path)
    except PathError:
        return ANY
    shape = rows.shape_of(mapping, path) if any(each.type == "rows" for each in mapping.settings.values()) else None
    return of_tree(mapping, parsed.tree) if shape is None else of_shape(shape)


def of_setting(setting: Setting) -> frozenset[str]:
    """Return the types of a setting's value, or of a field of rows."""
    if setting.type == "template" and setting.format == "json":
        return OBJECT | LIST
    return frozenset({SETTING_TYPES.get(setting.type, setting.type)})


def of_shape(shape: rows.Shape) -> frozenset[str]:
    """Return the types of what a path reads of rows."""
    if isinstance(shape, rows.Field) and not shape.many:
        return of_setting(shape.setting)
    return LIST if isinstance(shape, rows.Rows | rows.Field) else OBJECT


def of_tree(mapping: Mapping, tree: Node) -> frozenset[str]:
    """Return the types a node can give where it gives anything; its names are those of the path's scope."""
    kind = tree["type"]
    if kind == "literal":
        return of_json(tree["value"])
    if kind == "function_expression":
        return FUNCTION_TYPES.get(tree["value"], ANY)
    if kind in ("or_expression", "and_expression"):
        left, right = tree["children"]
        return of_tree(mapping, left) | of_tree(mapping, right)
    chain = chain_of(tree)
    return NODE_TYPES.get(kind, ANY) if chain is None else _of_chain(mapping, chain)


def chain_of(tree: Node) -> tuple[str, ...] | None:
    """Return the names of a path that is nothing but names and dots."""
    if tree["type"] == "field":
        return (str(tree["value"]),)
    if tree["type"] != "subexpression":
        return None
    first, *rest = tree["children"]  # as many as there are dots: the parser appends
    chain = chain_of(first)
    if chain is None or any(child["type"] != "field" for child in rest):
        return None
    return (*chain, *(str(child["value"]) for child in rest))


def plain(path: str) -> tuple[str, ...]:
    """Return the names of a path that is nothing but names and dots, else nothing."""
    try:
        return chain_of(paths.parse(path).tree) or ()
    except PathError:
        return ()


def _of_chain(mapping: Mapping, chain: tuple[str, ...]) -> frozenset[str]:
    if len(chain) == 1:
        return ROOT_TYPES.get(chain[0], ANY)
    if len(chain) > 2:
        return ANY
    root, name = chain
    if root == "settings" and name in mapping.settings:
        return of_setting(mapping.settings[name])
    if root == "parts" and name in mapping.parts:
        return mapping.once(("types", name), ANY, lambda: of_value(mapping, mapping.parts[name]))
    return ANY
