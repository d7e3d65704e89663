"""Requests as they are printed, with their secrets masked, at the price of one search.

Masking copies every value, and looks for secrets in every text of the copy.  Most requests have none, so their bytes
are searched first for what each form of a secret must contain; only where that is found, or might be, is anything
copied.  Both ways lead to the same output.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from engine.language.regex import compile_pattern
from engine.records import Json, JsonObject, PlannedRequest, Secrets, masked
from engine.secret_forms import traces_pattern

if TYPE_CHECKING:
    from engine.plan import Connection


class Address(NamedTuple):
    """Where a request goes, masked, for people and as JSON up to its body, and the parts that it was made of."""

    shown: JsonObject
    text: bytes
    parts: tuple[object, ...]


class Masking:
    """What is shown of one connection's requests; `secrets` is None to show all of it."""

    def __init__(self, connection: Connection, secrets: Secrets | None) -> None:
        settings = connection.mapping.settings.values()
        self._compress = connection.mapping.http.compress is not None
        self._secrets = secrets
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
        return body if self._as_they_are([body]) is not None else self.shown(body)

    def json(self, values: Sequence[Json]) -> list[bytes]:
        """Return values as JSON, masked."""
        raws = self._as_they_are(values)
        return [orjson.dumps(self.shown(value)) for value in values] if raws is None else raws

    def _as_they_are(self, values: Sequence[Json]) -> list[bytes] | None:
        """Return values as JSON, or None if something may have to be masked in them.

        RE2 takes 1 us for 1 KB, where masking takes 15.
        """
        if self._always:
            return None
        try:
            raws = [orjson.dumps(value) for value in values]
        except TypeError:  # perhaps a secret is a key, which is no plain text
            return None
        if self._search is None:
            return raws
        longest = max(raws, key=len)  # a batch contains the bodies of its items
        doubtful = b" ".join([longest, *(raw for raw in raws if raw not in longest)])
        return None if self._search(doubtful) else raws

    def address(self, request: PlannedRequest, batch: str | None = None) -> Address:
        """Return the address of a request, made once where nothing of an event is in it.

        The parts of such an address are the same objects for every event, made when the connection is.
        """
        parts = request.method, request.url, request.headers, request.query, request.body is None
        known = self._addresses.get((request.request, batch))
        if known is None or not all(map(is_, known.parts, parts)):
            address = _address(request, compress=self._compress, batch=batch)
            shown = {key: self.shown(value) for key, value in address.items()}
            known = Address(shown, orjson.dumps(shown)[:-1], parts)
            self._addresses[request.request, batch] = known
        return known


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
