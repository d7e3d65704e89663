"""Parameters: from the forms YAML allows to checked values, and the JSON Schema that says the same.

`as: trim`, `as: { round: 2 }` (a scalar is the first parameter) and `as: { replace: { find: a, with: b } }`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.language.functions.model import Function, Parameter
from engine.language.texts import kind_of, shown
from engine.records import Json, JsonObject


def read_written(function: Function, written: Json) -> JsonObject:
    """Take what stands under a function's name (None for the bare name) as parameters, each checked."""
    if written is None:
        given: JsonObject = {}
    elif isinstance(written, dict):
        given = written
    elif isinstance(written, list) or not function.parameters:
        given = {"": written}
    else:
        given = {function.parameters[0].name: written}
    complete(function, given)
    return given


def complete(function: Function, given: Mapping[str, Json]) -> JsonObject:
    """Check `given` and fill in the defaults; ValueError with a sentence where it does not fit."""
    known = {parameter.name: parameter for parameter in function.parameters}
    for name in given:
        if name not in known:
            raise ValueError(_unknown(function, name))
    for parameter in function.parameters:
        if parameter.required and given.get(parameter.name) is None:
            raise ValueError(f'{function.name} needs "{parameter.name}": {usage(function)}.')
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
    """Say which of `known` was probably meant: ` Did you mean "trim"?`, or nothing."""
    from difflib import get_close_matches

    turned = [each for each in known if sorted(each.split("_")) == sorted(name.lower().split("_"))]  # json_parse
    close = turned or get_close_matches(name.lower(), known, n=1, cutoff=0.7)
    return f' Did you mean "{close[0]}"?' if close else ""


def parameter_schema(function: Function) -> JsonObject:
    """Give the JSON Schema (draft 7) of what may stand under the function's name."""
    if not function.parameters:
        return {"type": "null", "description": function.about}
    names = [parameter.name for parameter in function.parameters if parameter.required]
    whole: JsonObject = {
        "properties": {parameter.name: _schema(parameter) for parameter in function.parameters},
        "additionalProperties": False,
    }
    if names:
        whole["required"] = list[Json](names)
    first, types = function.parameters[0], list[Json](["object"])
    if names in ([], [first.name]):  # the first alone is enough, so it may be written as a scalar
        types.append("integer" if first.kind == "integer" else "string")
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
    if parameter.kind == "integer":
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
    problem = (
        _problem_of_integer(parameter, value) if parameter.kind == "integer" else _problem_of_text(parameter, value)
    )
    if problem:
        raise ValueError(f'"{parameter.name}" of {function.name} must be {problem}.')


def _problem_of_integer(parameter: Parameter, value: Json) -> str:
    low, high = parameter.at_least, parameter.at_most
    if type(value) is int and low <= value and (high is None or value <= high):
        return ""
    limits = f"of {low} or more" if high is None else f"from {low} to {high}"
    return f"a whole number {limits}, not {shown(value)}"


def _problem_of_text(parameter: Parameter, value: Json) -> str:
    if not isinstance(value, str):
        written = "" if isinstance(value, list | dict) else f" ({shown(value)}: put it in quotes)"
        return f"text, not {kind_of(value)}{written}"
    if len(value) < parameter.at_least:
        return "at least one character"
    if parameter.choices and value not in parameter.choices:
        return f"{' or '.join(parameter.choices)}, not {shown(value)}"
    return ""
