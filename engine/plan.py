"""From one Segment-spec event to its plan: the requests that a connection would send.  Pure; sends nothing.

    load("my_destination").connect({...}).plan(event)

A destination is a mapping without errors; a connection is a destination with settings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping as Table
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from engine.errors import MappingError
from engine.events.integrations import switch
from engine.events.normalizing import Normalized, normalize, normalize_json
from engine.language.bodies import encoded
from engine.language.budget import COPIED, MOST_REPORTS, Invalid, invalid
from engine.language.paths import Marker
from engine.language.signatures import Signer
from engine.language.sizes import json_size
from engine.language.template import Text
from engine.mapping.load import Library, Loaded
from engine.mapping.model import Mapping, Step
from engine.mapping.settings import complete, examples, secrets_of
from engine.mapping.signature import RequestSignature
from engine.records import Json, JsonObject, Outcome, Plan, PlannedRequest, Report, Secret, plain_request

if TYPE_CHECKING:
    from engine.compiler.build import Compiled, CompiledCall, CompiledStep

NO_OPTIONS: JsonObject = {}
NOTHING_SAVED: Table[int, JsonObject] = MappingProxyType({})
NO_REPLIES: tuple[JsonObject, ...] = ()
NO_TEXT = Text(())
REASONS = ("", "1 request", *(f"{count} requests" for count in range(2, 100)))
PLANNED = Outcome.PLANNED  # a lookup through the enum takes longer
new_tuple = tuple.__new__
"""Makes a named tuple in half the time of its own `__new__`."""


JSON_OF_FORM = 4
"""How many times as long as a form the same as JSON can be."""

BYTES_PER_CHARACTER = 1.5
"""What a character that was counted weighs in the bound of bodies (`compiler/growth.py`): it may take six bytes."""


def load(mapping: str | Path, *, directories: Sequence[Path | str] | None = None) -> Destination:
    """Load a destination by the name or path of its mapping.

    `directories` are searched before the mappings that ship with the engine (default: `WAYBILL_MAPPINGS`).
    Raises MappingNotFound, or MappingError with every problem `validate-mappings` would print.
    """
    library = Library(None if directories is None else [Path(directory) for directory in directories])
    return destination(library.load(str(mapping)))


def destination(loaded: Loaded) -> Destination:
    """Return the destination of a loaded mapping; raises MappingError where the checker finds errors."""
    from engine.mapping.checks import check

    problems = [problem for problem in check(loaded) if problem.level == "error"]
    if problems:
        raise MappingError(problems)
    return Destination(loaded)


class Destination:
    """A mapping that can run, compiled once, at the first connection."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.mapping: Mapping = loaded.mapping
        self._compiled: Compiled | None = None

    @property
    def name(self) -> str:
        """The mapping's name."""
        return self.mapping.name

    @property
    def compiled(self) -> Compiled:
        """The generated module."""
        if self._compiled is None:
            from engine.compiler.build import build  # `load` alone compiles nothing

            self._compiled = build(self.loaded)
        return self._compiled

    def example_settings(self) -> JsonObject:
        """Return the mapping's `example` settings, which the sandbox accepts."""
        return examples(self.mapping)

    def connect(self, settings: Table[str, Json], environment: Table[str, str] | None = None) -> Connection:
        """Return a connection; raises SettingsError. `${env:NAME}` is read from `environment` (default: os.environ)."""
        typed = complete(self.mapping, settings, os.environ if environment is None else environment)
        return Connection(self, typed)


