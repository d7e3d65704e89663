"""Batch requests, and what a vendor's responses mean, for one connection.  Pure; sends nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias, cast

from engine.compiler.build import CompiledBatch
from engine.compiler.from_objects import TOO_MANY_NAMES
from engine.compiler.runtime import Address, Invalid
from engine.language.texts import kind_of, text_of
from engine.mapping.model import Mapping
from engine.mapping.response_rules import Response
from engine.plan import Connection
from engine.records import NO_SECRETS, Json, JsonObject, PlannedRequest, Report, Secrets

Then: TypeAlias = Literal["accept", "retry", "reject", "stop"]
RETRIED = frozenset({408, 425, 429})
STOPPED = frozenset({401, 402, 403})
LONGEST_ERROR = 500
PATHS_OF_A_RULE = ("when", "unless", "error")


class Verdict(NamedTuple):
    """What a response means: `then`, the vendor's error message, and what a person can do."""

    then: Then
    error: str = ""
    hint: str = ""


class ItemResult(NamedTuple):
    """How one item of a batch went."""

    ok: bool
    error: str = ""


class Unbatchable(Exception):  # noqa: N818  reads as what it is
    """Items that cannot be put into a batch because of their data; the message says why."""


UNREADABLE = "the response could not be read"


class ResponseReader:
    """Builds a connection's batch requests and reads the responses to its requests."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._code = connection.compiled

    @cached_property
    def _saved_from(self) -> frozenset[str]:
        return frozenset(_saved_from(self.connection.mapping))

    def item(self, request: PlannedRequest, now: float, reports: list[Report] | None = None) -> Json:
        """Return a planned request as an item of its batch; raises Unbatchable."""
        item = self._code.requests[request.request].item
        try:
            return request.body if item is None else item(request.body, [] if reports is None else reports, now)
        except Invalid as error:
            raise Unbatchable(str(error)) from error

    def batched(
        self, requests: Sequence[PlannedRequest], now: float, reports: list[Report] | None = None
    ) -> PlannedRequest:
        """Return the one request that carries requests of the same batch and group; raises Unbatchable.

        `reports` takes what is left out of it.
        """
        first = requests[0]
        assert first.batch is not None
        batch = self._code.batches[first.batch]
        noted: list[Report] = [] if reports is None else reports
        items = [self.item(request, now, noted) for request in requests]
        address = first.method, first.url, first.headers, first.query
        try:
            if not batch.settled:
                address = _address(batch, items, first.group, now)
            content: Json = items if batch.body is None else batch.body(items, first.group, noted, now)
        except Invalid as error:
            raise Unbatchable(str(error)) from error
        request = PlannedRequest(first.batch, *address, content)
        signer = self.connection.batch_signers.get(first.batch)
        try:
            return request if signer is None else signer.signed(request, "json", now)
        except (TypeError, ValueError) as error:
            raise Unbatchable(str(error)) from error

    def results(self, name: str, body: Json, count: int) -> list[ItemResult] | None:
        """Read the response to a batch: one result per item, or None where it does not have exactly that many."""
        read = self._code.batches[name].results
        if read is None:
            return [ItemResult(True)] * count
        try:
            found = read(body, [])
        except Invalid:  # too much to go through: as if it could not be read
            return None
        if found is None or len(found) != count:
            return None
        return [ItemResult(ok, "" if error is None else self._error(error)) for ok, error in found]

    def judge(self, request: str, status: int, headers: JsonObject, body: Json, *, readable: bool = True) -> Verdict:
        """Say what a response means: by the request's rules, else the mapping's, else the default ones.

        The response to a batch is judged like one to the requests in it: `request` is the name of any of them.
        `headers` have lowercase names. `readable` is False where the vendor sent a body that is not JSON: a 2xx
        response whose body a rule has to read, or that has values for later steps, is then retried.
        """
        compiled = self._code.requests.get(request)
        rules = self._rules(request)
        needed = request in self._saved_from or any(_reads_body(rule, status) for rule in rules)
        if needed and not readable and 200 <= status < 300:
            return Verdict("retry", UNREADABLE)
        try:
            found = compiled.judge(status, headers, body, []) if compiled is not None else None
        except Invalid as refused:  # no rule can say what a response means that takes too many steps
            return Verdict(default_verdict(status), refused.message)
        if found is not None:
            then, error, hint = found
            return Verdict(cast("Then", then or default_verdict(status)), self._error(error), hint)
        return Verdict(default_verdict(status), self._error(body) if status >= 400 else "")

    def save(self, call: str, step: int, status: int, headers: JsonObject, body: Json) -> JsonObject | None:
        """Return the values that later steps need from a response, {} if it has none of them; None if none are needed.

        `step` is the step's number in the call.
        """
        save = self._code.calls[call].steps[step].save
        try:
            return None if save is None else save(status, headers, body, [])
        except Invalid:  # too many steps: nothing is saved
            return {}

    def _error(self, error: Json) -> str:
        return error_text(error, self.connection.secrets)

    def _rules(self, request: str) -> Sequence[Response]:
        mapping = self.connection.mapping
        own = mapping.requests[request].responses if request in mapping.requests else ()
        return (*own, *mapping.responses)


def _address(batch: CompiledBatch, items: list[Json], group: str | None, now: float) -> Address:
    """Return where several items go; planning has reported what each of them leaves out, but not what all do."""
    reports: list[Report] = []
    address = batch.address(items, group, reports, now)
    for report in reports if len(items) > 1 else ():
        if report.code == TOO_MANY_NAMES:
            raise Unbatchable(f"{report.message} ({report.place})")
    return address


def default_verdict(status: int) -> Then:
    """Apply the default rules: accept 2xx; retry 408, 425, 429 and 5xx; stop at 401, 402 and 403; reject others."""
    if 200 <= status < 300:
        return "accept"
    if status in RETRIED or 500 <= status < 600:
        return "retry"
    return "stop" if status in STOPPED else "reject"


def error_text(error: Json, secrets: Secrets = NO_SECRETS) -> str:
    """Return a vendor's error message as one line of at most LONGEST_ERROR characters, without secrets."""
    if error is None:
        return ""
    text = text_of(error)
    if text is None:
        import orjson

        try:
            text = orjson.dumps(error).decode()
        except orjson.JSONEncodeError:
            text = kind_of(error)
    # Masked before anything is cut or joined; more than 500 characters, because white space goes.
    return " ".join(secrets.beginning(text, 4 * LONGEST_ERROR).split())[:LONGEST_ERROR]


def _saved_from(mapping: Mapping) -> Iterator[str]:
    """Yield the requests from whose body a step saves values, and those that are sent in their place."""
    for step in (step for steps in mapping.calls.values() for step in steps):
        if any("body" in path for path in step.save.values()):
            yield step.request
            if instead := mapping.requests[step.request].if_missing:
                yield instead


def _reads_body(rule: Response, status: int) -> bool:
    """Whether a rule that may apply to a status needs a readable body to decide; one without `then` decides nothing."""
    if rule.then is None or (rule.status and not {status, f"{status // 100}xx"} & set(rule.status)):
        return False
    return any("body" in (getattr(rule, reader) or "") for reader in PATHS_OF_A_RULE)
