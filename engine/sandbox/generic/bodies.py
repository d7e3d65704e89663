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
from engine.records import Json, JsonObject, Place
from engine.responses import Unbatchable
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
        if name not in self._checks:
            self._checks[name] = schema.validator(_checkable(request))
        return self._checks[name](body)

    def has_items(self, batch: str) -> bool:
        """Whether it is known where the items of a batch are in its body."""
        return batch in self._places

    def items(self, batch: str, body: Json) -> list[Json] | None:
        """Return the items of a batch, None where its body has none."""
        place = self._places.get(batch)
        if place is None:
            return None
        found = _at(body, place)
        return found if isinstance(found, list) else None

    def carried(self, batch: str, item: Json) -> Carried:
        """Say which request of a batch an item carries; one that it looks like and whose schema it meets, first."""
        fitting = [
            Carried(name, body, self.fault(name, body))
            for name, (template, place) in self._templates.get(batch, {}).items()
            if _looks_like(item, template) and (body := _at(item, place)) is not None
        ]
        fitting.sort(key=lambda each: each.fault is not None)
        return fitting[0] if fitting else Carried("", item, None)

    @cached_property
    def _places(self) -> dict[str, Place]:
        """Where the items of each batch are in its body."""
        found: dict[str, Place] = {}
        for name, batch in self._connection.compiled.batches.items():
            place: Place | None = ()
            if batch.body is not None:
                try:
                    place = _place_of([*MARKS], batch.body([*MARKS], None, [], 0.0))
                except Invalid:
                    place = None
            if place is not None:
                found[name] = place
        return found

    @cached_property
    def _templates(self) -> dict[str, dict[str, tuple[Json, Place]]]:
        """By batch and request: what an item looks like, and where in it the body is."""
        found: dict[str, dict[str, tuple[Json, Place]]] = {}
        for request in self._requests.values():
            if request.batch is None:
                continue
            template = self._item(request)
            place = _place_of(MARKS[0], template)
            if place is not None:
                found.setdefault(request.batch, {})[request.name] = template, place
        return found

    def _item(self, request: Request) -> Json:
        item = self._connection.compiled.requests[request.name].item
        if item is None:
            return MARKS[0]
        try:
            return item(MARKS[0], [], 0.0)
        except (Invalid, Unbatchable):
            return None


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


def _at(value: Json, place: Place) -> Json:
    for key in place:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


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
