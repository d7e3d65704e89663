"""Questions and answers between two processes: JSON with its length before it.

The console needs no more of the process that tries mappings, and so it imports nothing else of it when it starts.
"""

from __future__ import annotations

from typing import IO

LENGTH = 4
"""Bytes of a length."""


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Read one question or answer; None where the other end has closed."""
    head = stream.read(LENGTH)
    if len(head) < LENGTH:
        return None
    length = int.from_bytes(head, "big")
    body = stream.read(length)
    return body if len(body) == length else None


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Write one question or answer."""
    stream.write(len(body).to_bytes(LENGTH, "big") + body)
    stream.flush()
