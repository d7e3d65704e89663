"""Requests as they are printed, with their secrets masked, at the price of one search.

Masking copies every value, and looks for secrets in every text of the copy.  Most requests have none, so their bytes
are searched first for what each form of a secret must contain; only where that is found, or might be, is anything
copied.  Both ways lead to the same output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import is_
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from engine.language.regex import compile_pattern
from engine.language.texts import visible_json
from engine.records import Json, JsonObject, PlannedRequest, Secrets, masked
from engine.secret_forms import traces_pattern

if TYPE_CHECKING:
    from engine.plan import Connection

HOLE_MARK = b"\0"
"""What stands for a value that was written before: orjson escapes all control codes, so it is nowhere else in JSON."""

HOLE = orjson.Fragment(HOLE_MARK)

DEEPEST_HELD = 4
"""How many levels down a batch is looked for the bodies of its items: `{"commands": [{"data": body}]}` has three."""


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
        return body if self._as_they_are([body], []) is not None else self.shown(body)

    def json(self, values: Sequence[Json], around: Sequence[Json] = ()) -> list[bytes]:
        """Return values as JSON, masked and visible, and after them those of `around`, which may hold some of them."""
        return self._as_they_are(values, around) or [
            visible_json(orjson.dumps(self.shown(value))) for value in (*values, *around)
        ]

    def _as_they_are(self, values: Sequence[Json], around: Sequence[Json]) -> list[bytes] | None:
        """Return values as visible JSON, or None if something may have to be masked in them.

        RE2 takes 2 us for 1 KB, where masking takes 15. A batch holds the bodies of its items, which are written,
        searched and made visible once (33 -> 13 us for the line of most events, of 3 KB).
        """
        if self._always:
            return None
        places = {id(value): place for place, value in enumerate(values)} if around else {}
        held: list[int] = []
        try:
            raws = [orjson.dumps(value) for value in values]
            raws += [orjson.dumps(_with_holes(value, places, held, DEEPEST_HELD)) for value in around]
        except TypeError:  # perhaps a secret is a key, which is no plain text
            return None
        if self._search is not None and self._search(b" ".join(raws)):
            return None
        raws = [visible_json(raw) for raw in raws]
        if held:
            filling = iter(held)
            for place in range(len(values), len(raws)):
                raws[place] = _filled(raws[place], raws, filling)
        return raws

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


def _with_holes(value: Json, places: dict[int, int], held: list[int], levels: int) -> Json:
    """Return a value with a hole for each object of `places` in it; `held` takes their places, in order.

    What is deeper than so many levels is not looked at, and written again.
    """
    place = places.get(id(value))
    if place is not None:
        held.append(place)
        return cast("Json", HOLE)
    if type(value) is dict and levels:
        return {key: _with_holes(member, places, held, levels - 1) for key, member in value.items()}
    if type(value) is list and levels:
        return [_with_holes(member, places, held, levels - 1) for member in value]
    return value


def _filled(raw: bytes, raws: list[bytes], held: Iterator[int]) -> bytes:
    """Return JSON with its holes filled; `held` says by which of `raws`."""
    first, *others = raw.split(HOLE_MARK)
    return first + b"".join([raws[next(held)] + other for other in others])
