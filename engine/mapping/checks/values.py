"""Checks of values: alternatives never reached, modifiers without effect, texts that look like paths, useless keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import functions, paths, template
from engine.language.texts import read_number, text_of
from engine.mapping import schema, types
from engine.mapping.checks.context import CheckContext, better, listed, quoted, suggestion
from engine.mapping.checks.facts import KnownKeys, after_except, after_only, made_keys, why_always, why_made
from engine.mapping.checks.types import kinds
from engine.mapping.model import (
    Choice,
    Const,
    Fields,
    From,
    Instruction,
    KeyPattern,
    Modifiers,
    PathValue,
    Value,
    looked_up,
)
from engine.mapping.nulls import null_places
from engine.mapping.problems import Problem
from engine.records import Json, JsonObject, Place

SCHEMA_TYPES = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "object": "object",
    "array": "list",
}
ROOTS = frozenset({"parts", "settings", "saved", "options", "message", "item", "body", "status"}).union(
    *FIELDS.values()
)
TEXT_ADVICE = {
    "const": "To insert the value, write { text: ... }.",
    "default": "To insert the value, write a choice: [path, { text: ... }].",
}
MOST_CHOICES = 50
"""Named in a sentence, which is shortened anyway."""
VERBS = {"only": "keep", "except": "drop", "rename": "rename"}


def check_values(context: CheckContext) -> Iterator[Problem]:
    """Find values and modifiers that have no effect or can never work."""
    in_fields = set(map(id, _in_fields(context)))
    for value in context.values:
        if isinstance(value, Choice):
            yield from _choice(context, value)
        elif isinstance(value, Instruction):
            if value.modifiers.nulls is not None:
                yield from _nulls(context, value, in_fields=id(value) in in_fields)
            yield from _default(context, value)
            yield from _required(context, value)
            yield from _within(context, value)
            yield from _must(context, value)


def _choice(context: CheckContext, choice: Choice) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, alternative in enumerate(choice.alternatives):
        before = why_always(context.mapping, choice.alternatives[number - 1]) if number else ""
        if before:
            message = f"This alternative is never reached: the one before it always has a value, because {before}."
            yield context.problem(alternative.place, "unreachable-alternative", message, "Move that one to the end.")
            return
        if isinstance(alternative, PathValue):
            if alternative.path in seen:
                message = f"This alternative has no effect: {quoted(alternative.path)} is already tried before it."
                yield context.problem(alternative.place, "same-alternative", message, "Remove it.")
            seen.add(alternative.path)


def _default(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    modifiers, place = value.modifiers, (*value.place, "default")
    if modifiers.default is None:
        return
    if modifiers.default[0] is None:
        message = "`default: null` has no effect: a missing value stays missing."
        yield context.problem(place, "pointless-default", message, "Remove it.", key=True)
        return
    why = why_made(context.mapping, value)
    word = "when" if modifiers.when is not None else "unless"
    if why and (modifiers.when is not None or modifiers.unless is not None):
        message = f"This default is never used: where `{word}` ends the value, no default takes its place."
        advice = f"For another value then, write a choice: [{{ ..., {word}: ... }}, {{ const: ... }}]."
        yield context.problem(place, "pointless-default", message, advice, key=True)
    elif why:
        message = f"This default is never used: there is always a value, because {why}."
        yield context.problem(place, "pointless-default", message, "Remove it.", key=True)


def _required(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    modifiers = value.modifiers
    if not modifiers.required:
        return
    if modifiers.default is not None and modifiers.default[0] is not None:
        why, advice = "it has a default", "Remove the default if events without the value should be invalid."
    else:
        why, advice = why_made(context.mapping, value), "Remove it."
    if why:
        message = f"`required` has no effect: there is always a value, because {why}."
        yield context.problem((*value.place, "required"), "pointless-required", message, advice, key=True)


def _in_fields(context: CheckContext) -> Iterator[Value]:
    """Return the values that stand at a key of `fields`, where null can be sent."""
    for value in context.values:
        if isinstance(value, Instruction) and isinstance(value.source, Fields):
            yield from (member for _, member in value.source.entries)
    for batch in context.mapping.batches.values():
        yield from (member for _, member in batch.fields)


def _nulls(context: CheckContext, value: Instruction, *, in_fields: bool) -> Iterator[Problem]:
    modifiers = value.modifiers
    why, advice = "", "Remove it."
    if not in_fields:
        why, advice = "only a key of `fields` can be sent as null", "Write it beside the value of that key."
    elif modifiers.required:
        why = "`required` makes an event without this value invalid"
    elif modifiers.default is not None and modifiers.default[0] is not None:
        why = "there is always a value, because it has a default"
    elif not null_places(context.mapping, value):
        why = "nothing here reads a key of the event by its path alone"
        advice = "Use paths of names and dots, such as traits.email, alone or in a choice or a part."
    if why:
        message = f"`nulls: send` has no effect: {why}."
        yield context.problem((*value.place, "nulls"), "pointless-nulls", message, advice, key=True)


def _within(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    given = types.of_value(context.mapping, value)
    if value.modifiers.within is not None and not given & {"text", "number"}:
        message = f"`within` needs a time, but this is {kinds(given)}: every event with this value would be invalid."
        yield context.problem((*value.place, "within"), "not-a-time", message, key=True)


def _must(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    wanted = _wanted((value.modifiers.must or {}).get("type"))
    given = types.of_value(context.mapping, value)
    if wanted and not given & wanted:
        message = f"This is {kinds(given)}, but `must` requires {kinds(wanted)}: every event with it would be invalid."
        advice = "Convert it with `as`, or correct the schema."
        yield context.problem((*value.place, "must", "type"), "must-never-holds", message, advice)


def _wanted(written: Json) -> frozenset[str]:
    """Return our types for the `type` of a schema; empty if it has none."""
    names = written if isinstance(written, list) else [written]
    return frozenset(SCHEMA_TYPES[name] for name in names if isinstance(name, str) and name in SCHEMA_TYPES)


def check_texts(context: CheckContext) -> Iterator[Problem]:
    """Find constants, defaults and messages that hold a `${path}`."""
    for value in context.values:
        if isinstance(value, Instruction):
            yield from _constants(context, value)
    for steps in context.mapping.calls.values():
        for step in steps:
            for path, message in step.require:
                yield from _text(context, message, (*step.place, "require", path), "A message is shown as written")
    requests = context.mapping.requests.values()
    for rule in chain(context.mapping.responses, *(request.responses for request in requests)):
        yield from _text(context, rule.hint, (*rule.place, "hint"), "A hint is shown as written")


def _constants(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    """Look only at texts: what is inside a list or an object is data."""
    modifiers = value.modifiers
    if isinstance(value.source, Const):
        yield from _text(context, value.source.value, (*value.place, "const"), "A constant is sent as written")
    if modifiers.default is not None:
        yield from _text(context, modifiers.default[0], (*value.place, "default"), "A default is sent as written")
    for key, entry in modifiers.map.items() if isinstance(modifiers.map, dict) else ():
        yield from _text(context, entry, (*value.place, "map", key), "An entry of a table is sent as written")


def _text(context: CheckContext, text: Json, place: Place, what: str) -> Iterator[Problem]:
    if not isinstance(text, str) or "${" not in text:
        return
    try:
        holes = template.parse(text).holes
        known = [hole for hole in holes if any(root.name in ROOTS for root in paths.parse(hole.path).roots)]
    except PathError:
        return
    if known:
        message = f"{what}: ${{{known[0].path}}} is not replaced by its value."
        advice = TEXT_ADVICE.get(str(place[-1]), "")
        at = known[0].column - 2
        yield context.problem(place, "unfilled-text", message, advice, column=at, level="warning")


def check_keys(context: CheckContext) -> Iterator[Problem]:
    """Find keys that have no effect."""
    for value in context.values:
        if isinstance(value, Instruction):
            yield from _map(context, value)
            yield from _object_words(context, value)
            yield from _targets(context, value)
            yield from _key_pattern(context, value)


def _map(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    if not isinstance(value.modifiers.map, dict):
        return
    seen: dict[str, str] = {}
    choices = dict.fromkeys(_choices(context, value))
    for text, place in _texts_of_map(value.modifiers, value.place):
        is_key = text is not None and not value.modifiers.reverse
        reason = "it has no text" if text is None else _impossible(context, value, text, choices)
        if reason:
            what = "This entry" if text is None else quoted(text)
            yield context.problem(place, "map-never-matches", f"{what} can never match: {reason}.", key=is_key)
        folded = (text or "").lower() if value.modifiers.ignore_case else text or ""
        if text is not None and folded in seen:
            yield context.problem(place, "same-target", _same(text, seen[folded]), "Remove one of the two.", key=is_key)
        seen.setdefault(folded, text or "")
    yield from _choices_without_entry(context, value, looked_up(value.modifiers))


def _texts_of_map(modifiers: Modifiers, place: Place) -> Iterator[tuple[str | None, Place]]:
    """Return the texts that a table in place looks up, each with where it is written; None is what has no text."""
    for key, entry in modifiers.map.items() if isinstance(modifiers.map, dict) else ():
        at: Place = (*place, "map", key)
        if not modifiers.reverse:
            yield key, at
        elif isinstance(entry, list):
            yield from ((text_of(item), (*at, number)) for number, item in enumerate(entry))
        else:
            yield text_of(entry), at


def _same(text: str, other: str) -> str:
    if text == other:
        return f"{quoted(text)} is in the table twice; only the last one is found."
    return f"{quoted(text)} and {quoted(other)} are the same when ignore_case is true."


def _choices_without_entry(context: CheckContext, value: Instruction, table: JsonObject) -> Iterator[Problem]:
    """Find a table of a URL that lacks an entry for a choice of its setting."""
    modifiers = value.modifiers
    if not _is_url(value.place) or modifiers.as_ or modifiers.unmapped == "keep" or modifiers.default is not None:
        return
    known = {key.lower() if modifiers.ignore_case else key for key, entry in table.items() if entry is not None}
    lacking = [choice for choice in _choices(context, value) if choice not in known]
    if lacking:
        missing = listed([quoted(choice) for choice in lacking], "and")
        message = f"The table has no entry for {missing}, which the setting allows: the URL would lack this value."
        yield context.problem((*value.place, "map"), "url-never-filled", message, "Add an entry for each.", key=True)


def _is_url(place: Place) -> bool:
    return place == ("http", "base_url") or (len(place) == 3 and place[0] == "requests" and place[2] == "path")


def _impossible(context: CheckContext, value: Instruction, key: str, choices: Collection[str]) -> str:
    """Return why a key of `map` cannot be the text of the value, or ''."""
    modifiers = value.modifiers
    last = modifiers.as_[-1].name if modifiers.as_ else ""
    written = key.lower() if modifiers.ignore_case else key
    folds = {"lowercase": written != key.lower(), "uppercase": key != key.upper(), "trim": key != key.strip()}
    if folds.get(last) and not (modifiers.ignore_case and last == "uppercase"):
        return f"`{last}` has been applied to the value"
    given = functions.FUNCTIONS[last].gives if last else types.of_source(context.mapping, value.source)
    if given == {"boolean"} and written not in ("true", "false"):
        return "the value is true or false"
    if given == {"number"} and read_number(key) is None:
        return "the value is a number"
    if choices and not last and written not in choices:
        return f"the setting is {listed([quoted(choice) for choice in islice(choices, MOST_CHOICES)])}"
    return ""


def _choices(context: CheckContext, value: Instruction) -> list[str]:
    source = value.source
    if not isinstance(source, From) or not isinstance(source.value, PathValue):
        return []
    names = types.plain(source.value.path)
    setting = context.mapping.settings.get(names[1]) if len(names) == 2 and names[0] == "settings" else None
    if setting is None or not all(isinstance(choice, str) for choice in setting.choices):
        return []
    return [choice.lower() if value.modifiers.ignore_case else choice for choice in map(str, setting.choices)]


def _object_words(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    modifiers = value.modifiers
    if modifiers.map is not None:
        return
    keys = None if modifiers.as_ else made_keys(context.mapping, value)
    if isinstance(modifiers.only, tuple):
        yield from _never_there(context, value, "only", keys)
    if isinstance(modifiers.except_, tuple):
        yield from _never_there(context, value, "except", after_only(modifiers, keys))
    if modifiers.rename is not None and not isinstance(modifiers.rename, str):
        left = after_except(modifiers, keys)
        yield from _never_there(context, value, "rename", left)
        for key in modifiers.rename:
            if left is None and key in (modifiers.except_ or ()):
                message = f"The object has no key {quoted(key)} to rename: `except` drops it."
                yield context.problem((*value.place, "rename", key), "key-never-there", message, key=True)


def _key_pattern(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    keys = value.modifiers.keys
    fault = schema.pattern_fault(keys.pattern) if isinstance(keys, KeyPattern) else None
    if fault is not None:
        yield context.problem((*value.place, "keys", "pattern"), "bad-pattern", fault)


def _never_there(context: CheckContext, value: Instruction, word: str, keys: KnownKeys) -> Iterator[Problem]:
    """Find keys that the object cannot have when this modifier is applied."""
    names: Iterable[str] = getattr(value.modifiers, "except_" if word == "except" else word)
    for number, name in enumerate(names):
        if keys is None or name in keys:
            continue
        place: Place = (*value.place, word, name if word == "rename" else number)
        guess, advice = suggestion(name, sorted(keys), "keys")
        message = f"The object never has a key {quoted(name)} to {VERBS[word]}."
        advice, fix = advice if keys else "", better(name, guess)
        yield context.problem(place, "key-never-there", message, advice, key=word == "rename", fix=fix)


def _targets(context: CheckContext, value: Instruction) -> Iterator[Problem]:
    rename = value.modifiers.rename
    if rename is None or isinstance(rename, str):
        return
    targets: dict[str, str] = {}
    for old, new in rename.items():
        if new in targets:
            message = f"{quoted(old)} and {quoted(targets[new])} both become {quoted(new)}; one of them would be lost."
            advice = "Use different names. To take the first one that exists, write a choice of two paths."
            yield context.problem((*value.place, "rename", old), "same-target", message, advice)
        targets.setdefault(new, old)
