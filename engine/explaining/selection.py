"""One field of an explanation: an input field, or an output field, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from engine.records import Json, JsonObject


def within(path: str, asked: str) -> bool:
    """Whether a path is the one that is asked for, or inside it."""
    return path == asked or path.startswith((f"{asked}.", f"{asked}["))


def output_names(explanation: JsonObject) -> list[str]:
    """Return the output fields of an explanation, sent or absent, each once."""
    return list(dict.fromkeys(str(field["output"]) for request in _requests(explanation) for field in _fields(request)))


def field_names(explanation: JsonObject) -> list[str]:
    """Return the paths of the event's fields."""
    return [str(each["path"]) for each in _objects(explanation["event_fields"])]


def only_output(explanation: JsonObject, asked: str) -> JsonObject:
    """Return the explanation of one output field; the requests without it are left out."""

    def wanted(fields: Json) -> Json:
        return [each for each in _objects(fields) if within(str(each["output"]), asked)]

    steps = []
    for step in _objects(explanation["steps"]):
        requests: list[Json] = [
            {**each, "around": [], "fields": wanted(each["fields"]), "absent": wanted(each["absent"])}
            for each in _objects(step["requests"])
        ]
        kept: list[Json] = [each for each in requests if isinstance(each, dict) and (each["fields"] or each["absent"])]
        if kept:
            steps.append({**step, "requests": kept})
    return {**explanation, "steps": cast("Json", steps), "event_fields": [], "reached_no_request": [], "reports": []}


def only_field(explanation: JsonObject, asked: str) -> JsonObject:
    """Return the explanation of one field of the event, the fields inside it and its reports; without the steps."""
    fields: list[Json] = [each for each in _objects(explanation["event_fields"]) if within(str(each["path"]), asked)]
    silent = cast("list[Json]", explanation["reached_no_request"])
    unread: list[Json] = [each for each in silent if within(str(each), asked)]
    reports: list[Json] = [each for each in _objects(explanation["reports"]) if _is_on(each, asked)]
    return {**explanation, "steps": [], "event_fields": fields, "reached_no_request": unread, "reports": reports}


def _is_on(report: JsonObject, asked: str) -> bool:
    """Whether a report is on a field of the event, on something inside it, or on an object that it is in."""
    place = str(report["place"])
    return report["about"] == "event" and (within(place, asked) or within(asked, place))


def _requests(explanation: JsonObject) -> Iterator[JsonObject]:
    for step in _objects(explanation["steps"]):
        yield from _objects(step["requests"])


def _fields(request: JsonObject) -> list[JsonObject]:
    return [*_objects(request["fields"]), *_objects(request["absent"])]


def _objects(value: Json) -> list[JsonObject]:
    return cast("list[JsonObject]", value)
