"""A resolved document (extends and includes merged) -> the Mapping noun, its values included.

Text is a path, a list is a choice, a mapping is an instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from engine.errors import PathError
from engine.language import template
from engine.language.template import Text
from engine.mapping.model import (
    Batch,
    Choice,
    Const,
    Each,
    Entries,
    Fields,
    Flatten,
    From,
    FunctionUse,
    Http,
    Instruction,
    ListOf,
    Mapping,
    MappingExample,
    Merge,
    Modifiers,
    PathValue,
    Request,
    Response,
    Results,
    Setting,
    Source,
    Step,
    TextOf,
    TextOrValue,
    Value,
)
from engine.records import Json, JsonObject, Place

STEP_WORDS = frozenset({"request", "when", "unless", "require", "for_each", "where", "save"})


def build(raw: JsonObject, faults: BuildFaults) -> Mapping:
    """Make the model of a document that has passed the schema; texts that cannot be read go into `faults`."""
    reader = ValueReader(faults)
    calls = _object(raw, "calls")
    return Mapping(
        name=cast("str", raw["name"]),
        title=cast("str", raw["title"]),
        integrations=tuple(cast("list[str]", raw.get("integrations") or [raw["title"]])),
        about=cast("str", raw.get("about", "")),
        docs=cast("str", raw.get("docs", "")),
        nulls=cast("str", raw.get("nulls", "keep")),
        empty_text=cast("str", raw.get("empty_text", "keep")),
        settings={name: _setting(name, cast("JsonObject", item)) for name, item in _object(raw, "settings").items()},
        http=_http(_object(raw, "http"), reader),
        requests={name: _request(name, item, reader) for name, item in _objects(raw, "requests")},
        batches={name: _batch(name, item, reader) for name, item in _objects(raw, "batches")},
        responses=_responses(raw.get("responses"), ("responses",)),
        retry=cast("dict[str, str]", _object(raw, "retry")),
        check=cast("str | None", raw.get("check")),
        parts={name: reader.value(item, ("parts", name)) for name, item in _object(raw, "parts").items()},
        calls={call: _steps(call, steps, reader) for call, steps in calls.items() if isinstance(steps, list)},
        shared={call: steps for call, steps in calls.items() if isinstance(steps, str)},
        examples=tuple(_example(number, item) for number, item in enumerate(_list(raw, "examples"))),
    )


def _object(raw: JsonObject, key: str) -> JsonObject:
    return cast("JsonObject", raw.get(key) or {})


def _objects(raw: JsonObject, key: str) -> list[tuple[str, JsonObject]]:
    return [(name, cast("JsonObject", item)) for name, item in _object(raw, key).items()]


def _list(raw: JsonObject, key: str) -> list[JsonObject]:
    return cast("list[JsonObject]", raw.get(key) or [])


def _setting(name: str, raw: JsonObject) -> Setting:
    plain = {key: value for key, value in raw.items() if key != "choices"}
    return Setting(name=name, choices=tuple(cast("list[Json]", raw.get("choices") or [])), **plain)  # type: ignore[arg-type]


def _http(raw: JsonObject, reader: ValueReader) -> Http:
    basic = cast("list[Json] | None", raw.get("basic"))
    pair: tuple[Value, Value] | None = None
    if basic:
        pair = (reader.value(basic[0], ("http", "basic", 0)), reader.value(basic[1], ("http", "basic", 1)))
    return Http(
        base_url=reader.text_or_value(raw["base_url"], ("http", "base_url")),
        headers=reader.named(raw.get("headers"), ("http", "headers")),
        timeout=cast("str", raw.get("timeout", "30s")),
        rate_limit=cast("str | None", raw.get("rate_limit")),
        basic=pair,
        compress=cast("str | None", raw.get("compress")),
        request_id=cast("str | None", raw.get("request_id")),
    )


def _request(name: str, raw: JsonObject, reader: ValueReader) -> Request:
    place: Place = ("requests", name)
    return Request(
        name=name,
        place=place,
        path=reader.text_or_value(raw["path"], (*place, "path")) if "path" in raw else None,
        method=reader.text_or_value(raw.get("method", "POST"), (*place, "method")),
        query=reader.named(raw.get("query"), (*place, "query")),
        headers=reader.named(raw.get("headers"), (*place, "headers")),
        encode=cast("str", raw.get("encode", "json")),
        batch=cast("str | None", raw.get("batch")),
        item=reader.value(raw["item"], (*place, "item")) if "item" in raw else None,
        if_missing=cast("str | None", raw.get("if_missing")),
        responses=_responses(raw.get("responses"), (*place, "responses")),
        body_schema=cast("JsonObject | None", raw.get("body_schema")),
    )


def _batch(name: str, raw: JsonObject, reader: ValueReader) -> Batch:
    place: Place = ("batches", name)
    results = cast("dict[str, str] | None", raw.get("results"))
    return Batch(
        name=name,
        place=place,
        path=reader.text_or_value(raw["path"], (*place, "path")),
        method=reader.text_or_value(raw.get("method", "POST"), (*place, "method")),
        headers=reader.named(raw.get("headers"), (*place, "headers")),
        max_items=cast("int", raw.get("max_items", 100)),
        max_bytes=cast("int | None", raw.get("max_bytes")),
        max_wait=cast("str | None", raw.get("max_wait")),
        fields=reader.entries(raw.get("fields"), (*place, "fields")),
        results=Results(**results) if results else None,
    )


def _responses(raw: Json, place: Place) -> tuple[Response, ...]:
    rules = cast("list[JsonObject]", raw or [])
    return tuple(_response(rule, (*place, number)) for number, rule in enumerate(rules))


def _response(raw: JsonObject, place: Place) -> Response:
    status = raw.get("status", [])
    codes = status if isinstance(status, list) else [status]
    plain = {key: value for key, value in raw.items() if key != "status"}
    return Response(place=place, status=tuple(cast("list[int | str]", codes)), **plain)  # type: ignore[arg-type]


def _steps(call: str, raw: Json, reader: ValueReader) -> tuple[Step, ...]:
    steps = cast("list[JsonObject]", raw)
    return tuple(_step(step, ("calls", call, number), reader) for number, step in enumerate(steps))


def _step(raw: JsonObject, place: Place, reader: ValueReader) -> Step:
    body = {word: value for word, value in raw.items() if word not in STEP_WORDS}
    has_source = any(word in body for word in SOURCES)
    # `where` belongs to the step's for_each, but to `each` and `entries` where the step loops over nothing.
    if has_source and "for_each" not in raw and "where" in raw:
        body["where"] = raw["where"]
    value: Instruction | None = reader.instruction(body, place) if has_source else None
    return Step(
        place=place,
        request=cast("str", raw["request"]),
        value=value,
        when=cast("str | None", raw.get("when")),
        unless=cast("str | None", raw.get("unless")),
        require=tuple(cast("dict[str, str]", raw.get("require") or {}).items()),
        for_each=reader.value(raw["for_each"], (*place, "for_each")) if "for_each" in raw else None,
        where=cast("str | None", raw.get("where")) if "for_each" in raw else None,
        save=cast("dict[str, str]", raw.get("save") or {}),
    )


def _example(number: int, raw: JsonObject) -> MappingExample:
    return MappingExample(
        place=("examples", number),
        title=cast("str", raw["title"]),
        settings=cast("JsonObject", raw.get("settings") or {}),
        event=raw["event"],
        replies=tuple(cast("list[JsonObject]", raw.get("replies") or [])),
        expect=raw["expect"],
    )


SOURCES = ("from", "const", "text", "fields", "merge", "list", "each", "entries")


class BuildFaults:
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

    def __init__(self, faults: BuildFaults) -> None:
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
