"""Values -> statements: the eight sources, choices and paths; one function per word, found by its name.

Every emitter appends statements to `writer.lines` and returns a `ValueCode`: a Python expression that may be used
any number of times, whether it can be None (absent), and what is certain about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import repeat

from engine.compiler.emit.conditions import (
    emit_condition,
    emit_conditions,
    emit_count,
    emit_path_value,
    is_secret,
    may_give_template,
    record_names,
    value_is_secret,
)
from engine.compiler.emit.modifiers import emit_modifiers
from engine.compiler.emit.one_pass import emit_one_pass
from engine.compiler.emit.texts import fill_text, fill_url_text
from engine.compiler.growth import LONGEST_CHARACTER
from engine.compiler.recording import Kind
from engine.compiler.writer import ValueCode, Writer, is_clean
from engine.events.spec import NEVER_BLANK
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
    Modifiers,
    PathValue,
    TextOf,
    Value,
    source_word,
    whole_list,
)
from engine.mapping.problems import place_text
from engine.mapping.types import plain
from engine.mapping.walk import descendants
from engine.records import Place

MANY_COPIES = 300
"""From here on the copies that a value makes are counted: those of one event of 32 KB have 10 MB."""

DEEPEST_CHOICE = 4
"""Alternatives of a choice that stand inside each other: Python allows 100 levels of indentation."""

OF_MAPPING = (("body",), ("items",))
"""What is read here was made by the mapping, of values that are clean already."""

SMALLEST_ITEM = 16
"""What every round of a loop counts for, besides what the mapping itself says in it."""


def emit_value(writer: Writer, value: Value) -> ValueCode:
    """Write the statements of any value."""
    with _counting(writer, value):
        got = _value(writer, value)
    _record_value(writer, value, got)
    return got


def _value(writer: Writer, value: Value) -> ValueCode:
    if isinstance(value, PathValue):
        return writer.clean(_read(writer, value))
    return _choice(writer, value) if isinstance(value, Choice) else _instruction(writer, value)


def _record_value(writer: Writer, value: Value, got: ValueCode) -> None:
    writer.record(Kind.VALUE, value.place, got.code)
    if got.null:
        writer.record(Kind.NULL, value.place, f"bool({got.null})")


def emit_or_empty(writer: Writer, value: Value) -> str:
    """Write a value in whose place an empty object stands if it is absent, and return its expression."""
    source = value.source if isinstance(value, Instruction) and value.modifiers == Modifiers() else None
    if isinstance(source, Fields | Merge):  # what is made here and empty would count as absent
        emit: Callable[..., ValueCode] = emit_fields if isinstance(source, Fields) else emit_merge
        with _counting(writer, value):
            got = emit(writer, source, value.place)
        _record_value(writer, value, got)
        return got.code
    got = emit_value(writer, value)
    if got.present:
        return got.code
    body = writer.names.fresh("body")
    writer.lines.add(f"{body} = {{}} if {got.code} is None else {got.code}")
    return body


@contextmanager
def _counting(writer: Writer, value: Value) -> Iterator[None]:
    """Wrap a value; what it reads is counted where it copies that very often."""
    repeats = writer.repeats
    if not repeats and writer.module.growth.of(value).copies > MANY_COPIES:
        writer.repeats = 1
    yield
    writer.repeats = repeats


def _read(writer: Writer, value: PathValue, into: str = "") -> ValueCode:
    """Write a path whose value is not cleaned yet."""
    record_names(writer, value.path, value.place)
    variable = emit_path_value(writer, value.path, value.place, into=into)
    writer.record(Kind.READ, value.place, variable, value.path)
    names = plain(value.path)
    is_object = len(names) == 1 and writer.is_object(names[0])
    never_blank = len(names) == 1 and names[0] in NEVER_BLANK and writer.call is not None
    return ValueCode(
        variable,
        present=is_object,
        shape="dict" if is_object else None,
        fresh=variable in writer.fresh,
        own=bool(into) or variable in writer.own,
        clean=never_blank or variable in writer.cleaned or names[:1] in OF_MAPPING,
        secret=is_secret(writer, value.path),
    )


def _choice(writer: Writer, choice: Choice) -> ValueCode:
    """Write a choice: an alternative stands in the block of the one before it, which is absent or blank there."""
    result, test = writer.names.fresh("chosen"), ""
    clean, secret = True, False
    with ExitStack() as blocks:
        for number, alternative in enumerate(choice.alternatives):
            if number:
                if number % DEEPEST_CHOICE == 0:
                    blocks.close()
                    test = f"{result} is None"
                blocks.enter_context(writer.lines.block(f"if {test}:"))
                blocks.enter_context(writer.branch())
            last = number + 1 == len(choice.alternatives) or (number + 1) % DEEPEST_CHOICE == 0
            got = _alternative(writer, alternative, result, last=last)
            test = writer.absent(got) if isinstance(alternative, PathValue) else f"{result} is None"
            clean, secret = clean and (got.clean or isinstance(alternative, PathValue)), secret or got.secret
    return ValueCode(result, own=True, clean=clean, secret=secret)


def _alternative(writer: Writer, value: Value, result: str, *, last: bool) -> ValueCode:
    """Write an alternative of a choice into its variable; whether a path's value is blank is left to the next one."""
    if not isinstance(value, PathValue):
        got = emit_value(writer, value)
        writer.lines.add(f"{result} = {got.code}")
        return replace(got, code=result, own=True)
    with _counting(writer, value):
        got = writer.without_nulls(_read(writer, value, into=result))
    return writer.clean(got) if last else got


