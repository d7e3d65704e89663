"""The endpoints of the emulated Exponea: `/track/v2/...` and the part of `/data/v2/...` that reads customers."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from engine.records import Json, JsonObject
from engine.sandbox.emulator import Handler, Routes
from engine.sandbox.http_messages import JSON_TYPE, Refusal, VendorRequest, VendorResponse
from engine.sandbox.vendors.exponea import access, data_api, tracking
from engine.sandbox.vendors.exponea.project import Project
from engine.sandbox.vendors.exponea.tracking import MAX_COMMANDS


def system_time(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
    """Return the server's time."""
    exponea.access.check(request, project)
    return VendorResponse(200, {"errors": [], **tracking.system_time(exponea, {}, request.now)})


def single(command: tracking.Command) -> Handler:
    """Make a handler for the endpoint of a single command."""

    def handler(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(request, project)
        try:
            return VendorResponse(200, {"errors": [], **command(exponea, body_of(request), request.now)})
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def batch(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
    """Run up to 50 commands; the status is 200 even if some of them fail."""
    exponea.access.check(request, project)
    commands = body_of(request).get("commands")
    if not isinstance(commands, list) or not commands:
        raise access.refuse(400, "message", "No commands")
    if not all(isinstance(command, dict) for command in commands):
        raise access.refuse(400, "message", "Invalid JSON")
    if len(commands) > MAX_COMMANDS:
        # [I] The maximum is documented, the response beyond it is not.
        raise access.refuse(400, "message", f"Too many commands ({len(commands)}), at most {MAX_COMMANDS}")
    results: list[Json] = []
    for command in commands:
        assert isinstance(command, dict)
        results.append(tracking.run(exponea, command, request.item_error(), request.now))
    exponea.state.count(exponea.name, "commands", len(commands))
    times: JsonObject = {"start_time": request.now, "end_time": exponea.clock()}
    return VendorResponse(200, {"results": results, **times, "success": True})


def private(read: Callable[[Project, JsonObject], VendorResponse]) -> Handler:
    """Make a handler for a Data API call."""

    def handler(exponea: Project, request: VendorRequest, project: str) -> VendorResponse:
        exponea.access.check(request, project, private=True)
        try:
            return read(exponea, body_of(request))
        except access.CommandRefused as refused:
            raise access.refuse(refused.status, "errors", refused.errors) from None

    return handler


def body_of(request: VendorRequest) -> JsonObject:
    """Parse the body: an uncompressed JSON object (API FAQ: gzip gets the generic 400)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity") != "identity" or kind != JSON_TYPE:
        # [I] that another content type gets the same response as gzip.
        raise Refusal(VendorResponse(400, access.BAD_REQUEST.encode(), {"content-type": "text/plain; charset=utf-8"}))
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise access.refuse(400, "message", "Invalid JSON")
    return body


TRACK = "/track/v2/projects/{token}"
DATA = "/data/v2/projects/{token}/customers"


class Exponea(Project):
    """The project with its routes."""

    routes = Routes(
        [
            ("GET", f"{TRACK}/system/time", system_time),
            ("POST", f"{TRACK}/customers", single(tracking.update_customer)),
            ("POST", f"{TRACK}/customers/events", single(tracking.add_event)),
            ("POST", f"{TRACK}/batch", batch),
            ("POST", f"{DATA}/export-one", private(data_api.export_one)),
            ("POST", f"{DATA}/export", private(data_api.export)),
            ("POST", f"{DATA}/events", private(data_api.events)),
            ("POST", f"{DATA}/attributes", private(data_api.attributes)),
            ("POST", f"{DATA}/anonymize", private(data_api.anonymize)),
        ]
    )
