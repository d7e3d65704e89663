"""Values -> statements: the eight sources, choices and paths; one function a word, found by name.

Every emitter appends statements to `writer.lines` and gives a `Got`: a Python expression that may be used
any number of times, whether it can be None (absent), and what it surely is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

from engine.compiler.emit_modifiers import emit_modifiers
from engine.compiler.emit_path import emit as emit_path
from engine.compiler.emit_path import emit_condition as emit_path_condition
from engine.compiler.emit_text import emit_text
from engine.compiler.emit_url import emit_written_text
from engine.compiler.got import Got
from engine.compiler.writer import Writer
from engine.language import paths
from engine.language.template import Text
from engine.mapping.model import (
    Choice,
    Const,
    Each,
    Entries,
    Fields,
    From,
    Instruction,
    ListOf,
    Merge,
    PathValue,
    Place,
    Source,
    TextOf,
    Value,
)
from engine.mapping.problems import path_text


def emit_value(writer: Writer, value: Value) -> Got:
    """Write the statements of any value."""
    if isinstance(value, PathValue):
        got = _clean(writer, Got(emit_path_value(writer, value.path, value.place)))
    elif isinstance(value, Choice):
        got = _choice(writer, value)
    else:
        got = _instruction(writer, value)
    _record(writer, value, got)
    return got


def _record(writer: Writer, value: Value, got: Got) -> None:
    if writer.module.record and writer.call is not None:
        word = type(value.source).__name__ if isinstance(value, Instruction) else type(value).__name__
        writer.lines.add(f"trace({writer.module.site(value.place, word.lower())}, {got.code})")


def emit_path_value(writer: Writer, text: str, place: Place) -> str:
    """Write a path; a type error at run time is reported and makes the value None."""
    path = paths.parse(text)
    variable = writer.names.fresh("value")
    if not path.can_fail:
        writer.lines.add(f"{variable} = {emit_path(path, writer, writer.lines, writer.names)}")
        return variable
    with _guarded(writer, variable, place):
        writer.lines.add(f"{variable} = {emit_path(path, writer, writer.lines, writer.names)}")
    return variable


def _guarded(writer: Writer, variable: str, place: Place) -> Guard:
    return Guard(writer, variable, path_text(place))


class Guard:
    """`try:` around what may raise PathTypeError; parts met inside are not known after it."""

    def __init__(self, writer: Writer, variable: str, place: str, otherwise: str = "None") -> None:
        self.writer, self.variable, self.place, self.otherwise = writer, variable, place, otherwise
        self._block = writer.lines.block("try:")
        self._branch = writer.branch()

    def __enter__(self) -> None:
        self._block.__enter__()
        self._branch.__enter__()

    def __exit__(self, *raised: object) -> None:
        self._branch.__exit__(None, None, None)
        self._block.__exit__(None, None, None)
        writer = self.writer
        writer.module.names.function(paths.PathTypeError, "PathTypeError")
        writer.module.helper("path_failed")
        with writer.lines.block("except PathTypeError as error:"):
            writer.lines.add(f"path_failed(reports, {writer.names.literal(self.place)}, error)")
            writer.lines.add(f"{self.variable} = {self.otherwise}")


def emit_condition(writer: Writer, text: str, place: Place) -> str:
    """Write a condition and give a Python expression for its truth; a type error is "not met"."""
    path = paths.parse(text)
    if not path.can_fail:
        return emit_path_condition(path, writer, writer.lines, writer.names)
    variable = writer.names.fresh("holds")
    with Guard(writer, variable, path_text(place), "None"):
        writer.lines.add(f"{variable} = bool({emit_path_condition(path, writer, writer.lines, writer.names)})")
    return variable


def emit_conditions(writer: Writer, when: str | None, unless: str | None, place: Place) -> str:
    """Write `when` and `unless` and give the truth of both; a type error in either counts as not met."""
    tests = []
    if when is not None:
        tests.append(emit_condition(writer, when, (*place, "when")))
    if unless is not None:
        holds = writer.names.fresh("holds")
        with writer.lines.block(f"if {tests[0]}:") if tests else writer.branch(), writer.branch():
            code = emit_condition(writer, unless, (*place, "unless"))
            failed = f"{code} is not None and " if paths.parse(unless).can_fail else ""
            writer.lines.add(f"{holds} = {failed}not ({code})")
        if tests:
            with writer.lines.block("else:"):
                writer.lines.add(f"{holds} = False")
        return holds
    return tests[0]


def _clean(writer: Writer, got: Got) -> Got:
    """Apply `nulls: drop` and `empty_text: drop` to what a source or a function gave."""
    mapping = writer.module.mapping
    if mapping.nulls == "drop" and got.shape is None:
        writer.names.function(_drop_nulls(), "drop_nulls")
        with writer.lines.block(f"if type({got.code}) is dict or type({got.code}) is list:"):
            writer.lines.add(f"{got.code} = drop_nulls({got.code})")
    if mapping.empty_text == "drop" and got.shape is None:
        with writer.lines.block(f"if {got.code} == '':"):
            writer.lines.add(f"{got.code} = None")
    return got


def _drop_nulls() -> object:
    from engine.language.objects import drop_nulls

    return drop_nulls


def _choice(writer: Writer, choice: Choice) -> Got:
    result = writer.names.fresh("chosen")
    for number, alternative in enumerate(choice.alternatives):
        if number == 0:
            writer.lines.add(f"{result} = {emit_value(writer, alternative).code}")
            continue
        with writer.lines.block(f"if {result} is None:"), writer.branch():
            writer.lines.add(f"{result} = {emit_value(writer, alternative).code}")
    return Got(result)


def _instruction(writer: Writer, value: Instruction) -> Got:
    modifiers = value.modifiers
    if modifiers.when is None and modifiers.unless is None:
        return _modified(writer, value)
    result = writer.names.fresh("value")
    holds = emit_conditions(writer, modifiers.when, modifiers.unless, value.place)
    writer.lines.add(f"{result} = None")
    with writer.lines.block(f"if {holds}:"), writer.branch():
        writer.lines.add(f"{result} = {_modified(writer, value).code}")
    return Got(result)


def _modified(writer: Writer, value: Instruction) -> Got:
    got = _source(writer, value)
    with writer.at(value.place):
        return emit_modifiers(writer, value, got, partial(_clean, writer))


def _source(writer: Writer, value: Instruction) -> Got:
    emitters: dict[type[Source], Callable[[Writer, Instruction], Got]] = {
        From: _from,
        Const: _const,
        TextOf: _text,
        Fields: _fields,
        Merge: _merge,
        ListOf: _list,
        Each: _each,
        Entries: _entries,
    }
    return emitters[type(value.source)](writer, value)


def _from(writer: Writer, value: Instruction) -> Got:
    return emit_value(writer, cast("From", value.source).value)


def _const(writer: Writer, value: Instruction) -> Got:
    const = cast("Const", value.source).value
    shape = type(const).__name__ if isinstance(const, dict | list) else "scalar"
    return Got(writer.literal(const), present=const is not None, shape=shape)


def _text(writer: Writer, value: Instruction) -> Got:
    text = cast("TextOf", value.source).text
    if writer.url:
        return Got(emit_written_text(writer, text, (*value.place, "text")))
    code = emit_text(writer, text, (*value.place, "text"))
    variable = writer.names.fresh("text")
    writer.lines.add(f"{variable} = {code.code}")
    return _clean(writer, Got(variable, present=code.present and writer.module.mapping.empty_text == "keep"))


def _fields(writer: Writer, value: Instruction) -> Got:
    result = writer.names.fresh("object")
    writer.lines.add(f"{result} = {{}}")
    entries = cast("Fields", value.source).entries
    filled = emit_entries(writer, result, entries, value.place)
    return Got(result, present=True, shape="dict", made=not filled)


def emit_entries(writer: Writer, result: str, entries: tuple[tuple[Text, Value], ...], owner: Place) -> bool:
    """Write the members of `fields` into the dict variable `result`; true where one is surely there."""
    dynamic = any(key.literal is None for key, _ in entries)
    filled = False
    for key, member in entries:
        if dynamic:
            _filled_entry(writer, result, key, member, owner)
            continue
        got = emit_value(writer, member)
        filled = filled or (got.present and bool(key.literal))
        with _if_present(writer, got):
            if key.literal:
                writer.lines.add(f"{result}[{writer.names.literal(key.literal)}] = {got.code}")
    return filled


def _filled_entry(writer: Writer, result: str, key: Text, member: Value, owner: Place) -> None:
    """An entry of an object that has a `${}` key: the key first, and the value only where there is one."""
    name = emit_text(writer, key, member.place).code
    with writer.lines.block(f"if {name}:"), writer.branch():
        got = emit_value(writer, member)
        with _if_present(writer, got):
            _put(writer, result, name, got.code, owner)


def _put(writer: Writer, result: str, key: str, code: str, owner: Place) -> None:
    writer.module.helper("overwritten")
    with writer.lines.block(f"if {key} in {result}:"):
        writer.lines.add(f"overwritten(reports, {writer.names.literal(path_text(owner))}, [{key}])")
    writer.lines.add(f"{result}[{key}] = {code}")


@contextmanager
def _if_present(writer: Writer, got: Got) -> Iterator[None]:
    if got.present:
        yield
        return
    with writer.lines.block(f"if {got.code} is not None:"), writer.branch():
        yield


def _merge(writer: Writer, value: Instruction) -> Got:
    result = writer.names.fresh("object")
    writer.lines.add(f"{result} = {{}}")
    for member in cast("Merge", value.source).members:
        got = emit_value(writer, member)
        with _if_present(writer, got):
            _merge_member(writer, result, member, got)
    return Got(result, present=True, shape="dict", made=True)


def _merge_member(writer: Writer, result: str, member: Value, got: Got) -> None:
    if got.shape == "dict":
        writer.lines.add(f"{result}.update({got.code})")
        return
    writer.module.helper("merged")
    with writer.lines.block(f"if type({got.code}) is dict:"):
        writer.lines.add(f"{result}.update({got.code})")
    with writer.lines.block("else:"):
        writer.lines.add(f"merged({result}, {got.code}, {writer.names.literal(path_text(member.place))})")


def _list(writer: Writer, value: Instruction) -> Got:
    result = writer.names.fresh("list")
    writer.lines.add(f"{result} = []")
    for member in cast("ListOf", value.source).members:
        _append(writer, result, emit_value(writer, member))
    return Got(result, present=True, shape="list", made=True)


def _append(writer: Writer, result: str, got: Got) -> None:
    with _if_present(writer, got):
        writer.lines.add(f"{result}.append({got.code})")


def _each(writer: Writer, value: Instruction) -> Got:
    each = cast("Each", value.source)
    result = writer.names.fresh("list")
    items = emit_items(writer, each.of)
    writer.lines.add(f"{result} = None")
    with writer.lines.block(f"if {items} is not None:"), writer.branch():
        writer.lines.add(f"{result} = []")
        item, index = writer.names.fresh("item"), writer.names.fresh("index")
        with (
            writer.lines.block(f"for {index}, {item} in enumerate({items}):"),
            writer.loop(item=item, index=index, key="None"),
        ):
            emit_where(writer, each.where, value.place)
            _append(writer, result, emit_value(writer, each.value))
    return Got(result, shape="list", made=True)


def emit_items(writer: Writer, of: Value) -> str:
    """Write the value a loop runs over, made into a list; a scalar is reported and None."""
    got = emit_value(writer, of)
    items = writer.names.fresh("items")
    writer.module.helper("items_of")
    at = writer.names.literal(path_text(of.place))
    writer.lines.add(f"{items} = {got.code} if type({got.code}) is list else items_of({got.code}, reports, {at})")
    return items


def emit_where(writer: Writer, where: str | None, place: Place) -> None:
    """Write the filter of a loop: the next item where it does not hold."""
    if where is None:
        return
    holds = emit_condition(writer, where, (*place, "where"))
    with writer.lines.block(f"if not ({holds}):"):
        writer.lines.add("continue")


def _entries(writer: Writer, value: Instruction) -> Got:
    entries = cast("Entries", value.source)
    result, source = writer.names.fresh("object"), writer.names.fresh("entries")
    got = emit_value(writer, entries.of)
    writer.module.helper("entries_of")
    at = writer.names.literal(path_text(entries.of.place))
    writer.lines.add(f"{source} = entries_of({got.code}, reports, {at})")
    writer.lines.add(f"{result} = None")
    with writer.lines.block(f"if {source} is not None:"), writer.branch():
        writer.lines.add(f"{result} = {{}}")
        key, item, index = (writer.names.fresh(word) for word in ("key", "item", "index"))
        with (
            writer.lines.block(f"for {index}, ({key}, {item}) in enumerate({source}.items()):"),
            writer.loop(item=item, index=index, key=key),
        ):
            emit_where(writer, entries.where, value.place)
            _entry(writer, result, entries, value, key, item)
    return Got(result, shape="dict", made=True)


def _entry(writer: Writer, result: str, entries: Entries, value: Instruction, key: str, item: str) -> None:
    if entries.key is None:
        _entry_value(writer, result, entries, value, key, item)
        return
    writer.module.helper("text_in")
    got = emit_value(writer, entries.key)
    name = writer.names.fresh("key")
    at = writer.names.literal(path_text(entries.key.place))
    writer.lines.add(f"{name} = text_in({got.code}, reports, {at})")
    with writer.lines.block(f"if {name}:"), writer.branch():
        _entry_value(writer, result, entries, value, name, item)


def _entry_value(writer: Writer, result: str, entries: Entries, value: Instruction, name: str, item: str) -> None:
    if entries.value is not None:
        member = emit_value(writer, entries.value)
    else:
        member = Got(item, present=writer.module.mapping.nulls == "keep")
    with _if_present(writer, member):
        _put(writer, result, name, member.code, value.place)
