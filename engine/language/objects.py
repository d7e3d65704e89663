"""The modifiers of objects: only, except, rename, flatten, keys, prefix; and dropping nulls.

Each takes a plain dict and returns a new one (or the same one, unchanged).  Where two keys become the same, the later
value wins in the first one's position, and the key is appended to `lost` so that it can be reported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from engine.language.texts import compact_json, text_of
from engine.records import Json, JsonObject


def only(value: JsonObject, names: Collection[str]) -> JsonObject:
    """Keep the keys in `names`, in the object's order."""
    return {key: member for key, member in value.items() if key in names}


def without(value: JsonObject, names: Collection[str]) -> JsonObject:
    """Drop the keys in `names`."""
    return {key: member for key, member in value.items() if key not in names}


def rename(value: JsonObject, table: Mapping[str, str], lost: list[str]) -> JsonObject:
    """Rename keys by `table`; other keys stay."""
    if value.keys().isdisjoint(table):
        return value
    result = {table.get(key, key): member for key, member in value.items()}
    return result if len(result) == len(value) else rekeyed(value, lambda key: table.get(key, key), lost)


def prefixed(value: JsonObject, prefix: str) -> JsonObject:
    """Put `prefix` before every key."""
    return {prefix + key: member for key, member in value.items()}


def rekeyed(value: JsonObject, key_of: Callable[[str], str], lost: list[str]) -> JsonObject:
    """Rename every key to what `key_of` returns for it."""
    result: JsonObject = {}
    for key, member in value.items():
        new = key_of(key)
        if new in result:
            lost.append(new)
        result[new] = member
    return result


def flattened(value: JsonObject, separator: str, lists: str, lost: list[str]) -> JsonObject:
    """Join nested keys with `separator`, to any depth; `lists` is keep, index, join, json or drop."""
    if lists == "keep":
        if dict not in map(type, value.values()):
            return value
        result: JsonObject = {}
        if _flatten_quickly(result, "", value, separator) == len(result):
            return result
    result = {}
    _flatten_into(result, "", value, separator, lists, lost)
    return result


def reshaped(
    value: JsonObject, names: Collection[str], table: Mapping[str, str], separator: str, lost: list[str]
) -> JsonObject:
    """`only`, `rename` and `flatten: true` in one go: what most mappings do to the context."""
    result: JsonObject = {}
    count = 0
    for key, member in value.items():
        if key not in names:
            continue
        name = table.get(key, key)
        if type(member) is dict and member:
            count += _flatten_quickly(result, name + separator, member, separator)
        else:
            result[name] = member
            count += 1
    if count == len(result):
        return result
    return flattened(rename(only(value, names), table, lost), separator, "keep", lost)


def _flatten_quickly(result: JsonObject, before: str, value: JsonObject, separator: str) -> int:
    """Flatten into `result` and return the number of members; fewer keys than that means that some were overwritten."""
    count = len(value)
    for key, member in value.items():
        if type(member) is dict and member:
            count += _flatten_quickly(result, before + key + separator, member, separator) - 1
        else:
            result[before + key] = member
    return count


def _flatten_into(
    result: JsonObject, before: str, value: JsonObject, separator: str, lists: str, lost: list[str]
) -> None:
    for key, member in value.items():
        joined = before + key
        if type(member) is dict and member:
            _flatten_into(result, joined + separator, member, separator, lists, lost)
            continue
        if type(member) is list and lists != "keep":
            _flatten_list(result, joined, member, separator, lists, lost)
            continue
        if joined in result:
            lost.append(joined)
        result[joined] = member


def _flatten_list(result: JsonObject, key: str, items: list[Json], separator: str, lists: str, lost: list[str]) -> None:
    if lists == "drop":
        return
    if lists == "index" and items:
        numbered: JsonObject = {str(number): item for number, item in enumerate(items)}
        _flatten_into(result, key + separator, numbered, separator, lists, lost)
        return
    if key in result:
        lost.append(key)
    if lists == "index":
        result[key] = []
    else:
        result[key] = joined_texts(items) if lists == "join" else compact_json(items)


def joined_texts(items: list[Json]) -> str:
    """Join the texts of `items` with commas; null items are left out, objects and lists become compact JSON."""
    return ",".join(_text_or_json(item) for item in items if item is not None)


def _text_or_json(item: Json) -> str:
    text = text_of(item)
    return compact_json(item) if text is None else text


def drop_nulls(value: Json) -> Json:
    """Drop the null members of objects at every depth; null items of lists stay."""
    if type(value) is dict:
        return {key: drop_nulls(member) for key, member in value.items() if member is not None}
    if type(value) is list:
        return [drop_nulls(item) for item in value]
    return value
