"""Object words -> statements: only, except, rename, flatten, keys, prefix, and "made here and empty is absent".

A word whose table or condition is a path reads the path first: if that switches the word off, the value need not be
an object.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple, TypeAlias

from engine.compiler.emit.conditions import emit_condition, emit_path_value
from engine.compiler.emit.texts import fill_text
from engine.compiler.recording import Kind
from engine.compiler.runtime import KeysLike
from engine.compiler.writer import ValueCode, Writer
from engine.language import functions, objects
from engine.language.regex import compile_pattern
from engine.mapping.model import OBJECT_WORDS, KeyPattern, Modifiers


class Word(NamedTuple):
    """An emitted object word: its condition ('' is always), its statement, and whether that may leave the value out."""

    wanted: str
    statement: str
    may_fail: bool = False


EmitWord: TypeAlias = Callable[[Writer, Modifiers, str, str], Word]


def emit_object_words(writer: Writer, modifiers: Modifiers, got: ValueCode, at: str) -> ValueCode:
    """Write the object words of a value, in their order."""
    words = _words(modifiers)
    made = got.made or isinstance(modifiers.only, tuple) or isinstance(modifiers.except_, tuple)
    if not words:
        return _made(writer, got) if got.made else got
    writer.module.helper("not_an_object")
    with writer.if_present(got):
        inside = ValueCode(got.code, present=True, shape=got.shape)
        if _chooses(modifiers):
            writer.lines.add(f"{got.code}_made = {made}")
        for emit in words:
            inside = _word(writer, modifiers, emit, inside, at)
        _finish(writer, modifiers, inside, at, made=made)
    fresh = _is_fresh(modifiers) or got.fresh
    return ValueCode(got.code, got.present and not (made or _chooses(modifiers)) and inside.present, fresh=fresh)


def _word(writer: Writer, modifiers: Modifiers, emit: EmitWord, got: ValueCode, at: str) -> ValueCode:
    """Write one word for a value that an earlier word may have left out."""
    with writer.if_present(got):
        wanted, statement, may_fail = emit(writer, modifiers, got.code, at)
        with writer.lines.block(f"if {wanted}:") if wanted else nullcontext():
            _transform(writer, got, statement, at)
    word = emit.__name__.removeprefix("_")
    writer.record(Kind.WORD, (*writer.place, word), got.code, word)
    stays = got.shape == "dict" and not may_fail
    return ValueCode(got.code, present=got.present and stays, shape=got.shape if stays else None)


def _is_fresh(modifiers: Modifiers) -> bool:
    """Whether the object words always make a new object, which nothing else refers to."""
    return isinstance(modifiers.only, tuple) or isinstance(modifiers.except_, tuple) or isinstance(modifiers.keys, str)


def _transform(writer: Writer, got: ValueCode, statement: str, at: str) -> None:
    if got.shape == "dict":
        writer.lines.add(statement)
        return
    with writer.lines.block(f"if type({got.code}) is dict:"):
        writer.lines.add(statement)
    with writer.lines.block("else:"):
        writer.lines.add(f"{got.code} = not_an_object(reports, {at}, {got.code})")


def _finish(writer: Writer, modifiers: Modifiers, got: ValueCode, at: str, *, made: bool) -> None:
    if _may_overwrite(modifiers):
        writer.module.helper("overwritten")
        with writer.lines.block("if lost:"):
            writer.lines.add(f"overwritten(reports, {at}, lost)")
    if _chooses(modifiers):
        with writer.lines.block(f"if {got.code}_made:"):
            _made(writer, got)
    elif made:
        _made(writer, got)


def _chooses(modifiers: Modifiers) -> bool:
    """Whether `only` or `except` takes its names from a path, so that the event decides whether they make anything."""
    return isinstance(modifiers.only, str) or isinstance(modifiers.except_, str)


def _made(writer: Writer, got: ValueCode) -> ValueCode:
    test = f"not {got.code}" if got.shape else f"{got.code} == {{}} or {got.code} == []"
    with writer.lines.block(f"if {test}:"):
        writer.lines.add(f"{got.code} = None")
    return ValueCode(got.code, shape=got.shape)


def _may_overwrite(modifiers: Modifiers) -> bool:
    return modifiers.flatten is not None or modifiers.rename is not None or isinstance(modifiers.keys, str)


def _words(modifiers: Modifiers) -> list[EmitWord]:
    """The emitters of the object words in use, in order, each found by its word."""
    return [globals()[f"_{key.word}"] for key in OBJECT_WORDS if getattr(modifiers, key.attribute) is not None]


def _only(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    return _names(writer, modifiers.only, ("only", "only_by"), code, at)


def _except(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    return _names(writer, modifiers.except_, ("without", "except_by"), code, at)


def _names(writer: Writer, names: tuple[str, ...] | str | None, helpers: tuple[str, str], code: str, at: str) -> Word:
    plain, by = helpers
    if isinstance(names, str):
        listed = modifier_path(writer, names)
        writer.module.helper(by)
        statement = f"{code} = {by}({code}, {listed}, reports, {at}); {code}_made = True"
        return Word(f"{listed} is not None", statement, may_fail=True)
    writer.names.function(getattr(objects, plain), plain)
    return Word("", f"{code} = {plain}({code}, {writer.names.constant(frozenset(names or ()), 'names')})")


def _rename(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    writer.uses_lost()
    if isinstance(modifiers.rename, str):
        table = modifier_path(writer, modifiers.rename)
        writer.module.helper("rename_by")
        return Word(f"{table} is not None", f"{code} = rename_by({code}, {table}, lost, reports, {at})", may_fail=True)
    writer.names.function(objects.rename, "rename")
    return Word("", f"{code} = rename({code}, {writer.names.constant(modifiers.rename, 'table')}, lost)")


def _flatten(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    flatten = modifiers.flatten
    assert flatten is not None
    writer.uses_lost()
    writer.names.function(objects.flattened, "flattened")
    literal = writer.names.literal
    options = f"{literal(flatten.separator)}, {literal(flatten.lists)}"
    statement = f"{code} = flattened({code}, {options}, lost, {writer.memo()}, {at})"
    if flatten.wanted is True:
        return Word("", statement)
    return Word(f"({emit_condition(writer, flatten.wanted, (*writer.place, 'flatten'))})", statement)


def _keys(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    if isinstance(modifiers.keys, KeyPattern):
        keys_like = writer.names.constant(KeysLike(compile_pattern(modifiers.keys.pattern)), "keys_like")
        return Word("", f"{code} = {keys_like}({code}, reports, {at})")
    writer.uses_lost()
    writer.names.function(objects.rekeyed, "rekeyed")
    bound = functions.bind(str(modifiers.keys), {})
    return Word("", f"{code} = rekeyed({code}, {writer.names.constant(bound, 'function')}, lost)")


def _prefix(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    assert modifiers.prefix is not None
    prefix = fill_text(writer, modifiers.prefix, writer.place)
    writer.names.function(objects.prefixed, "prefixed")
    wanted = "" if prefix.present else f"{prefix.code} is not None"
    return Word(wanted, f"{code} = prefixed({code}, {prefix.code}, {writer.memo()}, {at})")


def modifier_path(writer: Writer, path: str, *, counted: bool = True) -> str:
    """Write a path given as a modifier: a table, a list of names."""
    return emit_path_value(writer, path, writer.place, counted=counted)
