"""Whether a logged request is about a person whom a vendor has erased: it carries one of the person's IDs. Pure.

An ID is looked for as a whole: a JSON string, number or name of a body, a segment of a path, a value of a query. So
the ID `1` is not found in every request. An email is also found inside other text, in any case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from urllib.parse import parse_qsl

import orjson

from engine.records import Json
from engine.sandbox.http_messages import VendorRequest

FORGOTTEN = b'"(deleted)"'


def is_about(request: VendorRequest, response: bytes, texts: Collection[str]) -> bool:
    """Whether a request or its response has one of the texts, which are IDs and emails."""
    wanted = {text.casefold() for text in texts}
    emails = tuple(text for text in wanted if "@" in text)
    return any(
        text in wanted or any(email in text for email in emails)
        for text in map(str.casefold, _texts(request, response))
    )


def without_person(request: VendorRequest, texts: Collection[str]) -> VendorRequest:
    """Return what may be kept of a request about a person: when it came, and to which path if that names nobody."""
    bare = replace(request, query={}, body=b"", erased=())
    named = is_about(bare, b"", texts)
    return replace(bare, path="/(deleted)" if named else request.path, segments=(), body=FORGOTTEN)


def _texts(request: VendorRequest, response: bytes) -> Iterator[str]:
    yield from request.segments
    yield from request.query.values()
    for body in (request.body, response):
        yield from _texts_of_body(body)


def _texts_of_body(body: bytes) -> Iterator[str]:
    """Yield what a body says; of one that is not JSON, such as one that was cut, everything between quotes."""
    try:
        yield from _leaves(orjson.loads(body))
    except orjson.JSONDecodeError:
        written = body.decode(errors="replace")
        yield from written.split('"')
        yield from (value for _, value in parse_qsl(written))


def _leaves(value: Json) -> Iterator[str]:
    waiting: list[Json] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif one is not None and not isinstance(one, bool):
            yield str(one)
