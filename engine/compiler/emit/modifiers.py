"""Modifiers -> statements, always in the language's order (`Modifiers` of the model), however the file writes them.

An object or list that was made here and is empty after the object words counts as absent. `when` and `unless` are
around the whole value (emit_value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

from engine.compiler.emit.conditions import (
    emit_count,
    emit_path_inline,
    reads_outside,
    value_is_saved,
    value_is_secret,
)
from engine.compiler.emit.objects import emit_object_words, modifier_path
from engine.compiler.lines import Lines
from engine.compiler.recording import Kind
from engine.compiler.runtime import LiteralText
from engine.compiler.writer import ValueCode, Writer, is_clean
from engine.language import functions
from engine.language.paths import Marker
from engine.language.times import seconds
from engine.mapping import types
from engine.mapping.keys import Stage
from engine.mapping.model import MODIFIERS, OBJECT_WORDS, FunctionUse, Instruction, Mapping, Modifiers, Value, looked_up
from engine.mapping.nulls import NullPlace, null_places
from engine.mapping.problems import place_text
from engine.mapping.schema import counting_validator
from engine.mapping.walk import paths_of, source_paths
from engine.records import Json, Place

NEVER_UNCLEAN = types.NUMBER | types.BOOLEAN
"""The types in which nothing can be left out."""
WORK_OF_FUNCTION = 32
"""What a function's character counts for where a loop repeats it: the slowest take a microsecond for one."""


def emit_modifiers(writer: Writer, value: Instruction, got: ValueCode) -> ValueCode:
    """Write every modifier of an instruction after its source."""
    if not _does_something(value.modifiers) and not got.made:
        return got
    if not got.made:  # the source's variable may be a part's, which others read
        got = writer.owned(got)
    variable = got.code
    at = writer.names.literal(place_text(value.place))
    now = ValueCode(variable, got.present, got.shape, got.made)
    with _unless_saved(writer, value, variable):
        now = _stage("change", writer, value, now, at)
        now = emit_object_words(writer, value.modifiers, now, at)
    now = _stage("default", writer, value, now, at)
    with _unless_saved(writer, value, variable):
        now = _stage("test", writer, value, now, at)
    now = _stage("required", writer, value, now, at)
    now = _stage("null", writer, value, now, at)
    secret = got.secret or value_is_secret(writer, value)
    return replace(now, own=True, clean=_is_clean(writer, value.modifiers, got), secret=secret)


def _is_clean(writer: Writer, modifiers: Modifiers, got: ValueCode) -> bool:
    """Whether a value is certainly without what `nulls: drop` and `empty_text: drop` leave out after its modifiers."""
    given = [] if modifiers.default is None else [modifiers.default[0]]
    if modifiers.map is not None and not isinstance(modifiers.map, str):
        given += looked_up(modifiers).values()
    reshaped = any(getattr(modifiers, key.attribute) is not None for key in OBJECT_WORDS)
    if reshaped and writer.module.mapping.nulls == "drop":
        return False
    no_text = got.shape in ("dict", "list") and writer.module.mapping.nulls != "drop"
    return (got.clean or no_text or bool(modifiers.as_)) and all(map(is_clean, given))


def _stage(stage: Stage, writer: Writer, value: Instruction, got: ValueCode, at: str) -> ValueCode:
    """Write the modifiers of a stage that the instruction has, in order; the emitter of a word is found by it."""
    for key in MODIFIERS:
        if key.stage == stage and getattr(value.modifiers, key.attribute) not in (None, (), False):
            emit: Callable[[Writer, Instruction, ValueCode, str], ValueCode] = globals()[f"_{key.word}"]
            got = emit(writer, value, got, at)
            writer.record(Kind.WORD, (*value.place, key.word), got.code, key.word)
    return got


def _does_something(modifiers: Modifiers) -> bool:
    return modifiers != Modifiers(when=modifiers.when, unless=modifiers.unless)


