"""Checks of values: functions that cannot work together, words on the wrong type, alternatives never reached."""

from __future__ import annotations

from collections.abc import Iterator

from engine.language import functions
from engine.mapping import schema, types
from engine.mapping.checking import Checking
from engine.mapping.model import Choice, Const, Each, Entries, Instruction, ListOf, Mapping, PathValue, Place, Value
from engine.mapping.problems import Problem
from engine.mapping.walk import descendants
from engine.records import Json

WORDS = {
    "only": "only",
    "except_": "except",
    "rename": "rename",
    "flatten": "flatten",
    "keys": "keys",
    "prefix": "prefix",
}


def check_values(checking: Checking) -> Iterator[Problem]:
    """Find values that can never be what they say."""
    for value in values_of(checking.mapping):
        if isinstance(value, Choice):
            yield from _choice(checking, value)
        elif isinstance(value, Instruction):
            yield from _instruction(checking, value)
    for steps in checking.mapping.calls.values():
        for step in steps:
            if step.for_each is not None:
                yield from _loop(checking, step.for_each, "for_each")


def values_of(mapping: Mapping) -> Iterator[Value]:
    """Give every value of a mapping, those inside others too."""
    tops: list[Value] = list(mapping.parts.values())
    for steps in mapping.calls.values():
        for step in steps:
            tops += [value for value in (step.value, step.for_each) if value is not None]
    for request in mapping.requests.values():
        tops += [request.item] if request.item is not None else []
        texts = [request.path, request.method, *(text for _, text in (*request.query, *request.headers))]
        tops += [text for text in texts if isinstance(text, Instruction)]
    for batch in mapping.batches.values():
        tops += [value for _, value in batch.fields]
    http = mapping.http
    shared = [http.base_url, *(text for _, text in http.headers)]
    tops += [text for text in shared if isinstance(text, Instruction)] + list(http.basic or ())
    for top in tops:
        yield from descendants(top)


def _choice(checking: Checking, choice: Choice) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, alternative in enumerate(choice.alternatives):
        if isinstance(alternative, PathValue):
            if alternative.path in seen:
                message = f'"{alternative.path}" is tried before: this alternative never changes anything.'
                yield checking.problem(alternative.place, "same-alternative", message, "Remove it.")
            seen[alternative.path] = number
        if number and _always(choice.alternatives[number - 1]):
            message = "This alternative is never reached: the one before it is always present."
            advice = "Put the constant or default last."
            yield checking.problem(alternative.place, "unreachable-alternative", message, advice)
            return


def _always(value: Value) -> bool:
    """Whether a value is present whatever the event."""
    if not isinstance(value, Instruction):
        return False
    modifiers = value.modifiers
    if modifiers.when is not None or modifiers.unless is not None:
        return False
    if modifiers.default is not None:
        return modifiers.default[0] is not None
    plain = not modifiers.as_ and modifiers.map is None
    return isinstance(value.source, Const) and value.source.value is not None and plain


def _instruction(checking: Checking, value: Instruction) -> Iterator[Problem]:
    source = value.source
    if isinstance(source, Each):
        yield from _loop(checking, source.of, "each")
    if isinstance(source, Entries) and "object" not in types.of_value(checking.mapping, source.of):
        yield checking.problem(source.of.place, "not-an-object", "`entries` needs an object, and this is never one.")
    yield from _chain(checking, value)
    yield from _object_words(checking, value)
    yield from _map(checking, value)
    yield from _targets(checking, value)
    if value.modifiers.must is not None:
        fault = schema.check_schema(value.modifiers.must)
        if fault is not None:
            yield checking.problem((*value.place, "must"), "bad-schema", fault)


def _loop(checking: Checking, of: Value, word: str) -> Iterator[Problem]:
    if not types.of_value(checking.mapping, of) & {"list", "object"}:
        yield checking.problem(of.place, "not-a-list", f"`{word}` needs a list, and this is never one.")


