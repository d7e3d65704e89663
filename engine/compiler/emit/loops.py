"""Loops -> statements: each, entries, and the items and filters that for_each shares with them."""

from __future__ import annotations

from typing import cast

from engine.compiler.emit.conditions import emit_condition
from engine.compiler.emit.objects import if_present
from engine.compiler.writer import Got, Writer
from engine.mapping.model import Each, Entries, Instruction, Value
from engine.mapping.problems import place_text
from engine.records import Place


def emit_each(writer: Writer, value: Instruction) -> Got:
    """Write `each`: a value for every item of a list."""
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
            emit_append(writer, result, writer.value(each.value))
    return Got(result, shape="list", made=True)


def emit_items(writer: Writer, of: Value) -> str:
    """Write the value a loop runs over, made into a list; a scalar is reported and None."""
    got = writer.value(of)
    items = writer.names.fresh("items")
    writer.module.helper("items_of")
    at = writer.names.literal(place_text(of.place))
    writer.lines.add(f"{items} = {got.code} if type({got.code}) is list else items_of({got.code}, reports, {at})")
    return items


def emit_where(writer: Writer, where: str | None, place: Place) -> None:
    """Write the filter of a loop: the next item where it does not hold."""
    if where is None:
        return
    holds = emit_condition(writer, where, (*place, "where"))
    with writer.lines.block(f"if not ({holds}):"):
        writer.lines.add("continue")


def emit_entries_of(writer: Writer, value: Instruction) -> Got:
    """Write `entries`: an object made entry by entry."""
    entries = cast("Entries", value.source)
    result, source = writer.names.fresh("object"), writer.names.fresh("entries")
    got = writer.value(entries.of)
    writer.module.helper("entries_of")
    at = writer.names.literal(place_text(entries.of.place))
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
    got = writer.value(entries.key)
    name = writer.names.fresh("key")
    at = writer.names.literal(place_text(entries.key.place))
    writer.lines.add(f"{name} = text_in({got.code}, reports, {at})")
    with writer.lines.block(f"if {name}:"), writer.branch():
        _entry_value(writer, result, entries, value, name, item)


def _entry_value(writer: Writer, result: str, entries: Entries, value: Instruction, name: str, item: str) -> None:
    if entries.value is not None:
        member = writer.value(entries.value)
    else:
        member = Got(item, present=writer.module.mapping.nulls == "keep")
    with if_present(writer, member):
        emit_put(writer, result, name, member.code, value.place)


def emit_put(writer: Writer, result: str, key: str, code: str, owner: Place) -> None:
    """Write the setting of a member whose key is known at run time only; an overwritten one is reported."""
    writer.module.helper("overwritten")
    with writer.lines.block(f"if {key} in {result}:"):
        writer.lines.add(f"overwritten(reports, {writer.names.literal(place_text(owner))}, [{key}])")
    writer.lines.add(f"{result}[{key}] = {code}")


def emit_append(writer: Writer, result: str, got: Got) -> None:
    """Write the adding of a value to a list, if it is there."""
    with if_present(writer, got):
        writer.lines.add(f"{result}.append({got.code})")
