"""The registry: every function by name, and the two ways in: from YAML's form, and to a callable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from engine.language.functions import (
    conversions,
    encodings,
    hashes,
    lists,
    numbers,
    objects,
    patterns,
    text,
    times,
    totals,
    web,
)
from engine.language.functions.model import Function, Group
from engine.language.functions.parameters import complete, read_written, suggestion
from engine.records import Json, JsonObject

GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        "conversions": Group("From one kind to another"),
        "times": Group(
            "Times",
            "A time is ISO 8601 text such as `2019-09-01T12:00:00.123Z`; a space for the `T`, no seconds, a date alone,"
            " `24:00`, a leap second and the way Go prints times are fine. Or it is a number of seconds since 1970,"
            " from 1e11 on of milliseconds, which is reported. Without an offset it is UTC. Weeks, numbered days,"
            " bare years and texts of eight digits are no times.",
        ),
        "numbers": Group("Numbers", "A text is read as `number` reads it. Rounding is decimal, as on paper."),
        "text": Group("Text", "A number counts as its text. A boolean does not: `as: [string, uppercase]`."),
        "encodings": Group("Encodings"),
        "hashes": Group(
            "Hashes",
            "A value that already is such a digest is kept, in small letters. An empty text has no digest worth"
            " sending: it would make all who left the field empty the same person.",
        ),
        "lists": Group("Lists", "A null entry counts as missing. Numbers in texts are read as `number` reads them."),
        "objects": Group("Objects"),
        "web": Group("Web"),
    }
)

_MODULES = (conversions, times, numbers, text, patterns, encodings, hashes, lists, totals, objects, web)

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        function.name: function
        for function in sorted((entry for module in _MODULES for entry in module.FUNCTIONS), key=lambda each: each.name)
    }
)


def bind(name: str, parameters: Mapping[str, Json]) -> Callable[[Json], Json]:
    """Give the function `name` as a callable of one value, its parameters checked and worked in.

    The callable raises CannotConvert.  Where the function has `notes` it may also give a `Noted`, which the
    caller takes apart; all others give JSON and nothing else.
    """
    function = _find(name)
    given = complete(function, parameters)
    made = function.call(**given) if function.parameters else function.call
    return cast("Callable[[Json], Json]", made)


def parameters_of(name: str, written: Json) -> JsonObject:
    """Take what a mapping writes under `name` (None for the bare name) as parameters, without the defaults."""
    return read_written(_find(name), written)


def _find(name: str) -> Function:
    if name not in FUNCTIONS:
        raise ValueError(f'There is no function "{name}".{suggestion(name, FUNCTIONS)}')
    return FUNCTIONS[name]
