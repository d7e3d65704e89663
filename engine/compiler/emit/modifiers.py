"""Modifiers -> statements, always in the language's order, however the file writes them.

The order, from the source on: as, map, only, except, rename, flatten, keys, prefix, empty-and-made-here,
default, within, must, required.  `when` and `unless` stand around the whole value (emit_value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

from engine.compiler.emit.objects import emit_object_words, if_present, modifier_path
from engine.compiler.runtime import LiteralText
from engine.compiler.settled import value_is_saved, value_is_secret
from engine.compiler.writer import Got, Writer
from engine.language import functions
from engine.language.paths import Marker
from engine.mapping.model import FunctionUse, Instruction, Mapping, Modifiers, Value
from engine.mapping.problems import place_text
from engine.mapping.schema import validator
from engine.mapping.walk import source_paths
from engine.records import Json, Place

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


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
    at = writer.names.literal(place_text(value.place))
    with _unless_saved(writer, value, variable):
        now = _convert(writer, value, now, at, clean)
        now = _map(writer, modifiers, now, at)
        now = emit_object_words(writer, modifiers, now, at)
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


def _convert(writer: Writer, value: Instruction, got: Got, at: str, clean: Callable[[Got], Got]) -> Got:
    chain = value.modifiers.as_
    if not chain:
        return got
    writer.names.function(functions.CannotConvert, "CannotConvert")
    writer.module.helper("cannot_convert")
    with if_present(writer, got):
        with writer.lines.block("try:"):
            for use in chain:
                _apply(writer, use, got.code, at)
        with writer.lines.block("except CannotConvert as error:"):
            writer.lines.add(f"{got.code} = cannot_convert(reports, {at}, {got.code}, error)")
        if value_is_secret(writer.module, value):
            writer.module.helper("secret")
            writer.lines.add(f"{got.code} = secret({got.code})")
        clean(Got(got.code))
    return Got(got.code, made=got.made)


def _apply(writer: Writer, use: FunctionUse, code: str, at: str) -> None:
    bound = functions.bind(use.name, functions.parameters_of(use.name, use.written))
    writer.lines.add(f"{code} = {writer.names.constant(bound, 'function')}({code})")
    if functions.FUNCTIONS[use.name].notes:
        writer.names.function(functions.Noted, "Noted")
        writer.module.helper("noted")
        with writer.lines.block(f"if type({code}) is Noted:"):
            writer.lines.add(f"{code} = noted(reports, {at}, {code})")


def _map(writer: Writer, modifiers: Modifiers, got: Got, at: str) -> Got:
    if modifiers.map is None:
        return got
    keep, fold = modifiers.unmapped == "keep", modifiers.ignore_case
    with if_present(writer, got):
        if isinstance(modifiers.map, str):
            table = modifier_path(writer, modifiers.map)
            helper = "mapped_by"
        else:
            entries = {key.lower() if fold else key: _own(writer, member) for key, member in modifiers.map.items()}
            table, helper = writer.names.constant(entries, "table"), "mapped"
        writer.module.helper(helper)
        writer.lines.add(f"{got.code} = {helper}({got.code}, {table}, {keep}, {fold}, reports, {at})")
    return Got(got.code, made=got.made)


def _own(writer: Writer, value: Json) -> Json:
    return LiteralText(value) if writer.url and isinstance(value, str) else value


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
    with if_present(writer, got):
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
    with if_present(writer, got):
        writer.lines.add(f"check_value({validate}, {got.code}, {at})")


def _required(writer: Writer, value: Instruction, got: Got, at: str) -> Got:
    if not value.modifiers.required:
        return got
    if not got.present:
        writer.module.helper("invalid")
        with writer.lines.block(f"if {got.code} is None:"):
            writer.lines.add(f"invalid({at}, {writer.names.literal(missing(writer.module.mapping, value))})")
    return Got(got.code, present=True)


def missing(mapping: Mapping, value: Instruction) -> str:
    """Word the absence of a required value: the field, and every path that was tried, those of parts too."""
    field = _output_field(value.place)
    tried = list(dict.fromkeys(_tried(mapping, value)))
    where = f"; tried {', '.join(tried)}" if tried else ""
    return f"{field} is required and nothing was there{where}"


def _tried(mapping: Mapping, value: Value) -> Iterator[str]:
    for path in source_paths(value):
        part = mapping.parts.get(path.removeprefix("parts.")) if path.startswith("parts.") else None
        if part is None:
            yield path
        else:
            yield from _tried(mapping, part)


def _output_field(place: Place) -> str:
    """Name the field of the body a place writes: the keys right after a `fields`."""
    keys = tuple(key for before, key in pairwise(place) if before == "fields")
    return place_text(keys or place[-1:])
