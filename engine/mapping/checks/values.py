"""Checks of values: alternatives never reached, words without effect, and texts that look like paths."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths, template
from engine.mapping import types
from engine.mapping.checks.context import Checking, quoted
from engine.mapping.checks.facts import why_always, why_made
from engine.mapping.checks.types import kinds
from engine.mapping.model import Choice, Const, Instruction, PathValue
from engine.mapping.problems import Problem
from engine.records import Json, Place

SCHEMA_TYPES = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "object": "object",
    "array": "list",
}


def check_values(checking: Checking) -> Iterator[Problem]:
    """Find values that can never be what they say."""
    for value in checking.values:
        if isinstance(value, Choice):
            yield from _choice(checking, value)
        elif isinstance(value, Instruction):
            yield from _default(checking, value)
            yield from _required(checking, value)
            yield from _within(checking, value)
            yield from _must(checking, value)


def _choice(checking: Checking, choice: Choice) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, alternative in enumerate(choice.alternatives):
        before = why_always(checking.mapping, choice.alternatives[number - 1]) if number else ""
        if before:
            message = f"This alternative is never reached: the one before it is always there, because {before}."
            yield checking.problem(alternative.place, "unreachable-alternative", message, "Put that one last.")
            return
        if isinstance(alternative, PathValue):
            if alternative.path in seen:
                message = f"{quoted(alternative.path)} has been tried before: this alternative never changes anything."
                yield checking.problem(alternative.place, "same-alternative", message, "Take it out.")
            seen.add(alternative.path)


def _default(checking: Checking, value: Instruction) -> Iterator[Problem]:
    modifiers, place = value.modifiers, (*value.place, "default")
    if modifiers.default is None:
        return
    if modifiers.default[0] is None:
        message = "`default: null` changes nothing: what is missing is missing with it too."
        yield checking.problem(place, "pointless-default", message, "Take it out.", key=True)
        return
    why = why_made(checking.mapping, value)
    if why:
        message = f"This default is never used: the value is always there, because {why}."
        yield checking.problem(place, "pointless-default", message, "Take it out.", key=True)


def _required(checking: Checking, value: Instruction) -> Iterator[Problem]:
    modifiers = value.modifiers
    if not modifiers.required:
        return
    if modifiers.default is not None and modifiers.default[0] is not None:
        why, advice = "it has a default", "Take out the default, if events without the value are to be invalid."
    else:
        why, advice = why_made(checking.mapping, value), "Take it out."
    if why:
        message = f"`required` asks nothing here: the value is always there, because {why}."
        yield checking.problem((*value.place, "required"), "pointless-required", message, advice, key=True)


def _within(checking: Checking, value: Instruction) -> Iterator[Problem]:
    given = types.of_value(checking.mapping, value)
    if value.modifiers.within is not None and not given & {"text", "number"}:
        message = f"`within` needs a time, and this is {kinds(given)}: every event with it would be invalid."
        yield checking.problem((*value.place, "within"), "not-a-time", message, key=True)


def _must(checking: Checking, value: Instruction) -> Iterator[Problem]:
    wanted = _wanted((value.modifiers.must or {}).get("type"))
    given = types.of_value(checking.mapping, value)
    if wanted and not given & wanted:
        message = f"This is {kinds(given)}, and `must` asks for {kinds(wanted)}: every event with it would be invalid."
        advice = "Convert it with `as`, or put the schema right."
        yield checking.problem((*value.place, "must", "type"), "must-never-holds", message, advice)


def _wanted(written: Json) -> frozenset[str]:
    """Return our types for the `type` of a schema; nothing where it does not say."""
    names = written if isinstance(written, list) else [written]
    return frozenset(SCHEMA_TYPES[name] for name in names if isinstance(name, str) and name in SCHEMA_TYPES)


KNOWN = frozenset({"parts", "settings", "saved", "options", "message", "item", "body", "status"}).union(
    *FIELDS.values()
)

ADVICE = {
    "const": "To fill it in, write { text: ... }.",
    "default": "To fill it in, write a choice: [path, { text: ... }].",
}


def check_texts(checking: Checking) -> Iterator[Problem]:
    """Find constants, defaults and messages that hold a `${path}`."""
    for value in checking.values:
        if isinstance(value, Instruction):
            yield from _constants(checking, value)
    for steps in checking.mapping.calls.values():
        for step in steps:
            for path, message in step.require:
                yield from _text(checking, message, (*step.place, "require", path), "A message is shown as it stands")
    requests = checking.mapping.requests.values()
    for rule in chain(checking.mapping.responses, *(request.responses for request in requests)):
        yield from _text(checking, rule.hint, (*rule.place, "hint"), "A hint is shown as it stands")


def _constants(checking: Checking, value: Instruction) -> Iterator[Problem]:
    """Look at texts only: what is inside a list or an object is data, and meant as it stands."""
    modifiers = value.modifiers
    if isinstance(value.source, Const):
        yield from _text(checking, value.source.value, (*value.place, "const"), "A constant is sent as it stands")
    if modifiers.default is not None:
        yield from _text(checking, modifiers.default[0], (*value.place, "default"), "A default is sent as it stands")
    for key, entry in modifiers.map.items() if isinstance(modifiers.map, dict) else ():
        yield from _text(checking, entry, (*value.place, "map", key), "An entry of a table is sent as it stands")


def _text(checking: Checking, text: Json, place: Place, what: str) -> Iterator[Problem]:
    if not isinstance(text, str) or "${" not in text:
        return
    try:
        holes = template.parse(text).holes
        known = [hole for hole in holes if any(root.name in KNOWN for root in paths.parse(hole.path).roots)]
    except PathError:
        return
    if known:
        message = f"{what}: ${{{known[0].path}}} in it is not filled in."
        advice = ADVICE.get(str(place[-1]), "")
        at = known[0].column - 2
        yield checking.problem(place, "unfilled-text", message, advice, column=at, level="warning")
