"""Functions of the items of a list, and of what may be empty: map_items, non_empty.

`map_items` gets its functions bound already: the registry, which knows them all, does that.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.language.functions.model import ANYTHING, CannotConvert, Example, Function, Noted, Nothing, Parameter
from engine.records import Json

Chain = list[Callable[[Json], "Json | Noted"]]
NOT_CONVERTED = "not-converted"


def map_items(functions: Chain) -> Callable[[Json], Json | Noted]:
    def mapped(value: Json) -> Json | Noted:
        if type(value) is not list:
            return _applied(functions, value)
        return _Items(functions).of(value)

    return mapped


def _applied(functions: Chain, value: Json) -> Json | Noted:
    """Apply functions one after the other; what they note stays around the result."""
    notes: list[Noted] = []
    for function in functions:
        result = function(value)
        while type(result) is Noted:
            notes.append(result)
            result = result.value
        value = result  # type: ignore[assignment]  # a note was taken off above
    return _noted(value, notes)


def _noted(value: Json | Noted, notes: list[Noted]) -> Json | Noted:
    for note in reversed(notes):
        value = Noted(value, note.code, note.message)
    return value


class _Items:
    """Converts the items of one list; the first note of each kind is kept, and how many items could not be."""

    def __init__(self, functions: Chain) -> None:
        self._functions = functions
        self._notes: dict[str, Noted] = {}
        self._failed: list[str] = []

    def of(self, items: list[Json]) -> Json | Noted:
        """Return the converted items; those that are null or cannot be converted are left out."""
        result: list[Json] = []
        for index, item in enumerate(items):
            if item is not None:
                self._add(result, index, item)
        notes = list(self._notes.values())
        if self._failed:
            others = len(self._failed) - 1
            more = f", and {others:,} more" if others else ""
            notes.append(Noted(None, NOT_CONVERTED, f"{self._failed[0]}{more}"))
        return _noted(result, notes)

    def _add(self, result: list[Json], index: int, item: Json) -> None:
        try:
            made = _applied(self._functions, item)
        except Nothing:
            return
        except CannotConvert as error:
            self._failed.append(f"item {index} was left out: {error}")
            return
        while type(made) is Noted:
            self._notes.setdefault(made.code, made)
            made = made.value
        result.append(made)  # type: ignore[arg-type]  # a note was taken off above


def non_empty(value: Json) -> Json:
    if value in ([], {}) or (isinstance(value, str) and not value.strip()):
        raise Nothing(_EMPTY)
    return value


_EMPTY = "there is nothing in it"

FUNCTIONS = (
    Function(
        name="map_items",
        group="lists",
        about=(
            "Every item of a list, converted by a function or a chain of functions. A value that is no list is"
            " converted itself. Null items are left out, and so is one that cannot be converted, which is reported."
        ),
        takes=ANYTHING,
        gives=ANYTHING,
        parameters=(
            Parameter(name="functions", about="A function, or a list of functions, as behind `as`.", kind="functions"),
        ),
        examples=(
            Example([" A@b.com", "C@D.com "], ["a@b.com", "c@d.com"], {"functions": ["trim", "lowercase"]}),
            Example([1.26, None, 2], [1.3, 2], {"functions": {"round": 1}}),
            Example("A", "a", {"functions": "lowercase"}),
            Example(["1", "x"], [1], {"functions": "number"}, note=NOT_CONVERTED),
            Example([1567339200123], [1567339200], {"functions": "unix_seconds"}, note="milliseconds"),
            Example(
                [[{"key": "a", "value": 1}, {"key": "a", "value": 2}]],
                [{"a": 2}],
                {"functions": "from_pairs"},
                note="key-overwritten",
            ),
            Example([], [], {"functions": "trim"}),
            Example({}, parameters={"functions": "trim"}, reason="an object is not text"),
        ),
        notes=(NOT_CONVERTED, "milliseconds", "key-overwritten"),
        call=map_items,
    ),
    Function(
        name="non_empty",
        group="conversions",
        about="The value, unless there is nothing in it: blank text, `[]` and `{}` are absent, without a report.",
        takes=ANYTHING,
        gives=ANYTHING,
        examples=(
            Example("a", "a"),
            Example(" ", reason=_EMPTY),
            Example("", reason=_EMPTY),
            Example([], reason=_EMPTY),
            Example({}, reason=_EMPTY),
            Example([None], [None]),
            Example(0, 0),
            Example(False, False),
        ),
        call=non_empty,
    ),
)
