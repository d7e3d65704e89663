"""JMESPath -> Python: one method per kind of node, found by its name; loops and functions are in loops.py.

Values are written inline (`traits.get('email')`) as long as that needs no statement; a walrus names what is
used twice. Parts are computed only where they are used, so the right side of `||` and `&&` is
written aside: if it turned out to need statements, they go into an `if`.

What can raise is always a statement, in the order of evaluation; the returned expression never raises.
Texts of the path reach the code through `Names.literal` alone.  Literals become constants of the generated
module and are shared by all events: outputs are never changed once made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from engine.compiler.lines import Lines, Names
from engine.compiler.paths import runtime
from engine.compiler.paths.code import ANY, NULL, SCOPE, Code, PathScope, Types, truth
from engine.compiler.paths.loops import Loops
from engine.errors import PathError
from engine.language import paths
from engine.language.paths import values
from engine.language.paths.syntax import Node

# Nodes that look at the current value once at most, and those whose first child alone sees it.
_ONCE = frozenset({"field", "index", "slice", "current", "identity", "literal"})
_FIRST = frozenset(
    {"subexpression", "index_expression", "pipe", "flatten", "projection", "filter_projection", "value_projection"}
)


def emit(path: paths.Path, scope: PathScope, lines: Lines, names: Names) -> str:
    """Write the statements a path needs and return the expression of its value, to be written once."""
    with _into(path, scope, lines):
        return Emitter(scope, names).value(path.tree, SCOPE).text


def emit_condition(path: paths.Path, scope: PathScope, lines: Lines, names: Names) -> str:
    """Write the statements a path needs and return an expression that is true in Python if the path holds."""
    with _into(path, scope, lines):
        return Emitter(scope, names).condition(path.tree, SCOPE).text


@contextmanager
def _into(path: paths.Path, scope: PathScope, lines: Lines) -> Iterator[None]:
    if path.uses_current_root:
        raise PathError("@ is the whole scope here, which is no value: name a field of it.", path.current_column)
    outer, scope.lines = scope.lines, lines
    try:
        yield
    finally:
        scope.lines = outer


class Emitter(Loops):
    """Every kind of node but loops and functions."""

    def condition(self, node: Node, current: Code) -> Code:
        """Write a node and return the code of its truth, by JMESPath's rules."""
        if node["type"] in ("or_expression", "and_expression"):
            return self._connected(node, current, self.condition)
        code = self.value(node, current)
        name, first = self.bind(code) if code.may_be(Types.NUMBER) else (code.text, code.text)
        return self.inline(truth(code, name, first), Types.BOOL, code)

    # Names and places.

    def _field(self, node: Node, current: Code) -> Code:
        key = node["value"]
        if current is SCOPE:
            types = Types.OBJECT if self.scope.is_object(key) else ANY
            return Code(text="", types=types, root=key, saved=key == "saved")
        if current.root is not None:
            text = self.scope.member(current.root, key)
            if text is not None:
                return self.given(text, ANY, saved=current.saved)
            return replace(self._get(self.settle(current), key), of=(current.root, key))
        return self._get(self.settle(current), key)

    def _get(self, code: Code, key: str) -> Code:
        name_of_field = self.names.literal(key)
        inner = self.scope.inner_object(*code.of) if code.of is not None else None
        if inner is not None:
            code = Code(text=inner, types=Types.OBJECT, repeat=True)
        if code.saved:
            return self.inline(f"{self.helper(runtime.path_member)}({code.text}, {name_of_field})", ANY, code)
        if code.known and isinstance(code.value, dict):
            return self.constant(code.value.get(key))
        if not code.may_be(Types.OBJECT):
            return NULL
        if code.types == Types.OBJECT:
            return self.inline(f"{code.text}.get({name_of_field})", ANY, code)
        name, first = self.bind(code)
        test = self.is_a(Types.OBJECT, code, first)
        return self.inline(f"({name}.get({name_of_field}) if {test} else None)", ANY, code)

    def _index(self, node: Node, current: Code) -> Code:
        code, number = self.settle(current), node["value"]
        if not code.may_be(Types.LIST):
            return NULL
        name, first = self.bind(code)
        tests = [self.is_a(Types.LIST, code, first)] if code.types not in (Types.LIST, Types.LIST | Types.NULL) else []
        again = name if tests else first
        length = number + 1 if number >= 0 else -number
        if length > 1 and code.may_be(Types.NULL) and not tests:
            tests, again = [first], name
        tests.append(again if length == 1 else f"len({again}) >= {length}")
        return self.inline(f"({name}[{number}] if {' and '.join(tests)} else None)", ANY, code)

    def _slice(self, node: Node, current: Code) -> Code:
        code = self.settle(current)
        if not code.may_be(Types.LIST):
            return NULL
        name, first = self.bind(code)
        part = ":".join("" if number is None else repr(number) for number in node["children"])
        if code.types == Types.LIST:
            return self.inline(f"{first}[{part}]", Types.LIST, code)
        test = self.is_a(Types.LIST, code, first)
        return self.inline(f"({name}[{part}] if {test} else None)", Types.LIST | Types.NULL, code)

    def _current(self, _node: Node, current: Code) -> Code:
        return current

    _identity = _current

    def _subexpression(self, node: Node, current: Code) -> Code:
        for child in node["children"]:
            current = self.step(child, current if _looks_once(child) else self.repeatable(current))
        return current

    _pipe = _subexpression
    _index_expression = _subexpression

    # Values made here.

    def _literal(self, node: Node, _current: Code) -> Code:
        return self.constant(node["value"])

    def _multi_select_list(self, node: Node, current: Code) -> Code:
        return self._unless_null(current, lambda: self._list(node, current))

    def _list(self, node: Node, current: Code) -> Code:
        codes = [self.value(child, current) for child in node["children"]]
        if all(code.known for code in codes):
            return self.constant([code.value for code in codes])
        return self.inline(f"[{', '.join(code.text for code in codes)}]", Types.LIST, *codes)

    def _multi_select_dict(self, node: Node, current: Code) -> Code:
        return self._unless_null(current, lambda: self._dict(node, current))

    def _dict(self, node: Node, current: Code) -> Code:
        codes = [self.value(child["children"][0], current) for child in node["children"]]
        keys = [self.names.literal(child["value"]) for child in node["children"]]
        pairs = ", ".join(f"{key}: {code.text}" for key, code in zip(keys, codes, strict=True))
        return self.inline(f"{{{pairs}}}", Types.OBJECT, *codes)

    def _unless_null(self, current: Code, make: Callable[[], Code]) -> Code:
        """Make a list or an object of the current value's fields; null has none and stays null."""
        if current is SCOPE or not current.may_be(Types.NULL):
            return make()
        test = self.settle(current)
        if test.types == Types.NULL:
            return NULL
        lines, code = self.aside(make)
        types = code.types | Types.NULL
        if not lines:
            return self.inline(f"({code.text} if {test.text} is not None else None)", types, code, test)
        result = self.local("None", types, saved=code.saved)
        with self.scope.lines.block(f"if {test.text} is not None:"):
            self.scope.lines.extend(lines)
            self.scope.lines.add(f"{result.text} = {code.text}")
        return result

    # Logic.

    def _or_expression(self, node: Node, current: Code) -> Code:
        return self._connected(node, current, self.value)

    _and_expression = _or_expression

    def _connected(self, node: Node, current: Code, write: Callable[[Node, Code], Code]) -> Code:
        """Write `a || b || c`, or `&&`, where an operand is evaluated only if those before it do not decide."""
        is_or = node["type"] == "or_expression"
        first, *others = _chain(node)
        code, own = write(first, current), ""
        for operand in others:
            if code.known:
                code = code if values.holds(code.value) is is_or else write(operand, current)
                continue
            lines, right = self.aside(partial(write, operand, current))
            if lines:
                code = self._decided(is_or, code if code.text == own else self._copy(code), right, lines)
                own = code.text
            else:
                code = self._chosen(is_or, code, right)
        return code

    def _copy(self, code: Code) -> Code:
        """Make a variable that may be assigned to again."""
        return self.local(code.text, code.types, saved=code.saved)

    def _decided(self, is_or: bool, left: Code, right: Code, lines: Lines) -> Code:
        with self.scope.lines.block(f"if {'not ' if is_or else ''}{truth(left, left.text, left.text)}:"):
            self.scope.lines.extend(lines)
            self.scope.lines.add(f"{left.text} = {right.text}")
        return replace(left, types=_either_type(is_or, left, right), saved=left.saved or right.saved)

    def _chosen(self, is_or: bool, left: Code, right: Code) -> Code:
        types = _either_type(is_or, left, right)
        if not left.may_be(Types.NUMBER):
            return self.inline(f"({left.text} {'or' if is_or else 'and'} {right.text})", types, left, right)
        name, first = self.bind(left)
        chosen, other = (name, right.text) if is_or else (right.text, name)
        return self.inline(f"({chosen} if {truth(left, name, first)} else {other})", types, left, right)

    def _not_expression(self, node: Node, current: Code) -> Code:
        code = self.condition(node["children"][0], current)
        return self.inline(f"(not {code.text})", Types.BOOL, code)

    def _comparator(self, node: Node, current: Code) -> Code:
        left, right = (self.value(child, current) for child in node["children"])
        if node["value"] in values.SIGNS:
            order = self.helper(getattr(runtime, f"path_{node['value']}"))
            given = f"{left.text}, {right.text}, reports, {self.place()}"
            return self.local(f"{order}({given})", Types.BOOL | Types.NULL)
        if left.known and right.known:
            return self.constant(values.equal(left.value, right.value) is (node["value"] == "eq"))
        if left.known:
            left, right = right, left
        text = self._equal_to(left, right) if right.known else self._equal(left, right)
        return self.inline(text if node["value"] == "eq" else f"(not {text})", Types.BOOL, left, right)

    def _equal_to(self, code: Code, known: Code) -> str:
        value = known.value
        if value is None or isinstance(value, bool):
            return f"({code.text} is {value})"
        if isinstance(value, int | float) and value in (0, 1) and code.may_be(Types.BOOL):
            name, first = self.bind(code)
            return f"({first} == {known.text} and {name} is not {bool(value)})"
        return f"({code.text} == {known.text})"

    def _equal(self, left: Code, right: Code) -> str:
        number_and_bool = (
            (left.may_be(Types.BOOL) and right.may_be(Types.NUMBER)),
            (left.may_be(Types.NUMBER) and right.may_be(Types.BOOL)),
        )
        if not any(number_and_bool):
            return f"({left.text} == {right.text})"
        (one, first), (two, second) = self.bind(left), self.bind(right)
        return f"({first} == {second} and (type({one}) is bool) is (type({two}) is bool))"


def _either_type(is_or: bool, left: Code, right: Code) -> Types:
    return (left.types & ~Types.NULL if is_or else left.types) | right.types


def _looks_once(node: Node) -> bool:
    """Whether a node looks at its current value once at most, so that it needs no name."""
    while node["type"] in _FIRST:
        node = node["children"][0]
    return node["type"] in _ONCE


def _chain(node: Node) -> list[Node]:
    """Return the operands of `a || b || c`, whose tree leans to the left."""
    operands, operator = [], node["type"]
    while node["type"] == operator:
        node, last = node["children"]
        operands.append(last)
    return [node, *reversed(operands)]
