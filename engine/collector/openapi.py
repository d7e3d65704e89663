"""The collector in OpenAPI's words, made from the tables it works by, so that the two cannot differ."""

from __future__ import annotations

from engine.collector.calls import BATCH, CALLS
from engine.collector.limits import Limits
from engine.records import Json, JsonObject

CODES: dict[int, tuple[str, ...]] = {
    400: ("bad_request", "too_many_events"),
    401: ("unauthorized",),
    408: ("timeout",),
    413: ("payload_too_large", "event_too_large"),
    415: ("bad_request",),
    429: ("too_many_requests",),
    500: ("internal_error",),
    503: ("unavailable",),
}
"""Status -> the codes a refusal of it may have."""

WITH_RETRY_AFTER = (429, 503)
TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded")
OPERATIONS = {"/healthz": "It runs.", "/readyz": "It takes events."}


def description(limits: Limits) -> JsonObject:
    """Give the OpenAPI document of a collector with these limits."""
    paths: JsonObject = {path: {"post": _call(path, call)} for path, call in CALLS.items()}
    for path, about in OPERATIONS.items():
        paths[path] = {"get": {"summary": about, "security": [], "responses": {"200": {"description": about}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "waybill collector", "version": "1", "description": "Segment's HTTP Tracking API."},
        "paths": paths,
        "security": [{"writeKey": []}, {}],
        "components": {
            "securitySchemes": {"writeKey": {"type": "http", "scheme": "basic"}},
            "schemas": {"Taken": _taken(), "Refused": _refused(), "event": _event(), "batch": _batch(limits)},
        },
    }


def _call(path: str, call: str) -> JsonObject:
    schema: Json = {"$ref": f"#/components/schemas/{BATCH if call == BATCH else 'event'}"}
    responses: JsonObject = {"200": _answer("The events are on disk.", "Taken")}
    responses |= {str(status): _no(status) for status in CODES}
    content: JsonObject = {name: {"schema": schema} for name in TYPES}
    return {
        "operationId": path.removeprefix("/v1/"),
        "summary": "Many calls." if call == BATCH else f"A call: {call}.",
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }


def _no(status: int) -> JsonObject:
    answer = _answer(", ".join(CODES[status]), "Refused")
    if status in WITH_RETRY_AFTER:
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return answer


def _answer(about: str, schema: str) -> JsonObject:
    content: Json = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": about, "content": content}


def _taken() -> JsonObject:
    return {"type": "object", "properties": {"success": {"const": True}}, "required": ["success"]}


def _refused() -> JsonObject:
    codes: list[Json] = [*sorted({code for codes in CODES.values() for code in codes})]
    words: JsonObject = {"success": {"const": False}, "code": {"enum": codes}, "message": {"type": "string"}}
    return {"type": "object", "properties": words, "required": [*words], "additionalProperties": False}


def _event() -> JsonObject:
    """Say what an event usually holds; what else is sent is answered 200 and discarded with a code."""
    texts = ("type", "messageId", "userId", "anonymousId", "groupId", "previousId", "event", "name", "category")
    times = ("timestamp", "sentAt", "originalTimestamp")
    objects = ("context", "integrations", "properties", "traits")
    members: JsonObject = {name: {"type": "string"} for name in (*texts, *times, "writeKey")}
    return {"type": "object", "properties": {**members, **{name: {"type": "object"} for name in objects}}}


def _batch(limits: Limits) -> JsonObject:
    event: Json = {"$ref": "#/components/schemas/event"}
    items: JsonObject = {"type": "array", "items": event, "maxItems": limits.batch_events}
    members: JsonObject = {
        "batch": items,
        "writeKey": {"type": "string"},
        "sentAt": {"type": "string"},
        "context": {"type": "object"},
        "integrations": {"type": "object"},
    }
    return {"type": "object", "properties": members, "required": ["batch"]}
