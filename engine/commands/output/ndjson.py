"""A plan as a line of JSON, for programs, with its secrets masked.

Masking copies every value, and looks for secrets in every text of the copy.  Most lines have none, so their bytes are
searched first for what each form of a secret must contain; only where that is found, or might be, is anything copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from engine.commands.output.events import planned_json, request_address
from engine.language.regex import compile_pattern
from engine.language.texts import visible_json
from engine.records import NO_SECRETS, Json, JsonObject, PlannedRequest, Secrets, masked
from engine.secret_forms import traces_pattern

if TYPE_CHECKING:
    from engine.commands.connection_options import NamedConnection
    from engine.delivery.sending.outgoing import DryRun

dumps = orjson.dumps
WORDS = ("request", "method", "url", "headers", "query", "body", "batch", "name", "beside", "messageId", "type")
"""Keys of a line, which would be masked where one of them is a secret."""


class SecretFinder:
    """Says whether JSON may hold a secret; `secrets` is None where they are shown."""

    def __init__(self, secrets: Secrets | None) -> None:
        pattern = "" if secrets is None else traces_pattern(tuple(secrets))
        self._always = pattern is None
        self._search = None
        try:
            self._search = compile_pattern(pattern).search if pattern else None
        except ValueError:  # more secrets than RE2 takes
            self._always = True

    def may_hold(self, raw: bytes) -> bool:
        """Return False only if `masked` would change nothing in this JSON: it has no `Secret`, and none of the secrets.

        RE2 takes 1 us for 1 KB, where masking each text takes 15.
        """
        return self._always or (self._search is not None and self._search(raw) is not None)


class _Address(NamedTuple):
    """Where a request goes, and that as JSON up to its body."""

    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, str | list[str]]
    with_body: bool
    text: bytes


class LineWriter:
    """Writes the lines of one connection."""

    def __init__(self, named: NamedConnection, secrets: Secrets | None) -> None:
        self._name = named.name
        self._compress = named.connection.mapping.http.compress is not None
        self._secrets = secrets
        self._finder = SecretFinder(secrets)
        self._addresses: dict[tuple[str, str | None], _Address] = {}
        sends_secrets = any(setting.sent_in == "body" for setting in named.connection.mapping.settings.values())
        words_are_secret = secrets is not None and any(secrets.mask(word) != word for word in WORDS)
        self._copies = secrets is not None and (sends_secrets or words_are_secret)

    def line(self, event: Json, run: DryRun) -> bytes:
        """Return a line with its line end; the reason and the reports of `run` are masked."""
        raw = None if self._copies else self._without_copies(event, run)
        return visible_json(raw or dumps(self._record(event, run))) + b"\n"

    def _record(self, event: Json, run: DryRun) -> JsonObject:
        plan, secrets = run.plan, self._secrets
        requests = planned_json(run, compress=self._compress)
        return {
            "messageId": masked(_scalar(event, "messageId"), secrets or NO_SECRETS),
            "type": masked(_scalar(event, "type"), secrets or NO_SECRETS),
            "destination": self._name,
            "outcome": plan.outcome.value,
            "reason": plan.reason,
            "requests": [each if secrets is None else masked(each, secrets) for each in requests],
            "reports": [cast("JsonObject", report._asdict()) for report in plan.reports],
        }

    def _without_copies(self, event: Json, run: DryRun) -> bytes | None:
        """Return the same line of bytes that are made once each; None where a secret may be in it."""
        plan = run.plan
        try:
            message_id, call = dumps(_scalar(event, "messageId")), dumps(_scalar(event, "type"))
            pieces, searched = self._requests(run)
        except TypeError:  # perhaps a secret is a key, which is no plain text
            return None
        if self._finder.may_hold(b" ".join((message_id, call, *searched))):
            return None
        reports = dumps([report._asdict() for report in plan.reports]) if plan.reports else b"[]"
        named = b'"destination":%b,"outcome":"%b","reason":%b' % (
            dumps(self._name),
            plan.outcome.encode(),
            dumps(plan.reason),
        )
        return b'{"messageId":%b,"type":%b,%b,"requests":[%b],"reports":%b}' % (
            message_id,
            call,
            named,
            b",".join(pieces),
            reports,
        )

    def _requests(self, run: DryRun) -> tuple[list[bytes], list[bytes]]:
        """Return the requests as JSON, and that of it in which a secret may be: the bodies."""
        pieces, searched = [], []
        first = 0
        for sent in run.outgoing:
            whole = b"" if sent.batch is None else dumps(sent.request.body)
            for number in range(first, first + sent.carries):
                request = run.plan.requests[number]
                body = dumps(request.body)
                if body not in whole:
                    searched.append(body)
                batch = b""
                if sent.batch is not None and number == first:
                    searched.append(whole)
                    batch = b',"batch":%b,"body":%b}' % (self._address(sent.request, sent.batch), whole)
                elif sent.batch is not None:
                    batch = b',"batch":{"name":%b,"beside":%d}' % (self._text(sent.batch), first)
                pieces.append(b'%b,"body":%b%b}' % (self._address(request), body, batch))
            first += sent.carries
        return pieces, searched

    def _address(self, request: PlannedRequest, batch: str | None = None) -> bytes:
        """Return a request as JSON up to its body, masked; made once where nothing of an event is in it.

        The parts of such an address are the same objects for every event, made when the connection is.
        """
        with_body = request.body is not None
        known = self._addresses.get((request.request, batch))
        if (
            known is not None
            and known.url is request.url
            and known.headers is request.headers
            and known.query is request.query
            and known.method is request.method
            and known.with_body is with_body
        ):
            return known.text
        address = request_address(request, compress=self._compress, batch=batch)
        text = dumps(address if self._secrets is None else masked(address, self._secrets))[:-1]
        _, method, url, headers, query, *_ = request
        self._addresses[request.request, batch] = _Address(method, url, headers, query, with_body, text)
        return text

    def _text(self, text: str) -> bytes:
        return dumps(text if self._secrets is None else self._secrets.mask(text))


def _scalar(event: Json, name: str) -> Json:
    """Return a field of an event, or None where it is an object or a list."""
    value = event.get(name) if isinstance(event, dict) else None
    return None if isinstance(value, dict | list) else value
