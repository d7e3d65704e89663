"""Advice about what is right in other languages: a function called in a path, a text without quotes."""

from __future__ import annotations

import re

from engine.language import functions, paths
from engine.language.other_names import advice_for, function_named
from engine.language.paths.syntax import COMPARISONS, NAMES
from engine.mapping.walk import Occurrence

CONDITIONS = frozenset({"when", "unless", "where", "require", "if"})
"""The words whose path is a condition."""

SEARCHES = frozenset({"contains", "starts_with", "ends_with"})
"""The functions whose second argument is mostly a text."""
METHOD = re.compile(r"([\w.]+)\.(\w+)\(([^()]*)\)")
METHODS = {
    **{name: name for name in ("contains", "length", "keys", "values", "sort", "reverse", "join")},
    "startswith": "starts_with",
    "endswith": "ends_with",
    "includes": "contains",
    "has": "contains",
}
"""What is a method in other languages, and the function of paths."""


def function_advice(found: Occurrence, name: str) -> str:
    """Return what to write for a function that JMESPath does not have, or ''."""
    if name == "not":
        return "Write ! instead of not."
    ours = name if name in functions.FUNCTIONS else function_named(name)
    if ours is None:
        return advice_for(name)
    value = f"{{ from: {_argument(found.path, name) or '...'}, as: {_written(ours)} }}"
    if found.word in CONDITIONS or found.word == "${}":
        here = "${parts.name}" if found.word == "${}" else "parts.name"
        return f"Functions that convert a value go under `as`. Make it a part, {value}, and write {here} here."
    return f"Functions that convert a value go under `as`: write {value}."


def method_advice(found: Occurrence) -> str:
    """Return what to write for `event.contains('a')`."""
    match = METHOD.fullmatch(found.path.strip())
    if match is None:
        return "A function has its value in its brackets, e.g. contains(event, 'text')."
    value, name, arguments = match.groups()
    ours = METHODS.get(name.lower().replace("_", ""))
    if ours is not None:
        return f"Write {ours}({', '.join(filter(None, (value, arguments)))})."
    return function_advice(found._replace(path=f"{name}({value})"), name)


def _argument(path: str, name: str) -> str:
    """Return the first argument where the call is the whole path, else ''."""
    inner = path.strip()[len(name) + 1 : -1]
    return "" if "(" in inner or ")" in inner or not path.strip().endswith(")") else inner.partition(",")[0].strip()


def _written(name: str) -> str:
    parameters = [each.name for each in functions.FUNCTIONS[name].parameters if each.required]
    inner = ", ".join(f"{parameter}: ..." for parameter in parameters)
    return f"{{ {name}: {{ {inner} }} }}" if inner else name


def bare_text(path: paths.Path, root: paths.Root) -> tuple[str, bool]:
    """Return the text that a name is where it is compared or searched for, and whether it is in double quotes.

    The text is '' where the name is neither: there it cannot be a text.
    """
    at = next((number for number, token in enumerate(path.tokens) if token.column == root.column), 0)
    end = at
    while path.tokens[end].kind in (*NAMES, "dot"):
        end += 1
    before, after = path.tokens[at - 1].kind if at else "", path.tokens[end].kind
    others = [path.tokens[at - 2].kind] if before in COMPARISONS else []
    others += [path.tokens[end + 1].kind] if after in COMPARISONS else []
    compared = bool(others) and "literal" not in others
    double = path.tokens[at].kind == "quoted_identifier"
    argument = (before, after) == ("comma", "rparen") or (double and (before, after) == ("lparen", "comma"))
    alternative = double and before in ("or", "and")
    if not compared and not alternative and not (argument and SEARCHES.intersection(path.calls)):
        return "", False
    return ".".join((root.name, *root.members)), double
