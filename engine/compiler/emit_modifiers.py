"""Modifiers -> statements, always in the language's order, however the file writes them.

The order, from the source on: as, map, only, except, rename, flatten, keys, prefix, empty-and-made-here,
default, within, must, required.  `when` and `unless` stand around the whole value (emit_value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from engine.compiler.got import Got
from engine.compiler.runtime import Written
from engine.compiler.scalar import value_is_saved, value_is_secret
from engine.compiler.writer import Writer
from engine.language import functions, objects
from engine.language.paths import Marker
from engine.mapping.model import FunctionUse, Instruction, Modifiers
from engine.mapping.problems import path_text
from engine.mapping.schema import validator
from engine.mapping.walk import source_paths
from engine.records import Json

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Word(NamedTuple):
    """One object word written: when it is wanted ('' always), its statement, whether that may leave the value out."""

    wanted: str
    statement: str | None
    may_fail: bool = False


def emit_modifiers(writer: Writer, value: Instruction, got: Got, clean: Callable[[Got], Got]) -> Got:
    """Write every modifier of an instruction after its source."""
    modifiers = value.modifiers
    if not _does_something(modifiers) and not got.made:
        return got
    variable = got.code
    if not got.made:  # the source's variable may be a part's, which others read
        variable = writer.names.fresh("value")
        writer.lines.add(f"{variable} = {got.code}")
    now = Got(variable, got.present, got.shape, got.made)
    at = writer.names.literal(path_text(value.place))
    with _unless_saved(writer, value, variable):
        now = _convert(writer, value, now, at, clean)
        now = _map(writer, modifiers, now, at)
        now = _object_words(writer, modifiers, now, at)
    now = _default(writer, modifiers, now)
    with _unless_saved(writer, value, variable):
        _within(writer, modifiers, now, at)
        _must(writer, modifiers, now, at)
    return _required(writer, value, now, at)


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


@contextmanager
def _present(writer: Writer, got: Got) -> Iterator[None]:
    if got.present:
        yield
        return
    with writer.lines.block(f"if {got.code} is not None:"), writer.branch():
        yield


def _convert(writer: Writer, value: Instruction, got: Got, at: str, clean: Callable[[Got], Got]) -> Got:
    chain = value.modifiers.as_
    if not chain:
        return got
    writer.names.function(functions.CannotConvert, "CannotConvert")
    writer.module.helper("cannot_convert")
    with _present(writer, got):
        with writer.lines.block("try:"):
            for use in chain:
                writer.lines.add(f"{got.code} = {_call(writer, use, got.code, at)}")
        with writer.lines.block("except CannotConvert as error:"):
            writer.lines.add(f"{got.code} = cannot_convert(reports, {at}, {got.code}, error)")
        if value_is_secret(writer.module, value):
            writer.module.helper("secret")
            writer.lines.add(f"{got.code} = secret({got.code})")
        clean(Got(got.code))
    return Got(got.code)


def _call(writer: Writer, use: FunctionUse, code: str, at: str) -> str:
    bound = functions.bind(use.name, functions.parameters_of(use.name, use.written))
    name = writer.names.constant(bound, "function")
    call = f"{name}({code})"
    if functions.FUNCTIONS[use.name].notes:
        writer.module.helper("noted")
        return f"noted(reports, {at}, {call})"
    return call


def _map(writer: Writer, modifiers: Modifiers, got: Got, at: str) -> Got:
    if modifiers.map is None:
        return got
    keep, fold = modifiers.unmapped == "keep", modifiers.ignore_case
    with _present(writer, got):
        if isinstance(modifiers.map, str):
            table = _path(writer, modifiers.map)
            helper = "mapped_by"
        else:
            entries = {key.lower() if fold else key: _own(writer, member) for key, member in modifiers.map.items()}
            table, helper = writer.names.constant(entries, "table"), "mapped"
        writer.module.helper(helper)
        writer.lines.add(f"{got.code} = {helper}({got.code}, {table}, {keep}, {fold}, reports, {at})")
    return Got(got.code)


def _own(writer: Writer, value: Json) -> Json:
    return Written(value) if writer.url and isinstance(value, str) else value


def _path(writer: Writer, path: str) -> str:
    from engine.compiler.emit_value import emit_path_value

    return emit_path_value(writer, path, writer.place)


def _object_words(writer: Writer, modifiers: Modifiers, got: Got, at: str) -> Got:
    words = _words(modifiers)
    made = got.made or isinstance(modifiers.only, tuple) or isinstance(modifiers.except_, tuple)
    if not words:
        return _made(writer, got) if got.made else got
    writer.module.helper("not_an_object")
    with _present(writer, got):
        for emit in words:
            wanted, statement, may_fail = emit(writer, modifiers, got.code, at)
            if statement is None:
                continue
            conditions = ([f"{got.code} is not None"] if not got.present else []) + ([wanted] if wanted else [])
            with _when(writer, conditions):
                _transform(writer, got, statement, at)
            got = Got(got.code, shape="dict" if not wanted and not may_fail else got.shape)
        _finish(writer, modifiers, got, at, made=made)
    return Got(got.code)


@contextmanager
def _when(writer: Writer, conditions: list[str]) -> Iterator[None]:
    if not conditions:
        yield
        return
    with writer.lines.block(f"if {' and '.join(conditions)}:"):
        yield


def _transform(writer: Writer, got: Got, statement: str, at: str) -> None:
    if got.shape == "dict":
        writer.lines.add(statement)
        return
    with writer.lines.block(f"if type({got.code}) is dict:"):
        writer.lines.add(statement)
    with writer.lines.block("else:"):
        writer.lines.add(f"{got.code} = not_an_object(reports, {at}, {got.code})")


def _finish(writer: Writer, modifiers: Modifiers, got: Got, at: str, *, made: bool) -> None:
    if _may_overwrite(modifiers):
        writer.module.helper("overwritten")
        with writer.lines.block("if lost:"):
            writer.lines.add(f"overwritten(reports, {at}, lost)")
    if made:
        with writer.lines.block(f"if {got.code} == {{}} or {got.code} == []:"):
            writer.lines.add(f"{got.code} = None")


def _made(writer: Writer, got: Got) -> Got:
    with writer.lines.block(f"if not {got.code}:"):
        writer.lines.add(f"{got.code} = None")
    return Got(got.code, shape=got.shape)


def _may_overwrite(modifiers: Modifiers) -> bool:
    flattens = modifiers.flatten is not None and modifiers.flatten.wanted is not False
    return flattens or modifiers.rename is not None or modifiers.keys is not None


def _words(modifiers: Modifiers) -> list[Callable[[Writer, Modifiers, str, str], Word]]:
    """The object words in use, in order."""
    table: list[tuple[object, Callable[[Writer, Modifiers, str, str], Word]]] = [
        (modifiers.only, _only),
        (modifiers.except_, _except),
        (modifiers.rename, _rename),
        (modifiers.flatten, _flatten),
        (modifiers.keys, _keys),
        (modifiers.prefix, _prefix),
    ]
    return [emit for word, emit in table if word is not None]


def _only(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    return _names(writer, modifiers.only, ("only", "only_by"), code, at)


def _except(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    return _names(writer, modifiers.except_, ("without", "except_by"), code, at)


def _names(writer: Writer, names: tuple[str, ...] | str | None, helpers: tuple[str, str], code: str, at: str) -> Word:
    plain, by = helpers
    if isinstance(names, str):
        listed = _path(writer, names)
        writer.module.helper(by)
        return Word(f"{listed} is not None", f"{code} = {by}({code}, {listed}, reports, {at})", may_fail=True)
    writer.names.function(getattr(objects, plain), plain)
    return Word("", f"{code} = {plain}({code}, {writer.names.constant(frozenset(names or ()), 'names')})")


def _rename(writer: Writer, modifiers: Modifiers, code: str, at: str) -> Word:
    writer.uses_lost()
    if isinstance(modifiers.rename, str):
        table = _path(writer, modifiers.rename)
        writer.module.helper("rename_by")
        return Word(f"{table} is not None", f"{code} = rename_by({code}, {table}, lost, reports, {at})", may_fail=True)
    writer.names.function(objects.rename, "rename")
    return Word("", f"{code} = rename({code}, {writer.names.constant(modifiers.rename, 'table')}, lost)")


def _flatten(writer: Writer, modifiers: Modifiers, code: str, _at: str) -> Word:
    from engine.compiler.emit_value import emit_condition

    flatten = modifiers.flatten
    assert flatten is not None
    if flatten.wanted is False:
        return Word("", None)
    writer.uses_lost()
    writer.names.function(objects.flattened, "flattened")
    literal = writer.names.literal
    statement = f"{code} = flattened({code}, {literal(flatten.separator)}, {literal(flatten.lists)}, lost)"
    if flatten.wanted is True:
        return Word("", statement)
    return Word(f"({emit_condition(writer, flatten.wanted, (*writer.place, 'flatten'))})", statement)


def _keys(writer: Writer, modifiers: Modifiers, code: str, _at: str) -> Word:
    writer.uses_lost()
    writer.names.function(objects.rekeyed, "rekeyed")
    bound = functions.bind(str(modifiers.keys), {})
    return Word("", f"{code} = rekeyed({code}, {writer.names.constant(bound, 'function')}, lost)")


def _prefix(writer: Writer, modifiers: Modifiers, code: str, _at: str) -> Word:
    from engine.compiler.emit_text import emit_text

    assert modifiers.prefix is not None
    prefix = emit_text(writer, modifiers.prefix, writer.place)
    writer.names.function(objects.prefixed, "prefixed")
    wanted = "" if prefix.present else f"{prefix.code} is not None"
    return Word(wanted, f"{code} = prefixed({code}, {prefix.code})")


def _default(writer: Writer, modifiers: Modifiers, got: Got) -> Got:
    if modifiers.default is None or got.present:
        return got
    default = modifiers.default[0]
    with writer.lines.block(f"if {got.code} is None:"):
        writer.lines.add(f"{got.code} = {writer.literal(default)}")
    return Got(got.code, present=default is not None)


def _within(writer: Writer, modifiers: Modifiers, got: Got, at: str) -> None:
    if modifiers.within is None:
        return
    past, future = (modifiers.within.get(side) for side in ("past", "future"))
    writer.module.helper("within")
    bounds = ", ".join(writer.names.constant(seconds(side), "seconds") if side else "None" for side in (past, future))
    with _present(writer, got):
        writer.lines.add(f"within({got.code}, {bounds}, now, {at})")


def seconds(duration: str) -> float:
    """Read `7d`, `30s`, `500ms`."""
    unit = duration.lstrip("0123456789")
    return int(duration.removesuffix(unit)) * UNITS[unit]


def _must(writer: Writer, modifiers: Modifiers, got: Got, at: str) -> None:
    if modifiers.must is None:
        return
    writer.module.helper("check_value")
    validate = writer.names.constant(validator(modifiers.must), "schema")
    with _present(writer, got):
        writer.lines.add(f"check_value({validate}, {got.code}, {at})")


def _required(writer: Writer, value: Instruction, got: Got, at: str) -> Got:
    if not value.modifiers.required:
        return got
    if not got.present:
        writer.module.helper("invalid")
        with writer.lines.block(f"if {got.code} is None:"):
            writer.lines.add(f"invalid({at}, {writer.names.literal(missing(value))})")
    return Got(got.code, present=True)


def missing(value: Instruction) -> str:
    """Word the absence of a required value: the field, and every path that was tried."""
    field = path_text(tuple(key for key in value.place if key not in ("fields", "merge"))[-1:])
    tried = list(dict.fromkeys(source_paths(value)))
    where = f"; tried {', '.join(tried)}" if tried else ""
    return f"{field} is required and nothing was there{where}"
