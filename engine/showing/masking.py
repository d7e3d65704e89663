"""Requests as they are printed, with their secrets masked, at the price of one search.

Masking copies every value, and looks for secrets in every text of the copy.  Most requests have none, so their bytes
are searched first for what each form of a secret must contain; only where that is found, or might be, is anything
copied.  Both ways lead to the same output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from engine.language.regex import compile_pattern
from engine.language.texts import visible_json
from engine.records import Json, JsonObject, Plan, PlannedRequest, Report, Secrets, masked
from engine.secret_forms import traces_pattern

if TYPE_CHECKING:
    from engine.plan import Connection

HOLE_MARK = b'"""'
"""What stands for a value that is filled in: three quotes in a row are nowhere in JSON as orjson writes it."""

HOLE = orjson.Fragment(HOLE_MARK)

DEEPEST_HELD = 4
"""How many levels down a batch is looked for the body of its item: `{"commands": [{"data": body}]}` has three."""

MOST_AROUND = 8
"""Kinds of batches that are known: a mapping has one for each of its requests."""


class BatchFrame(NamedTuple):
    """A batch without the body of its item, which is at `path` in it, in `holder`; all else is text.

    `path` has each key with the names of its object, because objects with the same members in another order are equal.
    """

    known: Json
    holder: Any
    path: tuple[tuple[Any, tuple[str, ...] | None], ...]
    before: bytes = b""
    behind: bytes = b""

    def holds(self, batch: Any, body: Json) -> bool:
        """Whether a batch has this body itself at this path, and all else is as it is here."""
        value = batch
        last = self.path[-1][0]
        self.holder[last] = body
        is_equal = value == self.known
        self.holder[last] = HOLE
        if not is_equal:
            return False
        for key, names in self.path:
            if names is not None and tuple(value) != names:
                return False
            value = value[key]
        return value is body


class Address(NamedTuple):
    """Where a request goes, masked, for people and as visible JSON up to its body, and the parts it was made of."""

    shown: JsonObject
    text: bytes
    parts: tuple[object, ...]


class Masking:
    """What is shown of one connection's requests; `secrets` is None to show all of it."""

    def __init__(self, connection: Connection, secrets: Secrets | None) -> None:
        settings = connection.mapping.settings.values()
        self._compress = connection.mapping.http.compress is not None
        self._secrets = secrets
        self._around: list[BatchFrame] = []
        self._addresses: dict[tuple[str, str | None], Address] = {}
        pattern = "" if secrets is None else traces_pattern(tuple(secrets))
        self._always = secrets is not None and (
            pattern is None or any(setting.sent_in == "body" for setting in settings)  # the type `Secret`, of any text
        )
        self._search = compile_pattern(pattern).search if pattern else None

    def shown(self, value: Json) -> Json:
        """Return a value masked."""
        return value if self._secrets is None else masked(value, self._secrets)

    def body(self, body: Json) -> Json:
        """Return the same for the body of a request: not copied unless something is masked in it."""
        return body if self.as_it_is(body) is not None else self.shown(body)

    def json(self, values: Sequence[Json]) -> list[bytes]:
        """Return values as JSON, masked and visible."""
        return [self.as_it_is(value) or visible_json(orjson.dumps(self.shown(value))) for value in values]

    def as_it_is(self, value: object) -> bytes | None:
        """Return a value as visible JSON, or None if something may have to be masked in it.

        RE2 takes 2 us for 1 KB, where masking takes 15.
        """
        if self._always:
            return None
        try:
            raw = orjson.dumps(value)
        except TypeError:  # perhaps a secret is a key, which is no plain text
            return None
        return None if self._search is not None and self._search(raw) else visible_json(raw)

    def around(self, batch: Json, body: Json) -> tuple[bytes, bytes] | None:
        """Return what the body of a batch has before and behind that of its item, None where that is not known.

        It is the same for nearly all events, so it is compared with that of others (14 -> 1 us).
        """
        for each in self._around:
            if each.holds(batch, body):
                return each.before, each.behind
        learned = _around(batch, body) if len(self._around) < MOST_AROUND else None
        raw = None if learned is None else self.as_it_is(learned.known)
        if learned is None or raw is None:
            return None
        before, behind = raw.split(HOLE_MARK)
        self._around.append(learned._replace(before=before, behind=behind))
        return before, behind

    def address(self, request: PlannedRequest, batch: str | None = None) -> Address:
        """Return the address of a request, made once where nothing of an event is in it.

        The parts of such an address are the same objects for every event, made when the connection is.
        """
        parts = request.method, request.url, request.headers, request.query, request.body is None
        known = self._addresses.get((request.request, batch))
        if known is None or not all(map(is_, known.parts, parts)):
            address = _address(request, compress=self._compress, batch=batch)
            shown = {key: self.shown(value) for key, value in address.items()}
            known = Address(shown, visible_json(orjson.dumps(shown)[:-1]), parts)
            self._addresses[request.request, batch] = known
        return known


def masked_plan(plan: Plan, mask: Callable[[str], str]) -> Plan:
    """Return a plan whose reason and reports show no secret of the event; its requests stay as they are."""
    reason = mask(plan.reason)
    if reason == plan.reason and not plan.reports:
        return plan
    return plan._replace(reason=reason, reports=masked_reports(plan.reports, mask))


def masked_reports(reports: tuple[Report, ...], mask: Callable[[str], str]) -> tuple[Report, ...]:
    """Return reports whose messages show no secret of the event."""
    return tuple(report._replace(message=mask(report.message)) for report in reports)


def _address(request: PlannedRequest, *, compress: bool, batch: str | None) -> JsonObject:
    """Return a request as the formats print it, without its body; with `compress`, a header says how that is sent.

    The name of a batch stands in place of the request's.
    """
    headers = cast("JsonObject", request.headers)
    title: JsonObject = {"request": request.request} if batch is None else {"name": batch}
    return {
        **title,
        "method": request.method,
        "url": request.url,
        "headers": {**headers, "Content-Encoding": "gzip"} if compress and request.body is not None else headers,
        "query": cast("JsonObject", request.query),
    }


def _around(batch: Json, body: Json) -> BatchFrame | None:
    """Return the one way from a batch to the body of its item, None where something else than text is beside it."""
    way: list[tuple[JsonObject | list[Json], Any]] = []
    value = batch
    while value is not body:
        if type(value) is dict:
            inner: list[Any] = [key for key, member in value.items() if type(member) is not str]
        else:
            inner = list(range(len(value))) if type(value) is list else []
        if len(inner) != 1 or len(way) == DEEPEST_HELD:
            return None
        way.append((cast("JsonObject", value), inner[0]))
        value = cast("Any", value)[inner[0]]
    known: Any = HOLE
    holder: Any = None
    for container, key in reversed(way):
        known = {**container, key: known} if type(container) is dict else [known]
        holder = known if holder is None else holder
    path = tuple((key, tuple(each) if type(each) is dict else None) for each, key in way)
    return BatchFrame(known, holder, path) if type(body) is dict and path else None
