"""What the collector takes at most: Segment's published limits, and what keeps its memory bounded.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ : 32 KB an event, 500 KB a batch,
2,500 events a batch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, counts and seconds. `backlog` is how many unfinished events a connection may have, 0 for no limit."""

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
