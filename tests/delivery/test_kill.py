"""`kill -9` of a real worker at random moments, while events come in and the vendor misbehaves.

At the end every event is delivered or rejected, none is lost, everyone's events are in order, and what arrived
twice is no more than what may have been on its way when a worker died or an answer was lost.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from engine.delivery.outbox.base import Chosen, NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from engine.sandbox.server import Sandbox
from engine.sandbox.world import Config

ROOT = Path(__file__).parents[2]
MAPPING = """
mapping: 1
name: killed
title: Killed
extends: exponea
http: { rate_limit: null }
retry: { first_wait: 5ms, max_wait: 50ms }
"""
ON_THEIR_WAY = 8 * 50
FAULTS: tuple[dict, ...] = (
    {"kind": "status", "status": 429, "rate": 0.03, "seed": 1},
    {"kind": "status", "status": 503, "rate": 0.03, "seed": 2},
    {"kind": "reset", "rate": 0.02, "seed": 3},
    {"kind": "reset", "rate": 0.02, "seed": 4, "applied": True},
    {"kind": "half", "rate": 0.02, "seed": 5},
    {"kind": "wrong_json", "rate": 0.02, "seed": 6},
    {"kind": "latency", "rate": 0.2, "seed": 7, "seconds": [0.001, 0.05]},
    {"kind": "items", "rate": 0.01, "seed": 8},
)
LOST_ANSWERS = ("half", "wrong_json", "reset")


def event(number: int, users: int) -> NewEvent:
    value = {
        "type": "track",
        "messageId": f"m{number}",
        "userId": f"u{number % users}",
        "event": "Counted",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "properties": {"n": number},
    }
    return NewEvent("kill", f"m{number}", "2026-01-01T00:00:00.000Z", orjson.dumps(value))


def worker(outbox: Path, mapping: Path, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.delivery.killed", str(outbox), str(mapping), url]
    started = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert started.stdout is not None
    started.stdout.readline()
    return started


def story(directory: Path, events: int, kills: int, users: int, seed: int) -> None:
    chance = random.Random(seed)
    path, mapping = directory / "outbox.db", directory / "killed.yaml"
    mapping.write_text(MAPPING)
    outbox = SqliteOutbox(path)
    share = -(-events // kills)
    with Sandbox(Config(seed=seed, faults=FAULTS)) as sandbox:
        for kill in range(kills):
            running = worker(path, mapping, sandbox.url)
            try:
                take_in(outbox, range(kill * share, min(events, (kill + 1) * share)), users, chance)
                time.sleep(chance.random() * 0.3)
            finally:
                running.kill()
                running.communicate()
        last = worker(path, mapping, sandbox.url)
        last.communicate(timeout=300)
        assert last.returncode == 0
        check(outbox, sandbox, events, users, kills)
    outbox.close()


def take_in(outbox: SqliteOutbox, numbers: range, users: int, chance: random.Random) -> None:
    for start in range(numbers.start, numbers.stop, 50):
        outbox.take_in([event(n, users) for n in numbers[start - numbers.start :][:50]], ["shop"], time.time())
        time.sleep(chance.random() * 0.02)


def check(outbox: SqliteOutbox, sandbox: Sandbox, events: int, users: int, kills: int) -> None:
    rows = outbox.listed(Chosen(), 0, events + 1)
    outcomes = Counter(row.outcome for row in rows)
    assert set(outcomes) <= {Outcome.DELIVERED, Outcome.REJECTED}, outcomes
    assert sorted(row.message_id for row in rows) == sorted(f"m{n}" for n in range(events))
    arrived = [found["properties"]["n"] for found in sandbox.state("exponea", events + 1)["events"]]
    delivered = {int(row.message_id[1:]) for row in rows if row.outcome is Outcome.DELIVERED}
    rejected = {int(row.message_id[1:]) for row in rows if row.outcome is Outcome.REJECTED}
    assert delivered <= set(arrived), "what is said to be delivered is there"
    assert set(arrived) - delivered <= rejected
    assert all(row.error for row in rows if row.outcome is Outcome.REJECTED), "with the vendor's message"
    assert 0 < len(rejected) < events / 20
    for user in range(users):
        mine = [n for n in arrived if n % users == user]
        late = [n for n, after in pairwise(mine) if n > after]
        assert mine == sorted(mine), f"the events of u{user} came out of order: {late}, rejected: {sorted(rejected)}"
    lost = sum(fault["hit"] for fault in shown_faults(sandbox) if fault["kind"] in LOST_ANSWERS and fault["applied"])
    twice = sandbox.counts()["exponea"]["events_deduplicated"]
    assert twice <= kills * 2 * ON_THEIR_WAY + lost * 50, "only what was on its way can arrive twice"


def shown_faults(sandbox: Sandbox) -> list[dict]:
    return [fault.as_json() for fault in sandbox._world.faults.all()]


def test_a_worker_killed_again_and_again_loses_nothing(tmp_path) -> None:
    story(tmp_path, events=500, kills=2, users=60, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_a_worker_killed_fifty_times_loses_nothing(tmp_path, seed) -> None:
    story(tmp_path, events=20_000, kills=50, users=200, seed=seed)
