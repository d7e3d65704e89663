"""The paths of the collector, and the OpenAPI document that is made from the same tables the collector works by."""

from __future__ import annotations

from engine.collector.responses import CollectorLimits
from engine.records import Json, JsonObject

BATCH = "batch"
CALLS: dict[str, str] = {
    "/v1/identify": "identify",
    "/v1/i": "identify",
    "/v1/track": "track",
    "/v1/t": "track",
    "/v1/page": "page",
    "/v1/p": "page",
    "/v1/screen": "screen",
    "/v1/s": "screen",
    "/v1/group": "group",
    "/v1/g": "group",
    "/v1/alias": "alias",
    "/v1/a": "alias",
    "/v1/delete": "delete",
    "/v1/batch": BATCH,
    "/v1/b": BATCH,
    "/v1/import": BATCH,
}
"""Path -> call."""

CODES: dict[int, tuple[str, ...]] = {
    400: ("bad_request", "too_many_events"),
    401: ("unauthorized",),
    408: ("timeout",),
    413: ("payload_too_large", "event_too_large"),
    414: ("head_too_large",),
    415: ("bad_request",),
    429: ("too_many_requests",),
    431: ("head_too_large",),
    500: ("internal_error",),
    503: ("unavailable",),
}
"""Status -> the codes a refusal with it may have."""

RETRY: JsonObject = {
    "Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}
}
REFUSAL_HEADERS: dict[int, JsonObject] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"const": 'Basic realm="collector"'}}},
    429: RETRY,
    503: RETRY,
}
CORS: JsonObject = {"Access-Control-Allow-Origin": {"required": True, "schema": {"const": "*"}}}
CONTENT_TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded")
EXAMPLE: JsonObject = {"type": "track", "userId": "u1", "event": "Ordered", "properties": {"total": 12.5}}
WRITE_KEY = "The write key as the user name. It may be sent as writeKey in the body instead."
ENCODINGS: Json = ["gzip", "x-gzip", "identity"]


def description(limits: CollectorLimits) -> JsonObject:
    """Return the OpenAPI document of a collector with these limits."""
    paths: JsonObject = {path: {"post": _call(path, call), "options": _preflight(path)} for path, call in CALLS.items()}
    paths["/healthz"] = {"get": _operation({"200": _text("The collector is running.")})}
    not_ready = _text("The collector is stopping, or delivery is too far behind.")
    paths["/readyz"] = {"get": _operation({"200": _text("The collector accepts events."), "503": not_ready})}
    document: JsonObject = {
        "description": "This OpenAPI document.",
        "headers": CORS,
        "content": {"application/json": {}},
    }
    paths["/openapi.json"] = {"get": _operation({"200": document})}
    return {
        "openapi": "3.1.0",
        "info": {"title": "waybill collector", "version": "1", "description": "Segment's HTTP Tracking API."},
        "paths": paths,
        "security": [{"writeKey": []}, {}],
        "components": {
            "securitySchemes": {
                "writeKey": {"type": "http", "scheme": "basic", "description": WRITE_KEY},
            },
            "schemas": {"Accepted": _accepted(), "Error": _error(), "event": _event(), "batch": _batch(limits)},
        },
    }


def _call(path: str, call: str) -> JsonObject:
    schema: Json = {"$ref": f"#/components/schemas/{BATCH if call == BATCH else 'event'}"}
    responses: JsonObject = {"200": _json("The events are on disk.", "Accepted", CORS)}
    responses |= {str(status): _refusal(status) for status in CODES}
    example: JsonObject = {"batch": [EXAMPLE]} if call == BATCH else EXAMPLE
    content: JsonObject = {name: {"schema": schema, "example": example} for name in CONTENT_TYPES}
    encoding: JsonObject = {"name": "Content-Encoding", "in": "header", "schema": {"enum": ENCODINGS}}
    return {
        "operationId": path.removeprefix("/v1/"),
        "summary": "Several calls." if call == BATCH else f"One {call} call.",
        "parameters": [encoding],
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }


def _preflight(path: str) -> JsonObject:
    """Describe the preflight request of a browser."""
    names = ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Vary")
    headers: JsonObject = {**CORS, **{name: {"required": True, "schema": {"type": "string"}} for name in names}}
    responses: JsonObject = {"204": {"description": "Any page may send requests.", "headers": headers}}
    return {"operationId": f"{path.removeprefix('/v1/')}_preflight", **_operation(responses)}


def _operation(responses: JsonObject) -> JsonObject:
    return {"security": [], "responses": responses}


def _text(about: str) -> JsonObject:
    return {"description": about, "headers": CORS, "content": {"text/plain": {"schema": {"type": "string"}}}}


def _refusal(status: int) -> JsonObject:
    return _json(", ".join(CODES[status]), "Error", REFUSAL_HEADERS.get(status, {}) | CORS)


def _json(about: str, schema: str, headers: JsonObject) -> JsonObject:
    content: Json = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": about, "headers": headers, "content": content}


def _accepted() -> JsonObject:
    return {"type": "object", "properties": {"success": {"const": True}}, "required": ["success"]}


def _error() -> JsonObject:
    codes: list[Json] = [*sorted({code for codes in CODES.values() for code in codes})]
    properties: JsonObject = {"success": {"const": False}, "code": {"enum": codes}, "message": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _event() -> JsonObject:
    """Describe a usual event. What breaks the rules is answered 200 all the same, and discarded with a code."""
    texts = ("type", "messageId", "userId", "anonymousId", "groupId", "previousId", "event", "name", "category")
    times = ("timestamp", "sentAt", "originalTimestamp")
    objects = ("context", "integrations", "properties", "traits")
    members: JsonObject = {name: {"type": "string"} for name in (*texts, *times, "writeKey")}
    return {"type": "object", "properties": {**members, **{name: {"type": "object"} for name in objects}}}


def _batch(limits: CollectorLimits) -> JsonObject:
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
