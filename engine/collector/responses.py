"""The collector's responses and its limits: every refusal has a status, a code for programs, a message for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import orjson

JSON_TYPE = (b"content-type", b"application/json")


Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class HttpResponse(NamedTuple):
    """A response: status, body, and the headers that not every response has."""

    status: int
    body: bytes
    headers: Headers = (JSON_TYPE,)


ACCEPTED = HttpResponse(200, b'{"success":true}')


class RequestRefused(Exception):  # noqa: N818  reads as what happened
    """A request that is not accepted; `response` is what the client gets, `code` is what the metrics count."""

    def __init__(self, status: int, code: str, message: str, *, headers: Headers = ()) -> None:
        self.code = code
        body = orjson.dumps({"success": False, "code": code, "message": message})
        self.response = HttpResponse(status, body, (JSON_TYPE, *headers))
        super().__init__(message)


def bad_request(message: str) -> RequestRefused:
    """Return the refusal of a malformed request, which a client should not send again."""
    return RequestRefused(400, "bad_request", message)


def unauthorized() -> RequestRefused:
    """Return the refusal of a write key. It is the same for a missing, an unknown and a disabled one."""
    message = (
        "The write key is missing, unknown or disabled. "
        "Send it as the user name of Basic authorization, or as writeKey in the body."
    )
    return RequestRefused(401, "unauthorized", message, headers=((b"www-authenticate", b'Basic realm="collector"'),))


def retry_later(status: int, code: str, message: str, seconds: int) -> RequestRefused:
    """Return a refusal that asks the client to send the request again after some seconds."""
    return RequestRefused(status, code, message, headers=((b"retry-after", str(seconds).encode()),))


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorLimits:
    """Bytes, counts and seconds. `backlog`: the unfinished events a connection may have, 0 for no limit."""

    event_bytes: int = 32 * 1024
    batch_bytes: int = 500 * 1024
    batch_events: int = 2500
    body_seconds: float = 30.0
    head_bytes: int = 64 * 1024
    headers: int = 200
    head_seconds: float = 30.0
    pipelined: int = 100
    held_bytes: int = 64 * 1024 * 1024
    backlog: int = 1_000_000
    retry_after: int = 5
