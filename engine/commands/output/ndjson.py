"""A plan as a line of JSON, for programs, with its secrets masked.

The line is put together from bytes: the addresses of requests are the same for most events, and written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from engine.language.texts import visible_json
from engine.records import Json, Outcome
from engine.showing.masking import HOLE, HOLE_MARK, Masking

if TYPE_CHECKING:
    from engine.commands.connection_options import NamedConnection
    from engine.delivery.sending.outgoing import DryRun
    from engine.records import Secrets

LINE = b'{"messageId":%b,"type":%b,"destination":%b,"outcome":"%b","reason":%b,"requests":[%b],"reports":%b}\n'

LINE_OF_ONE = b'%b%b,"outcome":"planned","reason":%b,"requests":[%b,"body":%b%b}],"reports":[]}\n'
PLANNED = Outcome.PLANNED
BODY_BEGINS = len(',"body":')


class LineWriter:
    """Writes the lines of one connection; `secrets` is None to show them."""

    def __init__(self, named: NamedConnection, secrets: Secrets | None) -> None:
        self._name = _written(named.name)
        self._masking = Masking(named.connection, secrets)

    def line(self, event: Json, run: DryRun) -> bytes:
        """Return a line with its line end; the reason and the reports of `run` are masked."""
        plan = run.plan
        if plan.outcome is PLANNED and not plan.reports and (line := self._line_of_one(event, run)):
            return line
        values = [_scalar(event, "messageId"), _scalar(event, "type")]
        values += [request.body for request in plan.requests]
        batches = [sent.request.body for sent in run.outgoing if sent.batch is not None]
        message_id, call, *bodies = self._masking.json([*values, *batches])
        return LINE % (
            message_id,
            call,
            self._name,
            plan.outcome.encode(),
            REASONS.get(plan.reason) or _written(plan.reason),
            b",".join(self._requests(run, bodies)),
            _written([report._asdict() for report in plan.reports]) if plan.reports else b"[]",
        )

    def _line_of_one(self, event: Json, run: DryRun) -> bytes | None:
        """Return the line of the one request of most events; None where something may have to be masked in it.

        All of the event that is in it is written, searched and made visible once, also what a batch repeats.
        """
        plan, address = run.plan, self._masking.address
        if not len(plan.requests) == len(run.outgoing) == 1:
            return None
        [request], [sent] = plan.requests, run.outgoing
        values = {
            "messageId": _scalar(event, "messageId"),
            "type": _scalar(event, "type"),
            "destination": HOLE,
            "body": request.body,
        }
        raw = self._masking.as_it_is(values)
        if raw is None:
            return None
        head, body = raw.split(HOLE_MARK)
        body = body[BODY_BEGINS:-1]
        batch = b""
        if sent.batch is not None:
            around = self._masking.around(sent.request.body, request.body)
            if around is None:
                return None
            before, after = around
            batch = b',"batch":%b,"body":%b%b%b}' % (address(sent.request, sent.batch).text, before, body, after)
        reason = REASONS.get(plan.reason) or _written(plan.reason)
        return LINE_OF_ONE % (head, self._name, reason, address(request).text, body, batch)

    def _requests(self, run: DryRun, bodies: list[bytes]) -> Iterator[bytes]:
        """Yield the planned requests; the first of those in a batch has it beside it, others name the first.

        `bodies` are theirs, and after them those of the batches.
        """
        address = self._masking.address
        batches = iter(bodies[len(run.plan.requests) :])
        first = 0
        for sent in run.outgoing:
            for number in range(first, first + sent.carries):
                batch = b""
                if sent.batch is not None and number == first:
                    batch = b',"batch":%b,"body":%b}' % (address(sent.request, sent.batch).text, next(batches))
                elif sent.batch is not None:
                    name = _written(self._masking.shown(sent.batch))
                    batch = b',"batch":{"name":%b,"beside":%d}' % (name, first)
                yield b'%b,"body":%b%b}' % (address(run.plan.requests[number]).text, bodies[number], batch)
            first += sent.carries


def _scalar(event: Json, name: str) -> Json:
    """Return a field of an event, or None where it is an object or a list."""
    value = event.get(name) if isinstance(event, dict) else None
    return None if isinstance(value, dict | list) else value


def _written(value: object) -> bytes:
    return visible_json(orjson.dumps(value))


REASONS = {reason: _written(reason) for reason in ("1 request", "2 requests", "3 requests")}
"""The reasons of nearly all events."""