@contextmanager
def _unless_saved(writer: Writer, value: Instruction, variable: str) -> Iterator[None]:
    """Let the marker of a saved value pass by what would change it."""
    if not value_is_saved(writer.module, value):
        yield
        return
    writer.names.function(Marker, "Marker")
    with writer.lines.block(f"if type({variable}) is not Marker:"), writer.branch():
        yield


def _as(writer: Writer, value: Instruction, got: ValueCode, at: str) -> ValueCode:
    writer.names.function(functions.CannotConvert, "CannotConvert")
    writer.module.helper("cannot_convert")
    secret = value_is_secret(writer, value)
    if secret:
        writer.module.helper("secret")
    with writer.if_present(got):
        if writer.repeats and any(reads_outside(writer, path) for path in paths_of(value)):
            emit_count(writer, "spend_on_made", got.code, value.place, WORK_OF_FUNCTION * len(value.modifiers.as_))
        given = types.of_source(writer.module.mapping, value.source)
        with writer.lines.block("try:"):
            for number, use in enumerate(value.modifiers.as_):
                if "number" in given and functions.FUNCTIONS[use.name].writes_numbers and not secret:
                    _report_inexact(writer, got.code, at)
                _apply(writer, use, got.code, at, secret=secret)
                shown = f"secret({got.code})" if secret else got.code
                writer.record(Kind.FUNCTION, (*value.place, "as", number), shown, use.name)
                given = functions.FUNCTIONS[use.name].gives
        with writer.lines.block("except CannotConvert as error:"):
            shown = f"secret({got.code})" if secret else got.code  # what is left of a chain is a plain text
            writer.lines.add(f"{got.code} = cannot_convert(reports, {at}, {shown}, error)")
        if secret:
            writer.lines.add(f"{got.code} = secret({got.code})")
        writer.clean(ValueCode(got.code, own=True, secret=secret, clean=given <= NEVER_UNCLEAN))
    return ValueCode(got.code, made=got.made)


def _report_inexact(writer: Writer, code: str, at: str) -> None:
    writer.module.helper("inexact")
    with writer.lines.block(f"if type({code}) is float:"):
        writer.lines.add(f"inexact({code}, reports, {at})")


def _apply(writer: Writer, use: FunctionUse, code: str, at: str, *, secret: bool) -> None:
    bound = functions.bind(use.name, functions.parameters_of(use.name, use.written))
    writer.lines.add(f"{code} = {writer.names.constant(bound, 'function')}({code})")
    if functions.FUNCTIONS[use.name].notes:
        writer.names.function(functions.Noted, "Noted")
        writer.module.helper("unnoted" if secret else "noted")
        with writer.lines.block(f"if type({code}) is Noted:"):
            note = f"unnoted({code})" if secret else f"noted(reports, {at}, {code})"  # a note quotes the value
            writer.lines.add(f"{code} = {note}")


def _map(writer: Writer, value: Instruction, got: ValueCode, at: str) -> ValueCode:
    modifiers = value.modifiers
    keep, fold = modifiers.unmapped == "keep", modifiers.ignore_case
    with writer.if_present(got):
        writer.record(Kind.LOOKUP, (*value.place, "map"), got.code)
        if isinstance(modifiers.map, str):
            table = modifier_path(writer, modifiers.map, counted=False)
            helper = "mapped_back" if modifiers.reverse else "mapped_by"
        else:
            table_of = looked_up(modifiers)
            entries = {key.lower() if fold else key: _own(writer, member) for key, member in table_of.items()}
            table, helper = writer.names.constant(entries, "table"), "mapped"
        writer.module.helper(helper)
        writer.lines.add(f"{got.code} = {helper}({got.code}, {table}, {keep}, {fold}, reports, {at})")
        if isinstance(modifiers.map, str):
            writer.clean(ValueCode(got.code, own=True, secret=value_is_secret(writer, value)))
            if writer.repeats:
                emit_count(writer, "spend_on", got.code, value.place)
    return ValueCode(got.code, made=got.made)


