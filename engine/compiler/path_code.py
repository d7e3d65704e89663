"""A piece of Python that holds a path's value, and what is sure about that value.

What is sure saves tests: `traits` is an object, so `.get` needs no look at its type; a comparison gives a
boolean, so Python's truth is JMESPath's.  Literals are folded while writing, which also keeps Python from
warning about `'a' is True`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto

from engine.language.path_values import holds
from engine.records import Json


class Types(Flag):
    """The JSON types that a value may have."""

    NULL = auto()
    BOOL = auto()
    NUMBER = auto()
    TEXT = auto()
    LIST = auto()
    OBJECT = auto()


ANY = Types.NULL | Types.BOOL | Types.NUMBER | Types.TEXT | Types.LIST | Types.OBJECT

_TYPES = {
    type(None): Types.NULL,
    bool: Types.BOOL,
    int: Types.NUMBER,
    float: Types.NUMBER,
    str: Types.TEXT,
    list: Types.LIST,
    dict: Types.OBJECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An expression that is complete in itself: a name, a literal, a call, or something in brackets.

    It cannot raise, and it may be written once, or any number of times if `repeat` (then it is a name or a
    literal). `saved` values may be markers. `root` is a name of the scope whose variable is not asked for
    yet: `parts` alone has none, only `parts.x` does. A `known` value is the literal `value`.
    """

    text: str
    types: Types = ANY
    repeat: bool = False
    saved: bool = False
    root: str | None = None
    known: bool = False
    value: Json = None
    depth: int = 0

    def may_be(self, types: Types) -> bool:
        """Whether the value may have one of some types."""
        return bool(self.types & types)


SCOPE = Code(text="the scope")  # the current value where it is the whole scope; never written
NULL = Code(text="None", types=Types.NULL, repeat=True, known=True)


def literal(text: str, value: Json) -> Code:
    """Make the code of a value that is known while writing; `text` is what names gave for it."""
    return Code(text=text, types=_TYPES[type(value)], repeat=True, known=True, value=value)


def truth(code: Code, name: str, first: str) -> str:
    """Give Python whose truth is JMESPath's; `first` is how the code is written once, `name` every time after.

    Python and JMESPath differ about numbers alone: 0 holds.
    """
    if code.known:
        return str(holds(code.value))
    if not code.may_be(Types.NUMBER):
        return first
    guard = f" and {name} is not False" if code.may_be(Types.BOOL) else ""
    return f"({first} or {name} == 0{guard})"
