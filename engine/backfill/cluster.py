"""The part of a backfill that Spark does: reads history, counts what would become of it, and writes it as shards.

Spark is the user's own: its master, packages and credentials come from where Spark looks for them
(`spark-defaults.conf` in `SPARK_CONF_DIR`, `PYSPARK_SUBMIT_ARGS`).  Without any it runs on this machine, on all cores.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from engine.backfill.counts import Counts, counts_of
from engine.backfill.history import (
    ARCHIVED,
    COUNTED,
    DOCUMENTS,
    LINES,
    OTHER,
    READ_FIRST,
    SHARDED,
    HistoryJob,
    shown_file,
)
from engine.backfill.inputs import HistoryFiles
from engine.backfill.shards import GROUP_BYTES
from engine.backfill.work import SHARDS, BackfillError, InputFile
from engine.errors import UsageError
from engine.events.spec import FIELDS
from engine.spark.java import java_fault

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Batches: TypeAlias = "Iterator[pa.RecordBatch]"
MISSING = "A backfill needs packages that are not installed ({name}): pip install 'waybill[spark]'."
NO_START = "Spark could not start: {reason}. See what it wrote above, and its configuration in spark-defaults.conf."
SHARD_EVENTS = 250_000
MOST_SHARDS = 64
"""Events of a shard, about, and shards at most: as many files are read side by side."""

BATCHES = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(32 * 1024 * 1024),
}
"""How many rows go to Python at a time, and bytes unless one row has more: a row may be a whole file."""

NAMES = tuple(dict.fromkeys(name for names in FIELDS.values() for name in names))
RAISED = re.compile(r"[A-Za-z_.]+(Error|Exception): ")
FILE = re.compile(r"(?:file:/|s3a?://|hdfs://|gs://|abfss?://)[^\s]+")


def check_extra(*names: str) -> None:
    """Raise UsageError if a package of the extra is not installed; shards are read without Spark."""
    for name in names:
        if find_spec(name) is None:
            raise UsageError(MISSING.format(name=name))


@contextmanager
def spark_session() -> Iterator[SparkSession]:
    """Start Spark, or take the session of this process; one that was started here is stopped."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    own = SparkSession.getActiveSession() is None
    builder = SparkSession.builder.appName("waybill backfill")
    try:
        if own:
            for name, value in {"spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}.items():
                builder = builder.config(name, value)
        spark = builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        raise UsageError(java_fault(os.environ) or NO_START.format(reason=_reason(str(error)))) from error
    try:
        yield spark
    finally:
        if own:
            spark.stop()


class HadoopFiles:
    """Files at any address that Spark knows."""

    def __init__(self, spark: SparkSession) -> None:
        session: Any = spark
        self._java, self._context = session._jvm, session._jsc  # noqa: SLF001  nothing public reads a part of a file

    def files(self, address: str) -> Iterator[InputFile]:
        """Yield the file, or all files below the folder; raises UsageError if there is neither."""
        from py4j.protocol import Py4JJavaError

        path = self._path(address)
        try:
            system = self._system(path)
            if system.getFileStatus(path).isFile():
                yield self._file(system.getFileStatus(path))
                return
            found = system.listFiles(path, True)
            while found.hasNext():
                yield self._file(found.next())
        except Py4JJavaError as error:
            reason = str(error.java_exception.getMessage() or error.java_exception.getClass().getSimpleName())
            raise UsageError(f"{address} cannot be read: {reason.splitlines()[0]}") from error

    def part(self, file: InputFile, begin: int, size: int) -> bytes:
        """Return some bytes of a file; raises OSError."""
        from py4j.protocol import Py4JJavaError

        path = self._path(file.path)
        try:
            stream = self._system(path).open(path)
            try:
                stream.seek(begin)
                count = max(0, min(size, file.size - begin))
                return bytes(self._java.org.apache.commons.io.IOUtils.toByteArray(stream, count))
            finally:
                stream.close()
        except Py4JJavaError as error:
            raise OSError(str(error.java_exception.getMessage())) from error

    def _path(self, address: str) -> Any:
        return self._java.org.apache.hadoop.fs.Path(address)

    def _system(self, path: Any) -> Any:
        return path.getFileSystem(self._context.hadoopConfiguration())

    @staticmethod
    def _file(status: Any) -> InputFile:
        return InputFile(str(status.getPath().toString()), int(status.getLen()), status.getModificationTime() / 1000)


class HistoryFrames:
    """The files of a backfill as data frames: one of lines, one of whole files, one of columns, one of archives."""

    def __init__(self, spark: SparkSession, files: HistoryFiles, source: str | None = None) -> None:
        """Raise UsageError for columns that no event has. Archives have events of many sources; `source` names one."""
        self._spark, self._source = spark, source
        self._others: list[DataFrame] = []
        for name, value in BATCHES.items():
            spark.conf.set(name, value)
        with readable():
            self._frames = {kind: self._frame(kind, files.kinds[kind]) for kind in files.kinds if files.kinds[kind]}

    def _frame(self, kind: str, files: Sequence[str]) -> DataFrame:
        from pyspark.sql import functions as F  # noqa: N812  as everyone writes it

        place = (F.col("_metadata.file_path").alias("file"), F.col("_metadata.file_block_start").alias("block"))
        if kind == LINES:
            lines = self._spark.read.option("lineSep", "\n").text(list(files))
            return lines.select(*place, F.col("value").cast("binary").alias("raw"))
        if kind == DOCUMENTS:
            whole = self._spark.read.format("binaryFile").load(list(files))
            return whole.select(F.col("path").alias("file"), F.lit(0).cast("bigint").alias("block"), F.col("content"))
        found = self._spark.read.option("mergeSchema", "true").parquet(*files)
        return self._archived(found) if kind == ARCHIVED else self._columns(found, READ_FIRST)

    def _archived(self, found: DataFrame) -> DataFrame:
        """Return the columns of archives, `other` last."""
        from pyspark.sql import functions as F  # noqa: N812

        if self._source is not None:
            self._others.append(found.where(F.col("source") != self._source))
            found = found.where(F.col("source") == self._source)
        events = self._columns(found, (*READ_FIRST, OTHER))
        return events.select(*(name for name in events.columns if name != OTHER), OTHER)

    def _columns(self, found: DataFrame, keep: Sequence[str]) -> DataFrame:
        from pyspark.sql import functions as F  # noqa: N812

        from engine.spark.columns import with_events

        snake = {name: field for name in found.columns if (field := _field(name)) not in (None, *found.columns)}
        placed = found.select(
            F.col("_metadata.file_path").alias("file"),
            F.col("_metadata.file_block_start").alias("block"),
            *(F.col(f"`{name}`").alias(snake.get(name) or name) for name in found.columns if name not in READ_FIRST),
        )
        return with_events(placed, _json_column(placed.columns), keep)

    def count(self, job: HistoryJob) -> Counts:
        """Return what would become of all events; raises BackfillError where a file cannot be read."""
        from pyspark.sql import functions as F  # noqa: N812

        with readable():
            row = (
                self._mapped("count_batches", (job,), COUNTED)
                .agg(
                    F.collect_list("counts").alias("counts"),
                    F.count("identity").alias("own"),
                    F.countDistinct("identity").alias("different"),
                    F.approx_count_distinct("person", 0.01).alias("users"),
                )
                .collect()[0]
            )
        counts = Counts()
        for each in row["counts"]:
            counts.add(counts_of(orjson.loads(each)))
        counts.duplicates = row["own"] - row["different"]
        counts.users = row["users"]
        with readable():
            counts.of_others = sum(each.count() for each in self._others)
        return counts

    def write(self, job: HistoryJob, counts: Counts, folder: Path) -> None:
        """Write the events as shards into a work folder; raises BackfillError and OSError."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F  # noqa: N812

        shards = min(MOST_SHARDS, -(-counts.to_feed // SHARD_EVENTS))
        order = [F.col("at").asc_nulls_last(), F.col("file"), F.col("block"), F.col("row")]
        events = self._mapped("shard_batches", (job, shards), SHARDED).repartition(shards, "shard")
        number = F.row_number().over(Window.partitionBy("shard", "identity").orderBy(*order))
        events = events.withColumn("number", number).where("NOT own OR number = 1")
        message_id = F.expr("IF(own OR number = 1, identity, concat(identity, '-', number))").alias("message_id")
        ready = events.sortWithinPartitions("shard", *order).select("shard", "at", message_id, "raw", "reports")
        target = folder / SHARDS
        shutil.rmtree(target, ignore_errors=True)
        with readable():
            writer = ready.write.partitionBy("shard").mode("overwrite")
            writer = writer.option("maxRecordsPerFile", 0).option("parquet.block.size", GROUP_BYTES)
            writer.parquet(f"file://{target.absolute()}")

    def _mapped(self, function: str, arguments: tuple[object, ...], columns: Sequence[tuple[str, str]]) -> DataFrame:
        schema = ", ".join(f"{name} {kind}" for name, kind in columns)
        mapped = [
            frame.mapInArrow(_on_executors(function, (*arguments[:1], kind, *arguments[1:])), schema)
            for kind, frame in self._frames.items()
        ]
        whole = mapped[0]
        for each in mapped[1:]:
            whole = whole.unionAll(each)
        return whole


def _on_executors(function: str, arguments: tuple[object, ...]) -> Callable[[Batches], Batches]:
    """Return the function that travels; it must name nothing of this module, which an executor may not have."""
    travels = pickle.dumps(arguments)

    def mapped(batches: Batches) -> Batches:
        import pickle
        import socket
        from importlib import import_module

        try:
            run = getattr(import_module("engine.backfill.history"), function)
            given = pickle.loads(travels)  # noqa: S301  bytes of the driver, as this function is
        except ImportError as error:
            name, host = error.name, socket.gethostname()
            message = f"waybill cannot run on the executor {host}: {name} is missing. Install waybill[spark] there."
            raise ImportError(message) from None
        yield from run(batches, *given)

    return mapped


def _field(name: str) -> str | None:
    """Return the field that a column in the style of warehouses stands for, such as `user_id`."""
    known = {each.lower(): each for each in NAMES}
    return known.get(name.replace("_", "").lower())


def _json_column(columns: Sequence[str]) -> str | None:
    """Return the column that has whole events, if there is no `type`: the only one."""
    others = [name for name in columns if name not in READ_FIRST]
    return others[0] if len(others) == 1 and "type" not in others else None


@contextmanager
def readable() -> Iterator[None]:
    """Turn Spark's errors into what a person can act on: which file, and why; or what the executor said."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise BackfillError(_explained(str(error))) from error


NO_PARQUET = "it is not whole, or no Parquet: write or copy it again"
ADVICE: Mapping[str, str] = {
    "Unexpected end of input stream": "its compressed data ends early: copy or compress the file again",
    "not a Parquet file": NO_PARQUET,
    "FOOTER": NO_PARQUET,
    "read footer": NO_PARQUET,
    "CONVERT_INVALID": "it changed while it was read",
    "No space left on device": "no space is left on the disk: free some and run the same command again",
    "FileNotFoundException": "it was removed while it was read",
}


def _explained(text: str) -> str:
    for kind in ("UsageError: ", "ImportError: "):
        if kind in text:
            lines = text.partition(kind)[2].split("\n\n")[0].splitlines()
            return "\n".join(line for line in lines if not line.lstrip().startswith(("at ", "File ")))
    why = next((advice for sign, advice in ADVICE.items() if sign in text), None)
    file = FILE.search(text)
    if why is None:
        return f"Spark failed: {_reason(text)}\nNothing was queued."
    where = f"{shown_file(file[0].rstrip('.,'))}: " if file else ""
    return f"{where}{why}. Nothing was queued."


def _reason(text: str) -> str:
    """Return the line of an error that says most: the last exception in it, else the first line."""
    raised = [line for line in text.splitlines() if RAISED.match(line)][-1:]
    return (raised or text.strip().splitlines() or ["no reason given"])[0][:500]
