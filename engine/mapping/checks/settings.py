"""Checks of settings, and of examples as far as they can be checked without running them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import cast

from engine.events.spec import COMMON, FIELDS, IDS
from engine.language.other_names import EVENT_FIELDS
from engine.language.suggest import closest
from engine.mapping import schema
from engine.mapping.checks.context import CheckContext, a_call, better, listed, quoted, suggestion
from engine.mapping.checks.names import unknown_request
from engine.mapping.example import MappingExample
from engine.mapping.model import Mapping
from engine.mapping.problems import Problem
from engine.mapping.setting import Setting
from engine.mapping.settings import NOT_ONE, schema_of, typed, url_fault
from engine.records import Json, JsonObject, Place

WORDS = (
    ("pattern", ("string", "url"), "Remove it."),
    ("many", ("table",), "For a list of texts, write type: list."),
    ("choices", ("string", "url", "boolean", "integer", "number", "list", "table"), "Remove it."),
    ("fields", ("rows",), "For a list of objects, write type: rows."),
    *((word, ("template",), "Remove it.") for word in ("format", "escape", "missing")),
)
"""The keys of a setting that mean something for some types only, with those types and what to do."""
DEFAULTS = {"format": "text", "escape": "none", "missing": "empty"}
MOST_FIELDS = 100
"""Unknown fields of an example's event that may be misspelled."""
OTHER_FIELDS = frozenset({name for fields in FIELDS.values() for name in fields} | {"version", "channel", "writeKey"})
"""Fields that an event may have although its call does not define them."""


def check_settings(context: CheckContext) -> Iterator[Problem]:
    """Find settings whose keys contradict each other, and those for which the examples lack a value."""
    for name, setting in context.mapping.settings.items():
        place: Place = ("settings", name)
        yield from _keys(context, setting, place)
        yield from _values(context, setting, place)
        yield from _fields_of(context, setting, place)
        yield from _example(context, setting, place)


def _fields_of(context: CheckContext, setting: Setting, place: Place) -> Iterator[Problem]:
    for name, field in setting.fields.items():
        at: Place = (*place, "fields", name)
        yield from _keys(context, field, at)
        yield from _values(context, field, at)
        yield from _fields_of(context, field, at)


def _keys(context: CheckContext, setting: Setting, place: Place) -> Iterator[Problem]:
    for word, of_types, advice in WORDS:
        if setting.type not in of_types and getattr(setting, word) not in (None, False, (), {}, DEFAULTS.get(word)):
            message = f"`{word}` applies to settings of type {listed(of_types)}; this one has type {setting.type}."
            yield context.problem((*place, word), "setting-word", message, advice, key=True)
    for at, message, advice in _contradictions(setting):
        yield context.problem((*place, *at), "setting-word", message, advice, key=True)
    if setting.optional and setting.default is not None and context.owns((*place, "optional")):
        message = "`optional` has no effect: a setting with a default always has a value."
        yield context.problem((*place, "optional"), "setting-word", message, "Remove one of the two.", key=True)


def _contradictions(setting: Setting) -> Iterator[tuple[Place, str, str]]:
    """Return the place, the message and the advice of each contradiction in the keys of rows and templates."""
    if setting.type == "rows" and not setting.fields:
        yield (), "A setting of type rows needs `fields`.", "Name each member of a row, with its title and type."
    if setting.secret and setting.holds_template:
        message = "A template cannot be secret: it may be sent anywhere."
        yield ("secret",), message, "Put the secret into a setting of its own."
    if setting.format == "json" and setting.escape == "json":
        message = "`escape: json` is for templates that are text; with `format: json`, values cannot break the JSON."
        yield ("escape",), message, "Remove it."
    for name, field in setting.fields.items():
        for inner, deepest in field.fields.items():
            if deepest.type == "rows":
                message = "Rows inside rows cannot have rows themselves."
                yield ("fields", name, "fields", inner), message, "Use a field of type list or table."


def _values(context: CheckContext, setting: Setting, place: Place) -> Iterator[Problem]:
    if setting.pattern is not None:
        fault = schema.pattern_fault(setting.pattern)
        if fault is not None:
            yield context.problem((*place, "pattern"), "bad-pattern", fault)
            return
    if setting.secret and setting.default is not None:
        message = "A secret setting cannot have a default: everyone who can read this file would see it."
        yield context.problem((*place, "default"), "secret-default", message, "Write an `example` instead.", key=True)
    for word, value in (("default", setting.default), ("example", setting.example)):
        fault = value_fault(context.mapping, setting, value)
        if fault is not None:
            message = f"Invalid {word}: {fault}{'' if fault.endswith('?') else '.'}"
            advice = "For a setting that may stay empty, write `optional: true`." if value == "" else ""
            yield context.problem((*place, word), "setting-value", message, advice)


def value_fault(mapping: Mapping, setting: Setting, value: Json) -> str | None:
    """Return why a value does not fit a setting, as a clause; None if it does, or is null."""
    if setting.type in ("rows", "template"):
        return typed_fault(mapping, setting, value)
    if setting.type == "url" and isinstance(value, str) and (fault := url_fault(value)):
        return f"{quoted(value)} is not an http:// or https:// address without ? and #" if fault == NOT_ONE else fault
    return schema.own_validator(schema_of(setting))(value) if value is not None else None


