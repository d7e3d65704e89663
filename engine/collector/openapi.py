"""The addresses of the collector, and its description for OpenAPI, made from the tables it works by."""

from __future__ import annotations

from engine.collector.responses import CollectorLimits
from engine.records import Json, JsonObject

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
"""Status -> the codes a refusal of it may have."""

SECONDS: JsonObject = {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer"}}}
REFUSAL_HEADERS: dict[int, JsonObject] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"const": 'Basic realm="collector"'}}},
    429: SECONDS,
    503: SECONDS,
}
PAGES: JsonObject = {"Access-Control-Allow-Origin": {"required": True, "schema": {"const": "*"}}}
TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded")
EXAMPLE: JsonObject = {"type": "track", "userId": "u1", "event": "Ordered", "properties": {"total": 12.5}}
ENCODINGS: Json = ["gzip", "x-gzip", "identity"]


def description(limits: CollectorLimits) -> JsonObject:
    """Return the OpenAPI document of a collector with these limits."""
    paths: JsonObject = {path: {"post": _call(path, call), "options": _preflight(path)} for path, call in CALLS.items()}
    paths["/healthz"] = {"get": _operation({"200": _text("It runs.")})}
    behind = _text("It stops, or is too far behind.")
    paths["/readyz"] = {"get": _operation({"200": _text("It takes events."), "503": behind})}
    this: JsonObject = {"description": "This.", "headers": PAGES, "content": {"application/json": {}}}
    paths["/openapi.json"] = {"get": _operation({"200": this})}
    return {
        "openapi": "3.1.0",
        "info": {"title": "waybill collector", "version": "1", "description": "Segment's HTTP Tracking API."},
        "paths": paths,
        "security": [{"writeKey": []}, {}],
        "components": {
            "securitySchemes": {
                "writeKey": {"type": "http", "scheme": "basic", "description": "Or as writeKey in the body."},
            },
            "schemas": {"Taken": _taken(), "Refused": _refused(), "event": _event(), "batch": _batch(limits)},
        },
    }


def _call(path: str, call: str) -> JsonObject:
    schema: Json = {"$ref": f"#/components/schemas/{BATCH if call == BATCH else 'event'}"}
    responses: JsonObject = {"200": _answer("The events are on disk.", "Taken", PAGES)}
    responses |= {str(status): _no(status) for status in CODES}
    example: JsonObject = {"batch": [EXAMPLE]} if call == BATCH else EXAMPLE
    content: JsonObject = {name: {"schema": schema, "example": example} for name in TYPES}
    encoding: JsonObject = {"name": "Content-Encoding", "in": "header", "schema": {"enum": ENCODINGS}}
    return {
        "operationId": path.removeprefix("/v1/"),
        "summary": "Many calls." if call == BATCH else f"A call: {call}.",
        "parameters": [encoding],
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }


def _preflight(path: str) -> JsonObject:
    """Describe what browsers ask before they send."""
    names = ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Vary")
    headers: JsonObject = {**PAGES, **{name: {"required": True, "schema": {"type": "string"}} for name in names}}
    responses: JsonObject = {"204": {"description": "Any page may send.", "headers": headers}}
    return {"operationId": f"{path.removeprefix('/v1/')}_preflight", **_operation(responses)}


def _operation(answers: JsonObject) -> JsonObject:
    return {"security": [], "responses": answers}


def _text(about: str) -> JsonObject:
    return {"description": about, "headers": PAGES, "content": {"text/plain": {"schema": {"type": "string"}}}}


def _no(status: int) -> JsonObject:
    return _answer(", ".join(CODES[status]), "Refused", REFUSAL_HEADERS.get(status, {}) | PAGES)


def _answer(about: str, schema: str, headers: JsonObject) -> JsonObject:
    content: Json = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": about, "headers": headers, "content": content}


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
