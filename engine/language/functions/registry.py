"""The registry: every function by name, the check of its parameters, and their JSON Schema.

Parameters are checked once, when a mapping is read; their JSON Schema, for editors, states the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import isfinite
from types import MappingProxyType
from typing import cast

from engine.language.functions import (
    conversions,
    encodings,
    hashes,
    items,
    lists,
    numbers,
    objects,
    patterns,
    text,
    times,
    totals,
    web,
)
from engine.language.functions.model import Function, Group, Parameter
from engine.language.suggest import closest
from engine.language.texts import kind_of, shown
from engine.records import Json, JsonObject

GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        "conversions": Group("Conversions"),
        "times": Group(
            "Times",
            "A time is ISO 8601 text such as `2019-09-01T12:00:00.123Z`. A space instead of the `T`, missing seconds,"
            " a date alone, `24:00`, a leap second and Go's format are accepted too. A number is seconds since 1970;"
            " from 1e11 on it is milliseconds, which is reported. Without an offset, a time is UTC. Week dates,"
            " ordinal dates, bare years and eight digits without separators are not times.",
        ),
        "numbers": Group("Numbers", "Text is read as by `number`. Rounding is decimal: 2.675 rounds to 2.68."),
        "text": Group("Text", "A number counts as its text. Convert a boolean first: `as: [string, uppercase]`."),
        "encodings": Group("Encodings"),
        "hashes": Group(
            "Hashes",
            "A value that already is such a digest is kept, in lowercase. Empty text is not hashed: its digest would"
            " make everyone who left the field empty the same person.",
        ),
        "lists": Group("Lists", "A null item counts as missing. Text is read as by `number`."),
        "objects": Group("Objects"),
        "web": Group("Web"),
    }
)

_MODULES = (conversions, times, numbers, text, patterns, encodings, hashes, lists, items, totals, objects, web)

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        function.name: function
        for function in sorted((entry for module in _MODULES for entry in module.FUNCTIONS), key=lambda each: each.name)
    }
)


def bind(name: str, parameters: Mapping[str, Json]) -> Callable[[Json], Json]:
    """Return the function `name` as a callable of one value, with its parameters checked and applied.

    The callable raises CannotConvert.  Where the function has `notes` it may return a `Noted`, which the caller
    unpacks; all others return JSON.
    """
    function = _find(name)
    given: dict[str, object] = {**complete(function, parameters)}
    for parameter in function.parameters:
        if parameter.kind == "functions":
            given[parameter.name] = [
                bind(used, parameters_of(used, written)) for used, written in read_chain(given[parameter.name])
            ]
    made = function.call(**given) if function.parameters else function.call
    return cast("Callable[[Json], Json]", made)


def read_chain(written: object) -> list[tuple[str, Json]]:
    """Read what is written behind `as`: a name, a name with its parameters, or a list of those."""
    uses = written if isinstance(written, list) else [written]
    return [next(iter(use.items())) if isinstance(use, dict) and use else (str(use), None) for use in uses]


def parameters_of(name: str, written: Json) -> JsonObject:
    """Read what a mapping writes under `name` (None for the bare name) as parameters, without the defaults."""
    return read_written(_find(name), written)


def _find(name: str) -> Function:
    if name not in FUNCTIONS:
        raise ValueError(f'There is no function "{name}".{suggestion(name, FUNCTIONS)}')
    return FUNCTIONS[name]


def read_written(function: Function, written: Json) -> JsonObject:
    """Read what is written under a function's name (None for the bare name) as parameters, each checked."""
    takes_functions = bool(function.parameters) and function.parameters[0].kind == "functions"
    if written is None:
        given: JsonObject = {}
    elif takes_functions and not (isinstance(written, dict) and function.parameters[0].name in written):
        given = {function.parameters[0].name: written}
    elif isinstance(written, dict):
        given = written
    elif isinstance(written, list) or not function.parameters:
        given = {"": written}
    else:
        given = {function.parameters[0].name: written}
    complete(function, given)
    return given


def complete(function: Function, given: Mapping[str, Json]) -> JsonObject:
    """Check `given` and fill in the defaults; ValueError says what does not fit."""
    known = {parameter.name: parameter for parameter in function.parameters}
    for name in given:
        if name not in known:
            raise ValueError(_unknown(function, name))
    for parameter in function.parameters:
        if parameter.required and given.get(parameter.name) is None:
            raise ValueError(f'{function.name} requires "{parameter.name}": {usage(function)}.')
    for name, value in given.items():
        _check(function, known[name], value)
    return {name: given.get(name, parameter.default) for name, parameter in known.items()}


def usage(function: Function) -> str:
    """Show how a function is written: `as: { split: { by: ... } }`."""
    if not function.parameters:
        return f"as: {function.name}"
    inner = ", ".join(f"{parameter.name}: ..." for parameter in function.parameters)
    return f"as: {{ {function.name}: {{ {inner} }} }}"