def _chain(checking: Checking, value: Instruction) -> Iterator[Problem]:
    given = types.of_source(checking.mapping, value.source)
    before = ""
    uses = value.modifiers.as_
    raw = checking.loaded.resolved.at((*value.place, "as"))
    for number, use in enumerate(uses):
        place: Place = (*value.place, "as", number) if isinstance(raw, list) else (*value.place, "as")
        function = functions.FUNCTIONS.get(use.name)
        if function is None:
            return
        yield from _parameters(checking, use.name, use.written, place)
        if not given & function.takes:
            message = f"`{use.name}` takes {_or(function.takes)}, and {before or 'the value'} gives {_or(given)}."
            yield checking.problem(place, "function-type", message)
            return
        if use.name == "product" and isinstance(value.source, ListOf) and number == 0:
            message = "A member that is missing is left out of the list, so the product goes on without it."
            advice = "Make sure of each member with required: true or a default."
            yield checking.problem(place, "product-of-list", message, advice, level="warning")
        given, before = function.gives, f"`{use.name}`"


def _parameters(checking: Checking, name: str, written: Json, place: Place) -> Iterator[Problem]:
    try:
        functions.bind(name, functions.parameters_of(name, written))
    except ValueError as error:
        text = str(error)
        yield checking.problem(place, "function-parameters", text[:1].upper() + text[1:])


def _or(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))


def _object_words(checking: Checking, value: Instruction) -> Iterator[Problem]:
    given = types.of_source(checking.mapping, value.source)
    plain = value.modifiers
    for use in plain.as_:
        function = functions.FUNCTIONS.get(use.name)
        given = function.gives if function is not None else types.ANY
    if plain.map is not None or "object" in given:
        return
    for attribute, word in WORDS.items():
        if getattr(plain, attribute) is not None:
            message = f"`{word}` needs an object, and this value gives {_or(given)}."
            yield checking.problem((*value.place, word), "not-an-object", message, key=True)
            return


def _map(checking: Checking, value: Instruction) -> Iterator[Problem]:
    table = value.modifiers.map
    if not isinstance(table, dict):
        return
    for key in table:
        reason = _impossible(checking, value, key)
        if reason:
            place: Place = (*value.place, "map", key)
            yield checking.problem(place, "map-never-matches", f'"{key}" can never match: {reason}.', key=True)
    if value.modifiers.ignore_case:
        lower: dict[str, str] = {}
        for key in table:
            if key.lower() in lower:
                message = f'"{key}" and "{lower[key.lower()]}" are the same where ignore_case is true.'
                yield checking.problem((*value.place, "map", key), "same-target", message, key=True)
            lower.setdefault(key.lower(), key)


def _impossible(checking: Checking, value: Instruction, key: str) -> str:
    """Why a key of `map` cannot be the text of the value, or ''."""
    modifiers = value.modifiers
    last = modifiers.as_[-1].name if modifiers.as_ else ""
    folds = {"lowercase": key != key.lower(), "uppercase": key != key.upper(), "trim": key != key.strip()}
    if folds.get(last) and not (modifiers.ignore_case and last != "trim"):
        return f"the value has gone through `{last}`"
    given = types.of_source(checking.mapping, value.source)
    if last:
        function = functions.FUNCTIONS.get(last)
        given = function.gives if function is not None else types.ANY
    if given == {"boolean"} and key not in ("true", "false"):
        return "the value is true or false"
    if given == {"number"} and not _is_number(key):
        return "the value is a number"
    choices = _choices(checking, value)
    if choices and not modifiers.as_ and key not in choices:
        return f"the setting is one of {', '.join(choices)}"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choices(checking: Checking, value: Instruction) -> list[str]:
    from engine.mapping.model import From

    source = value.source
    if not isinstance(source, From) or not isinstance(source.value, PathValue):
        return []
    name = source.value.path.removeprefix("settings.")
    setting = checking.mapping.settings.get(name)
    if setting is None or not source.value.path.startswith("settings."):
        return []
    return [choice.lower() if value.modifiers.ignore_case else choice for choice in map(str, setting.choices)]


def _targets(checking: Checking, value: Instruction) -> Iterator[Problem]:
    rename = value.modifiers.rename
    if rename is None or isinstance(rename, str):
        return
    targets: dict[str, str] = {}
    for old, new in rename.items():
        if new in targets:
            message = f'"{old}" and "{targets[new]}" both become "{new}"; one of them would be lost.'
            yield checking.problem((*value.place, "rename", old), "same-target", message)
        targets.setdefault(new, old)
