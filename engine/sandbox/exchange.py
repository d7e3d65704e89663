"""What passes between the web server and a vendor: `Incoming` in, `Answer` out, `Refusal` for the short way out.

A vendor never sees ASGI.  That keeps the emulators plain functions, and lets the faults decide what happens to
an answer after it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import orjson

from engine.records import Json

JSON_TYPE = "application/json"


def _no_item_fails() -> list[str] | None:
    return None


@dataclass(slots=True, kw_only=True)
class Incoming:
    """One request, with the vendor's own part of the path (`/track/v2/...`) and header names in lower case.

    `segments` are decoded one by one, so that an id may hold a slash.  `item_error` is asked once for every
    item of a batch: the errors a fault ordered for it, or None.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    now: float = 0.0
    item_error: Callable[[], list[str] | None] = _no_item_fails


class Answer(NamedTuple):
    """What a vendor says: JSON, or bytes as they are."""

    status: int
    body: Json | bytes = None
    headers: dict[str, str] = {}  # noqa: RUF012  never changed: `with_headers` makes another

    def with_headers(self, headers: dict[str, str]) -> Answer:
        """Copy with `headers` added."""
        return Answer(self.status, self.body, {**self.headers, **headers})

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        """Give the body's bytes, and the headers with its type."""
        if isinstance(self.body, bytes):
            return self.body, self.headers
        return orjson.dumps(self.body), {"content-type": JSON_TYPE, **self.headers}


class Refusal(Exception):  # noqa: N818  reads as what it is
    """A request the vendor does not take; carries the answer and undoes what the request had begun."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(f"refused with {answer.status}")


def segments_of(path: str) -> tuple[str, ...]:
    """Split a raw path; each segment is decoded by itself."""
    if "%" not in path:
        return tuple(path.removeprefix("/").split("/"))
    return tuple(unquote(segment) for segment in path.removeprefix("/").split("/"))


def query_of(text: str) -> dict[str, str]:
    """Read a query string; of a name given twice the last counts."""
    return dict(parse_qsl(text, keep_blank_values=True)) if text else {}
