"""From one Segment-spec event to its plan: the requests that a connection would send.  Pure; sends nothing.

    load("my_destination").connect({...}).plan(event)

A destination is a mapping without errors; a connection is a destination with settings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping as Table
from collections.abc import Sequence
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import orjson

from engine.errors import MappingError
from engine.events.batches import bytes_of_sent_at, fields_of_item, read_batch, split_batch, use_batch_sent_at
from engine.events.integrations import ALL, Unrelated
from engine.events.normalizing import Fields, Normalized, fields_of_broken, fields_of_parsed, is_clean, normalize
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
from engine.records import Json, JsonObject, Outcome, PlainRequests, Plan, PlannedRequest, Report, Secret

if TYPE_CHECKING:
    from engine.compiler.build import Compiled, CompiledCall, CompiledStep, StepFunction
    from engine.compiler.recording import Recorder

NO_OPTIONS: JsonObject = {}
NOTHING_SAVED: Table[int, JsonObject] = MappingProxyType({})
NO_REPLIES: tuple[JsonObject, ...] = ()
Answers: TypeAlias = "tuple[Sequence[JsonObject], Table[int, JsonObject]]"
"""The vendor's responses, and what is already saved of them, by step number."""
NO_ANSWERS: Answers = (NO_REPLIES, NOTHING_SAVED)
NO_TEXT = Text(())
MOST_COUNTED = 100
REASONS = ("", "1 request", *(f"{count} requests" for count in range(2, MOST_COUNTED)))
PLANNED = Outcome.PLANNED  # a lookup through the enum takes longer
new_tuple = tuple.__new__
"""Makes a named tuple in half the time of its own `__new__`."""


JSON_OF_FORM = 4
"""How many times as long as a form the same as JSON can be."""

WRITTEN_UNMEASURED = 16
"""How many times its limit a body may have at most to be written to learn its size; others are measured first."""

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

    def __init__(self, loaded: Loaded, recorder: Recorder | None = None) -> None:
        self.loaded = loaded
        self.mapping: Mapping = loaded.mapping
        self.recorder = recorder
        """Takes what the generated code records, for those who explain it (`compiler/recording.py`)."""
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

            self._compiled = build(self.loaded, recorder=self.recorder)
        return self._compiled

    def example_settings(self) -> JsonObject:
        """Return the mapping's `example` settings, which the sandbox accepts."""
        return examples(self.mapping)

    def connect(self, settings: Table[str, Json], environment: Table[str, str] | None = None) -> Connection:
        """Return a connection; raises SettingsError. `${env:NAME}` is read from `environment` (default: os.environ)."""
        typed = complete(self.mapping, settings, os.environ if environment is None else environment)
        return Connection(self, typed)


class View(NamedTuple):
    """The compiled calls, and what makes their requests plain where that is not done yet; None leaves `Secret`s."""

    calls: dict[str, CompiledCall]
    plain: PlainRequests | None
    usual: Table[str, tuple[StepFunction, list[Any], float]]
    """Calls whose requests are complete once their steps have run, for events up to a size: `_of_loaded` has why."""


