"""Any number of events, made from the samples: their IDs and values change, and many are broken in one way or another.

Every call is among them, and every one can be read: what `engine run` reports as unreadable has no line there.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tests.docs.blocks import ROOT

TIME = "2024-06-01T12:00:00.000Z"
"""When all of them were received."""

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 2**64, 1e300, 1.5, "", " ", "null", "0", "NaN", [], {}, [[1]], {"a": {"b": None}}),
    *("\u202eexe", "\x1b[31m", "\U0001f600", "a\u2028b", "=1+1", "<script>", "public-key", "access-token", "é" * 300),
)
"""Values where others are expected; two of them are secrets of the examples."""

BROKEN: tuple[Callable[[bytes], bytes], ...] = (
    lambda raw: raw[:-1] + b',"extra":NaN}',
    lambda raw: raw[:-1] + b',"extra":1e999}',
    lambda raw: raw[:-1] + b',"extra":"\\ud83d"}',
    lambda raw: raw[:-1] + b',"extra":"\xff"}',
    lambda raw: b"\xef\xbb\xbf" + raw,
    lambda raw: b"  " + raw + b" \r",
    lambda raw: raw[:-1] + b',"userId":"twice"}',
    lambda raw: raw[:-1] + b',"traits":' + b"[" * 120 + b"]" * 120 + b"}",
)
"""Bytes that are not quite JSON, and are read all the same."""


def events(count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield that many events, one line each without its end; the same for the same seed."""
    source = random.Random(seed)
    found = _samples()
    for number in range(count):
        event = json.loads(found[number % len(found)])
        _vary(event, source)
        if source.random() < 0.2:
            _spoil(event, source)
        raw = json.dumps(event, ensure_ascii=source.random() < 0.5).encode()
        yield source.choice(BROKEN)(raw) if source.random() < 0.03 else raw


@cache
def _samples() -> list[str]:
    lines = [
        line for path in sorted((ROOT / "samples").glob("*.ndjson")) for line in path.read_text("utf-8").split("\n")
    ]
    return [line for line in lines if line.startswith("{")]


def _vary(event: dict[str, Any], source: random.Random) -> None:
    event["messageId"] = f"m{source.getrandbits(60):x}"
    for name in ("userId", "anonymousId", "groupId", "previousId"):
        if name in event:
            event[name] = f"{name[0]}{source.randrange(20_000)}"
    for name in ("properties", "traits"):
        if isinstance(event.get(name), dict):
            event[name]["number"] = source.choice((source.randrange(1000), source.random() * 1e6, source.random()))


def _spoil(event: dict[str, Any], source: random.Random) -> None:
    """Remove a value, or put an odd one in its place, at the top or inside an object."""
    objects = [event, *(value for value in event.values() if isinstance(value, dict) and value)]
    place = source.choice(objects)
    name = source.choice(sorted(place))
    if source.random() < 0.3:
        del place[name]
    else:
        place[name] = source.choice(ODD)
