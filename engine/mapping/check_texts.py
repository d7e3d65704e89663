"""Checks of texts that are sent as they stand: a `${path}` in them is not filled in, though it looks as if it were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from engine.errors import PathError
from engine.language import paths, template
from engine.mapping.checking import Checking
from engine.mapping.model import Const, Instruction, Place
from engine.mapping.problems import Problem
from engine.records import Json
from engine.sources.calls import FIELDS

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