class Connection:
    """A destination with settings."""

    def __init__(self, target: Destination, settings: JsonObject) -> None:
        self.destination = target
        self.mapping = target.mapping
        self.settings = settings
        self.secrets = secrets_of(target.mapping, settings)
        self._numbers = secrets_of(target.mapping, settings, only_numbers=True)
        self.compiled = target.compiled.connect(settings)
        self._has_numbers = any(self._numbers)
        self._unrelated = Unrelated(target.mapping.integrations)
        self._masked: View | None = None
        self._revealed: View | None = None
        nouns = target.mapping.requests.items()
        self.signers = {name: signer for name, each in nouns if (signer := self._signer(each.signature))}
        """How requests are signed, by name."""
        self._sent = self._view_of(self.compiled.calls, None)
        batches = target.mapping.batches.items()
        self.batch_signers = {name: signer for name, each in batches if (signer := self._signer(each.signature))}
        """How batches are signed, by name."""

    def _view(self, show_secrets: bool) -> View:
        """Return how events are planned for those who look at the requests, made at the first use."""
        view = self._revealed if show_secrets else self._masked
        if view is None:
            view = self._new_view(show_secrets)
            if show_secrets:
                self._revealed = view
            else:
                self._masked = view
        return view

    def _new_view(self, show_secrets: bool) -> View:
        plain = self._plain_requests(show_secrets)
        if plain is None:
            return self._sent
        if plain.searches or self.signers:  # a signature may be over what is masked
            return self._view_of(self.compiled.calls, plain)
        compiled = self.destination.compiled
        calls = compiled.connect(self.settings, plain.settled).calls
        return self._view_of(calls, None if compiled.are_settled else plain)

    def _view_of(self, calls: dict[str, CompiledCall], plain: PlainRequests | None) -> View:
        ready = {} if plain is not None or self.signers else calls
        usual = {call: (each.run, each.memo, each.largest) for call, each in ready.items() if each.run is not None}
        return View(calls, plain, usual)

    def _plain_requests(self, show_secrets: bool) -> PlainRequests | None:
        """Return what makes requests plain; None where no setting is secret."""
        settings = self.mapping.settings.values()
        if not any(setting.secret for setting in settings):
            return None
        in_body = any(setting.sent_in == "body" for setting in settings)
        return PlainRequests(self._numbers, show_secrets=show_secrets, body=in_body)

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
        fields: Fields = normalize(event, received_at=received_at, now=clock)[:]
        plan = self._planned(fields, clock, self._view(show_secrets), (replies, NOTHING_SAVED))
        return self._without_numbers(plan) if self._has_numbers and not show_secrets else plan

    def plan_json(
        self, raw: bytes, *, received_at: str | None = None, now: float | None = None, show_secrets: bool = False
    ) -> Plan:
        """Like `plan`, for an event in bytes: the fast way."""
        clock = time.time() if now is None else now
        view = (self._revealed if show_secrets else self._masked) or self._view(show_secrets)
        try:
            event = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            plan = self._planned(fields_of_broken(raw, error, received_at, clock), clock, view)
        else:
            plan = self._of_loaded(event, raw, received_at, clock, view)
        return self._without_numbers(plan) if self._has_numbers and not show_secrets else plan

    def plan_batch(
        self, body: bytes, *, received_at: str | None = None, now: float | None = None, show_secrets: bool = False
    ) -> list[Plan]:
        """Return the plan of each event of a batch, `{"batch": [...]}`, in their order; the arguments are as in `plan`.

        What the batch says of all events in `context`, `integrations` and `sentAt` counts for each, as Segment's API
        has it. Never raises: a body that cannot be read as a batch is one invalid plan, which says why. A batch may
        have 10,000 events.
        """
        clock = time.time() if now is None else now
        view = self._view(show_secrets)
        plans = self._plans_of_written(body, received_at, clock, view)
        if plans is None:
            plans = self._plans_of_read(body, received_at, clock, view)
        return list(map(self._without_numbers, plans)) if self._has_numbers and not show_secrets else plans

    def _plans_of_written(self, body: bytes, received_at: str | None, now: float, view: View) -> list[Plan] | None:
        """Return the plans of a batch that is written as libraries do; None where it turns out that it is not."""
        written = split_batch(body)
        if written is None:
            return None
        events, sent_at = written
        try:
            return [self._of_written(raw, sent_at, received_at, now, view) for raw in events]
        except orjson.JSONDecodeError:
            return None

    def _of_written(self, raw: bytes, sent_at: str | None, received_at: str | None, now: float, view: View) -> Plan:
        """Return the plan of an event of a `WrittenBatch`; raises orjson.JSONDecodeError where it is not JSON."""
        event = orjson.loads(raw)
        if sent_at is None:
            return self._of_loaded(event, raw, received_at, now, view)
        use_batch_sent_at(event, sent_at)
        return self._of_loaded(event, raw, received_at, now, view, bytes_of_sent_at(sent_at))

    def _plans_of_read(self, body: bytes, received_at: str | None, now: float, view: View) -> list[Plan]:
        """Return the plans of any batch, or the one that says why it is none."""
        events, repairs, fault = read_batch(body)
        if fault is not None:
            return [Plan(Outcome.INVALID, fault)]
        plans = [self._planned(fields_of_item(event, received_at, now), now, view) for event in events]
        if repairs is None:
            return plans
        return [
            plan._replace(reports=(*own, *plan.reports)[:MOST_REPORTS])
            for plan, own in zip(plans, repairs, strict=True)
        ]

    def plan_normalized(
        self,
        normalized: Normalized,
        *,
        now: float | None = None,
        replies: Sequence[JsonObject] = NO_REPLIES,
        saved: Table[int, JsonObject] = NOTHING_SAVED,
    ) -> Plan:
        """Plan a normalized event, with its secrets as `Secret`; `saved` is what sent steps saved, by step number."""
        fields: Fields = normalized[:]  # a plain tuple is taken apart faster
        return self._planned(fields, time.time() if now is None else now, self._sent, (replies, saved))

    def _of_loaded(
        self, event: Json, raw: bytes, received_at: str | None, now: float, view: View, besides: int = 0
    ) -> Plan:
        """Plan what was read from `raw`, which nobody else holds; `besides` are bytes that were added to it.

        A clean event whose requests need no more once its steps have run is planned here, as `_mapped` would plan it:
        a twentieth less time for a track event.
        """
        if received_at is not None and type(event) is dict and event.get("receivedAt") is None:
            event["receivedAt"] = received_at
        if not is_clean(event, raw, received_at, now):
            return self._planned(fields_of_parsed(event, raw, received_at, now, besides), now, view)
        call: str = event["type"]  # type: ignore[assignment]  # a clean event has a call
        integrations: JsonObject | None = event.get("integrations")  # type: ignore[assignment]  # a clean event's
        usual = view.usual.get(call)
        size = len(raw) + besides
        if (
            usual is None
            or size > usual[2]
            or (integrations and not (self._unrelated.issuperset(integrations) and integrations.get(ALL, True) is True))
        ):
            return self._mapped(event, call, [], size, now, view)
        memo = usual[1].copy()
        reports: list[Report] = []
        try:
            found = usual[0](event, NO_OPTIONS, NO_OPTIONS, now, reports, memo)
        except Invalid as error:
            return _nothing(Outcome.INVALID, str(error), reports)
        if memo[COPIED] or type(found) is str or len(found) >= MOST_COUNTED:
            return self._finished(found, size, memo[COPIED], view.calls[call].largest, now, None, reports)
        noticed = tuple(reports[:MOST_REPORTS]) if reports else ()
        return new_tuple(Plan, (PLANNED, REASONS[len(found)], tuple(found), noticed))

    def _planned(self, fields: Fields, clock: float, view: View, answers: Answers = NO_ANSWERS) -> Plan:
        """Plan an event; `view` says whether its requests are plain, or their secrets stay `Secret`."""
        event, call, noticed, reason, size = fields
        if reason is not None:
            return Plan(Outcome.INVALID, reason, (), noticed)
        return self._mapped(event, call, [*noticed], size, clock, view, answers)

    def _mapped(
        self,
        event: JsonObject,
        call: str | None,
        reports: list[Report],
        size: float,
        clock: float,
        view: View,
        answers: Answers = NO_ANSWERS,
    ) -> Plan:
        """Plan a valid event; it is one function, as each call costs a hundredth of a small event's time."""
        options = NO_OPTIONS
        integrations: JsonObject | None = event.get("integrations")  # type: ignore[assignment]  # once normalized
        if integrations and not (self._unrelated.issuperset(integrations) and integrations.get(ALL, True) is True):
            on, options, why, noticed = self._unrelated.switch(integrations)
            reports.extend(noticed)
            if not on:
                return _nothing(Outcome.IGNORED, str(why), reports)
        calls, plain, _ = view
        compiled = calls.get(call)  # type: ignore[arg-type]  # a valid event has a call
        if compiled is None:
            return _nothing(Outcome.IGNORED, f"{self.mapping.name} does not map {call} calls", reports)
        memo = compiled.memo.copy()
        try:
            if compiled.run is not None:
                found = compiled.run(event, options, NO_OPTIONS, clock, reports, memo)
            else:
                found = self._requests(compiled, (event, options, clock), reports, memo, answers)
        except Invalid as error:
            return _nothing(Outcome.INVALID, str(error), reports)
        return self._finished(found, size, memo[COPIED], compiled.largest, clock, plain, reports)

    def _finished(
        self,
        found: list[PlannedRequest] | str,
        size: float,
        copied: float,
        largest: float,
        clock: float,
        plain: PlainRequests | None,
        reports: list[Report],
    ) -> Plan:
        """Return the plan of what the steps of a call found, once sizes are checked and requests are signed."""
        try:
            if size > largest or copied:
                self._check_sizes(found, size + copied * BYTES_PER_CHARACTER, largest, clock)
            if self.signers:
                found = self._all_signed(found, clock)
        except Invalid as error:
            return _nothing(Outcome.INVALID, str(error), reports)
        if isinstance(found, str):
            return _nothing(Outcome.IGNORED, f"nothing to send: {found}{_not_compared(reports)}", reports)
        count = len(found)
        reason = REASONS[count] if count < MOST_COUNTED else f"{count} requests"
        requests = tuple(found) if plain is None else tuple([plain.of(request) for request in found])
        return new_tuple(Plan, (PLANNED, reason, requests, tuple(reports[:MOST_REPORTS]) if reports else ()))

    def plain(self, request: PlannedRequest, *, show_secrets: bool) -> PlannedRequest:
        """Return a request of ordinary text, with `***` for secrets or with the real ones."""
        plain = self._plain_requests(show_secrets)
        return request if plain is None else plain.of(request)

    def _without_numbers(self, plan: Plan) -> Plan:
        """Mask secrets that are numbers, which have no type like `Secret`, in the texts of a plan."""
        mask = self._numbers.mask
        reports = tuple(report._replace(message=mask(report.message)) for report in plan.reports)
        return plan._replace(reason=mask(plan.reason), reports=reports)

    def _requests(
        self,
        compiled: CompiledCall,
        given: tuple[JsonObject, JsonObject, float],
        reports: list[Report],
        memo: list[Any],
        answers: Answers,
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

    def _check_sizes(self, found: list[PlannedRequest] | str, read: float, largest: float, now: float) -> None:
        """Make an event invalid one of whose bodies is too large or cannot be written, or all of them together.

        `read` is how many bytes of the event are read at most, `largest` up to how many no body can be too large.
        """
        from engine.compiler.growth import MOST_TOGETHER

        together = 0.0
        for request in found if read > largest and not isinstance(found, str) else ():
            together += self._checked_size(request, read <= largest * WRITTEN_UNMEASURED)
            if together > MOST_TOGETHER:
                invalid("requests", f"the bodies of all requests have more than {MOST_TOGETHER:,} bytes together")
            item = self.compiled.requests[request.request].item
            if item is not None:
                item(request.body, [], now)  # raises here what it would raise when the batch is made

    def _checked_size(self, request: PlannedRequest, is_moderate: bool) -> float:
        """Return the size of a body, and of the one that is sent if it is missing and has another envelope.

        A body that `is_moderate` for certain is written first: that takes a fifth of the time of measuring it.
        """
        from engine.compiler.build import size_limit

        missing = request.if_missing
        apart = 0 if missing is None or missing.body is request.body else self._checked_size(missing, is_moderate)
        place = f"requests.{request.request}"
        limit = size_limit(self.mapping.requests, request.request)
        encode = self.mapping.requests[request.request].encode
        if is_moderate and (size := _written_size(request.body, encode)) <= limit:
            return size + apart
        if json_size(request.body) > limit * (JSON_OF_FORM if encode == "form" else 1):
            invalid(place, f"the body has more than {limit:,} bytes; max_bytes allows no more")
        try:
            size = len(encoded(request.body, encode) or b"")
        except (TypeError, ValueError) as error:
            invalid(place, f"the body cannot be written: {error}")
        if size > limit:
            invalid(place, f"the body has {size:,} bytes; max_bytes allows {limit:,}")
        return size + apart


def _written_size(body: Json, encode: str) -> float:
    """Return the bytes of a body, infinite where it cannot be written."""
    try:
        return len(encoded(body, encode) or b"")
    except (TypeError, ValueError):
        return inf


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
    answers: Answers,
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
