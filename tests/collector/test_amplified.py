"""Events that were made to grow: 31 KB that would become 30 MB of request, from the outside and with memory measured."""

from __future__ import annotations

import time

import httpx
import orjson
import pytest

from engine.records import Json
from tests.collector.running import serving

MOST_MEMORY = 300
"""MB; it was 8,200."""
AMPLIFIED = 140
PLAIN = 50
DELIVERED = f'outcome="delivered"}} {PLAIN}.0'

KEY = "k" * 16_000


def nested(levels: int) -> Json:
    value: Json = {str(number): {} for number in range(1000)}
    for _ in range(levels):
        value = {"k" * 100: value}
    return value


PROPERTIES: dict[str, Json] = {
    "a long key over many short ones": {KEY: {str(number): 0 for number in range(1900)}},
    "deep nesting": nested(90),
}


@pytest.mark.slow
def test_amplified_events_neither_fill_the_memory_nor_stop_delivery() -> None:
    with serving(mappings=("exponea",)) as server, httpx.Client(auth=("sandbox", "")) as client:
        largest = 0
        for number in range(AMPLIFIED):
            for kind, properties in PROPERTIES.items():
                event: Json = {"type": "track", "userId": f"{kind} {number}", "event": "E", "properties": properties}
                assert client.post(f"{server.url}/v1/track", content=orjson.dumps(event)).status_code == 200
            largest = max(largest, server.memory())
        plain = [{"type": "track", "userId": f"u{number}", "event": "Plain"} for number in range(PLAIN)]
        assert client.post(f"{server.url}/v1/batch", content=orjson.dumps({"batch": plain})).status_code == 200
        end = time.monotonic() + 60
        while DELIVERED not in server.metrics():
            assert time.monotonic() < end, "the plain events were not delivered"
            largest = max(largest, server.memory())
            time.sleep(0.1)
        assert largest < MOST_MEMORY
