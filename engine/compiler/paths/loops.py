"""The parts of JMESPath that run over lists and objects, and its functions.

Inside a loop the scope is out of reach (JMESPath has no way back to it), so nothing here touches parts.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.compiler.lines import Names
from engine.compiler.paths import runtime
from engine.compiler.paths.code import ANY, NULL, Code, PathScope, Types, Writing
from engine.language import paths
from engine.language.paths.syntax import Node
from engine.language.paths.values import SIGNS

# Loops in loops; Python allows 20 blocks in one function, and the caller has some open already.
DEEPEST_LOOP = 4

# Functions that accept any value: they may stay inside an expression.
_TOTAL: dict[str, tuple[Callable[..., object], Types]] = {
    "not_null": (runtime.path_not_null, ANY),
    "to_array": (runtime.path_to_array, Types.LIST),
    "to_number": (runtime.path_to_number, Types.NUMBER | Types.NULL),
    "to_string": (runtime.path_to_string, Types.TEXT),
    "type": (runtime.path_type, Types.TEXT),
}
_FALLIBLE: dict[str, tuple[Callable[..., object], Types]] = {
    "contains": (runtime.path_contains, Types.BOOL),
    "ends_with": (runtime.path_ends_with, Types.BOOL),
    "join": (runtime.path_join, Types.TEXT),
    "keys": (runtime.path_keys, Types.LIST),
    "length": (runtime.path_length, Types.NUMBER),
    "starts_with": (runtime.path_starts_with, Types.BOOL),
    "values": (runtime.path_values, Types.LIST),
}
# Those that look at every entry of a list; the others take the same time for every value.
_LOOK_AT_ALL = frozenset({"contains", "join", "keys", "values"})


class Loops(Writing):
    """Projections, filters and functions."""

    def __init__(self, scope: PathScope, names: Names) -> None:
        super().__init__(scope, names)
        self._open_loops = 0

    def _projection(self, node: Node, current: Code) -> Code:
        return self._loop(node, current, Types.LIST)

    _filter_projection = _projection

    def _value_projection(self, node: Node, current: Code) -> Code:
        return self._loop(node, current, Types.OBJECT)

    def _loop(self, node: Node, current: Code, over: Types) -> Code:
        """Write a loop over the entries of a list or the values of an object."""
        if self._open_loops >= DEEPEST_LOOP:
            return self._by_library(node, self.settle(current))
        code = self.repeatable(self.value(node["children"][0], current))
        if not code.may_be(over):
            return NULL
        if code.types == over:
            result = self.local("[]", Types.LIST, saved=code.saved)
            self._entries(node, result, code, over)
            return result
        result = self.local("None", Types.LIST | Types.NULL, saved=code.saved)
        with self.scope.lines.block(f"if {self.is_a(over, code, code.text)}:"):
            self.scope.lines.add(f"{result.text} = []")
            self._entries(node, result, code, over)
        return result

    def _entries(self, node: Node, result: Code, code: Code, over: Types) -> None:
        _, right, *filters = node["children"]
        item = self.names.fresh("v")
        entry = Code(text=item, repeat=True, saved=code.saved)
        entries = code.text if over is Types.LIST else f"{code.text}.values()"
        self.scope.count_steps(f"len({code.text})")
        self._open_loops += 1
        with self.scope.lines.block(f"for {item} in {entries}:"), self.scope.branch():
            if not filters:
                self._collect(result, right, entry)
            for condition in filters:
                holds = self.condition(condition, entry)
                with self.scope.lines.block(f"if {holds.text}:"):
                    self._collect(result, right, entry)
        self._open_loops -= 1

    def _collect(self, result: Code, right: Node, entry: Code) -> None:
        """Append what the right side returns for an entry; projections leave out null."""
        code = self.value(right, entry)
        if not code.may_be(Types.NULL):
            self.scope.lines.add(f"{result.text}.append({code.text})")
        elif code.types != Types.NULL:
            name, first = self.bind(code)
            with self.scope.lines.block(f"if {first} is not None:"):
                self.scope.lines.add(f"{result.text}.append({name})")

    def _flatten(self, node: Node, current: Code) -> Code:
        code = self.value(node["children"][0], current)
        if not code.may_be(Types.LIST):
            return NULL
        flatten = self.helper(runtime.path_flatten)
        if code.types == Types.LIST:
            return self.inline(f"{flatten}({code.text})", Types.LIST, code)
        name, first = self.bind(code)
        test = self.is_a(Types.LIST, code, first)
        return self.inline(f"({flatten}({name}) if {test} else None)", Types.LIST | Types.NULL, code)

    def _function_expression(self, node: Node, current: Code) -> Code:
        name, arguments = node["value"], node["children"]
        if any(argument["type"] == "expref" for argument in arguments):
            return self._with_expression(name, arguments, current)
        codes = [self.value(argument, current) for argument in arguments]
        given = ", ".join(code.text for code in codes)
        if name in _TOTAL:
            function, types = _TOTAL[name]
            return self.inline(f"{self.helper(function)}({given})", types, *codes)
        saved = any(code.saved for code in codes)
        if name in _FALLIBLE:
            function, types = _FALLIBLE[name]
            if name in _LOOK_AT_ALL:
                self._count_arguments(given)
            return self.local(f"{self.helper(function)}({given})", types, saved=saved)
        self._count_arguments(given)
        call = self.names.function(paths.call, "path_call")
        return self.local(f"{call}({self.names.literal(name)}, {given})", ANY, saved=saved)

    def _with_expression(self, name: str, arguments: list[Node], current: Code) -> Code:
        """Write `sort_by` and its like: the list here, the rest by the library."""
        here: Node = {"type": "current", "children": []}
        over = next(argument for argument in arguments if argument["type"] != "expref")
        children = [here if argument is over else argument for argument in arguments]
        node = {"type": "function_expression", "value": name, "children": children}
        return self._by_library(node, self.value(over, current))

    def _by_library(self, node: Node, current: Code) -> Code:
        tree = self.names.constant(node, "tree")
        found, steps = self.names.fresh("v"), self.names.fresh("steps")
        if _has_order(node):
            call = f"{self.helper(runtime.evaluate_noted)}({tree}, {current.text}, reports, {self.place()})"
        else:
            call = f"{self.names.function(paths.evaluate_counted, 'path_evaluate')}({tree}, {current.text})"
        self.scope.lines.add(f"{found}, {steps} = {call}")
        self.scope.count_steps(steps)
        return Code(text=found, types=ANY, repeat=True, saved=current.saved)

    def _count_arguments(self, given: str) -> None:
        size = self.names.function(paths.size_of, "size_of")
        self.scope.count_steps(f"{size}({given})")


def _has_order(tree: Node) -> bool:
    """Whether a tree contains `<`, `<=`, `>` or `>=`."""
    nodes: list[Node] = [tree]
    while nodes:
        node = nodes.pop()
        if node["type"] == "comparator" and node["value"] in SIGNS:
            return True
        nodes += [child for child in node["children"] if isinstance(child, dict)]
    return False
