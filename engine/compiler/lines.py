"""Lines of generated Python, and the names they may use.

Values of a mapping reach the generated code only through `Names`: small texts, integers and booleans as
their `repr`, everything else as a constant in the namespace.  No text of a mapping is ever formatted
into code, so there is nothing to escape.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_LITERAL = 200


class Lines:
    """Python statements with their indentation."""

    def __init__(self, depth: int = 0) -> None:
        self._lines: list[str] = []
        self._depth = depth

    def add(self, text: str) -> None:
        """Append one statement at the current depth."""
        self._lines.append("    " * self._depth + text)

    def extend(self, lines: Lines) -> None:
        """Append the statements of `lines`, indented to the current depth."""
        self._lines.extend("    " * self._depth + line for line in lines._lines)

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """Write `opening` (`if x:`) and indent what is added inside; an empty block gets `pass`."""
        self.add(opening)
        before = len(self._lines)
        self._depth += 1
        yield
        if len(self._lines) == before:
            self.add("pass")
        self._depth -= 1

    def __bool__(self) -> bool:
        return bool(self._lines)

    def text(self) -> str:
        """Return all statements as the text of a module."""
        return "\n".join(self._lines) + "\n"


class Names:
    """The namespace of a generated module, and a source of unused names."""

    def __init__(self) -> None:
        self.namespace: dict[str, object] = {}
        self._by_identity: dict[tuple[int, str], str] = {}
        self._counts: dict[str, int] = {}

    def fresh(self, hint: str) -> str:
        """Return a new local variable's name: `hint` (letters, digits, `_` only) and a number."""
        number = self._counts[hint] = self._counts.get(hint, 0) + 1
        return f"{hint}_{number}"

    def constant(self, value: object, hint: str) -> str:
        """Put `value` into the namespace and return its name; one object has one name."""
        key = (id(value), hint)
        if key not in self._by_identity:
            name = self._by_identity[key] = self.fresh(hint.upper())
            self.namespace[name] = value
        return self._by_identity[key]

    def function(self, function: object, name: str) -> str:
        """Make a helper of the engine available under its own name (a literal in our code, never a mapping's)."""
        self.namespace.setdefault(name, function)
        return name

    def literal(self, value: object, hint: str = "const") -> str:
        """Return Python text for `value`: a `repr` for short plain values, else the name of a constant."""
        if value is None or value is True or value is False or type(value) is int:
            return repr(value)
        if type(value) is str and len(value) <= LONGEST_LITERAL:
            return repr(value)
        return self.constant(value, hint)


def build(text: str, names: Names, filename: str) -> dict[str, object]:
    """Compile and run the generated module `text`; tracebacks and debuggers see it under `filename`."""
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace = dict(names.namespace)
    exec(compile(text, filename, "exec"), namespace)  # noqa: S102  text is ours; values came through Names
    return namespace
