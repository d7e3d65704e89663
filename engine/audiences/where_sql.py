"""`where` as SQL: JMESPath's meanings over JSON columns, with every text of a definition as a parameter.

A field is its JSON text (`"a"`, `5`, `null`), SQL's NULL where it is missing; the texts of DuckDB's JSON are canonical,
so equal texts are equal values. Numbers compare as doubles. A comparison without an order, and a function that gets
another kind of value, is null, which does not hold; every condition here is true or false, never NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.audiences.where import JSON_ROOTS, names_of
from engine.language.paths import values
from engine.language.paths.syntax import COMPARISONS, Node
from engine.records import Json

EXACT = 2**53
"""Below it each whole number is a double of its own."""
FALSY = "('null', 'false', '\"\"', '[]', '{}')"


class Parameters:
    """The values of a query's parameters, each held once; `add` returns what stands for one in the SQL."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[type, Any], int] = {}

    def add(self, value: Any) -> str:
        """Return the name of a parameter: `$3`."""
        return f"${self._numbers.setdefault((type(value), value), len(self._numbers) + 1)}"

    def values(self) -> tuple[Any, ...]:
        """Return the values, in the order of their numbers."""
        return tuple(value for _, value in self._numbers)


class WhereSql:
    """Writes conditions over the columns of one view; `columns` maps the roots of fields to them."""

    def __init__(self, parameters: Parameters, columns: Mapping[str, str]) -> None:
        self._parameters = parameters
        self._columns = columns

    def condition(self, tree: Node) -> str:
        """Return SQL that is true or false."""
        kind, children = tree["type"], tree.get("children", ())
        if kind in ("and_expression", "or_expression"):
            word = " AND " if kind == "and_expression" else " OR "
            return f"({word.join(self.condition(child) for child in children)})"
        if kind == "not_expression":
            return f"(NOT {self.condition(children[0])})"
        if kind == "comparator":
            return self._comparison(tree["value"], *children)
        if kind == "function_expression":
            return self._call(tree["value"], *children)
        if kind == "literal":
            return _bool(values.holds(tree["value"]))
        return f"coalesce({self.json_text(names_of(tree))} NOT IN {FALSY}, false)"

    def equals(self, names: tuple[str, ...], value: Json) -> str:
        """Return the condition that a field has a value: a text, a number, a boolean or null."""
        text = self.json_text(names)
        if value is None:
            return f"(coalesce({text}, 'null') = 'null')"
        if isinstance(value, bool):
            return f"coalesce({text} = '{_bool(value)}', false)"
        if isinstance(value, str):
            return f"coalesce({text} = CAST(to_json(CAST({self._parameters.add(value)} AS VARCHAR)) AS VARCHAR), false)"
        if isinstance(value, int) and abs(value) >= EXACT:
            return f"coalesce({text} = {self._parameters.add(str(value))}, false)"
        return f"coalesce({_number(text)} = {self._double(value)}, false)"

    def json_text(self, names: tuple[str, ...]) -> str:
        """Return a field as JSON text; NULL where it is missing."""
        return f"CAST({self.json(names)} AS VARCHAR)"

    def json(self, names: tuple[str, ...]) -> str:
        """Return a field as JSON; NULL where it is missing."""
        column = self._columns[names[0]]
        if names[0] not in JSON_ROOTS:
            return f"to_json({column})"
        return column if len(names) == 1 else f"json_extract({column}, {self._path(names)})"

    def number(self, names: tuple[str, ...]) -> str:
        """Return a field as a double; NULL for what is no number."""
        return _number(self.json_text(names))

    def _path(self, names: tuple[str, ...], end: str = "") -> str:
        """Return the parameter for a JSON path; `where` refuses names that its quotes cannot hold."""
        return self._parameters.add("$" + "".join(f'."{name}"' for name in names[1:]) + end)

    def _double(self, value: Json) -> str:
        return f"CAST({self._parameters.add(float(value))} AS DOUBLE)"  # type: ignore[arg-type]

    def _comparison(self, sign: str, left: Node, right: Node) -> str:
        if left["type"] == right["type"] == "literal":
            return _bool(_compared(sign, left["value"], right["value"]))
        if sign in ("eq", "ne"):
            equal = self._equal(left, right)
            return equal if sign == "eq" else f"(NOT {equal})"
        sides = [
            self._double(side["value"]) if side["type"] == "literal" else self.number(names_of(side))
            for side in (left, right)
        ]
        return f"coalesce({sides[0]} {COMPARISONS[sign]} {sides[1]}, false)"

    def _equal(self, left: Node, right: Node) -> str:
        for one, other in ((left, right), (right, left)):
            if other["type"] == "literal":
                return self.equals(names_of(one), other["value"])
        both = [names_of(left), names_of(right)]
        texts = [f"coalesce({self.json_text(names)}, 'null')" for names in both]
        numbers = [self.number(names) for names in both]
        return f"({texts[0]} = {texts[1]} OR coalesce({numbers[0]} = {numbers[1]}, false))"

    def _call(self, name: str, subject: Node, search: Node) -> str:
        if subject["type"] == "literal":
            return self._is_in(subject["value"], names_of(search), name)
        names, wanted = names_of(subject), search["value"]
        if name != "contains":
            return f"coalesce({name}({self._string(names)}, {self._parameters.add(wanted)}), false)"
        entry = self._has_entry(names, wanted)
        if not isinstance(wanted, str):
            return entry
        return f"(coalesce(contains({self._string(names)}, {self._parameters.add(wanted)}), false) OR {entry})"

    def _is_in(self, literal: Json, names: tuple[str, ...], name: str) -> str:
        if isinstance(literal, str):
            return f"coalesce({name}({self._parameters.add(literal)}, {self._string(names)}), false)"
        entries = [self.equals(names, entry) for entry in literal]  # type: ignore[union-attr]
        return f"({' OR '.join(entries)})" if entries else "false"

    def _has_entry(self, names: tuple[str, ...], wanted: Json) -> str:
        if names[0] not in JSON_ROOTS:
            return "false"
        entries = f"CAST(json_extract({self._columns[names[0]]}, {self._path(names, '[*]')}) AS VARCHAR[])"
        if isinstance(wanted, int | float) and not isinstance(wanted, bool):
            entries = f"list_transform({entries}, lambda entry: {_number('entry')})"
            return f"coalesce(list_contains({entries}, {self._double(wanted)}), false)"
        text = "'null'" if wanted is None else f"'{_bool(wanted)}'" if isinstance(wanted, bool) else None
        if text is None:
            text = f"CAST(to_json(CAST({self._parameters.add(wanted)} AS VARCHAR)) AS VARCHAR)"
        return f"coalesce(list_contains({entries}, {text}), false)"

    def _string(self, names: tuple[str, ...]) -> str:
        """Return a field that is a text; NULL for what is none."""
        if names[0] not in JSON_ROOTS:
            return self._columns[names[0]]
        if len(names) == 1:
            return "CAST(NULL AS VARCHAR)"
        text = f"json_extract_string({self._columns[names[0]]}, {self._path(names)})"
        return f"CASE WHEN starts_with({self.json_text(names)}, '\"') THEN {text} END"


def _number(text: str) -> str:
    """Return JSON text as a double: a text has quotes, so only numbers can be read as one."""
    return f"TRY_CAST({text} AS DOUBLE)"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _compared(sign: str, left: Json, right: Json) -> bool:
    if sign in ("eq", "ne"):
        return values.equal(left, right) is (sign == "eq")
    return bool(values.ordered(COMPARISONS[sign], left, right))
