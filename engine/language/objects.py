"""The modifiers of objects: only, except, rename, flatten, keys, prefix; and dropping nulls.

Each takes a plain dict and returns a new one (or the same one, unchanged).  Where two keys become the same, the later
value wins in the first one's position, and the key is appended to `lost` so that it can be reported.  Long texts put
before many keys are counted in the event's budget, at `place`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from engine.language.budget import LONG, Memo, spend
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


def prefixed(value: JsonObject, prefix: str, memo: Memo, place: str) -> JsonObject:
    """Put `prefix` before every key."""
    if len(prefix) > LONG:
        spend(memo, len(prefix) * len(value), place)
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


class _LongKey(Exception):  # noqa: N818  it says what was found
    """A key is so long that what is put before other keys has to be counted."""


def flattened(value: JsonObject, separator: str, lists: str, lost: list[str], memo: Memo, place: str) -> JsonObject:
    """Join nested keys with `separator`, to any depth; `lists` is keep, index, brackets, join, json or drop."""
    if lists == "keep":
        if dict not in map(type, value.values()):
            return value
        result: JsonObject = {}
        try:
            if _flatten_quickly(result, "", value, separator) == len(result):
                return result
        except _LongKey:
            pass
    return _Flattening(separator, lists, lost, memo, place).of(value)


def _flatten_quickly(result: JsonObject, before: str, value: JsonObject, separator: str) -> int:
    """Flatten into `result` and return the number of members; fewer keys than that means that some were overwritten."""
    count = len(value)
    for key, member in value.items():
        if type(member) is dict and member:
            inside = before + key + separator
            if len(inside) > LONG:
                raise _LongKey
            count += _flatten_quickly(result, inside, member, separator) - 1
        else:
            result[before + key] = member
    return count


class _Flattening:
    """Flattens one object by the rules, key by key."""

    def __init__(self, separator: str, lists: str, lost: list[str], memo: Memo, place: str) -> None:
        self._separator = separator
        self._lists = lists
        self._lost = lost
        self._memo = memo
        self._place = place
        self._result: JsonObject = {}

    def of(self, value: JsonObject) -> JsonObject:
        """Return the object with its nested keys joined."""
        self._add("", value)
        return self._result

    def _add(self, before: str, value: JsonObject) -> None:
        if len(before) > LONG:
            spend(self._memo, len(before) * len(value), self._place)
        for key, member in value.items():
            joined = before + key
            if type(member) is dict and member:
                self._add(joined + self._separator, member)
            elif type(member) is list and self._lists != "keep":
                self._add_list(joined, member)
            else:
                self._put(joined, member)

    def _add_list(self, key: str, items: list[Json]) -> None:
        if self._lists == "index" and items:
            self._add(key + self._separator, {str(number): item for number, item in enumerate(items)})
        elif self._lists == "brackets" and items:
            self._add_in_brackets(key, items)
        elif self._lists in ("index", "brackets"):
            self._put(key, [])
        elif self._lists != "drop":
            self._put(key, joined_texts(items) if self._lists == "join" else compact_json(items))

    def _add_in_brackets(self, key: str, items: list[Json]) -> None:
        if len(key) > LONG:
            spend(self._memo, len(key) * len(items), self._place)
        for number, item in enumerate(items):
            place = f"{key}[{number}]"
            if type(item) is dict and item:
                self._add(place + self._separator, item)
            elif type(item) is list:
                self._add_list(place, item)
            else:
                self._put(place, item)

    def _put(self, key: str, member: Json) -> None:
        if key in self._result:
            self._lost.append(key)
        self._result[key] = member


def joined_texts(items: list[Json]) -> str:
    """Join the texts of `items` with commas; null items are left out, objects and lists become compact JSON."""
    return ",".join(_text_or_json(item) for item in items if item is not None)


def _text_or_json(item: Json) -> str:
    text = text_of(item)
    return compact_json(item) if text is None else text


def reversed_table(table: JsonObject) -> JsonObject:
    """Turn a table round: the text of every entry, or of every item of an entry that is a list, leads to its key.

    A text that stands under two keys leads to the later one; what has no text is nothing to look up.
    """
    pairs = (
        (text_of(item), key) for key, entry in table.items() for item in (entry if type(entry) is list else [entry])
    )
    return {text: key for text, key in pairs if text is not None}


def drop_nulls(value: Json) -> Json:
    """Drop the null members of objects at every depth; null items of lists stay."""
    if type(value) is dict:
        return {key: drop_nulls(member) for key, member in value.items() if member is not None}
    if type(value) is list:
        return [drop_nulls(item) for item in value]
    return value