def _instruction(writer: Writer, value: Instruction) -> ValueCode:
    modifiers = value.modifiers
    if modifiers.when is None and modifiers.unless is None:
        return _modified(writer, value)
    result = writer.names.fresh("value")
    null = writer.names.fresh("null") if modifiers.nulls else ""
    holds = emit_conditions(writer, modifiers.when, modifiers.unless, value.place)
    writer.lines.add(f"{result} = None")
    if null:
        writer.lines.add(f"{null} = False")
    with writer.lines.block(f"if {holds}:"), writer.branch():
        got = _modified(writer, value)
        writer.lines.add(f"{result} = {got.code}")
        if null:
            writer.lines.add(f"{null} = {got.null}")
    return ValueCode(result, null=null, own=True, clean=got.clean, secret=got.secret)


def _modified(writer: Writer, value: Instruction) -> ValueCode:
    with writer.at(value.place):
        found = emit_one_pass(writer, value, _word_by_word)
        if found is not None:
            return emit_modifiers(writer, *found)
    got = _source(writer, value)
    with writer.at(value.place):
        return emit_modifiers(writer, value, got)


def _source(writer: Writer, value: Instruction) -> ValueCode:
    total = whole_list(value)
    if total is None:
        emit: Callable[..., ValueCode] = globals()[f"emit_{source_word(value)}"]
        return emit(writer, value.source, value.place)
    got = emit_list(writer, total, value.place, whole=True)
    at = writer.names.literal(place_text(value.place))
    writer.lines.add(f"{got.code} = {writer.module.helper('whole')}({got.code}, reports, {at})")
    return replace(got, present=False)


def _word_by_word(writer: Writer, value: Instruction, ready: tuple[ValueCode | None, ...]) -> ValueCode:
    """Write what one pass did not do; the members of a `merge` are computed already, but for those kept in part."""
    source = value.source
    got = emit_merge(writer, source, value.place, ready) if isinstance(source, Merge) else _source(writer, value)
    return emit_modifiers(writer, value, got)


def emit_from(writer: Writer, source: From, _place: Place) -> ValueCode:
    """Write `from`."""
    return emit_value(writer, source.value)


def emit_const(writer: Writer, source: Const, _place: Place) -> ValueCode:
    """Write `const`."""
    const = source.value
    shape = type(const).__name__ if isinstance(const, dict | list) else "scalar"
    return ValueCode(writer.literal(const), present=const is not None, shape=shape, clean=is_clean(const))


def emit_text(writer: Writer, source: TextOf, place: Place) -> ValueCode:
    """Write `text`."""
    if writer.url:
        return ValueCode(fill_url_text(writer, source.text, (*place, "text")))
    code = fill_text(writer, source.text, (*place, "text"))
    present = code.present and writer.module.mapping.empty_text == "keep"
    secret = any(is_secret(writer, hole.path) for hole in source.text.holes)
    literal = source.text.literal
    clean = literal is not None and is_clean(literal)
    return writer.clean(ValueCode(code.code, present=present or clean, own=code.own, clean=clean, secret=secret))


def emit_fields(writer: Writer, source: Fields, place: Place) -> ValueCode:
    """Write `fields`."""
    result = writer.names.fresh("object")
    writer.lines.add(f"{result} = {{}}")
    filled = emit_members(writer, result, source.entries, place)
    return ValueCode(result, present=True, shape="dict", made=not filled)


