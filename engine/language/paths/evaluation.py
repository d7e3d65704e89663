"""Parsing and evaluating paths with the jmespath library, which only this module imports.

The library is changed in eight places, all of them for the sake of events:

- `to_number` follows JSON's grammar as the specification says, not Python's (`nan`, `1_000`);
- what would raise a bare Python error (`contains('a', 1)`) is a PathTypeError like other type errors;
- `<`, `<=`, `>` and `>=` give null for anything but two numbers, as the specification says; it compares texts too;
- `to_string` writes a whole number without `.0`, as every other text has it;
- `merge` takes objects only; the library checks only the first and accepts lists of pairs for the rest;
- a Secret or a Marker is text to every function;
- `join` makes no text of more than a million characters of separators;
- a function whose result JSON cannot represent (more than 64 bits, an infinity) is a PathTypeError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from functools import lru_cache
from typing import Any

from jmespath.exceptions import IncompleteExpressionError, JMESPathTypeError, LexerError, ParseError
from jmespath.functions import Functions, signature
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

from engine.errors import PathError
from engine.language.paths import syntax, values
from engine.language.paths.findings import Finding, find
from engine.language.paths.roots import Root, Signature, read
from engine.language.paths.syntax import Node, Token
from engine.language.paths.values import PathTooLongError, PathTypeError
from engine.language.texts import kind_of
from engine.noun import Noun
from engine.records import LARGEST_INTEGER, SMALLEST_INTEGER, Json

MOST_STEPS = 1_000_000
"""Of one evaluation by the library."""
STEPS_OF_A_VISIT = 10
"""The library takes one or two microseconds for each node."""


class Path(Noun, kw_only=False):
    """A path that can be evaluated, and what is known about it before any event.

    `roots` are the names it looks up in the scope, with the fields that follow them. `uses_current_root`: it takes
    the whole scope as a value (`@`, or a leading `*` or `[0]`), at `current_column`. `can_fail`: evaluating it may
    raise PathTypeError. `orders`: it contains `<`, `<=`, `>` or `>=`.
    """

    text: str
    roots: tuple[Root, ...] = field(compare=False)
    uses_current_root: bool = field(compare=False)
    current_column: int = field(compare=False)
    calls: tuple[str, ...] = field(compare=False)
    can_fail: bool = field(compare=False)
    orders: bool = field(compare=False)
    tree: Node = field(compare=False, repr=False)
    tokens: tuple[Token, ...] = field(compare=False, repr=False)


@lru_cache(maxsize=8192)
def parse(text: str) -> Path:
    """Parse a path; PathError says what is wrong with it and in which column."""
    syntax.check_text(text)
    tokens = _tokens(text)
    syntax.check_tokens(tokens)
    tree = _tree(text, tokens)
    syntax.check_tree(tree)
    reading = read(tree, tokens, _SIGNATURES)
    return Path(
        text=text,
        roots=reading.roots,
        uses_current_root=reading.whole_column > 0,
        current_column=reading.whole_column,
        calls=reading.calls,
        can_fail=reading.can_fail,
        orders=reading.orders,
        tree=tree,
        tokens=tokens,
    )


def findings(path: Path) -> list[Finding]:
    """Return the warnings about a path that is valid but probably a mistake, in the order of columns."""
    return find(path.text, path.tree, path.tokens)


def search(text: str, value: Json, note: Callable[[str], None] | None = None) -> Json:
    """Evaluate a path over a value; PathError if it is invalid, PathTypeError if the value does not fit it.

    `note` is called with a sentence for each comparison of values that have no order.
    """
    return evaluate(parse(text).tree, value, note)


def evaluate(tree: Node, value: Json, note: Callable[[str], None] | None = None) -> Json:
    """Evaluate a tree, or a node of one, over a value; a PathTooLongError where that takes more than MOST_STEPS."""
    found, steps = evaluate_counted(tree, value, note)
    if steps > MOST_STEPS:
        raise PathTooLongError(f"The path takes more than {MOST_STEPS:,} steps.")
    return found


def evaluate_counted(tree: Node, value: Json, note: Callable[[str], None] | None = None) -> tuple[Json, int]:
    """Return a tree's value and the number of steps: visits of nodes, and the sizes of what functions were given.

    After more than MOST_STEPS it ends, without a value: loops over literals inside each other have no end. `note` is
    called with a sentence for each comparison of values that have no order.
    """
    interpreter = _Interpreter(note)
    try:
        return interpreter.visit(tree, value), interpreter.steps
    except PathTooLongError:
        return None, interpreter.steps
    except PathTypeError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:  # the library's errors are ValueErrors
        raise _type_error(error) from None


def call(function: str, *arguments: Json) -> Json:
    """Call a function of JMESPath by its name."""
    try:
        result: Json = _FUNCTIONS.call_function(function, arguments)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _type_error(error) from None
    return result


def _type_error(error: Exception) -> PathTypeError:
    if isinstance(error, JMESPathTypeError):
        return values.function_error(error.function_name, error.actual_type, error.expected_types)
    return PathTypeError("A function in the path cannot handle this value.")


def _tokens(text: str) -> tuple[Token, ...]:
    try:
        return tuple(Token(token["type"], token["value"], token["start"] + 1) for token in Lexer().tokenize(text))
    except LexerError as error:
        raise syntax.unreadable(text, error.lexer_position) from None
    except ValueError:  # Python reads no integers of more than 4,300 digits
        raise PathError("A number in this path is too long.", 1) from None


def _tree(text: str, tokens: tuple[Token, ...]) -> Node:
    try:
        return Parser().parse(text).parsed  # type: ignore[return-value]
    except IncompleteExpressionError:
        raise syntax.misplaced(text, tokens, len(text) + 1) from None
    except ParseError as error:
        raise syntax.misplaced(text, tokens, error.lex_position + 1) from None
    except RecursionError:  # the caller has used up the stack: an allowed path needs half of Python's
        raise syntax.too_deep(1) from None


class _Functions(Functions):
    """The library's functions, for the values of events and settings."""

    def call_function(self, function_name: str, resolved_args: Any) -> Any:
        result = super().call_function(function_name, resolved_args)
        if type(result) is float and not math.isfinite(result):
            raise PathTypeError(f"{function_name}() returns a number that is too large.")
        if type(result) is int and not SMALLEST_INTEGER <= result <= LARGEST_INTEGER:
            raise PathTypeError(f"{function_name}() returns a number that is too large.")
        return result

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        return values.joined(separator, array)

    @signature({"types": []})
    def _func_to_number(self, arg: Json) -> Json:
        return values.to_number(arg)

    @signature({"types": []})
    def _func_to_string(self, arg: Json) -> Any:
        return values.to_string(arg) or super()._func_to_string(arg)  # type: ignore[misc]

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: Json) -> bool:
        if isinstance(subject, str) and not isinstance(search, str):
            raise PathTypeError(f"contains() searches text for text, not for {kind_of(search)}.")
        return search in subject

    @signature({"types": ["object"], "variadic": True})
    def _func_merge(self, *arguments: Any) -> dict[str, Json]:
        for argument in arguments:
            self._type_check([argument], [{"types": ["object"]}], "merge")  # type: ignore[attr-defined]
        return {key: value for argument in arguments for key, value in argument.items()}

    def _get_allowed_pytypes(self, types: list[str]) -> tuple[list[str], list[tuple[str, ...]]]:
        allowed, entries = super()._get_allowed_pytypes(types)  # type: ignore[misc]
        return (
            [*allowed, *_TEXTS] if "str" in allowed else allowed,
            [(*names, *_TEXTS) if "str" in names else names for names in entries],
        )

    def _convert_to_jmespath_type(self, pyobject: str) -> str:
        known: str = super()._convert_to_jmespath_type("str" if pyobject in _TEXTS else pyobject)  # type: ignore[misc]
        return known