def typed_fault(mapping: Mapping, setting: Setting, value: Json) -> str | None:
    """Return the first thing that is wrong with the rows or the template of a setting, as a clause."""
    if value is None:
        return None
    try:
        typed(mapping, setting, value)
    except ValueError as error:
        return str(error).removesuffix(".")
    return None


def _example(context: CheckContext, setting: Setting, place: Place) -> Iterator[Problem]:
    """Find a required setting for which an example of the mapping has no value."""
    if setting.default is not None or setting.optional or setting.example is not None:
        return
    lacking = [each.title for each in context.mapping.examples if not _is_given(context, setting, each.settings)]
    if lacking:
        several = len(lacking) > 1
        message = f"{len(lacking)} examples cannot run: " if several else "An example cannot run: "
        message += f"{quoted(lacking[0])} {'and others have' if several else 'has'} no value for this setting."
        advice = "Add an `example` to the setting."
        yield context.problem(place, "setting-without-example", message, advice, key=True)


def _is_given(context: CheckContext, setting: Setting, given: object) -> bool:
    assert isinstance(given, dict)
    unknown = [name for name in given if name not in context.mapping.settings]
    return setting.name in given or any(closest(name, [setting.name]) for name in unknown)


def check_examples(context: CheckContext) -> Iterator[Problem]:
    """Find unknown settings, requests and calls in examples, and values that do not fit."""
    titles: dict[str, int] = {}
    for number, example in enumerate(context.mapping.examples):
        yield from _title(context, example, titles.setdefault(example.title, number))
        for name, value in example.settings.items():
            yield from _setting(context, name, value, (*example.place, "settings", name))
        yield from _expected(context, example)
        for place, name in _replies(example):
            if name not in context.mapping.requests:
                yield unknown_request(context, name, place)
        yield from _event(context, cast("JsonObject", example.event), (*example.place, "event"))


def _title(context: CheckContext, example: MappingExample, first: int) -> Iterator[Problem]:
    if example.place != ("examples", first):
        message = f"Another example has the same title (line {context.loaded.mark(('examples', first)).line})."
        advice = "Say what is different about this one."
        yield context.problem((*example.place, "title"), "same-title", message, advice)


def _setting(context: CheckContext, name: str, value: Json, place: Place) -> Iterator[Problem]:
    setting = context.mapping.settings.get(name)
    if setting is None:
        guess, advice = suggestion(name, context.mapping.settings, "settings")
        message = f"Unknown setting {quoted(name)}."
        problem = context.problem(place, "unknown-setting", message, advice, key=True, fix=better(name, guess))
        yield context.record_unknown("settings", name, guess, problem)
    elif not setting.secret:
        fault = value_fault(context.mapping, setting, value)
        if fault is not None:
            yield context.problem(
                place, "setting-value", f"Invalid value for this setting: {fault}{'' if fault.endswith('?') else '.'}"
            )


def _expected(context: CheckContext, example: MappingExample) -> Iterator[Problem]:
    if not isinstance(example.expect, list):
        return
    for number, entry in enumerate(example.expect):
        name = next(iter(cast("JsonObject", entry)))
        if name not in context.mapping.requests:
            yield unknown_request(context, name, (*example.place, "expect", number, name), key=True)


def _replies(example: MappingExample) -> Iterator[tuple[Place, str]]:
    for number, reply in enumerate(example.replies):
        yield (*example.place, "replies", number, "request"), cast("str", reply["request"])


def _event(context: CheckContext, event: JsonObject, place: Place) -> Iterator[Problem]:
    call = event.get("type")
    if isinstance(call, str) and call not in FIELDS:
        guess, advice = suggestion(call, FIELDS, "calls")
        message = f"Unknown call {quoted(call)}."
        yield context.problem((*place, "type"), "unknown-call", message, advice, fix=better(call, guess))
        return
    for name in (*IDS, "messageId"):
        value = event.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            message = f"{name} is a number here, but IDs are text."
            # A number with a fraction may have lost digits, and zeros at its end.
            advice = f'Write "{value}".' if isinstance(value, int) else "Put quotes around it."
            yield context.problem((*place, name), "numeric-id", message, advice, level="warning")
    if isinstance(call, str):
        yield from _fields(context, event, call, place)


def _fields(context: CheckContext, event: JsonObject, call: str, place: Place) -> Iterator[Problem]:
    """Find misspelled fields: the mapping ignores them, so the example does not test what it seems to."""
    known = {*FIELDS[call], *COMMON}
    free = sorted(known - event.keys())
    others = (name for name in event if name not in known and name not in OTHER_FIELDS)
    for name in islice(others, MOST_FIELDS):
        guess = EVENT_FIELDS.get(name) if EVENT_FIELDS.get(name) in free else closest(name, free)
        if guess is not None:
            message = f"{a_call(call)} has no field {quoted(name)}."
            advice = f"Did you mean {guess}?"
            fix = better(name, guess)
            yield context.problem((*place, name), "unknown-field", message, advice, key=True, level="warning", fix=fix)