def suggestion(name: str, known: Collection[str]) -> str:
    """Suggest the one of `known` that was probably meant: ` Did you mean "trim"?`, or an empty text."""
    swapped = (each for each in known if sorted(each.split("_")) == sorted(name.lower().split("_")))  # json_parse
    guess = next(swapped, None) or closest(name, known)
    return f' Did you mean "{guess}"?' if guess else ""


def parameter_schema(function: Function) -> JsonObject:
    """Return the JSON Schema (draft 7) of what may be written under the function's name."""
    if not function.parameters:
        return {"type": "null", "description": function.about}
    if function.parameters[0].kind == "functions":
        chain: JsonObject = {"$ref": "#/definitions/as"}
        name, about = function.parameters[0].name, function.parameters[0].about
        by_name: JsonObject = {
            "properties": {name: {"description": about, "allOf": [chain]}},
            "additionalProperties": False,
        }
        test: JsonObject = {"type": "object", "required": [name]}
        return {"description": function.about, "if": test, "then": by_name, "else": chain}
    names = [parameter.name for parameter in function.parameters if parameter.required]
    whole: JsonObject = {
        "properties": {parameter.name: _schema(parameter) for parameter in function.parameters},
        "additionalProperties": False,
    }
    if names:
        whole["required"] = list[Json](names)
    first, types = function.parameters[0], list[Json](["object"])
    if names in ([], [first.name]):  # the first alone is enough, so its value may be written alone
        types.append(first.kind if first.kind in ("integer", "number") else "string")
    if not names:
        types.append("null")
    scalar = {word: rule for word, rule in _schema(first).items() if word not in ("type", "default")}
    return {
        "description": function.about,
        "type": types,
        "if": {"type": "object"},
        "then": whole,
        "else": {"if": {"type": "null"}, "else": scalar} if not names else scalar,
    }


def _schema(parameter: Parameter) -> JsonObject:
    schema: JsonObject = {"description": parameter.about}
    if parameter.kind == "number":
        schema["type"] = "number"
    elif parameter.kind == "integer":
        schema |= {"type": "integer", "minimum": parameter.at_least}
        if parameter.at_most is not None:
            schema["maximum"] = parameter.at_most
    else:
        schema["type"] = "string"
        if parameter.at_least:
            schema["minLength"] = parameter.at_least
    if parameter.choices:
        schema["enum"] = list[Json](parameter.choices)
    if not parameter.required:
        schema["default"] = parameter.default
    return schema


def _unknown(function: Function, name: str) -> str:
    if not function.parameters:
        return f"{function.name} takes no parameters: {usage(function)}."
    if not name:
        return f"{function.name} takes one value or its parameters by name: {usage(function)}."
    names = [parameter.name for parameter in function.parameters]
    return f'{function.name} has no parameter "{name}".{suggestion(name, names)} It takes {" and ".join(names)}.'


def _check(function: Function, parameter: Parameter, value: Json) -> None:
    problem = PROBLEMS.get(parameter.kind, _problem_of_text)(parameter, value)
    if problem:
        raise ValueError(f'"{parameter.name}" of {function.name} must be {problem}.')


def _problem_of_integer(parameter: Parameter, value: Json) -> str:
    low, high = parameter.at_least, parameter.at_most
    if type(value) is int and low <= value and (high is None or value <= high):
        return ""
    limits = f"of at least {low}" if high is None else f"from {low} to {high}"
    return f"a whole number {limits}, not {shown(value)}"


def _problem_of_number(_parameter: Parameter, value: Json) -> str:
    is_number = type(value) is int or (type(value) is float and isfinite(value))
    return "" if is_number else f"a number, not {shown(value)}"


def _problem_of_functions(_parameter: Parameter, value: Json) -> str:
    uses = value if isinstance(value, list) else [value]
    if not uses or not all(isinstance(use, str) or (isinstance(use, dict) and len(use) == 1) for use in uses):
        return "a function or a list of functions"
    for name, written in read_chain(value):
        parameters_of(name, written)
    return ""


def _problem_of_text(parameter: Parameter, value: Json) -> str:
    if not isinstance(value, str):
        written = "" if isinstance(value, list | dict) else f" ({shown(value)}: put it in quotes)"
        return f"text, not {kind_of(value)}{written}"
    if len(value) < parameter.at_least:
        return "at least one character"
    if parameter.choices and value not in parameter.choices:
        return f"{' or '.join(parameter.choices)}, not {shown(value)}"
    return ""


PROBLEMS: Mapping[str, Callable[[Parameter, Json], str]] = {
    "integer": _problem_of_integer,
    "number": _problem_of_number,
    "functions": _problem_of_functions,
}
"""How a parameter is checked, by its kind; the others are texts."""
