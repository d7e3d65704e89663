"""What events cost grows as they do, whatever their shape: counted in steps of the interpreter, never timed.

A step is one bytecode. What a function of C does inside is not seen; those that are called once for an event are linear
by themselves. The steps may grow little faster than the size.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import orjson
import pytest

from engine import load
from engine.plan import Connection
from engine.records import JsonObject

NOW = 1_785_000_000.0
TIME = "2026-07-01T00:00:00.000Z"
MOST_GROWTH = 1.2
"""How much faster than the size the steps may grow."""
MOST_OF_WHOLE = 2000
"""Steps for each member of an event of the whole size; a square would take 100,000."""
SMALL, WHOLE = 200, 100_000


def track(**properties: Any) -> JsonObject:
    return {"type": "track", "userId": "u", "event": "E", "timestamp": TIME, "properties": properties}


def identify(traits: JsonObject, older: JsonObject) -> JsonObject:
    return {"type": "identify", "userId": "u", "timestamp": TIME, "traits": traits, "context": {"traits": older}}


def spellings(name: str, count: int) -> list[str]:
    """Return a name in as many spellings, which differ in capital letters."""
    return ["".join(c.upper() if n >> bit & 1 else c for bit, c in enumerate(name)) for n in range(count)]


def nested(levels: int) -> JsonObject:
    value: JsonObject = {"z": 1}
    for _ in range(levels):
        value = {"k": value}
    return value


def written(value: bytes) -> bytes:
    """Put JSON that orjson refuses into an event."""
    return orjson.dumps(track(x="HERE")).replace(b'"HERE"', value)


SHAPES: dict[str, Callable[[int], JsonObject | bytes]] = {
    "keys": lambda n: track(**{f"k{i}": i for i in range(n)}),
    "keys in an object": lambda n: track(o={f"k{i}": i for i in range(n)}),
    "objects": lambda n: track(**{f"k{i}": {"a": i} for i in range(n)}),
    "keys that collide once flattened": lambda n: track(
        **{f"a_{i}": i for i in range(n)}, a={str(i): i for i in range(n)}
    ),
    "keys that no pattern allows": lambda n: track(**{f"é {i}": i for i in range(n)}),
    "objects of 90 levels": lambda n: track(**{f"o{i}": nested(90) for i in range(n // 100)}),
    "lists in lists": lambda n: track(x=[[[i]] for i in range(n)]),
    "integrations": lambda n: {**track(), "integrations": {f"k{i}": {} for i in range(n)}},
    "spellings of All": lambda n: {**track(), "integrations": dict.fromkeys(spellings("exponea or all", n), 1)},
    "traits that are cleared": lambda n: identify({f"k_{i}": None for i in range(n)}, {f"k_{i}": 1 for i in range(n)}),
    "traits that are cleared, in other spellings": lambda n: identify(
        {f"key_{i}": None for i in range(n)}, {f"key{i}": 1 for i in range(n)}
    ),
    "traits that are cleared inside": lambda n: identify(
        {f"k{i}": {"a": None} for i in range(n)}, {f"k{i}": {"a": 1, "b": 2} for i in range(n)}
    ),
    "half characters": lambda n: written(b"[" + b",".join([b'"\\ud83d"'] * n) + b"]"),
    "numbers that JSON lacks": lambda n: written(b"[" + b",".join([b"NaN", b"-Infinity", b"1e999"] * n) + b"]"),
    "numbers that JSON lacks, in a text": lambda n: written(b'["' + b"NaN 1e999" * n + b'",NaN]'),
    "digits": lambda n: written(b"[" + b"9" * (50 * n) + b',"' + b"9" * (50 * n) + b'"]'),
    "escaped quotes": lambda n: written(b'["' + b'\\"1e999' * n + b'",NaN]'),
}


@pytest.fixture(scope="module")
def connection() -> Connection:
    target = load("exponea")
    return target.connect(target.example_settings())


def steps(work: Callable[[], object]) -> int:
    """Count the bytecodes that some work runs."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif event == "opcode":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def growth(connection: Connection, shape: Callable[[int], JsonObject | bytes], size: int, times: int) -> float:
    """Return how many times as many steps an event of so many times the size takes, divided by that."""
    counts = []
    for count in (size, times * size):
        made = shape(count)
        raw = made if isinstance(made, bytes) else orjson.dumps(made)
        connection.plan_json(raw, now=NOW)  # it learns the keys, where it does
        counts.append(steps(lambda raw=raw: connection.plan_json(raw, now=NOW)))  # type: ignore[misc]
    return counts[1] / counts[0] / times


@pytest.mark.parametrize("shape", SHAPES)
def test_steps_grow_as_the_event_does(connection: Connection, shape: str) -> None:
    assert growth(connection, SHAPES[shape], SMALL, 2) < MOST_GROWTH


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_each_member_of_a_large_event_takes_few_steps(connection: Connection, shape: str) -> None:
    """Of 100,000 keys, each takes a bounded number of steps; where the body is too large, there is a reason.

    Smaller events are no measure: what C counts for them is walked through in Python for larger ones.
    """
    made = SHAPES[shape](WHOLE)
    raw = made if isinstance(made, bytes) else orjson.dumps(made)
    connection.plan_json(raw, now=NOW)
    assert steps(lambda: connection.plan_json(raw, now=NOW)) / WHOLE < MOST_OF_WHOLE


def test_the_count_sees_a_square() -> None:
    def square(count: int) -> None:
        left = {str(number): number for number in range(count)}
        for key in list(left):
            left = {other: value for other, value in left.items() if other != key}

    assert steps(lambda: square(80)) / steps(lambda: square(40)) / 2 > 1.5
