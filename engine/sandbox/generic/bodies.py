"""What a vendor made from a mapping finds in a body: its JSON or form, the items of a batch, whose request each is.

The mapping says how it packs: it is given items that are easy to recognize, and where they turn up is where the items
of a real batch are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, cast
from urllib.parse import parse_qsl

import orjson

from engine.compiler.runtime import Invalid
from engine.mapping import schema
from engine.mapping.model import Request
from engine.plan import Connection
from engine.records import Json, JsonObject, Place, value_at
from engine.sandbox.http_messages import MAX_BODY

MARKS: tuple[JsonObject, ...] = ({"waybill": "first"}, {"waybill": "second"}, {"waybill": "third"})
GZIP = 16 + zlib.MAX_WBITS


class Unreadable(ValueError):  # noqa: N818  reads as what it is
    """A body that is not what it says; the text says why."""


class Carried(NamedTuple):
    """One planned request as it arrived: its name, '' if no request looks like it, and its body."""

    request: str
    body: Json
    fault: str | None


def unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body without its compression; raises Unreadable, also where it becomes larger than 32 MB."""
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise Unreadable(f"the Content-Encoding {encoding} is not supported")
    try:
        unzipped = zlib.decompressobj(GZIP)
        found = unzipped.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise Unreadable("the body is not gzip, as its Content-Encoding says") from error
    if len(found) > MAX_BODY:
        raise Unreadable("the body is larger than 32 MB")
    return found


def parsed(body: bytes, encode: str) -> Json:
    """Return a body as JSON, a form as an object of texts; None without a body. Raises Unreadable."""
    if not body:
        return None
    try:
        if encode == "form":
            return _form(body.decode())
        found: Json = orjson.loads(body)
    except (UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise Unreadable(f"the body is not {'a form' if encode == 'form' else 'JSON'}") from error
    return found


def _form(text: str) -> JsonObject:
    found: dict[str, list[Json]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


class Packing(NamedTuple):
    """How a batch has the items of one request: in which list, what they look like there, and where the body is."""

    items: Place
    template: Json
    body: Place


class Bodies:
    """Reads the bodies of one connection's requests and checks them by `body_schema`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests = connection.mapping.requests
        self._checks: dict[str, Callable[[Json], str | None]] = {}

    def fault(self, name: str, body: Json) -> str | None:
        """Return why the body of a request does not meet its `body_schema`, as a clause; None where it does."""
        request = self._requests[name]
        if request.body_schema is None:
            return None
        if body is None:
            return "there is no body"
        if name not in self._checks:
            self._checks[name] = schema.validator(_checkable(request))
        return self._checks[name](body)

    def packs(self, batch: str) -> bool:
        """Whether it is known where the items of a batch are."""
        return batch in self._packings

    def carried(self, batch: str, body: Json) -> list[Carried] | None:
        """Return what a batch carries, item by item; None if it has none of the lists that items are in."""
        found = self._items(batch, body)
        if found is None:
            return None
        packings = self._packings.get(batch, {})
        return [self._carried(packings, place, item) for place, item in found]

    def too_much(self, batch: str, body: Json) -> str | None:
        """Return which limit of a batch its items exceed, as a clause; None where they are within.

        Bytes are counted as delivery counts them: of each item, with a comma.
        """
        limits, items = self._connection.mapping.batches[batch], self._items(batch, body) or []
        if len(items) > limits.max_items:
            return f"the batch {batch} has {len(items)} items; max_items allows {limits.max_items}"
        if limits.max_bytes is None:
            return None
        size = sum(len(orjson.dumps(item)) + 1 for _, item in items)
        if size > limits.max_bytes:
            return f"the items of the batch {batch} have {size:,} bytes; max_bytes allows {limits.max_bytes:,}"
        return None

    def _items(self, batch: str, body: Json) -> list[tuple[Place, Json]] | None:
        """Return the items of a batch, each with the place of its list; None without any list."""
        lists = {each.items: value_at(body, each.items) for each in self._packings.get(batch, {}).values()}
        found = [(place, items) for place, items in lists.items() if isinstance(items, list)]
        return [(place, item) for place, items in found for item in items] if found else None

    def _carried(self, packings: dict[str, Packing], place: Place, item: Json) -> Carried:
        """Return what an item carries: the request that it looks like, best one whose schema its body meets."""
        fitting: list[Carried] = []
        for name, packing in packings.items():
            if packing.items == place and _looks_like(item, packing.template):
                body = value_at(item, packing.body)
                fitting.append(Carried(name, body, self.fault(name, body)))
        return min(fitting, key=lambda each: each.fault is not None, default=Carried("", item, None))

    @cached_property
    def _packings(self) -> dict[str, dict[str, Packing]]:
        """The packings that are known, by batch and request."""
        found: dict[str, dict[str, Packing]] = {}
        for request in self._requests.values():
            packing = None if request.batch is None else self._packing(request.name, request.batch)
            if request.batch is not None and packing is not None:
                found.setdefault(request.batch, {})[request.name] = packing
        return found

    def _packing(self, name: str, batch: str) -> Packing | None:
        item, body = self._connection.compiled.requests[name].item, self._connection.compiled.batches[batch].body
        try:
            items: list[Json] = [mark if item is None else item(mark, [], 0.0) for mark in MARKS]
            packed: Json = items if body is None else body(items, None, [], 0.0)
        except Invalid:  # a mark lacks what an item needs
            return None
        places = [_place_of(mark, packed) for mark in MARKS]
        first, last = places[0], places[-1]
        if first is None or last is None:
            return None
        at = next((number for number, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
        if at is None:
            return None
        return Packing(first[:at], value_at(packed, first[: at + 1]), first[at + 1 :])


def _checkable(request: Request) -> Json:
    """Return the schema of what arrives: a form has no types, so only its names are checked."""
    if request.encode != "form":
        return request.body_schema
    return {"required": cast("JsonObject", request.body_schema).get("required", [])}


def _place_of(wanted: Json, value: Json, place: Place = ()) -> Place | None:
    """Return where a value is inside another."""
    if value == wanted:
        return place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_place_of(wanted, member, (*place, key)) for key, member in inner)
    return next((each for each in found if each is not None), None)


def _looks_like(item: Json, template: Json) -> bool:
    """Whether an item has all that the template has, besides the mark."""
    if template == MARKS[0]:
        return True
    if isinstance(template, dict):
        return isinstance(item, dict) and all(
            key in item and _looks_like(item[key], inner) for key, inner in template.items()
        )
    if isinstance(template, list):
        return isinstance(item, list) and len(item) == len(template) and all(map(_looks_like, item, template))
    return item == template
