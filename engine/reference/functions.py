"""docs/functions.md, made from the registry of functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from engine.language.functions import FUNCTIONS, GROUPS, Example, Function, Parameter
from engine.language.functions.model import ANYTHING
from engine.records import Json

_KINDS = ("text", "number", "boolean", "object", "list")
_LONGEST = 160
_OPENING = """\
# Functions

<!-- Made by `make docs` from engine/language/functions; every example here is a test. -->

A function converts a value: `{ from: traits.email, as: lowercase }`.
A list of functions runs from left to right: `as: [trim, lowercase, sha256]`.
A single parameter follows the name: `as: { round: 2 }`.
Several parameters are given by name: `as: { replace: { find: "-", with: "_" } }`.

A value that cannot be converted is left out and reported as `not-converted`; a `default` then applies.
A missing or null value never reaches a function.
Functions do not use the current time, random numbers or a locale: the same value always gives the same result.
The values below are written as JSON.
"""


def functions_markdown() -> str:
    """Return the text of docs/functions.md."""
    return "\n".join([_OPENING, *_contents(), *_sections()])


def _contents() -> Iterator[str]:
    for name, group in GROUPS.items():
        links = ", ".join(f"[`{function.name}`](#{function.name})" for function in _in(name))
        yield f"- {group.title}: {links}"
    yield ""


def _sections() -> Iterator[str]:
    for name, group in GROUPS.items():
        yield f"## {group.title}\n"
        if group.about:
            yield f"{group.about}\n"
        for function in _in(name):
            yield from _section(function)


def _in(group: str) -> list[Function]:
    return [function for function in FUNCTIONS.values() if function.group == group]


def _section(function: Function) -> Iterator[str]:
    yield f"### {function.name}\n"
    yield f"{function.about}\n"
    yield f"Takes {_kinds(function.takes)}; returns {_kinds(function.gives)}.{_notes(function)}{_source(function)}\n"
    yield from (_parameter(parameter) for parameter in function.parameters)
    if function.parameters:
        yield ""
    yield from _table(["value", "as", "result"], (_example(function, example) for example in function.examples))


def _kinds(kinds: frozenset[str]) -> str:
    if kinds == ANYTHING:
        return "anything"
    *others, last = (kind for kind in _KINDS if kind in kinds)
    return f"{', '.join(others)} or {last}" if others else last


def _notes(function: Function) -> str:
    return "".join(f" May report `{note}`." for note in function.notes)


def _source(function: Function) -> str:
    return f" [Specification]({function.source})." if function.source else ""


def _parameter(parameter: Parameter) -> str:
    need = "required" if parameter.required else f"default {_code(parameter.default)}"
    return f"- `{parameter.name}` ({parameter.kind}, {need}): {parameter.about}"


def _example(function: Function, example: Example) -> list[str]:
    if example.reason:
        result = f"cannot be converted: {example.reason}"
    else:
        result = _code(example.gives) + (f", reported as `{example.note}`" if example.note else "")
    return [_code(example.given), _span(_written(function, example)), result]


def _written(function: Function, example: Example) -> str:
    """Show the example as a mapping writes it; JSON is YAML too."""
    given = dict(example.parameters)
    if not given:
        return function.name
    if list(given) == [function.parameters[0].name]:
        return f"{{ {function.name}: {_json(next(iter(given.values())))} }}"
    inner = ", ".join(f"{name}: {_json(value)}" for name, value in given.items())
    return f"{{ {function.name}: {{ {inner} }} }}"


def _code(value: Json) -> str:
    text = _json(value)
    return _span(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def _json(value: Json) -> str:
    """Write a value as the standard library does, which stays the same from version to version."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)  # a lone surrogate cannot be written to a file


def _span(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def _table(titles: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield _row(titles)
    yield "|---" * len(titles) + "|"
    yield from (_row(cells) for cells in rows)
    yield ""


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
