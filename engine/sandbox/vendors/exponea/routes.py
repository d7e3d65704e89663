"""The HTTP face of the emulated Exponea: `/track/v2/...` and the part of `/data/v2/...` that reads back."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Handler, Routes
from engine.sandbox.http_messages import JSON_TYPE, Refusal, VendorRequest, VendorResponse
from engine.sandbox.vendors.exponea import access, reading, tracking
from engine.sandbox.vendors.exponea.project import Project
from engine.sandbox.vendors.exponea.tracking import MAX_COMMANDS


def system_time(exponea: Project, incoming: VendorRequest, project: str) -> VendorResponse:
    """Answer the harmless question."""
    exponea.access.check(incoming, project)
    return VendorResponse(200, {"errors": [], **tracking.system_time(exponea, {}, incoming.now)})


def single(command: tracking.Command) -> Handler:
    """Make a handler of one command's own endpoint."""

    def handler(exponea: Project, incoming: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(incoming, project)
        try:
            return VendorResponse(200, {"errors": [], **command(exponea, body_of(incoming), incoming.now)})
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def batch(exponea: Project, incoming: VendorRequest, project: str) -> VendorResponse:
    """Run up to 50 commands; the answer is 200 even if some of them fail."""
    exponea.access.check(incoming, project)
    commands = body_of(incoming).get("commands")
    if not isinstance(commands, list) or not commands:
        raise access.refuse(400, "message", "No commands")
    if not all(isinstance(command, dict) for command in commands):
        raise access.refuse(400, "message", "Invalid JSON")
    if len(commands) > MAX_COMMANDS:
        # [I] The maximum is documented, the answer beyond it is not.
        raise access.refuse(400, "message", f"Too many commands ({len(commands)}), at most {MAX_COMMANDS}")
    results: list[Json] = []
    for command in commands:
        assert isinstance(command, dict)
        results.append(tracking.run(exponea, command, incoming.item_error(), incoming.now))
    exponea.state.count(exponea.name, "commands", len(commands))
    times: JsonObject = {"start_time": incoming.now, "end_time": exponea.clock()}
    return VendorResponse(200, {"results": results, **times, "success": True})


def private(read: Callable[[Project, JsonObject], VendorResponse]) -> Handler:
    """Make a handler of a Data API call."""

    def handler(exponea: Project, incoming: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(incoming, project, private=True)
        try:
            return read(exponea, body_of(incoming))
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def body_of(incoming: VendorRequest) -> JsonObject:
    """Read the body: a JSON object, not compressed (the API FAQ: gzip gives the generic 400)."""
    kind = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if incoming.headers.get("content-encoding", "identity") != "identity" or kind != JSON_TYPE:
        # [I] that another content type gives the same answer as gzip.
        raise Refusal(VendorResponse(400, access.BAD_REQUEST.encode(), {"content-type": "text/plain; charset=utf-8"}))
    try:
        body = orjson.loads(incoming.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise access.refuse(400, "message", "Invalid JSON")
    return body


TRACK = "/track/v2/projects/{token}"
DATA = "/data/v2/projects/{token}/customers"


class Exponea(Project):
    """The project with its paths."""

    routes = Routes(
        [
            ("GET", f"{TRACK}/system/time", system_time),
            ("POST", f"{TRACK}/customers", single(tracking.update_customer)),
            ("POST", f"{TRACK}/customers/events", single(tracking.add_event)),
            ("POST", f"{TRACK}/batch", batch),
            ("POST", f"{DATA}/export-one", private(reading.export_one)),
            ("POST", f"{DATA}/export", private(reading.export)),
            ("POST", f"{DATA}/events", private(reading.events)),
            ("POST", f"{DATA}/attributes", private(reading.attributes)),
            ("POST", f"{DATA}/anonymize", private(reading.anonymize)),
        ]
    )