def _own(writer: Writer, value: Json) -> Json:
    return LiteralText(value) if writer.url and isinstance(value, str) else value


def _default(writer: Writer, value: Instruction, got: ValueCode, _at: str) -> ValueCode:
    default = value.modifiers.default[0] if value.modifiers.default is not None else None
    if got.present:
        return got
    with writer.lines.block(f"if {got.code} is None:"):
        writer.lines.add(f"{got.code} = {writer.literal(default)}")
    return ValueCode(got.code, present=default is not None)


def _within(writer: Writer, value: Instruction, got: ValueCode, at: str) -> ValueCode:
    within = value.modifiers.within or {}
    sides = [within.get(side) for side in ("past", "future")]
    writer.module.helper("within")
    bounds = ", ".join(writer.names.constant(seconds(side), "seconds") if side else "None" for side in sides)
    with writer.if_present(got):
        writer.lines.add(f"within({got.code}, {bounds}, now, {at})")
    return got


def _must(writer: Writer, value: Instruction, got: ValueCode, at: str) -> ValueCode:
    writer.module.helper("check_value")
    validate = writer.names.constant(counting_validator(value.modifiers.must), "schema")
    with writer.if_present(got):
        writer.lines.add(f"check_value({validate}, {got.code}, {writer.counts()}, {at})")
    return got


def _required(writer: Writer, value: Instruction, got: ValueCode, at: str) -> ValueCode:
    if not got.present:
        writer.module.helper("invalid")
        with writer.lines.block(f"if {got.code} is None:"):
            writer.lines.add(f"invalid({at}, {writer.names.literal(missing(writer.module.mapping, value))})")
    return ValueCode(got.code, present=True)


def _nulls(writer: Writer, value: Instruction, got: ValueCode, _at: str) -> ValueCode:
    """Write what finds out whether a value is absent because null was said; only `fields` asks for it."""
    outer, writer.lines = writer.lines, Lines()
    with writer.branch():
        places = null_places(writer.module.mapping, value)
        known = [each for each in places if each.path or (writer.call is not None and each.key in writer.call.fields)]
        test = " or ".join(_is_null(writer, each, value.place) for each in known) or "False"
    inner, writer.lines = writer.lines, outer
    if not inner:
        return replace(got, null=test)
    null = writer.names.fresh("null")
    writer.lines.add(f"{null} = False")
    with writer.lines.block(f"if {got.code} is None:"):
        writer.lines.extend(inner)
        writer.lines.add(f"{null} = {test}")
    return replace(got, null=null)


def _is_null(writer: Writer, null: NullPlace, place: Place) -> str:
    """Return the expression that is true where an object has the key with null in it, and not without the key."""
    found = f".get({writer.names.literal(null.key)}, 0) is None"
    names = types.plain(null.path)
    inner = writer.inner_object(*names) if len(names) == 2 else None
    if inner is not None:
        return inner + found
    holder = emit_path_inline(writer, null.path or "message", place)
    if writer.is_object(null.path or "message"):
        return holder + found
    variable = writer.names.fresh("v")
    return f"type({variable} := {holder}) is dict and {variable}{found}"


def missing(mapping: Mapping, value: Instruction) -> str:
    """Word the absence of a required value: the field, and every path that was tried, those of parts too."""
    field = _output_field(value.place)
    tried = list(dict.fromkeys(_tried(mapping, value, set())))
    where = f"; tried {', '.join(tried)}" if tried else ""
    return f"{field} is required but missing{where}"


def _tried(mapping: Mapping, value: Value, seen: set[str]) -> Iterator[str]:
    for path in source_paths(value):
        part = mapping.parts.get(path.removeprefix("parts.")) if path.startswith("parts.") else None
        if part is None:
            yield path
        elif path not in seen:
            seen.add(path)
            yield from _tried(mapping, part, seen)


def _output_field(place: Place) -> str:
    """Name the field of the body a place writes: the keys right after a `fields`."""
    keys = tuple(key for before, key in pairwise(place) if before == "fields")
    return place_text(keys or place[-1:])
