"""The functions of `as`: small, pure and total; each converts its value or says why it cannot.

They never read the time, randomness or the locale.  Each group is one file, `registry` holds them all, and
docs/functions.md is generated from their entries.
"""

from __future__ import annotations

from engine.language.functions.model import CannotConvert, Example, Function, Noted, Nothing, Parameter
from engine.language.functions.registry import FUNCTIONS, GROUPS, bind, parameter_schema, parameters_of, read_chain
from engine.language.functions.text import camel_case, snake_case

__all__ = [
    "FUNCTIONS",
    "GROUPS",
    "CannotConvert",
    "Example",
    "Function",
    "Noted",
    "Nothing",
    "Parameter",
    "bind",
    "camel_case",
    "parameter_schema",
    "parameters_of",
    "read_chain",
    "snake_case",
]
