"""Requests that are not taken: a status, a code for programs, a sentence for people.

The shape of the body is what Segment's libraries read (`code` and `message`).  Whether a library tries again is
decided by the status: they do after 408, 429 and 5xx, and drop the batch after any other 4xx.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

JSON_TYPE = (b"content-type", b"application/json")


class Reply(NamedTuple):
    """An answer: status, body, and headers beyond those that every answer has."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (JSON_TYPE,)


TAKEN = Reply(200, b'{"success":true}')


class Refused(Exception):  # noqa: N818  reads as what happened
    """A request that is not taken; `reply` is its answer, `code` what is counted."""

    def __init__(self, status: int, code: str, message: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self.code = code
        body = orjson.dumps({"success": False, "code": code, "message": message})
        self.reply = Reply(status, body, (JSON_TYPE, *headers))
        super().__init__(message)


def bad_request(message: str) -> Refused:
    """Give the refusal of what cannot be read; nothing is gained by sending it again."""
    return Refused(400, "bad_request", message)


def unknown_key() -> Refused:
    """Give the one refusal of every write key that is missing, unknown or disabled: it does not tell which."""
    message = (
        "This write key is not accepted. Give an enabled one, as the user name of Basic authorization or in the body."
    )
    return Refused(401, "unauthorized", message, headers=((b"www-authenticate", b'Basic realm="collector"'),))


def try_later(status: int, code: str, message: str, seconds: int) -> Refused:
    """Give a refusal that asks to be sent again after some seconds."""
    return Refused(status, code, message, headers=((b"retry-after", str(seconds).encode()),))
