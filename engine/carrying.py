"""The HTTP requests that carry the plans of many events, for callers who send them themselves.  Pure; sends nothing.

    for each in http_requests(connection, connection.plan_batch(body, show_secrets=True)):
        each.request.method, each.request.url, each.request.query, each.request.headers, each.content

Batches are made as delivery makes them.  Delivery also lets events of different users overtake one another, which needs
a queue; here everything stays in order, so a batch ends where a request follows that cannot travel in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.language.bodies import encoded, json_bytes
from engine.plan import Connection
from engine.records import Plan, PlannedRequest, Report
from engine.responses import ResponseReader, Unbatchable


class HttpRequest(NamedTuple):
    """One HTTP request; `plans` are the numbers of the plans it carries requests of, in order, counted from 0.

    `request` is complete; as a batch it has the name of the batch, and the items are in its `body`. It is None where
    `fault` says why what was planned cannot be put into a batch. `reports` are about what was left out of it.
    """

    request: PlannedRequest | None
    plans: tuple[int, ...]
    encode: str = "json"
    reports: tuple[Report, ...] = ()
    fault: str | None = None

    @property
    def content(self) -> bytes | None:
        """The body in bytes, not compressed; None without a body."""
        return None if self.request is None else encoded(self.request.body, self.encode)


def http_requests(
    connection: Connection, plans: Iterable[Plan], *, now: float | None = None, show_secrets: bool = False
) -> Iterator[HttpRequest]:
    """Yield the requests that carry `plans`, in order; what was planned with the real secrets needs `show_secrets`.

    `now` is the time in Unix seconds for what is written or signed when a batch is made (default: the clock's).
    """
    reader = ResponseReader(connection)
    clock = time.time() if now is None else now
    batch: _Carrier | None = None
    for number, plan in enumerate(plans):
        for request in plan.requests:
            if batch is None or not batch.takes(number, request):
                if batch is not None:
                    yield from batch.sent(show_secrets)
                batch = _Carrier(reader, clock, number, request)
    if batch is not None:
        yield from batch.sent(show_secrets)


class _Carrier:
    """The requests that travel together; one that travels in no batch is alone."""

    def __init__(self, reader: ResponseReader, now: float, number: int, first: PlannedRequest) -> None:
        self._reader = reader
        self._now = now
        self._requests = [first]
        self._numbers = [number]
        self._name, self._group = first.batch, first.group
        model = None if first.batch is None else reader.connection.mapping.batches[first.batch]
        self._max_items = 1 if model is None else model.max_items
        self._max_bytes = None if model is None else model.max_bytes
        self._bytes = 0 if self._max_bytes is None else self._size(first)

    def takes(self, number: int, request: PlannedRequest) -> bool:
        """Add a request of a plan; return whether there is room for it."""
        if request.batch != self._name or request.group != self._group or len(self._requests) >= self._max_items:
            return False
        if self._max_bytes is not None:
            self._bytes += self._size(request)
            if self._bytes > self._max_bytes:
                return False
        self._requests.append(request)
        self._numbers.append(number)
        return True

    def sent(self, show_secrets: bool) -> Iterator[HttpRequest]:
        """Yield the request that carries them; where they cannot go together, those that carry halves."""
        connection, reports = self._reader.connection, list[Report]()
        first, numbers = self._requests[0], tuple(dict.fromkeys(self._numbers))
        if self._name is None:
            yield HttpRequest(first, numbers, connection.mapping.requests[first.request].encode)
            return
        try:
            made = self._reader.batched(self._requests, self._now, reports)
        except Unbatchable as error:
            if len(self._requests) == 1:
                yield HttpRequest(None, numbers, fault=str(error))
                return
            for half in self._halves():
                yield from half.sent(show_secrets)
            return
        mask = str if show_secrets else connection.secrets.mask
        noted = tuple(report._replace(message=mask(report.message)) for report in reports)
        yield HttpRequest(connection.plain(made, show_secrets=show_secrets), numbers, "json", noted)

    def _halves(self) -> Iterator[_Carrier]:
        middle = len(self._requests) // 2
        for part in (slice(middle), slice(middle, None)):
            (number, *numbers), (request, *requests) = self._numbers[part], self._requests[part]
            half = _Carrier(self._reader, self._now, number, request)
            half._numbers += numbers
            half._requests += requests
            yield half

    def _size(self, request: PlannedRequest) -> int:
        """Return the bytes that a request takes up in its batch, with a comma."""
        try:
            return len(json_bytes(self._reader.item(request, self._now))) + 1
        except (TypeError, Unbatchable):  # making the batch says what is wrong
            return 1
