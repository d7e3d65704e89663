"""Values -> statements: the eight sources, choices and paths; one function a word, found by name.

Every emitter appends statements to `writer.lines` and gives a `Got`: a Python expression that may be used
any number of times, whether it can be None (absent), and what it surely is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from engine.compiler.emit.conditions import emit_conditions, emit_path_value
from engine.compiler.emit.loops import emit_append, emit_each, emit_entries_of, emit_put
from engine.compiler.emit.modifiers import emit_modifiers
from engine.compiler.emit.objects import if_present
from engine.compiler.emit.texts import emit_text, emit_written_text
from engine.compiler.writer import Got, Writer
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
    Source,
    TextOf,
    Value,
)
from engine.mapping.problems import place_text
from engine.records import Place


def emit_value(writer: Writer, value: Value) -> Got:
    """Write the statements of any value."""
    if isinstance(value, PathValue):
        variable = emit_path_value(writer, value.path, value.place)
        got = _clean(writer, Got(variable, fresh=variable in writer.fresh))
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
        Each: emit_each,
        Entries: emit_entries_of,
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
        with if_present(writer, got):
            if key.literal:
                writer.lines.add(f"{result}[{writer.names.literal(key.literal)}] = {got.code}")
    return filled


def _filled_entry(writer: Writer, result: str, key: Text, member: Value, owner: Place) -> None:
    """An entry of an object that has a `${}` key: the key first, and the value only where there is one."""
    name = emit_text(writer, key, member.place).code
    with writer.lines.block(f"if {name}:"), writer.branch():
        got = emit_value(writer, member)
        with if_present(writer, got):
            emit_put(writer, result, name, got.code, owner)


def _merge(writer: Writer, value: Instruction) -> Got:
    result = writer.names.fresh("object")
    members = cast("Merge", value.source).members
    first = emit_value(writer, members[0])
    if first.fresh:  # made for this alone: the others are laid over it, without a copy
        with writer.lines.block(f"if type({first.code}) is dict:"):
            writer.lines.add(f"{result} = {first.code}")
        with writer.lines.block("else:"):
            writer.lines.add(f"{result} = {{}}")
            with if_present(writer, first):
                _merge_member(writer, result, members[0], first)
    else:
        writer.lines.add(f"{result} = {{}}")
        with if_present(writer, first):
            _merge_member(writer, result, members[0], first)
    for member in members[1:]:
        got = emit_value(writer, member)
        with if_present(writer, got):
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
        writer.lines.add(f"merged({result}, {got.code}, {writer.names.literal(place_text(member.place))})")


def _list(writer: Writer, value: Instruction) -> Got:
    result = writer.names.fresh("list")
    writer.lines.add(f"{result} = []")
    for member in cast("ListOf", value.source).members:
        emit_append(writer, result, emit_value(writer, member))
    return Got(result, present=True, shape="list", made=True)
