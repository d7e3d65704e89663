"""Planned bodies against the `body_schema` of their requests, for `engine run --check-bodies`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.language.paths import Marker
from engine.mapping import schema
from engine.mapping.model import Mapping
from engine.records import Json, Plan, PlannedRequest, Report

CODE = "body-schema"
STAND_INS: tuple[Json, ...] = ("x", 1, {}, [])
"""What a value of a response may be, which a plan does not know."""


class BodyChecks:
    """Checks the bodies of one mapping; a schema is read when a body of its request comes."""

    def __init__(self, mapping: Mapping) -> None:
        self._requests = mapping.requests
        self._checks: dict[str, Callable[[Json], str | None]] = {}
        self.checked = 0
        """How many bodies there were whose request has a `body_schema`."""

    def reports(self, plan: Plan) -> Iterator[Report]:
        """Yield a report for each body of a plan that does not meet its schema, also of those sent on a 404."""
        for planned in plan.requests:
            request: PlannedRequest | None = planned
            while request is not None:
                fault = self.fault(request.request, request.body)
                if fault is not None:
                    message = f"the body of {request.request} does not match its body_schema: {fault}"
                    yield Report(CODE, f"requests.{request.request}.body_schema", message)
                request = request.if_missing

    def fault(self, name: str, body: Json) -> str | None:
        """Return what is wrong with a body as a clause, None where nothing is.

        A value that a response will have counts as right if any kind of value would be.
        """
        wanted = self._requests[name].body_schema
        if wanted is None:
            return None
        self.checked += 1
        check = self._checks.get(name)
        if check is None:
            check = self._checks[name] = schema.validator(wanted)
        fault = check(body)
        if fault is None or not _has_marker(body):
            return fault
        return None if any(check(_filled(body, value)) is None for value in STAND_INS) else fault


def _has_marker(value: Json) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, Marker) or any(map(_has_marker, inner))


def _filled(value: Json, stand_in: Json) -> Json:
    """Return a body with something else for every value of a response."""
    if isinstance(value, Marker):
        return stand_in
    if isinstance(value, dict):
        return {key: _filled(member, stand_in) for key, member in value.items()}
    return [_filled(member, stand_in) for member in value] if isinstance(value, list) else value