class Connection:
    """A destination with settings."""

    def __init__(self, target: Destination, settings: JsonObject) -> None:
        self.destination = target
        self.mapping = target.mapping
        self.settings = settings
        self.secrets = secrets_of(target.mapping, settings)
        self._numbers = secrets_of(target.mapping, settings, only_numbers=True)
        self.compiled = target.compiled.connect(settings)
        self._calls: dict[str, CompiledCall] = self.compiled.calls
        self._names = target.mapping.integrations
        self._has_secrets = any(setting.secret for setting in target.mapping.settings.values())
        self._in_body = any(setting.sent_in == "body" for setting in target.mapping.settings.values())
        nouns = target.mapping.requests.items()
        self.signers = {name: signer for name, each in nouns if (signer := self._signer(each.signature))}
        """How requests are signed, by name."""
        batches = target.mapping.batches.items()
        self.batch_signers = {name: signer for name, each in batches if (signer := self._signer(each.signature))}
        """How batches are signed, by name."""

    def _signer(self, own: RequestSignature | None) -> Signer | None:
        """Return what signs a request or batch; None without a signature, or without its secret if that is optional."""
        signature = own or self.mapping.http.signature
        secret = None if signature is None else self.settings.get(signature.secret.strip().removeprefix("settings."))
        if signature is None or not isinstance(secret, str):
            return None
        return Signer(
            signature.header,
            Secret(str.__str__(secret)),
            signature.hash,
            signature.encoding,
            signature.prefix or NO_TEXT,
            signature.over,
            signature.sent_at_header,
            self.mapping.http.compress is not None,
        )

    def __repr__(self) -> str:
        return f"<Connection {self.mapping.name}>"

    def plan(
        self,
        event: Json,
        *,
        received_at: str | None = None,
        now: float | None = None,
        replies: Sequence[JsonObject] = NO_REPLIES,
        show_secrets: bool = False,
    ) -> Plan:
        """Return the plan of an event. Never raises, whatever JSON the event is.

        `received_at` is the ISO time at which the event was received, for events without a `receivedAt`. `now` is the
        time in Unix seconds (default: the clock's): `within` compares with it, and so does `timestamp` where nothing
        says when the event was received. With both given, the plan does not depend on the day. `replies` are the
        vendor's responses that `save` reads, in order of use.
        The plan holds ordinary text, with `***` for secrets; `show_secrets` is for callers who send the requests.
        """
        clock = time.time() if now is None else now
        normalized = normalize(event, received_at=received_at, now=clock)
        return self._plain(self.plan_normalized(normalized, now=clock, replies=replies), show_secrets=show_secrets)

    def plan_json(
        self, raw: bytes, *, received_at: str | None = None, now: float | None = None, show_secrets: bool = False
    ) -> Plan:
        """Like `plan`, for an event in bytes: the fast way."""
        clock = time.time() if now is None else now
        found = self.plan_normalized(normalize_json(raw, received_at=received_at, now=clock), now=clock)
        return self._plain(found, show_secrets=show_secrets)

    def plan_normalized(
        self,
        normalized: Normalized,
        *,
        now: float | None = None,
        replies: Sequence[JsonObject] = NO_REPLIES,
        saved: Table[int, JsonObject] = NOTHING_SAVED,
    ) -> Plan:
        """Plan a normalized event, with its secrets as `Secret`; `saved` is what sent steps saved, by step number."""
        event, call, noticed, reason, size = normalized
        if reason is not None:
            return Plan(Outcome.INVALID, reason, (), noticed)
        options: JsonObject = NO_OPTIONS
        reports: list[Report] = list(noticed)
        integrations = event.get("integrations")
        if integrations:
            switched = switch(integrations, self._names)  # type: ignore[arg-type]  # an object, once normalized
            reports.extend(switched.reports)
            if not switched.on:
                return _nothing(Outcome.IGNORED, str(switched.reason), reports)
            options = switched.options
        compiled = self._calls.get(call)  # type: ignore[arg-type]  # a valid event has a call
        if compiled is None:
            return _nothing(Outcome.IGNORED, f"{self.mapping.name} does not map {call} calls", reports)
        clock = time.time() if now is None else now
        memo = compiled.memo.copy()
        try:
            if compiled.only is not None:
                found = compiled.only(event, options, NO_OPTIONS, clock, reports, memo)
            else:
                found = self._requests(compiled, (event, options, clock), reports, memo, (replies, saved))
            if size > compiled.largest or memo[COPIED]:
                self._check_sizes(found, size + memo[COPIED] * BYTES_PER_CHARACTER > compiled.largest, clock)
            found = self._all_signed(found, clock) if self.signers else found
        except Invalid as error:
            return _nothing(Outcome.INVALID, str(error), reports)
        if type(found) is str:
            return _nothing(Outcome.IGNORED, f"nothing to send: {found}{_not_compared(reports)}", reports)
        reason = REASONS[len(found)] if len(found) < len(REASONS) else f"{len(found)} requests"
        return new_tuple(Plan, (PLANNED, reason, tuple(found), tuple(reports[:MOST_REPORTS]) if reports else ()))

    def _plain(self, plan: Plan, *, show_secrets: bool) -> Plan:
        """Return a plan of ordinary text; a body is copied only where a setting says that a secret is sent there."""
        if not show_secrets and any(self._numbers):
            mask = self._numbers.mask
            reports = tuple(report._replace(message=mask(report.message)) for report in plan.reports)
            plan = plan._replace(reason=mask(plan.reason), reports=reports)
        if not plan.requests or not self._has_secrets:
            return plan
        how = partial(plain_request, numbers=self._numbers, show_secrets=show_secrets, body=self._in_body)
        return plan._replace(requests=tuple(map(how, plan.requests)))

    def _requests(
        self,
        compiled: CompiledCall,
        given: tuple[JsonObject, JsonObject, float],
        reports: list[Report],
        memo: list[Any],
        answers: tuple[Sequence[JsonObject], Table[int, JsonObject]],
    ) -> list[PlannedRequest] | str:
        """Run the steps of a call; raises Invalid. Text as the result is the reason why nothing is sent.

        The values that a step saves are already known, read from `replies`, or markers.
        """
        event, options, clock = given
        values: JsonObject = NO_OPTIONS
        requests: list[PlannedRequest] = []
        skipped: list[str] = []
        for step in compiled.steps:
            result = step.run(event, options, values, clock, reports, memo)
            if type(result) is str:
                skipped.append(result)
                continue
            requests += result  # type: ignore[arg-type]  # a text was handled above
            if step.save is not None:
                values = {**values, **_saved(step, requests, answers, reports)}
                if answers[0] or answers[1]:
                    memo[COPIED] += json_size(values)  # these are read besides the event
        return requests or "; ".join(skipped)

    def _all_signed(self, found: list[PlannedRequest] | str, now: float) -> list[PlannedRequest] | str:
        return found if isinstance(found, str) else [self._signed(request, now) for request in found]

    def _signed(self, request: PlannedRequest, now: float) -> PlannedRequest:
        """Sign a request that is sent alone, and the one that is sent if it is missing."""
        if request.if_missing is not None:
            request = request._replace(if_missing=self._signed(request.if_missing, now))
        signer = self.signers.get(request.request)
        if signer is None or request.batch is not None:
            return request
        try:
            return signer.signed(request, self.mapping.requests[request.request].encode, now)
        except (TypeError, ValueError) as error:
            invalid(f"requests.{request.request}", f"the body cannot be written: {error}")

    def _check_sizes(self, found: list[PlannedRequest] | str, doubtful: bool, now: float) -> None:
        """Make an event invalid one of whose bodies is too large or cannot be written, or all of them together."""
        from engine.compiler.growth import MOST_TOGETHER

        together = 0
        for request in found if doubtful and not isinstance(found, str) else ():
            together += self._checked_size(request)
            if together > MOST_TOGETHER:
                invalid("requests", f"the bodies of all requests have more than {MOST_TOGETHER:,} bytes together")
            item = self.compiled.requests[request.request].item
            if item is not None:
                item(request.body, [], now)  # raises here what it would raise when the batch is made

    def _checked_size(self, request: PlannedRequest) -> int:
        """Return the size of a body, and of the one that is sent if it is missing and has another envelope."""
        from engine.compiler.build import size_limit

        missing = request.if_missing
        apart = 0 if missing is None or missing.body is request.body else self._checked_size(missing)
        place = f"requests.{request.request}"
        limit = size_limit(self.mapping.requests, request.request)
        encode = self.mapping.requests[request.request].encode
        if json_size(request.body) > limit * (JSON_OF_FORM if encode == "form" else 1):
            invalid(place, f"the body has more than {limit:,} bytes; max_bytes allows no more")
        try:
            size = len(encoded(request.body, encode) or b"")
        except (TypeError, ValueError) as error:
            invalid(place, f"the body cannot be written: {error}")
        if size > limit:
            invalid(place, f"the body has {size:,} bytes; max_bytes allows {limit:,}")
        return size + apart


