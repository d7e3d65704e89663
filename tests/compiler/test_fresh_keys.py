"""Tables that learn the keys of events stay small, whatever keys are sent: memory is flat, and plans stay right."""

from __future__ import annotations

import tracemalloc

import orjson
import pytest

from engine.compiler.optimizations import ALL
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.plan import Connection
from tests.language.cases import DEFAULT_EVENT
from tests.language.cases import DEFAULT_NOW as NOW
from tests.runners import compiled_with

NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))
KEYS = 60
"""Fresh keys of an event: half of them in an object of a fresh key, where they are joined with it."""
MOST_GROWTH = 2_000_000
"""Bytes that are still there afterwards; the keys of `EVENTS`, if all were kept, would be 3.5 MB."""
EVENTS, MANY_EVENTS = 200, 2_000


def fresh(number: int) -> bytes:
    """Return an event of a shape that no other has."""
    flat = {f"k{number}_{each}": each for each in range(KEYS // 2)}
    nested = {f"o{number}": {f"x{number}_{each}": {"a": each} for each in range(KEYS // 2)}}
    event = {**DEFAULT_EVENT, "event": "E", "properties": {**flat, **nested}, "context": {f"c{number}": nested}}
    return orjson.dumps(event)


def growth(connection: Connection, events: int) -> int:
    """Return how many bytes more are in use after so many events than before."""
    connection.plan_json(fresh(-1), now=NOW)
    tracemalloc.start()
    try:
        for number in range(events):
            connection.plan_json(fresh(number), now=NOW)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def connected(name: str) -> Connection:
    target = compiled_with(Library([]).load(name), ALL)
    return target.connect(target.example_settings(), {})


def test_fresh_keys_do_not_fill_the_memory() -> None:
    assert growth(connected("exponea"), EVENTS) < MOST_GROWTH


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_fresh_keys_do_not_fill_the_memory(name: str) -> None:
    assert growth(connected(name), MANY_EVENTS) < MOST_GROWTH