def emit_members(writer: Writer, result: str, entries: tuple[tuple[Text, Value], ...], owner: Place) -> bool:
    """Write the members of `fields` into the dict variable `result`; true if one is always present."""
    dynamic = any(key.literal is None for key, _ in entries)
    filled = False
    for key, member in entries:
        if dynamic:
            _filled_entry(writer, result, key, member, owner)
            continue
        got = emit_value(writer, member)
        filled = filled or (got.present and bool(key.literal))
        with writer.if_sent(got):
            if key.literal:
                writer.lines.add(f"{result}[{writer.names.literal(key.literal)}] = {got.code}")
    return filled


def _filled_entry(writer: Writer, result: str, key: Text, member: Value, owner: Place) -> None:
    """Write a member of an object that has `${}` keys: the key first, and the value only if there is a key."""
    name = fill_text(writer, key, member.place).code
    writer.record(Kind.KEY, member.place, name)
    with writer.lines.block(f"if {name}:"), writer.branch():
        got = emit_value(writer, member)
        with writer.if_sent(got):
            emit_put(writer, result, name, got.code, owner)


def emit_merge(
    writer: Writer, source: Merge, place: Place, ready: tuple[ValueCode | None, ...] | None = None
) -> ValueCode:
    """Write `merge`; a first member made for this use alone is updated in place, without a copy.

    `ready` are the members that are computed already.
    """
    result = writer.names.fresh("object")
    members = source.members
    if not isinstance(members, tuple):
        got = emit_value(writer, members)
        writer.module.helper("merged_list")
        at = writer.names.literal(place_text((*place, "merge")))
        writer.lines.add(f"{result} = merged_list({got.code}, {at})")
        return ValueCode(result, present=True, shape="dict", made=True)
    for number, (member, code) in enumerate(zip(members, ready or [None] * len(members), strict=True)):
        got = code or emit_value(writer, member)
        if number == 0 and got.fresh:
            with writer.lines.block(f"if type({got.code}) is dict:"):
                writer.lines.add(f"{result} = {got.code}")
            with writer.lines.block("else:"):
                writer.lines.add(f"{result} = {{}}")
                with writer.if_present(got):
                    _merge_member(writer, result, member, got)
            continue
        if number == 0:
            writer.lines.add(f"{result} = {{}}")
        with writer.if_present(got):
            _merge_member(writer, result, member, got)
    return ValueCode(result, present=True, shape="dict", made=True)


def _merge_member(writer: Writer, result: str, member: Value, got: ValueCode) -> None:
    if got.shape == "dict":
        writer.lines.add(f"{result}.update({got.code})")
        return
    writer.module.helper("merged")
    with writer.lines.block(f"if type({got.code}) is dict:"):
        writer.lines.add(f"{result}.update({got.code})")
    with writer.lines.block("else:"):
        writer.lines.add(f"merged({result}, {got.code}, {writer.names.literal(place_text(member.place))})")


def emit_list(writer: Writer, source: ListOf, _place: Place, *, whole: bool = False) -> ValueCode:
    """Write `list`; `whole` keeps the places of members that are missing."""
    result = writer.names.fresh("list")
    writer.lines.add(f"{result} = []")
    for member in source.members:
        got = emit_value(writer, member)
        emit_append(writer, result, replace(got, present=True) if whole else got)
    return ValueCode(result, present=True, shape="list", made=True)


def emit_each(writer: Writer, each: Each, place: Place) -> ValueCode:
    """Write `each`: a value for every item of a list."""
    result = writer.names.fresh("list")
    items = emit_items(writer, each.of)
    writer.lines.add(f"{result} = None")
    with writer.lines.block(f"if {items} is not None:"), writer.branch():
        writer.lines.add(f"{result} = []")
        writer.count_items(f"len({items})", (*place, "each"))
        emit_rounds(writer, items, each.value, place)
        item, index = writer.names.fresh("item"), writer.names.fresh("index")
        with (
            writer.naming(each.of, index, wanted=may_be_invalid(each.value)),
            writer.lines.block(f"for {index}, {item} in enumerate({items}):"),
            writer.loop(
                secret=value_is_secret(writer, each.of),
                templates=gives_templates(writer, each.of),
                item=item,
                index=index,
                key="None",
            ),
        ):
            writer.record(Kind.ROUND, (*place, "each"), index)
            emit_where(writer, each.where, place)
            emit_append(writer, result, emit_value(writer, each.value))
    return ValueCode(result, shape="list", made=True)


def may_be_invalid(value: Value | None) -> bool:
    """Whether a value itself can make an event invalid; what its parts find wrong is no item's fault."""
    inner = (each for each in descendants(value) if isinstance(each, Instruction)) if value is not None else ()
    return any(
        each.modifiers.required or each.modifiers.must or each.modifiers.within or isinstance(each.source, Merge)
        for each in inner
    )