def _not_compared(reports: list[Report]) -> str:
    """Return what a reason adds where a comparison could not be made: a filter may have failed because of it."""
    if not reports:
        return ""
    from engine.compiler.paths.runtime import NOT_COMPARED

    return next((f" ({report.message})" for report in reports if report.code == NOT_COMPARED), "")


def _nothing(outcome: Outcome, reason: str, reports: list[Report]) -> Plan:
    """Return a plan without requests."""
    return Plan(outcome, reason, (), tuple(reports[:MOST_REPORTS]))


def _saved(
    step: CompiledStep,
    requests: list[PlannedRequest],
    answers: tuple[Sequence[JsonObject], Table[int, JsonObject]],
    reports: list[Report],
) -> JsonObject:
    """Return the values that a step saves: known ones, those of a reply, or visible markers."""
    replies, known = answers
    if step.number in known:
        return known[step.number]
    assert step.save is not None
    used = sum(1 for request in requests if request.request == step.step.request)
    matching = [reply for reply in replies if reply.get("request") == step.step.request]
    if used > len(matching):
        return dict(_markers(step.step))
    reply = matching[used - 1]
    headers = cast("JsonObject", reply.get("headers") or {})
    return step.save(reply.get("status", 200), headers, reply.get("body"), reports)


def _markers(step: Step) -> JsonObject:
    return {name: Marker(f"<saved.{name}>") for name in step.save}
