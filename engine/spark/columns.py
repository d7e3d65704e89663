"""A data frame's columns as what `engine.spark.batches` reads: one column of JSON, checked here, before a job starts.

Columns that are fields of events become JSON in the JVM, by Spark's own `to_json`: Python takes as long to walk
through one row of nested columns as to plan it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import UsageError
from engine.events.spec import FIELDS, IDS
from engine.spark.batches import EVENT
from engine.spark.results import NAMES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

ALL_FIELDS = tuple(dict.fromkeys(name for names in FIELDS.values() for name in names))
OBJECTS = ("context", "integrations", "traits", "properties")
TIMES = ("timestamp", "sentAt", "receivedAt", "originalTimestamp")
JSON_FORM = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSX", "timeZone": "UTC", "ignoreNullFields": "true"}
TIME_FORM = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"

AS_JSON = "string or binary with JSON"
NEEDED = {
    **dict.fromkeys(ALL_FIELDS, "string"),
    **dict.fromkeys(IDS, "string or an integer"),
    **dict.fromkeys(TIMES, "string or timestamp"),
    **dict.fromkeys(OBJECTS, f"struct, map with string keys, or {AS_JSON}"),
}
"""What a column of events may be, by field."""


def with_events(df: DataFrame, event: str | None, keep: Sequence[str]) -> DataFrame:
    """Return the columns to keep, and behind them those of events as `plan_batches` reads them.

    `event` names the column of JSON; None stands for the only column, or for columns that are fields of events.
    Raises UsageError where columns are missing, or are of types that no event has.
    """
    _check_keep(df, keep)
    kept = [df[_quoted(name)] for name in keep]
    if event is None and len(df.columns) == 1 and "type" not in df.columns:
        event = df.columns[0]
    if event is not None:
        return df.select(*kept, _json_column(df, event).alias(EVENT))
    fields = _fields(df, keep)
    texts = [name for name in fields if name in OBJECTS and _is_text(df.schema[name].dataType)]
    return df.select(*kept, _to_json(df, [name for name in fields if name not in texts]).alias(EVENT), *texts)


def _check_keep(df: DataFrame, keep: Sequence[str]) -> None:
    for name in keep:
        if name not in df.columns:
            raise UsageError(f"keep={list(keep)}: there is no column `{name}`; the columns are {_names(df)}.")
        if name in NAMES:
            raise UsageError(
                f"keep={list(keep)}: the result has a column `{name}` of its own; "
                f'rename yours first: df.withColumnRenamed("{name}", "own_{name}").'
            )


def _json_column(df: DataFrame, event: str) -> Column:
    if event not in df.columns:
        raise UsageError(f'event="{event}": there is no column of this name; the columns are {_names(df)}.')
    kind = df.schema[event].dataType
    if not _is_text(kind):
        struct = kind.typeName() == "struct"
        advice = f'; for fields of events, use df.select("{event}.*") and leave out event=' if struct else ""
        raise UsageError(f"Column `{event}` is {_shown(kind)}; {AS_JSON} is needed{advice}.")
    return df[_quoted(event)]


def _fields(df: DataFrame, keep: Sequence[str]) -> list[str]:
    """Return the columns that are fields of events; raises UsageError with all that is wrong."""
    if "type" not in df.columns and not _similar(df, keep):
        raise UsageError(
            "There is no column `type`, which every event has. If a column has whole events as JSON, name it: "
            f'plan_events(df, ..., event="{df.columns[0] if df.columns else "value"}"). The columns are {_names(df)}.'
        )
    faults = [
        f"Column `{name}` is probably the field {field}; events have it under that name: "
        f'df.withColumnRenamed("{name}", "{field}").'
        for name, field in _similar(df, keep).items()
    ]
    fields = [name for name in df.columns if name in ALL_FIELDS]
    for name in fields:
        kind = df.schema[name].dataType
        if not _fits(name, kind):
            faults.append(f"Column `{name}` is {_shown(kind)}; {NEEDED[name]} is needed.{_advice(name, kind)}")
    if faults:
        raise UsageError("\n".join(faults))
    return fields


def _similar(df: DataFrame, keep: Sequence[str]) -> dict[str, str]:
    """Return columns that are called like a field that is not there, such as `user_id`, or Hive's `userid`."""
    known = {name.lower(): name for name in ALL_FIELDS if name not in df.columns}
    found = {name: known.get(name.replace("_", "").lower()) for name in df.columns if name not in keep}
    return {name: field for name, field in found.items() if field is not None}


def _fits(name: str, kind: DataType) -> bool:
    from pyspark.sql.types import IntegralType, MapType, NullType, StringType, StructType, TimestampType, VariantType

    if isinstance(kind, StringType | NullType):
        return True
    if name in OBJECTS:
        has_names = isinstance(kind, MapType) and isinstance(kind.keyType, StringType)
        return has_names or _is_text(kind) or isinstance(kind, StructType | VariantType)
    return isinstance(kind, TimestampType) if name in TIMES else name in IDS and isinstance(kind, IntegralType)


def _advice(name: str, kind: DataType) -> str:
    if name not in TIMES:
        return ""
    if kind.typeName() == "timestamp_ntz":
        return f' It has no time zone; say which one: to_utc_timestamp({name}, "Europe/Berlin").'
    return f" Cast it: timestamp_millis({name}) for milliseconds, timestamp_seconds({name}) for seconds."


def _to_json(df: DataFrame, names: Sequence[str]) -> Column:
    from pyspark.sql import functions as F  # noqa: N812  as everyone writes it
    from pyspark.sql.types import TimestampType

    columns = []
    for name in names:
        column = df[_quoted(name)]
        if isinstance(df.schema[name].dataType, TimestampType):
            # Milliseconds as libraries write them; what has more keeps it.
            utc = F.to_utc_timestamp(column, F.current_timezone())
            column = F.regexp_replace(F.date_format(utc, TIME_FORM), "000Z$", "Z")
        columns.append(column.alias(name))
    return F.to_json(F.struct(*columns), JSON_FORM)


def _is_text(kind: DataType) -> bool:
    from pyspark.sql.types import BinaryType, StringType

    return isinstance(kind, StringType | BinaryType)


def _shown(kind: DataType) -> str:
    text: str = kind.simpleString()
    return text if len(text) <= 80 else f"{text[:80]}..."


def _names(df: DataFrame) -> str:
    return ", ".join(f"`{name}`" for name in df.columns) or "none"


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
