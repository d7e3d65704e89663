"""A value of a mapping -> JSON, or None where there is nothing: text is a path, a list a choice, a mapping an instruction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import cast

import jmespath

from engine.records import Json, JsonObject
from tests.oracle.basics import Invalid, at, naming, put, text_of
from tests.oracle.modifiers import modify
from tests.oracle.run import Parts, Run, Scope

SOURCES = ("from", "const", "text", "fields", "merge", "list", "each", "entries")
MADE_HERE = ("fields", "merge", "list", "each", "entries")


class Own(str):
    """A text of the mapping itself, inside an instruction that makes a piece of a URL."""

    __slots__ = ()


def own_words(raw: Json) -> Json:
    """Mark the texts that are the mapping's own: constants, defaults, tables in place and texts, in choices too."""
    if isinstance(raw, list):
        return [own_words(alternative) for alternative in raw]
    if not isinstance(raw, dict):
        return raw
    marked = dict(raw)
    for word in ("const", "default", "text"):
        if isinstance(raw.get(word), str):
            marked[word] = Own(raw[word])
    if isinstance(raw.get("map"), dict):
        table = cast("JsonObject", raw["map"])
        marked["map"] = {key: Own(entry) if isinstance(entry, str) else entry for key, entry in table.items()}
    if "from" in raw:
        marked["from"] = own_words(raw["from"])
    return marked


def evaluate(run: Run, raw: Json, scope: Scope, place: str) -> Json:
    """Evaluate any value; null and missing are one thing."""
    if isinstance(raw, str):
        found = run.search(raw, scope, place)
        return found if _reads_body(raw) else run.clean(found)
    if isinstance(raw, list):
        return _choice(run, raw, scope, place)
    return instruction(run, cast("JsonObject", raw), scope, place)


def _reads_body(path: str) -> bool:
    """Whether a path is `body` and names after it: an envelope's body was made here and is clean."""
    tree = jmespath.compile(path).parsed
    while tree["type"] == "subexpression" and tree["children"][1]["type"] == "field":
        tree = tree["children"][0]
    return tree["type"] == "field" and tree["value"] == "body"


def _choice(run: Run, alternatives: list[Json], scope: Scope, place: str) -> Json:
    for number, alternative in enumerate(alternatives):
        value = evaluate(run, alternative, scope, at(place, number))
        if value is not None:
            return value
    return None


def instruction(run: Run, raw: JsonObject, scope: Scope, place: str) -> Json:
    """Evaluate `when`, `unless`, the source, then the modifiers in their fixed order."""
    if not run.wanted(raw, scope, place):
        return None
    word = next(word for word in SOURCES if word in raw)
    value = SOURCE[word](run, raw, scope, place)
    return modify(run, raw, scope, place, value, made=word in MADE_HERE)


def _from(run: Run, raw: JsonObject, scope: Scope, place: str) -> Json:
    inner, at = raw["from"], f"{place}.from"
    while isinstance(inner, dict) and set(inner) == {"from"}:
        inner, at = inner["from"], f"{at}.from"
    if isinstance(inner, dict) and set(inner) == {"list"} and _is_total(raw.get("as")):
        return _list(run, {**inner, "as": raw["as"]}, scope, at, place)
    return evaluate(run, raw["from"], scope, f"{place}.from")


def _const(_run: Run, raw: JsonObject, _scope: Scope, _place: str) -> Json:
    return raw["const"]


def _text(run: Run, raw: JsonObject, scope: Scope, place: str) -> Json:
    written = cast("str", raw["text"])
    if isinstance(written, Own):
        from tests.oracle.requests import url_piece

        return url_piece(run, str(written), scope, f"{place}.text")
    return run.clean(run.fill(written, scope, f"{place}.text"))


def _fields(run: Run, raw: JsonObject, scope: Scope, place: str) -> Json:
    made: JsonObject = {}
    for written, value in cast("JsonObject", raw["fields"]).items():
        inside = at(f"{place}.fields", written)
        key = run.fill(written, scope, inside)
        if not key:
            continue
        member = evaluate(run, value, scope, inside)
        if member is not None or says_null(run, value, scope, inside):
            put(made, key, member, lambda: run.report("key-overwritten", place))
    return made


def says_null(run: Run, raw: Json, scope: Scope, place: str) -> bool:
    """Say of an absent value whether null is sent for it: it says so, and one of its paths leads to a null."""
    if not isinstance(raw, dict) or raw.get("nulls") != "send":
        return False
    quiet = Run(run.mapping, run.settings, run.now)  # its conditions have been reported already
    return quiet.wanted(raw, scope, place) and any(_is_null(path, scope) for path in _tried(run, raw.get("from")))


def _tried(run: Run, raw: Json) -> Iterator[list[str]]:
    """Return the names of every plain path that a value tries, those of the parts it takes instead of these."""
    if isinstance(raw, list):
        for alternative in raw:
            yield from _tried(run, alternative)
    elif isinstance(raw, dict) and "when" not in raw and "unless" not in raw:
        yield from _tried(run, raw.get("from"))
    elif isinstance(raw, str):
        names = _names(jmespath.compile(raw).parsed)
        if len(names) == 2 and names[0] == "parts":
            yield from _tried(run, cast("JsonObject", run.mapping["parts"])[names[1]])
        elif names and names[0] not in {"settings", "saved"}:
            yield names


def _names(tree: JsonObject) -> list[str]:
    """Return the names of a path that is nothing but names and dots, else nothing."""
    if tree["type"] == "field":
        return [str(tree["value"])]
    found = [_names(child) for child in cast("list[JsonObject]", tree["children"])]
    return [*chain(*found)] if tree["type"] == "subexpression" and all(found) else []


