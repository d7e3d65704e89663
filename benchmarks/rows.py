"""The rows that run in Python, one process each.

    python -m benchmarks.rows ROW       then lines on standard input: `pass FILE`, or `write FILE OUTPUT`

A row turns bytes into bytes: an event into the bodies of its requests, or a body of events into batch bodies. A `pass`
over a file of inputs is timed and answered as JSON, in seconds; `write` writes what comes out, to be compared.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orjson import dumps, loads

if TYPE_CHECKING:
    from engine.plan import Connection

NOW = 1_785_000_000.0
Work = Callable[[bytes], list[bytes]]


def connected(mapping: str = "exponea") -> Connection:
    """Return a connection with the mapping's example settings."""
    from engine import load

    target = load(mapping)
    return target.connect(target.example_settings())


def orjson() -> Work:
    """The reference: read and write the same events."""
    return lambda raw: [dumps(loads(raw))]


def orjson_loads() -> Work:
    def work(raw: bytes) -> list[bytes]:
        loads(raw)
        return []

    return work


def plan_json(mapping: str = "exponea") -> Work:
    plan = connected(mapping).plan_json
    return lambda raw: [dumps(request.body) for request in plan(raw, now=NOW).requests]


def plan() -> Work:
    plan = connected().plan
    return lambda raw: [dumps(request.body) for request in plan(loads(raw), now=NOW).requests]


def batch() -> Work:
    """The public way for a body of events."""
    from engine.carrying import http_requests

    connection = connected()
    plan = connection.plan_batch

    def work(body: bytes) -> list[bytes]:
        plans = plan(body, now=NOW, show_secrets=True)
        return [each.content or b"" for each in http_requests(connection, plans, now=NOW, show_secrets=True)]

    return work


def hand() -> Work:
    from benchmarks.peers import hand

    return hand.one


def hand_batch() -> Work:
    from benchmarks.peers import hand

    return hand.batch


def jmespath() -> Work:
    from benchmarks.peers import jmespath_fields

    return jmespath_fields.one


ROWS: dict[str, Callable[..., Work]] = {
    "orjson": orjson,
    "orjson-loads": orjson_loads,
    "plan_json": plan_json,
    "plan": plan,
    "batch": batch,
    "hand": hand,
    "hand-batch": hand_batch,
    "jmespath": jmespath,
}


def row(name: str) -> Work:
    """Return a row by name; `plan_json:MAPPING` is that of a mapping."""
    name, _, mapping = name.partition(":")
    return ROWS[name](mapping) if mapping else ROWS[name]()


@cache
def lines(file: str) -> list[bytes]:
    """Read inputs, once."""
    return Path(file).read_bytes().splitlines()


def timed(work: Work, inputs: list[bytes]) -> dict[str, float]:
    """Time one turn."""
    wall, cpu = time.perf_counter(), time.process_time()
    for raw in inputs:
        work(raw)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def main() -> None:
    """Answer line by line."""
    work = row(sys.argv[1])
    for line in sys.stdin:
        command, file, *output = line.split()
        if command == "write":
            Path(output[0]).write_bytes(b"".join(body + b"\n" for raw in lines(file) for body in work(raw)))
            print("{}", flush=True)
        else:
            print(json.dumps(timed(work, lines(file))), flush=True)


if __name__ == "__main__":
    main()
