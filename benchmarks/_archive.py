"""A big archive of events made by DuckDB, for `benchmarks/audiences.py`: one compacted file for each day.

Users are not alike: the square of a random number chooses one, so that a tenth of them has a third of the events.
A quarter of the events has no userId: most are of devices that belong to a user, the others of visitors nobody knows.
One event in a thousand was archived twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from engine.archive.catalog import Catalog
from engine.archive.columns import schema
from engine.archive.writing import ROW_GROUP, write_file

END = datetime(2026, 11, 29, tzinfo=UTC)
"""The moment at which the events end, and audiences are computed."""
VISITORS = 0.5
"""Visitors that never say who they are, for each user."""
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"
DRAWN = """
WITH drawn AS (
    SELECT i, i - (i % 1000 = 999)::BIGINT AS k FROM range({first}, {after}) AS numbers(i)
), chosen AS (
    SELECT i, k, hash(k) % 1000000 / 1e6 AS kind, hash(k, 1) % 1000000 / 1e6 AS who, hash(k, 2) % 1000000 / 1e6 AS what,
        hash(k, 3) AS salt, floor(who * who * {users})::BIGINT AS number,
        TIMESTAMPTZ '{day} 00:00:00+00' + to_microseconds(((i - {first}) * 86400000000 // {count})::BIGINT) AS moment
    FROM drawn
), typed AS (
    SELECT *, kind >= 0.25 OR what >= 0.995 AS is_known, kind < 0.10 AND what < 0.995 AS is_visitor,
        CASE WHEN what < 0.05 THEN 'Order Completed' WHEN what < 0.12 THEN 'Product Added' WHEN what < 0.5 THEN
            'Product Viewed' WHEN what < 0.7 THEN 'Product List Viewed' WHEN what < 0.8 THEN 'Products Searched' END
            AS track
    FROM chosen
)
SELECT
    i + 1 AS row,
    'web' AS source,
    md5(k::VARCHAR) AS message_id,
    CASE WHEN track IS NOT NULL THEN 'track' WHEN what < 0.95 THEN 'page' WHEN what < 0.9995 THEN 'identify'
        ELSE 'group' END AS type,
    CASE WHEN is_known THEN 'user-' || number END AS user_id,
    CASE WHEN is_visitor THEN md5('v' || floor(who * {visitors})::BIGINT)
        ELSE md5('a' || number * 2 + salt % 2) END AS anonymous_id,
    NULL::VARCHAR AS previous_id,
    CASE WHEN what >= 0.9995 THEN 'company-' || number % 10000 END AS group_id,
    track AS event,
    CASE WHEN type = 'page' THEN 'Page ' || salt % 50 END AS name,
    NULL::VARCHAR AS category,
    'client' AS channel,
    moment AS timestamp,
    moment + to_milliseconds((salt % 2000)::BIGINT) AS received_at,
    moment AS sent_at,
    moment AS original_timestamp,
    CASE WHEN type = 'identify' THEN '{{"email":"user-' || number || '@example.com","plan":"'
        || (CASE WHEN salt % 10 = 0 THEN 'pro' ELSE 'free' END) || '","age":' || 18 + salt % 60 || '}}' END AS traits,
    CASE WHEN track IS NOT NULL THEN '{{"product_id":"' || salt % 100000 || '","total":' || salt % 30000 / 100.0
        || ',"currency":"EUR","category":"c' || salt % 20 || '","quantity":' || 1 + salt % 4
        || ',"coupon":null,"tags":["a","b"],"position":' || salt % 40 || '}}' END AS properties,
    '{{"ip":"203.0.113.' || salt % 256 || '","locale":"en-US","userAgent":"{agent}","page":{{"url":'
        || '"https://shop.example.com/products/' || salt % 100000 || '","path":"/products/' || salt % 100000
        || '","title":"A product","referrer":""}},"library":{{"name":"analytics.js","version":"2.1.0"}}}}' AS context,
    NULL::VARCHAR AS integrations,
    NULL::VARCHAR AS other
FROM typed
"""

ONE_EACH = """
SELECT i + 1 AS row, 'web' AS source, 'm' || i AS message_id, 'track' AS type, 'user-' || i AS user_id,
    NULL::VARCHAR AS anonymous_id, NULL::VARCHAR AS previous_id, NULL::VARCHAR AS group_id, 'Order Completed' AS event,
    NULL::VARCHAR AS name, NULL::VARCHAR AS category, 'client' AS channel,
    TIMESTAMPTZ '{day} 00:00:00+00' AS timestamp, timestamp AS received_at, timestamp AS sent_at,
    timestamp AS original_timestamp, NULL::VARCHAR AS traits, '{{"total":12.5}}' AS properties,
    NULL::VARCHAR AS context, NULL::VARCHAR AS integrations, NULL::VARCHAR AS other
FROM range({count}) AS numbers(i)
"""


class Size(NamedTuple):
    """How much is in an archive."""

    events: int
    users: int
    days: int


class Written(NamedTuple):
    """What was made, and how long that took."""

    bytes: int
    seconds: float


def make(directory: Path, size: Size) -> Written:
    """Make an archive of so many events of so many users, in so many days before END."""
    began, total = time.perf_counter(), 0
    with Catalog.open(directory, create=True) as catalog:
        for number in range(size.days):
            first, after = (size.events * each // size.days for each in (number, number + 1))
            total += _add_day(catalog, END - timedelta(days=size.days - number), size.users, first, after)
    return Written(total, time.perf_counter() - began)


def make_members(directory: Path, count: int) -> None:
    """Make an archive in which each of so many users has one order, on the day before END."""
    day = END - timedelta(days=1)
    with Catalog.open(directory, create=True) as catalog:
        _write_day(catalog, day, ONE_EACH.format(count=count, day=day.date()), count)


def add(directory: Path, users: int, count: int) -> None:
    """Add so many events of the same users, which came in after END."""
    with Catalog.open(directory) as catalog:
        last = catalog.snapshot().last_row
        _add_day(catalog, END, users, last, last + count)


def _add_day(catalog: Catalog, day: datetime, users: int, first: int, after: int) -> int:
    sql = DRAWN.format(
        first=first,
        after=after,
        count=after - first,
        users=users,
        visitors=int(users * VISITORS),
        day=day.date(),
        agent=AGENT,
    )
    return _write_day(catalog, day, sql, after)


def _write_day(catalog: Catalog, day: datetime, sql: str, last_row: int) -> int:
    with catalog.writer():
        file = write_file(catalog.directory, str(day.date()), _tables(sql), END.timestamp())
        assert catalog.add([file], "benchmark", last_row, erasures_seen=0)
    return file.bytes


def _tables(sql: str) -> Iterator[pa.Table]:
    """Yield the rows of a query, which are sorted by timestamp, in tables that become a row group each."""
    with duckdb.connect(":memory:") as db:
        db.execute("SET timezone = 'UTC'; SET threads = 2; SET memory_limit = '1GB'")
        for batch in db.sql(sql).to_arrow_reader(ROW_GROUP):
            yield pa.Table.from_batches([batch]).cast(schema())