def _is_null(names: list[str], scope: Scope) -> bool:
    """Say whether a path leads to a key of an object, with null in it."""
    if len(names) == 1 and (names[0] not in scope or names[0] in NO_FIELDS):
        return False
    holder: object = scope if len(names) > 1 else scope["message"]
    for name in names[:-1]:
        holder = holder.get(name) if isinstance(holder, (dict, Parts)) else None
    return isinstance(holder, dict) and names[-1] in holder and holder[names[-1]] is None


NO_FIELDS = {"parts", "settings", "options", "message", "saved", "item", "index", "key"}


def _merge(run: Run, raw: JsonObject, scope: Scope, place: str) -> Json:
    made: JsonObject = {}
    for inside, member in _members(run, raw["merge"], scope, f"{place}.merge"):
        if isinstance(member, dict):
            made |= member
        elif member is not None:
            raise Invalid(inside, "Only objects can be merged")
    return made


def _members(run: Run, written: Json, scope: Scope, place: str) -> Iterator[tuple[str, Json]]:
    """Return what `merge` merges, each with its place: values one by one, or the items that one value gives."""
    if isinstance(written, list):
        for number, value in enumerate(written):
            yield f"{place}[{number}]", evaluate(run, value, scope, f"{place}[{number}]")
        return
    found = evaluate(run, written, scope, place)
    for item in found if isinstance(found, list) else [found]:
        yield place, item


def _list(run: Run, raw: JsonObject, scope: Scope, place: str, reported: str = "") -> Json:
    values = _listed(run, raw, scope, place)
    if None in values and _is_total(raw.get("as")):
        run.report("not-converted", reported or place)
        return None
    return [value for value in values if value is not None]


def _listed(run: Run, raw: JsonObject, scope: Scope, place: str) -> list[Json]:
    members = cast("list[Json]", raw["list"])
    return [evaluate(run, value, scope, f"{place}.list[{number}]") for number, value in enumerate(members)]


def _is_total(written: Json) -> bool:
    """Say whether a list is added up or multiplied first, which needs all of its members."""
    first = written[0] if isinstance(written, list) else written
    return first in (
        "sum",
        "product",
        *({name: how} for name in ("sum", "product") for how in ("drop", {"missing": "drop"})),
    )


def _each(run: Run, raw: JsonObject, scope: Scope, place: str) -> Json:
    items = list_of(run, looped(run, raw["each"], scope, f"{place}.each"), f"{place}.each")
    if items is None:
        return None
    run.count(len(items), f"{place}.each")
    inner = loop(run, items, raw.get("where"), scope, f"{place}.where")
    values = []
    for one in inner:
        with naming(raw["each"], one["index"]):
            values.append(evaluate(run, raw["value"], one, f"{place}.value"))
    return [value for value in values if value is not None]


def looped(run: Run, raw: Json, scope: Scope, place: str) -> Json:
    """Evaluate what a loop runs over; templates in the items of a path are filled when the loop reads them."""
    if isinstance(raw, str):
        return run.clean(run.unfilled(raw, scope, place))
    return evaluate(run, raw, scope, place)


def list_of(run: Run, value: Json, place: str) -> list[Json] | None:
    """Return what a loop runs over as a list: an object is a list of one, a scalar is reported."""
    if isinstance(value, dict) and value and all(_is_numbered(key, item) for key, item in value.items()):
        run.report("object-as-list", place)
        return list(value.values())
    if isinstance(value, dict):
        return [value]
    if value is None or isinstance(value, list):
        return value
    run.report("not-a-list", place)
    return None


def _is_numbered(key: str, item: Json) -> bool:
    return re.fullmatch("0|[1-9][0-9]*", key) is not None and isinstance(item, dict)


def loop(run: Run, items: list[Json], where: Json, scope: Scope, place: str) -> Iterator[Scope]:
    """Return the scope of every item for which `where` holds; `index` counts all of them."""
    for index, item in enumerate(items):
        inner = {**scope, "item": item, "index": index, "key": None}
        if not isinstance(where, str) or run.condition(where, inner, place):
            yield inner


def _entries(run: Run, raw: JsonObject, scope: Scope, place: str) -> Json:
    of = evaluate(run, raw["entries"], scope, f"{place}.entries")
    if of is None:
        return None
    if not isinstance(of, dict) and not (isinstance(of, list) and "key" in raw):
        run.report("not-an-object", f"{place}.entries")
        return None
    made: JsonObject = {}
    run.count(len(of), f"{place}.entries")
    for inner in loop(run, list(of.values()) if isinstance(of, dict) else of, None, scope, place):
        inner["key"] = list(of)[cast("int", inner["index"])] if isinstance(of, dict) else None
        with naming(raw["entries"], inner["index"]):
            _entry(run, raw, inner, place, made)
    return made


def _entry(run: Run, raw: JsonObject, scope: Scope, place: str, made: JsonObject) -> None:
    where = raw.get("where")
    if isinstance(where, str) and not run.condition(where, scope, f"{place}.where"):
        return
    key = _new_key(run, raw["key"], scope, f"{place}.key") if "key" in raw else cast("str", scope["key"])
    if key is None:
        return
    value = evaluate(run, raw["value"], scope, f"{place}.value") if "value" in raw else cast("Json", scope["item"])
    if value is not None or "value" not in raw:
        put(made, key, value, lambda: run.report("key-overwritten", place))


def _new_key(run: Run, raw: Json, scope: Scope, place: str) -> str | None:
    value = evaluate(run, raw, scope, place)
    if isinstance(value, (dict, list)):
        run.report("not-text", place)
    return text_of(value) or None


SOURCE = {
    "from": _from,
    "const": _const,
    "text": _text,
    "fields": _fields,
    "merge": _merge,
    "list": _list,
    "each": _each,
    "entries": _entries,
}