class _Interpreter(TreeInterpreter):
    """The library's interpreter for one evaluation: it counts its steps, and notes what has no order."""

    def __init__(self, note: Callable[[str], None] | None) -> None:
        super().__init__(_OPTIONS)
        self.steps = 0
        self._note = note

    def visit(self, node: Any, *args: Any, **_kwargs: Any) -> Any:
        self._count(STEPS_OF_A_VISIT)
        return getattr(self, f"visit_{node['type']}")(node, *args)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        arguments = [self.visit(child, value) for child in node["children"]]
        self._count(values.size_of(*arguments))
        return _FUNCTIONS.call_function(node["value"], arguments)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        sign = values.SIGNS.get(node["value"])
        if sign is None:
            return super().visit_comparator(node, value)
        left, right = (self.visit(child, value) for child in node["children"])
        found = values.ordered(sign, left, right)
        if found is None and self._note is not None and (reason := values.not_ordered(sign, left, right)):
            self._note(reason)
        return found

    def _count(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise PathTooLongError


def _signatures() -> dict[str, Signature]:
    table = {}
    for name, entry in Functions.FUNCTION_TABLE.items():
        parameters = entry["signature"]
        expressions = (number for number, given in enumerate(parameters) if given["types"] == ["expref"])
        table[name] = Signature(len(parameters), bool(parameters[-1].get("variadic")), frozenset(expressions))
    return table


_TEXTS = ("Secret", "Marker")  # the library knows types by their names
_SIGNATURES = _signatures()
_FUNCTIONS = _Functions()
_OPTIONS = Options(custom_functions=_FUNCTIONS)
