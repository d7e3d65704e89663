"""JMESPath by its specification, over the bare library: where the two differ, the specification is right.

The library orders texts and raises for a text with a number; the specification orders numbers alone and gives null for
anything else.  A whole number has no `.0` in a text, here as everywhere in the language.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jmespath
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

from engine.records import Json

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda left, right: left < right,
    "lte": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "gte": lambda left, right: left >= right,
}


def search(path: str, value: object, not_compared: Callable[[], None] = lambda: None) -> Any:
    """Evaluate a path; `not_compared` is called where two values that are there have no order."""
    return _Interpreter(not_compared).visit(jmespath.compile(path).parsed, value)


class _Functions(Functions):
    @signature({"types": []})
    def _func_to_string(self, arg: Json) -> Any:
        if type(arg) is float and arg == int(arg) and abs(arg) < 2**53:
            return str(int(arg))
        return super()._func_to_string(arg)  # type: ignore[misc]


class _Interpreter(TreeInterpreter):
    def __init__(self, not_compared: Callable[[], None]) -> None:
        super().__init__(Options(custom_functions=_Functions()))
        self._not_compared = not_compared

    def visit_comparator(self, node: Any, value: Any) -> Any:
        if node["value"] not in ORDERS:
            return super().visit_comparator(node, value)
        left, right = (self.visit(child, value) for child in node["children"])
        if type(left) in (int, float) and type(right) in (int, float):
            return ORDERS[node["value"]](left, right)
        if left is not None and right is not None:
            self._not_compared()
        return None
