"""Write keys: where a request may carry one, and whose it is.

Keys are looked up by a digest made with a secret of this process: how long that takes says nothing about how much of
a guessed key was right, and it stays one look-up with any number of keys.  Unknown, disabled and missing keys are
told apart for the counters alone; the answer is the same.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

from engine.records import Json

LONGEST = 512


class EventSource(NamedTuple):
    """Somebody who sends: its name, its write keys, and the connections its events go to."""

    name: str
    write_keys: tuple[str, ...]
    connections: tuple[str, ...]
    enabled: bool = True


class WriteKeys:
    """Finds the source that a write key belongs to."""

    def __init__(self, sources: Sequence[EventSource]) -> None:
        self._secret = os.urandom(32)
        self._found = {self._digest(key): (key, source) for source in sources for key in source.write_keys}

    def source(self, key: str) -> EventSource | None:
        """Return a key's source, enabled or not."""
        found = self._found.get(self._digest(key[:LONGEST]))
        if found is None or not compare_digest(found[0].encode(), key.encode(errors="replace")):
            return None
        return found[1]

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode(errors="replace"), key=self._secret, digest_size=16).digest()


def basic_key(authorization: bytes | None) -> str | None:
    """Return the user name of Basic authorization, with or without a colon; None where there is no such header."""
    if authorization is None:
        return None
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        text = binascii.a2b_base64(value.strip()).decode()
    except ValueError:
        return ""
    return text.partition(":")[0]


def body_key(value: Json) -> str:
    """Return the write key that a body carries, '' where there is none."""
    return value if isinstance(value, str) else ""
