"""The vendor's fields of a step: each with what it is taken from, how it is converted, and when it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from engine.mapping.flows import shown_text
from engine.mapping.model import Each, Fields, From, Instruction, Merge, Step, Value
from engine.pages import markdown
from engine.pages.markdown import code
from engine.pages.wording import PageScope, changes, conditions, loop_text, part_of, source_text

MOST_ROWS = 300
"""Fields of a step that are shown."""
WHOLE = "(the body)"


@dataclass(frozen=True, slots=True)
class _At:
    """Where a value goes: the field it becomes, and the conditions of what is around it."""

    name: str = ""
    when: tuple[str, ...] = ()

    def member(self, name: str) -> _At:
        return replace(self, name=f"{self.name}.{name}" if self.name else name)


def field_table(scope: PageScope, step: Step) -> Iterator[str]:
    """Return the table of the fields of a step's body, cut at MOST_ROWS."""
    if step.value is None:
        return
    rows = list(islice(_rows(scope, step.value, _At()), MOST_ROWS + 1))
    yield from markdown.table(["field", "from", "conversions", "condition"], rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield f"Only the first {MOST_ROWS} fields are shown.\n"


def _rows(scope: PageScope, value: Value, at: _At, *, merged: bool = False) -> Iterator[list[str]]:
    part = part_of(scope, value)
    if part is not None:
        yield from _rows(scope, part, at, merged=merged)
        return
    if not isinstance(value, Instruction):
        yield _leaf(at, merged, source_text(scope, value), [], [])
        return
    modifiers, source = value.modifiers, value.source
    inner = replace(at, when=(*at.when, *conditions(modifiers)))
    whole = modifiers.as_ or modifiers.map is not None
    if not whole and isinstance(source, From) and _is_made(scope, source.value):
        yield from _rows(scope, source.value, inner, merged=merged)
    elif not whole and isinstance(source, Fields):
        for key, member in source.entries:
            yield from _rows(scope, member, inner.member(shown_text(key)))
    elif not whole and isinstance(source, Merge) and isinstance(source.members, tuple):
        for member in source.members:
            yield from _rows(scope, member, inner, merged=True)
    elif not whole and isinstance(source, Each) and _is_made(scope, source.value):
        each = replace(source, value=source.of)
        yield [code(f"{at.name}[]"), loop_text(scope, each).partition(": ")[0], "", ", ".join(inner.when)]
        yield from _rows(scope, source.value, replace(inner, name=f"{at.name}[]"))
    else:
        yield _leaf(at, merged, source_text(scope, value), list(changes(modifiers)), conditions(modifiers))
        return
    if notes := list(changes(modifiers)):
        yield [code(at.name) if at.name else WHOLE, "the object above", ", ".join(notes), ", ".join(inner.when)]


def _leaf(at: _At, merged: bool, source: str, notes: list[str], when: list[str]) -> list[str]:
    name = f"{at.name}.*" if merged and at.name else "*" if merged else at.name
    return [code(name) if name else WHOLE, source, ", ".join(notes), ", ".join([*at.when, *when])]


def _is_made(scope: PageScope, value: Value) -> bool:
    """Whether a value is an object that is made key by key, so that its fields can be named."""
    part = part_of(scope, value)
    if part is not None:
        return _is_made(scope, part)
    if not isinstance(value, Instruction) or value.modifiers.as_ or value.modifiers.map is not None:
        return False
    source = value.source
    if isinstance(source, From):
        return _is_made(scope, source.value)
    return isinstance(source, Fields) or (isinstance(source, Merge) and isinstance(source.members, tuple))
