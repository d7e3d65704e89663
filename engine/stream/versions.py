"""The files of a mapping's version, as the key `version.<digest>` of the shared state has them. Pure.

    one line of JSON {format, name}, then the files as an outbox file keeps them

Each worker that begins to plan with a version puts it there, unless it is there; it is never changed or removed.
"""

from __future__ import annotations

import orjson

FORMAT = 1


def encode_version(name: str, files: bytes) -> bytes:
    """Return the value of the key."""
    return orjson.dumps({"format": FORMAT, "name": name}) + b"\n" + files


def decode_version(data: bytes) -> tuple[str, bytes] | None:
    """Return the mapping's name and the files; None for what is no version, or a newer release's."""
    line, _, files = data.partition(b"\n")
    try:
        given = orjson.loads(line)
        if given["format"] != FORMAT or not isinstance(given["name"], str):
            return None
    except (ValueError, TypeError, KeyError):
        return None
    return given["name"], files
