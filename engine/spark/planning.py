"""`plan_events`: a data frame of events becomes one of plans, on the cluster that the data frame belongs to."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Table
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from engine.plan import Destination
from engine.records import Json
from engine.spark.columns import with_events
from engine.spark.jobs import PlanJob, new_job
from engine.spark.results import SPARK_TYPES

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

Batches: TypeAlias = "Iterator[pa.RecordBatch]"


def plan_events(
    df: DataFrame,
    mapping: str | Path | Destination,
    settings: Table[str, Json] | None = None,
    *,
    event: str | None = None,
    keep: Sequence[str] = (),
    connection: str | None = None,
    received_at: str | None = None,
    secrets: bool = False,
) -> DataFrame:
    """Return what each event of a data frame becomes: one row for each, with the results of `engine run`.

    `mapping` is a name, a path or a loaded destination; the driver reads and checks it, executors need no files.
    `settings` are those of the connection; `${env:NAME}` is read from the environment of the executors. `event` names
    a column of events as JSON (string or binary). Without it, a data frame of one column is such a column, and columns
    of more are the fields of events: `type`, `userId`, `properties` and so on.

    The columns of the result: `connection` (the mapping's name unless given), `destination`, `message_id`, `type`,
    `outcome`, `reason`, `requests`, `reports`, and those of `df` that `keep` names. `body` in a request is JSON.
    `***` stands for secrets unless `secrets` is true.

    `received_at` is the ISO time at which events without a `receivedAt` were received, and the clock that times are
    compared with; without it, that clock is the time of this call. As with everything in Spark, nothing runs before
    the result is used, and then as often as it is used.

    Raises UsageError, MappingError or SettingsError, before anything runs, for what can be seen on the driver.
    """
    job = new_job(
        mapping,
        settings,
        connection=connection,
        received_at=received_at,
        secrets=secrets,
    )
    events = with_events(df, event, keep)
    return events.mapInArrow(_on_executors(job, tuple(keep)), _schema(df, keep))


def _schema(df: DataFrame, keep: Sequence[str]) -> StructType:
    from pyspark.sql.types import StructType

    planned = cast("StructType", StructType.fromDDL(", ".join(SPARK_TYPES)))
    return StructType([*planned.fields, *(df.schema[name] for name in keep)])


def _on_executors(job: PlanJob, keep: tuple[str, ...]) -> Callable[[Batches], Batches]:
    """Return the function that travels; it must name nothing of this module, which an executor may not have."""
    travels = pickle.dumps((job, keep))

    def planned(batches: Batches) -> Batches:
        import pickle
        import socket

        try:
            from engine.spark.batches import plan_batches

            job, keep = pickle.loads(travels)  # noqa: S301  bytes of the driver, as this function is
        except ImportError as error:
            name, host = error.name, socket.gethostname()
            message = f"waybill cannot run on the executor {host}: {name} is missing. Install waybill[spark] there."
            raise ImportError(message) from None
        yield from plan_batches(batches, job, keep)

    return planned
