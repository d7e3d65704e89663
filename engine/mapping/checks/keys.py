"""Checks of keys: of tables that can never match, of objects that never have them, and two that become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.language import functions
from engine.language.texts import read_number
from engine.mapping import types
from engine.mapping.checks.context import Checking, listed, meant, quoted
from engine.mapping.checks.facts import KnownKeys, after_except, after_only, made_keys
from engine.mapping.model import From, Instruction, PathValue
from engine.mapping.problems import Problem
from engine.records import JsonObject, Place

VERBS = {"only": "keep", "except": "drop", "rename": "rename"}


def check_keys(checking: Checking) -> Iterator[Problem]:
    """Find keys that are written for nothing."""
    for value in checking.values:
        if isinstance(value, Instruction):
            yield from _map(checking, value)
            yield from _object_words(checking, value)
            yield from _targets(checking, value)


def _map(checking: Checking, value: Instruction) -> Iterator[Problem]:
    table = value.modifiers.map
    if not isinstance(table, dict):
        return
    lower: dict[str, str] = {}
    for key in table:
        place: Place = (*value.place, "map", key)
        reason = _impossible(checking, value, key)
        if reason:
            message = f"{quoted(key)} can never match: {reason}."
            yield checking.problem(place, "map-never-matches", message, key=True)
        if value.modifiers.ignore_case and key.lower() in lower:
            message = f"{quoted(key)} and {quoted(lower[key.lower()])} are the same where ignore_case is true."
            yield checking.problem(place, "same-target", message, "Take one of the two out.", key=True)
        lower.setdefault(key.lower(), key)
    yield from _choices_without_entry(checking, value, table)


def _choices_without_entry(checking: Checking, value: Instruction, table: JsonObject) -> Iterator[Problem]:
    """Find a URL that some choice of a setting would leave empty."""
    modifiers = value.modifiers
    if not _is_url(value.place) or modifiers.as_ or modifiers.unmapped == "keep" or modifiers.default is not None:
        return
    known = {key.lower() if modifiers.ignore_case else key for key, entry in table.items() if entry is not None}
    lacking = [choice for choice in _choices(checking, value) if choice not in known]
    if lacking:
        message = (
            f"The table has nothing for {listed([quoted(choice) for choice in lacking], 'and')}, which the setting "
        )
        message += "may be: the URL could not be filled."
        yield checking.problem((*value.place, "map"), "url-never-filled", message, "Add it.", key=True)


def _is_url(place: Place) -> bool:
    return place == ("http", "base_url") or (len(place) == 3 and place[0] == "requests" and place[2] == "path")


def _impossible(checking: Checking, value: Instruction, key: str) -> str:
    """Why a key of `map` cannot be the text of the value, or ''."""
    modifiers = value.modifiers
    last = modifiers.as_[-1].name if modifiers.as_ else ""
    written = key.lower() if modifiers.ignore_case else key
    folds = {"lowercase": written != key.lower(), "uppercase": key != key.upper(), "trim": key != key.strip()}
    if folds.get(last) and not (modifiers.ignore_case and last == "uppercase"):
        return f"the value has gone through `{last}`"
    given = functions.FUNCTIONS[last].gives if last else types.of_source(checking.mapping, value.source)
    if given == {"boolean"} and written not in ("true", "false"):
        return "the value is true or false"
    if given == {"number"} and read_number(key) is None:
        return "the value is a number"
    choices = _choices(checking, value)
    if choices and not last and written not in choices:
        return f"the setting is {listed([quoted(choice) for choice in choices])}"
    return ""


def _choices(checking: Checking, value: Instruction) -> list[str]:
    source = value.source
    if not isinstance(source, From) or not isinstance(source.value, PathValue):
        return []
    chain = types.plain(source.value.path)
    setting = checking.mapping.settings.get(chain[1]) if len(chain) == 2 and chain[0] == "settings" else None
    if setting is None or not all(isinstance(choice, str) for choice in setting.choices):
        return []
    return [choice.lower() if value.modifiers.ignore_case else choice for choice in map(str, setting.choices)]


def _object_words(checking: Checking, value: Instruction) -> Iterator[Problem]:
    modifiers = value.modifiers
    if modifiers.map is not None:
        return
    keys = None if modifiers.as_ else made_keys(checking.mapping, value)
    if isinstance(modifiers.only, tuple):
        yield from _never_there(checking, value, "only", keys)
    if isinstance(modifiers.except_, tuple):
        yield from _never_there(checking, value, "except", after_only(modifiers, keys))
    if modifiers.rename is not None and not isinstance(modifiers.rename, str):
        left = after_except(modifiers, keys)
        yield from _never_there(checking, value, "rename", left)
        for key in modifiers.rename:
            if left is None and key in (modifiers.except_ or ()):
                message = f"There is never a key {quoted(key)} to rename: `except` drops it."
                yield checking.problem((*value.place, "rename", key), "key-never-there", message, key=True)


def _never_there(checking: Checking, value: Instruction, word: str, keys: KnownKeys) -> Iterator[Problem]:
    """Find names of keys that the object before this word cannot have."""
    names: Iterable[str] = getattr(value.modifiers, "except_" if word == "except" else word)
    for number, name in enumerate(names):
        if keys is None or name in keys:
            continue
        place: Place = (*value.place, word, name if word == "rename" else number)
        _, advice = meant(name, sorted(keys), "keys")
        message = f"There is never a key {quoted(name)} to {VERBS[word]}."
        yield checking.problem(place, "key-never-there", message, advice if keys else "", key=word == "rename")


def _targets(checking: Checking, value: Instruction) -> Iterator[Problem]:
    rename = value.modifiers.rename
    if rename is None or isinstance(rename, str):
        return
    targets: dict[str, str] = {}
    for old, new in rename.items():
        if new in targets:
            message = f"{quoted(old)} and {quoted(targets[new])} both become {quoted(new)}; one of them would be lost."
            advice = "Give them different names; to take the first that is there, make a choice of two paths."
            yield checking.problem((*value.place, "rename", old), "same-target", message, advice)
        targets.setdefault(new, old)
