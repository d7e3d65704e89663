"""A piece of Python that holds a path's value, what is certain about that value, and the ways to write it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Flag, auto
from typing import Protocol

from engine.compiler.lines import Lines, Names
from engine.language.paths.syntax import Node
from engine.language.paths.values import holds
from engine.noun import Noun
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


class Code(Noun):
    """An expression that is complete in itself: a name, a literal, a call, or something in brackets.

    It cannot raise, and it may be written once, or any number of times if `repeat` (then it is a name or a
    literal). `saved` values may be markers. `root` is a name of the scope whose variable is not read
    yet: `parts` alone has none, only `parts.x` does. `of` is the root and the name of its field that it is, for the
    scope may hold that object. A `known` value is the literal `value`.
    """

    text: str
    types: Types = ANY
    repeat: bool = False
    saved: bool = False
    root: str | None = None
    of: tuple[str, str] | None = None
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
    """Return Python whose truth is JMESPath's; `first` is how the code is written once, `name` every time after.

    Python and JMESPath differ about numbers alone: 0 holds.
    """
    if code.known:
        return str(holds(code.value))
    if not code.may_be(Types.NUMBER):
        return first
    guard = f" and {name} is not False" if code.may_be(Types.BOOL) else ""
    return f"({first} or {name} == 0{guard})"


# Expressions in expressions that one line may have; Python's parser stops at 200 brackets.
DEEPEST_EXPRESSION = 12


class PathScope(Protocol):
    """What a path's names stand for; `lines` is where statements go now, and is swapped while writing aside."""

    lines: Lines

    def root(self, name: str) -> str:
        """Return the variable that holds a root, `None` if there is none; may write statements."""

    def member(self, name: str, field: str) -> str | None:
        """Return the variable of `name.field` if there is one (`parts.x`); may write statements."""

    def is_object(self, name: str) -> bool:
        """Whether a root is an object whatever the event."""

    def inner_object(self, root: str, field: str) -> str | None:
        """Return the variable of the object `root.field` if there is one, an empty one where that is no object."""

    def branch(self) -> AbstractContextManager[None]:
        """Wrap what runs only under a condition."""

    def count_steps(self, length: str) -> None:
        """Write what counts the entries that the path goes through, an expression; may end the event."""

    def place_of_path(self) -> str:
        """Return the place of the path, for reports."""


class Writing(ABC):
    """Writes the nodes of one path; `current` is always the code of JMESPath's current value."""

    def __init__(self, scope: PathScope, names: Names) -> None:
        self.scope = scope
        self.names = names

    def value(self, node: Node, current: Code) -> Code:
        """Write a node and return the code of its value."""
        return self.settle(self.step(node, current))

    def step(self, node: Node, current: Code) -> Code:
        """Write a node by the method of its name; the code may be a root that is not read yet."""
        write: Callable[[Node, Code], Code] = getattr(self, f"_{node['type']}")
        return write(node, current)

    @abstractmethod
    def condition(self, node: Node, current: Code) -> Code:
        """Write a node and return the code of its truth."""

    def helper(self, function: Callable[..., object]) -> str:
        """Make a function of the engine callable by its own name."""
        return self.names.function(function, function.__name__)

    def place(self) -> str:
        """Return the literal of the path's place."""
        return self.names.literal(self.scope.place_of_path())

    def inline(self, text: str, types: Types, *parts: Code) -> Code:
        """Make a code of an expression; one that is too deep is given a name first."""
        saved = any(part.saved for part in parts)
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > DEEPEST_EXPRESSION:
            return self.local(text, types, saved=saved)
        return Code(text=text, types=types, saved=saved, depth=depth)

    def local(self, text: str, types: Types, *, saved: bool = False) -> Code:
        """Write an assignment to a new variable."""
        name = self.names.fresh("v")
        self.scope.lines.add(f"{name} = {text}")
        return Code(text=name, types=types, repeat=True, saved=saved)

    def bind(self, code: Code) -> tuple[str, str]:
        """Return a name for a code, and how the code is written the first time so that the name is set."""
        if code.repeat:
            return code.text, code.text
        name = self.names.fresh("v")
        return name, f"({name} := {code.text})"

    def is_a(self, types: Types, code: Code, first: str) -> str:
        """Return the test that a value is a list, or an object; `first` is how the code is written here."""
        if code.types == types | Types.NULL:
            return f"{first} is not None"
        looked_at = first if first.startswith("(") else f"({first})"
        return f"type{looked_at} is {'list' if types is Types.LIST else 'dict'}"

    def repeatable(self, code: Code) -> Code:
        """Make a code that may be written any number of times."""
        if code.repeat or code.root is not None or code is SCOPE:
            return code
        return self.local(code.text, code.types, saved=code.saved)

    def settle(self, code: Code) -> Code:
        """Read the variable of a root from the scope."""
        if code.root is None:
            return code
        return self.given(self.scope.root(code.root), code.types, saved=code.saved)

    def given(self, text: str, types: Types, *, saved: bool) -> Code:
        """Make the code of what the scope returned."""
        return NULL if text == "None" else Code(text=text, types=types, repeat=text.isidentifier(), saved=saved)

    def aside(self, write: Callable[[], Code]) -> tuple[Lines, Code]:
        """Write what runs only under a condition into lines of its own."""
        outer, lines = self.scope.lines, Lines()
        self.scope.lines = lines
        with self.scope.branch():
            code = write()
        self.scope.lines = outer
        return lines, code

    def constant(self, value: Json) -> Code:
        """Make the code of a literal."""
        return literal(self.names.literal(value), value)
