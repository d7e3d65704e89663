"""What planning costs on Spark beside `engine run`, in one run: `python -m tests.spark.throughput [EVENTS] [MAPPING]`.

Both plan the same events; CPU seconds are those of all processes, so that a busy machine changes little.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from tests.spark.comparing import example_settings
from tests.spark.events import TIME, events
from tests.spark.java import java_environment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Cost(NamedTuple):
    """Seconds of the clock, and of CPU in all processes."""

    wall: float
    cpu: float


def of_engine_run(name: str, file: Path) -> Cost:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["run", name, "--example-settings", "--format", "ndjson", "--received-at", TIME, "--events", str(file)]
    subprocess.run(
        [sys.executable, "-m", "engine", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.monotonic() - began, cpu)


def of_spark(spark: SparkSession, name: str, file: Path) -> Cost:
    from engine.spark import plan_events

    df = spark.read.parquet(str(file))
    began, before = time.monotonic(), _cpu()
    planned = plan_events(df, name, example_settings(name), event="body", received_at=TIME)
    planned.write.format("noop").mode("overwrite").save()
    return Cost(time.monotonic() - began, _cpu() - before)


def _cpu() -> float:
    """Return the CPU seconds of all processes that this one started, and of those that these did."""
    found = 0.0
    for process in psutil.Process().children(recursive=True):
        times = process.cpu_times()
        found += times.user + times.system
    return found


def main(count: int = 200_000, name: str = "exponea") -> None:
    """Print one line for each way."""
    from pyspark.sql import SparkSession

    with TemporaryDirectory() as directory:
        folder = Path(directory)
        raws = list(events(count, seed=1))
        size = sum(map(len, raws)) / 1e9
        (folder / "events.ndjson").write_bytes(b"\n".join(raws))
        table = pa.table({"body": pa.array(raws, pa.binary())})
        pq.write_table(table, folder / "events.parquet", row_group_size=count // 8)
        os.environ.update(java_environment(folder))
        spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
        spark.sparkContext.setLogLevel("OFF")
        of_spark(spark, name, folder / "events.parquet")  # starts Python and compiles
        for _ in range(3):
            for title, cost in (
                ("engine run", of_engine_run(name, folder / "events.ndjson")),
                ("Spark local[2]", of_spark(spark, name, folder / "events.parquet")),
            ):
                sys.stdout.write(
                    f"{title:<15} {count / cost.wall:8,.0f} events/s, {count / cost.cpu:8,.0f} per CPU second, "
                    f"{cost.cpu / size:6,.0f} CPU seconds for 1 GB of events ({cost.cpu / count * 1e6:.0f} us each)\n"
                )
        spark.stop()


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))  # type: ignore[arg-type]
