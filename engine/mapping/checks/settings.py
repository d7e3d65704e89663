"""Checks of settings: what the schema cannot say about how a setting's own words go together."""

from __future__ import annotations

from collections.abc import Iterator

from engine.mapping import schema
from engine.mapping.checks.context import Checking, quoted
from engine.mapping.model import Setting
from engine.mapping.problems import Problem
from engine.mapping.settings import NOT_ONE, schema_of, url_fault
from engine.records import Json, Place

TEXTS = ("string", "url")


def check_settings(checking: Checking) -> Iterator[Problem]:
    """Find settings whose words contradict each other, and those the examples would need a value for."""
    for name, setting in checking.mapping.settings.items():
        place: Place = ("settings", name)
        yield from _words(checking, setting, place)
        yield from _values(checking, setting, place)
        yield from _example(checking, setting, place)


def _words(checking: Checking, setting: Setting, place: Place) -> Iterator[Problem]:
    if setting.pattern is not None and setting.type not in TEXTS:
        message = f"`pattern` is for texts, and this setting is of type {setting.type}."
        yield checking.problem((*place, "pattern"), "setting-word", message, "Take it out.", key=True)
    if setting.many and setting.type != "table":
        message = f"`many` is for tables, and this setting is of type {setting.type}."
        yield checking.problem((*place, "many"), "setting-word", message, "A list of texts is type: list.", key=True)
    if setting.optional and setting.default is not None and checking.owns((*place, "optional")):
        message = "`optional` asks nothing here: a setting with a default is always there."
        yield checking.problem((*place, "optional"), "setting-word", message, "Take one of the two out.", key=True)


def _values(checking: Checking, setting: Setting, place: Place) -> Iterator[Problem]:
    if setting.pattern is not None:
        fault = schema.check_schema({"pattern": setting.pattern})
        if fault is not None:
            yield checking.problem((*place, "pattern"), "bad-pattern", fault)
            return
    if setting.secret and setting.default is not None:
        message = "A secret setting cannot have a default: it would stand in this file, for all to read."
        yield checking.problem((*place, "default"), "secret-default", message, "Give it an example.", key=True)
    for word, value in (("default", setting.default), ("example", setting.example)):
        fault = value_fault(setting, value)
        if fault is not None:
            message = f"The {word} does not fit the setting: {fault}."
            yield checking.problem((*place, word), "setting-value", message)


def value_fault(setting: Setting, value: Json) -> str | None:
    """Say why a value does not fit a setting, as a clause; None where it does, or is null."""
    if setting.type == "url" and isinstance(value, str) and (fault := url_fault(value)):
        return f"{quoted(value)} is no http:// or https:// address without ? and #" if fault == NOT_ONE else fault
    return schema.validator(schema_of(setting))(value) if value is not None else None


def _example(checking: Checking, setting: Setting, place: Place) -> Iterator[Problem]:
    """Find a setting that must be given and that some example of the mapping has no value for."""
    if setting.default is not None or setting.optional or setting.example is not None:
        return
    lacking = [each.title for each in checking.mapping.examples if not _is_given(checking, setting, each.settings)]
    if lacking:
        count = "an example" if len(lacking) == 1 else f"{len(lacking)} examples"
        message = f"{count[0].upper()}{count[1:]} cannot run: nothing says what this setting is in {quoted(lacking[0])}"
        message += "." if len(lacking) == 1 else " and others."
        yield checking.problem(place, "setting-without-example", message, "Give the setting an example.", key=True)


def _is_given(checking: Checking, setting: Setting, given: object) -> bool:
    from engine.language.suggest import closest

    assert isinstance(given, dict)
    strangers = [name for name in given if name not in checking.mapping.settings]
    return setting.name in given or any(closest(name, [setting.name]) for name in strangers)
