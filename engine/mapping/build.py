"""A resolved document (extends and includes merged) -> the Mapping noun."""

from __future__ import annotations

from typing import cast

from engine.mapping.model import (
    Batch,
    Example,
    Http,
    Instruction,
    Mapping,
    Place,
    Request,
    Response,
    Results,
    Setting,
    Step,
    Value,
)
from engine.mapping.values import SOURCES, Faults, ValueReader
from engine.records import Json, JsonObject

STEP_WORDS = frozenset({"request", "when", "unless", "require", "for_each", "where", "save"})


def build(raw: JsonObject, faults: Faults) -> Mapping:
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


def _example(number: int, raw: JsonObject) -> Example:
    return Example(
        place=("examples", number),
        title=cast("str", raw["title"]),
        settings=cast("JsonObject", raw.get("settings") or {}),
        event=raw["event"],
        replies=tuple(cast("list[JsonObject]", raw.get("replies") or [])),
        expect=raw["expect"],
    )
