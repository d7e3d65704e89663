"""The modifiers of an instruction, in the order in which the language applies them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import cast

import re2
from jsonschema import Draft7Validator, ValidationError, validators

from engine.language.functions import CannotConvert, Noted, bind, parameters_of
from engine.records import Json, JsonObject
from tests.oracle.basics import Hidden, Invalid, Marker, compact_json, put, text_of
from tests.oracle.run import Run, Scope

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def modify(run: Run, raw: JsonObject, scope: Scope, place: str, value: Json, *, made: bool) -> Json:
    """Apply all modifiers of `raw`; `made` says that the source made the object or list."""
    if value is not None and "as" in raw:
        value = _as(run, raw["as"], place, value)
    if isinstance(value, Marker):
        return value
    if value is not None and "map" in raw:
        value = _map(run, raw, scope, place, value)
    for word in OBJECT_WORDS:
        if value is not None and word in raw:
            option = OPTION[word](run, raw[word], scope, place)
            made = made or (word in {"only", "except"} and option is not None)
            value = _reshape(run, word, option, place, value)
    if made and value in ({}, []):
        value = None
    return _last(run, raw, place, raw.get("default") if value is None else value)


def _last(run: Run, raw: JsonObject, place: str, value: Json) -> Json:
    if value is not None and "within" in raw:
        _within(run, cast("dict[str, str]", raw["within"]), place, value)
    if value is not None and "must" in raw:
        _must(cast("JsonObject", raw["must"]), place, value)
    if value is None and raw.get("required"):
        raise Invalid(place, f"A required value is missing; tried {', '.join(_tried(raw)) or 'no path'}")
    return value


def _tried(raw: Json) -> Iterator[str]:
    """Return the paths a value could have come from."""
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, list):
        for alternative in raw:
            yield from _tried(alternative)
    elif isinstance(raw, dict):
        yield from _tried(raw.get("from"))


def _as(run: Run, written: Json, place: str, value: Json) -> Json:
    for use in written if isinstance(written, list) else [written]:
        if isinstance(value, Marker):
            return value
        name, parameters = next(iter(use.items())) if isinstance(use, dict) else (str(use), None)
        hidden = isinstance(value, Hidden)
        try:
            value = bind(name, parameters_of(name, parameters))(value)
        except CannotConvert:
            run.report("not-converted", place)
            return None
        if isinstance(value, Noted):
            run.report(value.code, place)
            value = value.value
        if value is None:
            return None
        if hidden and isinstance(value, str):
            value = Hidden(value)
    return run.clean(value)


def _map(run: Run, raw: JsonObject, scope: Scope, place: str, value: Json) -> Json:
    kept = value if raw.get("unmapped") == "keep" else None
    table = _table(run, raw["map"], scope, place)
    if table is None:
        return kept
    if not isinstance(table, dict):
        run.report("not-an-object", place)
        return None
    text = text_of(value)
    if text is None:
        run.report("not-text", place)
        return kept
    if raw.get("ignore_case"):
        table, text = {key.lower(): member for key, member in table.items()}, text.lower()
    return table.get(text, kept)


def _table(run: Run, written: Json, scope: Scope, place: str) -> Json:
    return run.search(written, scope, place) if isinstance(written, str) else written


def _flatten_option(run: Run, written: Json, scope: Scope, place: str) -> Json:
    options: JsonObject = {"separator": "_", "lists": "keep", "if": written}
    if isinstance(written, dict):
        options |= {"if": True, **written}
    wanted = options["if"]
    if isinstance(wanted, str):
        wanted = run.condition(wanted, scope, f"{place}.flatten")
    return options if wanted else None


OBJECT_WORDS = ("only", "except", "rename", "flatten", "keys", "prefix")

# What is written beside each word -> what it is to do, or None for nothing (its path is absent, it is switched off).
OPTION: dict[str, Callable[[Run, Json, Scope, str], Json]] = {
    "only": _table,
    "except": _table,
    "rename": _table,
    "flatten": _flatten_option,
    "keys": lambda _run, written, _scope, _place: written,
    "prefix": lambda run, written, scope, place: run.fill(str(written), scope, place),
}


def _reshape(run: Run, word: str, option: Json, place: str, value: Json) -> Json:
    if option is None:
        return value
    if not isinstance(value, dict):
        run.report("not-an-object", place)
        return None
    if word in {"only", "except"}:
        return _pick(run, option, place, value, keep=word == "only")
    if word == "rename" and not isinstance(option, dict):
        run.report("not-an-object", place)
        return None
    return _collect(run, place, PAIRS[word](value, option))


def _pick(run: Run, names: Json, place: str, value: JsonObject, *, keep: bool) -> Json:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        run.report("not-a-list", place)
        return None
    return {key: member for key, member in value.items() if (key in names) is keep}


def _collect(run: Run, place: str, pairs: Iterator[tuple[str, Json]]) -> JsonObject:
    made: JsonObject = {}
    for key, member in pairs:
        put(made, key, member, lambda: run.report("key-overwritten", place))
    return made


def _renamed(value: JsonObject, table: Json) -> Iterator[tuple[str, Json]]:
    names = cast("JsonObject", table)
    for key, member in value.items():
        new = text_of(names.get(key))
        yield (key if new is None else new), member


def _cased(value: JsonObject, function: Json) -> Iterator[tuple[str, Json]]:
    change = bind(str(function), parameters_of(str(function), None))
    for key, member in value.items():
        yield str(change(key)), member


def _prefixed(value: JsonObject, text: Json) -> Iterator[tuple[str, Json]]:
    for key, member in value.items():
        yield f"{text}{key}", member


def _flat(value: JsonObject, options: Json) -> Iterator[tuple[str, Json]]:
    for key, member in value.items():
        yield from _flat_member(key, member, cast("JsonObject", options))


def _flat_member(key: str, member: Json, options: JsonObject) -> Iterator[tuple[str, Json]]:
    lists, inside = options["lists"], f"{key}{options['separator']}"
    if isinstance(member, dict) and member:
        for name, deeper in member.items():
            yield from _flat_member(inside + name, deeper, options)
    elif isinstance(member, list) and lists == "index" and member:
        for number, deeper in enumerate(member):
            yield from _flat_member(f"{inside}{number}", deeper, options)
    elif isinstance(member, list) and lists == "join":
        yield key, ",".join(_joined(entry) for entry in member if entry is not None)
    elif isinstance(member, list) and lists == "json":
        yield key, compact_json(member)
    elif not (isinstance(member, list) and lists == "drop"):
        yield key, member


def _joined(entry: Json) -> str:
    return compact_json(entry) if isinstance(entry, (dict, list)) else str(text_of(entry))


PAIRS: dict[str, Callable[[JsonObject, Json], Iterator[tuple[str, Json]]]] = {
    "rename": _renamed,
    "flatten": _flat,
    "keys": _cased,
    "prefix": _prefixed,
}


def _within(run: Run, sides: dict[str, str], place: str, value: Json) -> None:
    try:
        read = bind("unix", parameters_of("unix", None))(value)
    except CannotConvert:
        raise Invalid(place, "Not a time") from None
    seconds = cast("float", read.value if isinstance(read, Noted) else read)
    if "past" in sides and seconds < run.now - _seconds(sides["past"]):
        raise Invalid(place, f"More than {sides['past']} in the past")
    if "future" in sides and seconds > run.now + _seconds(sides["future"]):
        raise Invalid(place, f"More than {sides['future']} in the future")


def _seconds(duration: str) -> float:
    number, unit = cast("re.Match[str]", re.fullmatch(r"(\d+)(ms|s|m|h|d)", duration)).groups()
    return int(number) * SECONDS[unit]


def _must(schema: JsonObject, place: str, value: Json) -> None:
    for error in SchemaValidator(schema).iter_errors(value):
        raise Invalid(place, error.message)


def _pattern(_validator: object, pattern: str, value: object, _schema: object) -> Iterator[ValidationError]:
    if isinstance(value, str) and re2.search(pattern, value) is None:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


# `pattern` runs on RE2; everything else is plain draft 7.
SchemaValidator = validators.extend(Draft7Validator, {"pattern": _pattern})
