"""`engine backfill` as people run it: planned, killed, resumed; the sandbox holds each event once, in order."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.backfill.work import WorkFolder
from engine.plan import load
from engine.sandbox.server import Sandbox
from engine.sandbox.world import Config
from engine.spark.java import HOW
from tests.spark.java import java_environment

USERS = 60
EXAMPLES = cast("dict[str, str]", load("exponea").example_settings())
CONNECTIONS = """
shop:
  destination: exponea
  base_url: "{url}"
  rate_limit: none
  ordered_batches: true
  settings: {{ project_token: "{token}", api_key: "${{env:SHOP_KEY}}", hard_id: registered, soft_id: cookie }}
sources:
  web: {{ write_keys: [k], connections: [shop] }}
"""


def environment(folder: Path) -> dict[str, str]:
    folder.mkdir()
    settings = {"master": "local[2]", "ui.enabled": "false", "sql.shuffle.partitions": "2"}
    (folder / "spark-defaults.conf").write_text("".join(f"spark.{name} {each}\n" for name, each in settings.items()))
    return {**java_environment(folder), "SPARK_CONF_DIR": str(folder), "SHOP_KEY": EXAMPLES["api_key"]}


def engine(*given: str, folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "engine", *given]
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        command, cwd=folder, env={**env, **path}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def event(number: int) -> dict:
    return {
        "type": "track",
        "event": "Paid",
        "userId": f"u{number % USERS}",
        "timestamp": f"2024-05-{1 + number // 3600 % 28:02}T{number // 60 % 60 % 24:02}:{number % 60:02}:00Z",
        "properties": {"n": number},
        **({"messageId": f"m{number}"} if number % 5 else {}),
    }


def write_history(folder: Path, events: int) -> None:
    """Write events in any order over files of any kind, some of them twice."""
    folder.mkdir()
    numbers = list(range(events))
    random.Random(1).shuffle(numbers)
    parts = [[orjson.dumps(event(n)) for n in numbers[start::4]] for start in range(4)]
    again = [orjson.dumps(event(n)) for n in range(events) if n % 50 == 1]
    (folder / "a.ndjson").write_bytes(b"\n".join(parts[0]))
    (folder / "b.json.gz").write_bytes(gzip.compress(b"\n".join([*parts[1], *again])))
    (folder / "c.json").write_bytes(b"[" + b",\n".join(parts[2]) + b"]")
    pq.write_table(pa.table({"event": [each.decode() for each in parts[3]]}), folder / "d.parquet")


def kill_once_fed(running: subprocess.Popen[str], work: WorkFolder, more: int) -> None:
    """Kill -9 a backfill once it has fed some more events."""
    plan = work.plan()
    begin = work.position(plan).fed if plan else 0
    while running.poll() is None:
        plan = plan or work.plan()
        if plan and work.position(plan).fed >= begin + more:
            break
        time.sleep(0.01)
    running.kill()
    running.communicate()
    assert running.returncode < 0, "it was killed, and had not ended by itself"


@pytest.mark.slow
def test_killed_again_and_again_each_event_arrives_once(tmp_path: Path) -> None:
    events = 3000
    env, work = environment(tmp_path / "spark"), WorkFolder(tmp_path / "work")
    write_history(tmp_path / "history", events)
    with Sandbox(Config(seed=1)) as sandbox:
        (tmp_path / "connections.yaml").write_text(CONNECTIONS.format(url=sandbox.url, token=EXAMPLES["project_token"]))
        given = ["backfill", "shop", "--from", "history", "--source", "web", "--work", "work", "--rate", "1000/s"]
        planning = engine(*given, folder=tmp_path, env=env)
        assert planning.stderr is not None
        assert any(line.startswith("Planning") for line in planning.stderr)
        planning.kill()
        planning.communicate()
        assert work.plan() is None
        for more in (200, 600):
            kill_once_fed(engine(*given, folder=tmp_path, env=env), work, more)
        last = engine(*given[:-2], folder=tmp_path, env=env)
        out, err = last.communicate()
        assert last.returncode == 0, err
        assert out.splitlines()[-1] == f"{events:,} new."
        assert EXAMPLES["api_key"] not in out + err
        sending = engine("send", "--connections", "connections.yaml", folder=tmp_path, env=env)
        out, err = sending.communicate()
        assert sending.returncode == 0, out + err
        arrived = sandbox.state("exponea", events + 1)["events"]
        assert sandbox.counts()["exponea"].get("events_deduplicated", 0) == 0
    numbers = [each["properties"]["n"] for each in arrived]
    assert Counter(numbers) == Counter(range(events))
    for user in range(USERS):
        mine = [event(n)["timestamp"] for n in numbers if n % USERS == user]
        assert mine == sorted(mine)


@pytest.mark.slow
def test_without_a_java_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "history.ndjson").write_bytes(orjson.dumps(event(1)))
    env = {**environment(tmp_path / "spark"), "JAVA_HOME": str(tmp_path / "none")}
    given = ("backfill", "exponea", "--example-settings", "--from", "history.ndjson", "--dry-run")
    running = engine(*given, folder=tmp_path, env=env)
    out, err = running.communicate()
    assert (running.returncode, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"JAVA_HOME is {tmp_path}/none, which has no bin/java; Spark needs Java 17 or later: {HOW}"
    )
