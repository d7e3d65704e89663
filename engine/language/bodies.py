"""A body as the bytes that are sent."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode

import orjson

from engine.language.texts import text_of
from engine.records import Json, JsonObject, Secret


def revealed(text: str) -> str:
    """Return a text with the secret in it, as it is sent."""
    return text.reveal() if isinstance(text, Secret) else text


def compressed(content: bytes) -> bytes:
    """Return a body as gzip (RFC 1952), always the same bytes: there is no time in it."""
    import gzip

    return gzip.compress(content, 1, mtime=0)


def json_bytes(body: Json) -> bytes:
    """Return JSON as bytes; TypeError where that is impossible."""
    try:
        return orjson.dumps(body)
    except TypeError:  # perhaps a secret is a key, which is no plain text
        return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)


def encoded(body: Json, encode: str) -> bytes | None:
    """Return a body as JSON or as a form, None if there is no body; TypeError or ValueError if that is impossible."""
    if body is None:
        return None
    if encode != "form":
        return json_bytes(body)
    pairs = [
        (revealed(name), revealed(text_of(value) or ""))
        for name, member in cast("JsonObject", body).items()
        for value in (member if isinstance(member, list) else [member])
    ]
    return urlencode(pairs).encode()