def emit_items(writer: Writer, of: Value) -> str:
    """Write the value a loop runs over, made into a list; a scalar is reported and becomes None."""
    if isinstance(of, PathValue) and gives_templates(writer, of):
        got = ValueCode(emit_path_value(writer, of.path, of.place, filled=False))
    else:
        got = emit_value(writer, of)
    items = writer.names.fresh("items")
    writer.module.helper("items_of")
    at = writer.names.literal(place_text(of.place))
    writer.lines.add(f"{items} = {got.code} if type({got.code}) is list else items_of({got.code}, reports, {at})")
    return items


def gives_templates(writer: Writer, of: Value) -> bool:
    """Whether the items of a loop have templates that are filled when they are read: where it runs over a path."""
    return isinstance(of, PathValue) and may_give_template(writer, of.path)


def emit_rounds(writer: Writer, items: str, value: Value | None, place: Place) -> None:
    """Write what counts the rounds of a loop, each with what the mapping itself puts into it."""
    own = 0 if value is None else int(writer.module.growth.of(value).plus / LONGEST_CHARACTER)
    emit_count(writer, "spend", f"{SMALLEST_ITEM + own} * len({items})", place)


def emit_where(writer: Writer, where: str | None, place: Place) -> None:
    """Write the filter of a loop: continue with the next item if it does not hold."""
    if where is None:
        return
    holds = emit_condition(writer, where, (*place, "where"))
    with writer.lines.block(f"if not ({holds}):"):
        writer.lines.add("continue")


def emit_entries(writer: Writer, entries: Entries, place: Place) -> ValueCode:
    """Write `entries`: an object made entry by entry."""
    result, source = writer.names.fresh("object"), writer.names.fresh("entries")
    got = emit_value(writer, entries.of)
    lists, pairs = entries.key is not None, f"{source}.items()"
    writer.module.helper("entries_of")
    at = writer.names.literal(place_text(entries.of.place))
    writer.lines.add(f"{source} = entries_of({got.code}, {lists}, reports, {at})")
    writer.lines.add(f"{result} = None")
    with writer.lines.block(f"if {source} is not None:"), writer.branch():
        writer.lines.add(f"{result} = {{}}")
        writer.count_items(f"len({source})", (*place, "entries"))
        emit_rounds(writer, source, entries.value, place)
        key, item, index = (writer.names.fresh(word) for word in ("key", "item", "index"))
        if lists:
            writer.names.function(repeat, "repeat")
            pairs = f"{source}.items() if type({source}) is dict else zip(repeat(None), {source})"
        with (
            writer.naming(entries.of, index, wanted=may_be_invalid(entries.key) or may_be_invalid(entries.value)),
            writer.lines.block(f"for {index}, ({key}, {item}) in enumerate({pairs}):"),
            writer.loop(secret=value_is_secret(writer, entries.of), item=item, index=index, key=key),
        ):
            writer.record(Kind.ROUND, (*place, "entries"), index)
            emit_where(writer, entries.where, place)
            _entry(writer, result, entries, place, key, item)
    return ValueCode(result, shape="dict", made=True)


def _entry(writer: Writer, result: str, entries: Entries, place: Place, key: str, item: str) -> None:
    if entries.key is None:
        _entry_value(writer, result, entries, place, key, item)
        return
    writer.module.helper("text_in")
    got = emit_value(writer, entries.key)
    name = writer.names.fresh("key")
    at = writer.names.literal(place_text(entries.key.place))
    writer.lines.add(f"{name} = text_in({got.code}, reports, {at})")
    with writer.lines.block(f"if {name}:"), writer.branch():
        _entry_value(writer, result, entries, place, name, item)


def _entry_value(writer: Writer, result: str, entries: Entries, place: Place, name: str, item: str) -> None:
    if entries.value is not None:
        member = emit_value(writer, entries.value)
    else:
        member = ValueCode(item, present=writer.module.mapping.nulls == "keep")
    with writer.if_present(member):
        emit_put(writer, result, name, member.code, place)


def emit_put(writer: Writer, result: str, key: str, code: str, owner: Place) -> None:
    """Write the assignment of a member whose key is known only at run time; an overwritten one is reported."""
    writer.module.helper("overwritten")
    with writer.lines.block(f"if {key} in {result}:"):
        writer.lines.add(f"overwritten(reports, {writer.names.literal(place_text(owner))}, [{key}])")
    writer.lines.add(f"{result}[{key}] = {code}")


def emit_append(writer: Writer, result: str, got: ValueCode) -> None:
    """Write what appends a value to a list, if it is present."""
    with writer.if_present(got):
        writer.lines.add(f"{result}.append({got.code})")
