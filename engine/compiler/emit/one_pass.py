"""`merge` and object words in one pass: the statements that try it, around those that do one word after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from engine.compiler import one_pass
from engine.compiler.emit.conditions import emit_condition, plain_setting, value_is_saved, value_is_secret
from engine.compiler.optimizations import Optimization
from engine.compiler.writer import ValueCode, Writer
from engine.language.budget import LONG
from engine.language.regex import compile_pattern
from engine.language.template import Text
from engine.mapping import types
from engine.mapping.model import (
    Const,
    Fields,
    Flatten,
    From,
    Instruction,
    KeyPattern,
    Mapping,
    Merge,
    Modifiers,
    PathValue,
    Value,
)
from engine.mapping.types import plain
from engine.mapping.walk import reads_template
from engine.noun import Noun

EmitPlainly = Callable[[Writer, Instruction, "tuple[ValueCode | None, ...]"], ValueCode]


class Kept(Noun, kw_only=False):
    """A member of which `only` keeps some keys, maybe renamed, always flattened."""

    source: Value
    names: frozenset[str]
    table: tuple[tuple[str, str], ...]
    separator: str


class Pass(NamedTuple):
    """What one pass puts together: members, the condition of flattening, the pattern of keys."""

    members: tuple[Value | Kept, ...]
    flatten: Flatten
    keys: KeyPattern | None


def emit_one_pass(writer: Writer, value: Instruction, plainly: EmitPlainly) -> tuple[Instruction, ValueCode] | None:
    """Write a value in one pass, and word by word (`plainly`) where that cannot be done.

    Returns the value and the modifiers that are left to write; None where one pass is not for this value.
    """
    found = _pass(writer, value)
    if found is None:
        return None
    try:
        calls = _calls(writer, found)
    except one_pass.NotInOnePass:  # the mapping's own names are long, or not allowed
        return None
    ready = tuple(writer.value(each.source if isinstance(each, Kept) else each) for each in found.members)
    result = writer.names.fresh("joined")
    wanted = found.flatten.wanted
    deep = "True" if wanted is True else _condition(writer, value, wanted)
    _try(writer, result, [call(code.code, deep) for call, code in zip(calls, ready, strict=True)])
    with writer.lines.block(f"if {result} is None:"), writer.branch(), writer.word_by_word():
        all_words = value.modifiers
        words = Modifiers(only=all_words.only, rename=all_words.rename, flatten=all_words.flatten, keys=all_words.keys)
        computed = (None if isinstance(one, Kept) else code for one, code in zip(found.members, ready, strict=True))
        got = plainly(writer, replace(value, modifiers=words), tuple(computed))
        writer.lines.add(f"{result} = {got.code}")
    left = replace(value.modifiers, only=None, except_=None, rename=None, flatten=None, keys=None)
    return replace(value, modifiers=left), ValueCode(result, shape="dict", made=True)


def _condition(writer: Writer, value: Instruction, wanted: str) -> str:
    deep = writer.names.fresh("deep")
    writer.lines.add(f"{deep} = {emit_condition(writer, wanted, (*value.place, 'flatten'))}")
    return deep


def _calls(writer: Writer, found: Pass) -> list[Callable[[str, str], str]]:
    """Return what writes the call of each member; raises NotInOnePass."""
    allowed = one_pass.Allowed(None if found.keys is None else compile_pattern(found.keys.pattern))
    return [_call(writer, each, found.flatten, allowed, alone=len(found.members) == 1) for each in found.members]


def _call(
    writer: Writer, member: Value | Kept, flatten: Flatten, allowed: one_pass.Allowed, *, alone: bool
) -> Callable[[str, str], str]:
    if isinstance(member, Kept):
        chosen = one_pass.Selection(member.names, dict(member.table), member.separator, allowed)
        put, constant = writer.names.function(one_pass.put_chosen, "put_chosen"), writer.names.constant(chosen, "keys")
        return lambda code, _deep: f"{put}(joined, {code}, {constant})"
    keys = one_pass.Whole(flatten.separator, allowed)
    put, constant = writer.names.function(one_pass.put_whole, "put_whole"), writer.names.constant(keys, "keys")
    nested = "None" if alone else "nested"
    return lambda code, deep: f"{put}(joined, {code}, {constant}, {deep}, {nested})"


def _try(writer: Writer, result: str, calls: list[str]) -> None:
    """Write the pass; the result is None where it does not give what the words would."""
    right = "count == len(joined)"
    writer.lines.add("joined = {}")
    if any(call.endswith(", nested)") for call in calls):
        writer.lines.add("nested = set()")
        right += " and joined.keys().isdisjoint(nested)"
    writer.names.function(one_pass.NotInOnePass, "NotInOnePass")
    with writer.lines.block("try:"):
        writer.lines.add(f"count = {' + '.join(calls)}")
        writer.lines.add(f"{result} = joined if {right} else None")
    with writer.lines.block("except NotInOnePass:"):
        writer.lines.add(f"{result} = None")


def _pass(writer: Writer, value: Instruction) -> Pass | None:
    """Return what one pass does for a value; None where that is not for it."""
    if not writer.optimizes(Optimization.ONE_PASS) or writer.call is None or writer.repeats or writer.url:
        return None
    mapping, modifiers = writer.module.mapping, value.modifiers
    flatten, keys = modifiers.flatten or Flatten(), modifiers.keys
    if modifiers.as_ or modifiers.map is not None or isinstance(keys, str) or flatten.lists != "keep":
        return None
    if flatten.wanted is not True and plain_setting(flatten.wanted) is None:
        return None
    if modifiers.prefix is not None and len(modifiers.prefix.literal or "-" * LONG) >= LONG:
        return None  # what is spent on it may make the event invalid before collisions are reported
    members = _members(mapping, value)
    if not members or not _keeps_order(writer, members) or value_is_saved(writer.module, value):
        return None
    return None if value_is_secret(writer, value) else Pass(members, flatten, keys)


def _members(mapping: Mapping, value: Instruction) -> tuple[Value | Kept, ...]:
    """Return the members of a `merge` that is flattened, or of one object of which some keys are kept."""
    source, modifiers = value.source, value.modifiers
    if isinstance(source, From):
        kept = _kept(mapping, value, alone=True)
        return () if kept is None else (kept,)
    is_plain = modifiers.only is modifiers.except_ is modifiers.rename is None
    if not isinstance(source, Merge) or not isinstance(source.members, tuple) or not is_plain:
        return ()
    return () if modifiers.flatten is None else tuple(_kept(mapping, each) or each for each in source.members)


def _kept(mapping: Mapping, value: Value, *, alone: bool = False) -> Kept | None:
    """Return a member of which `only` keeps some keys, also where it is a part; None for any other.

    `alone`: it is no member, so it may have other modifiers after these.
    """
    if isinstance(value, PathValue):
        part = mapping.parts.get(value.path.removeprefix("parts.")) if value.path.startswith("parts.") else None
        return None if part is None else _kept(mapping, part)
    if not isinstance(value, Instruction) or not isinstance(value.source, From):
        return None
    only, rename, flatten = value.modifiers.only, value.modifiers.rename, value.modifiers.flatten
    if not isinstance(only, tuple) or isinstance(rename, str) or flatten is None or flatten.wanted is not True:
        return None
    if value.modifiers.except_ is not None or flatten.lists != "keep" or not _is_silent(mapping, value.source.value):
        return None
    if not alone and value.modifiers != Modifiers(only=only, rename=rename, flatten=flatten):
        return None
    table = tuple((old, str(new)) for old, new in (rename or {}).items())
    return Kept(value.source.value, frozenset(only), table, flatten.separator)


def _keeps_order(writer: Writer, members: tuple[Value | Kept, ...]) -> bool:
    """Whether all members can be computed first: what one reports would come before what the words report.

    So a member that may report anything must not stand behind one that is kept in part, whose collisions are reported,
    or behind one that may be no object, which makes the event invalid.
    """
    mapping = writer.module.mapping
    is_first = True
    for member in members:
        if isinstance(member, Kept):
            is_first = False
            continue
        if not is_first and not _is_silent(mapping, member):
            return False
        is_first = is_first and types.of_value(mapping, member) == types.OBJECT
    return True


def _is_silent(mapping: Mapping, value: Value) -> bool:
    """Whether a value reports nothing and refuses nothing: a field of the event, constants, objects of such."""
    if isinstance(value, PathValue):
        return _is_field(mapping, value.path)
    if not isinstance(value, Instruction) or value.modifiers != Modifiers():
        return False
    if isinstance(value.source, Fields):
        keys, values = zip(*value.source.entries, strict=True)
        literal = all(key.literal is not None for key in keys) or (len(keys) == 1 and _is_text(mapping, keys[0]))
        return literal and all(_is_silent(mapping, each) for each in values)
    return isinstance(value.source, Const)


def _is_field(mapping: Mapping, path: str) -> bool:
    names = plain(path)
    return bool(names) and names[0] not in ("parts", "saved") and not reads_template(mapping, path)


def _is_text(mapping: Mapping, text: Text) -> bool:
    """Whether every hole of a text is certainly filled by a text."""
    return all(_is_field(mapping, hole.path) and types.of_path(mapping, hole.path) == types.TEXT for hole in text.holes)
