"""Raw YAML values -> the value nouns of the model: text is a path, a list is a choice, a mapping is an instruction.

The document has passed the JSON Schema; what can still be wrong here is the text of a `${}`, which is raised
as PathError through `Faults` so that the checker can say it at the right place and go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from engine.errors import PathError
from engine.language import template
from engine.language.template import Text
from engine.mapping.model import (
    Choice,
    Const,
    Each,
    Entries,
    Fields,
    Flatten,
    From,
    FunctionUse,
    Instruction,
    ListOf,
    Merge,
    Modifiers,
    PathValue,
    Place,
    Source,
    TextOf,
    TextOrValue,
    Value,
)
from engine.records import Json, JsonObject

SOURCES = ("from", "const", "text", "fields", "merge", "list", "each", "entries")


class Faults:
    """Texts that could not be read, with their places; reading goes on with the text as it stands."""

    def __init__(self) -> None:
        self.found: list[tuple[Place, bool, PathError]] = []

    def text(self, written: str, place: Place, *, key: bool = False) -> Text:
        """Read a text with `${}`; `key` says that the text is a key, so that a problem lands on it."""
        try:
            return template.parse(written)
        except PathError as error:
            self.found.append((place, key, error))
            return Text((written,))


class ValueReader:
    """Reads values; one method a source word."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def value(self, raw: Json, place: Place) -> Value:
        """Read any value."""
        if isinstance(raw, str):
            return PathValue(place, raw)
        if isinstance(raw, list):
            return Choice(place, tuple(self.value(item, (*place, number)) for number, item in enumerate(raw)))
        return self.instruction(cast("JsonObject", raw), place)

    def instruction(self, raw: JsonObject, place: Place) -> Instruction:
        """Read a mapping with exactly one source."""
        word = next(word for word in SOURCES if word in raw)
        read: Callable[[JsonObject, Place], Source] = getattr(self, f"_{word}")
        return Instruction(place, read(raw, place), self.modifiers(raw, place))

    def text_or_value(self, raw: Json, place: Place) -> TextOrValue:
        """Read what may be text with `${}` or an instruction: URL parts, headers, query."""
        if isinstance(raw, dict):
            return self.instruction(raw, place)
        return self.faults.text(cast("str", raw), place)

    def named(self, raw: Json, place: Place) -> tuple[tuple[str, TextOrValue], ...]:
        """Read headers or a query."""
        table = cast("JsonObject", raw or {})
        return tuple((name, self.text_or_value(item, (*place, name))) for name, item in table.items())

    def entries(self, raw: Json, place: Place) -> tuple[tuple[Text, Value], ...]:
        """Read the members of `fields`."""
        table = cast("JsonObject", raw or {})
        return tuple(
            (self.faults.text(key, (*place, key), key=True), self.value(item, (*place, key)))
            for key, item in table.items()
        )

    def _from(self, raw: JsonObject, place: Place) -> Source:
        return From(self.value(raw["from"], (*place, "from")))

    def _const(self, raw: JsonObject, _place: Place) -> Source:
        return Const(raw["const"])

    def _text(self, raw: JsonObject, place: Place) -> Source:
        return TextOf(self.faults.text(cast("str", raw["text"]), (*place, "text")))

    def _fields(self, raw: JsonObject, place: Place) -> Source:
        return Fields(self.entries(raw["fields"], (*place, "fields")))

    def _merge(self, raw: JsonObject, place: Place) -> Source:
        return Merge(self._members(raw, "merge", place))

    def _list(self, raw: JsonObject, place: Place) -> Source:
        return ListOf(self._members(raw, "list", place))

    def _each(self, raw: JsonObject, place: Place) -> Source:
        of = self.value(raw["each"], (*place, "each"))
        return Each(of, self.value(raw["value"], (*place, "value")), cast("str | None", raw.get("where")))

    def _entries(self, raw: JsonObject, place: Place) -> Source:
        key = self.value(raw["key"], (*place, "key")) if "key" in raw else None
        value = self.value(raw["value"], (*place, "value")) if "value" in raw else None
        of = self.value(raw["entries"], (*place, "entries"))
        return Entries(of, cast("str | None", raw.get("where")), key, value)

    def _members(self, raw: JsonObject, word: str, place: Place) -> tuple[Value, ...]:
        members = cast("list[Json]", raw[word])
        return tuple(self.value(item, (*place, word, number)) for number, item in enumerate(members))

    def modifiers(self, raw: JsonObject, place: Place) -> Modifiers:
        """Read the modifiers of an instruction; `when` and `unless` of a step are taken out before."""
        prefix = raw.get("prefix")
        return Modifiers(
            when=cast("str | None", raw.get("when")),
            unless=cast("str | None", raw.get("unless")),
            as_=chain(raw.get("as")),
            map=cast("JsonObject | str | None", raw.get("map")),
            unmapped=cast("str", raw.get("unmapped", "drop")),
            ignore_case=bool(raw.get("ignore_case", False)),
            only=_names(raw.get("only")),
            except_=_names(raw.get("except")),
            rename=cast("dict[str, str] | str | None", raw.get("rename")),
            flatten=_flatten(raw.get("flatten")),
            keys=cast("str | None", raw.get("keys")),
            prefix=None if prefix is None else self.faults.text(cast("str", prefix), (*place, "prefix")),
            default=(raw["default"],) if "default" in raw else None,
            within=cast("dict[str, str] | None", raw.get("within")),
            must=cast("JsonObject | None", raw.get("must")),
            required=bool(raw.get("required", False)),
        )


def chain(raw: Json) -> tuple[FunctionUse, ...]:
    """Read `as`: a name, a name with its parameters, or a list of those."""
    if raw is None:
        return ()
    uses = raw if isinstance(raw, list) else [raw]
    return tuple(_use(use) for use in uses)


def _use(raw: Json) -> FunctionUse:
    if isinstance(raw, dict):
        name, written = next(iter(raw.items()))
        return FunctionUse(name, written)
    return FunctionUse(cast("str", raw), None)


def _names(raw: Json) -> tuple[str, ...] | str | None:
    return tuple(cast("list[str]", raw)) if isinstance(raw, list) else cast("str | None", raw)


def _flatten(raw: Json) -> Flatten | None:
    if raw is None:
        return None
    if isinstance(raw, dict):
        return Flatten(
            wanted=cast("str | bool", raw.get("if", True)),
            separator=cast("str", raw.get("separator", "_")),
            lists=cast("str", raw.get("lists", "keep")),
        )
    return Flatten(wanted=cast("bool | str", raw))
