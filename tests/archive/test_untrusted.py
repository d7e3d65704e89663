"""Queries of strangers: what is refused before anything runs, with whole messages; and what is locked if it did run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb
import pytest
import yaml

from engine.archive.connecting import in_memory
from engine.archive.containing import contained, memory_bytes
from engine.archive.queries import QueryLimits, memory
from engine.archive.untrusted import QueryError, SqlFault, fault_of
from engine.errors import UsageError
from tests.archive.made import NOW

ENGINE = Path(__file__).parents[2] / "engine"
CASES = yaml.safe_load((Path(__file__).parent / "queries.yaml").read_text(encoding="utf-8"))
ALLOWED = """\
SELECT count(*) FROM events;
FROM Events WHERE timestamp > now() - INTERVAL 30 DAY
VALUES (1)
WITH q AS (FROM users), r AS (FROM q, q AS q2) SELECT * FROM (WITH q AS (FROM r) FROM q), r
WITH a AS (SELECT e.*, u.* FROM events e JOIN users u USING (person_id)) SELECT * EXCLUDE (traits) FROM a
SELECT from_json(properties, '{"total": "DOUBLE"}').total FROM events
DESCRIBE events
SELECT properties ->> '$.total', properties.total FROM main.events
WITH RECURSIVE t AS (SELECT 1 x UNION ALL SELECT x + 1 FROM t WHERE x < 9), u AS (FROM t) SELECT * FROM u, T
SELECT u.traits, e.value FROM users u, json_each(u.traits) e, range(3), generate_series(1, 2), unnest([1])
PIVOT events ON type IN ('track') USING count(*)
SELECT row_number() OVER (PARTITION BY person_id ORDER BY timestamp) FROM events QUALIFY row_number() OVER () = 1
"""


def test_what_is_wrong_is_found_with_its_place() -> None:
    for case in CASES:
        text, times = case.get("repeat", ["", 0])
        sql = case["sql"] + text * times + case.get("end", "")
        fault = fault_of(sql)
        assert fault is not None, sql[:80]
        if "part" in case:
            assert case["part"] in fault.message.lower(), fault
            continue
        assert fault == SqlFault(case["message"], *case["at"]), sql[:80]


def test_what_is_allowed() -> None:
    assert [(sql, fault_of(sql)) for sql in ALLOWED.splitlines() if fault_of(sql) is not None] == []


LOCKED = (
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM frame",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "PRAGMA enable_profiling",
    "COPY (SELECT 1) TO '/tmp/waybill-written.csv'",
    "ATTACH '/tmp/waybill-written.db'",
    "EXPORT DATABASE '/tmp/waybill-written'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FROM duckdb_secrets()",
)


def test_the_connection_is_locked_even_for_what_the_check_would_let_pass() -> None:
    frame = duckdb.sql("SELECT 1")  # found by DuckDB as a variable of Python, were that not off
    with memory([], NOW) as connection:
        for sql in LOCKED:
            with pytest.raises((QueryError, duckdb.Error)):
                connection.execute(sql).fetchall()
    assert frame is not None
    assert list(Path("/tmp").glob("waybill-written*")) == []


ENDLESS = {
    "SELECT sum(a.range + b.range) FROM range(1000000000) a, range(1000000000) b": "ended after 0.1 seconds",
    "WITH RECURSIVE t AS (SELECT 1 x UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t": "ended after 0.1 seconds",
    "SELECT range FROM range(1000000000)": "the result has more than 30,000 rows; add a LIMIT",
    "SELECT range(1000000000000)": "lists larger than 2^32 elements are not supported",
    "SELECT list(range) FROM range(100000000)": "the query needs more than 200MB of memory; ask for less, or allow more memory",
}


def test_what_would_not_end_is_ended() -> None:
    with memory([], NOW) as connection:
        for sql, message in ENDLESS.items():
            seconds = 0.1 if "seconds" in message else 60.0
            connection.limits = QueryLimits(memory="200MB", seconds=seconds, rows=30_000)
            with pytest.raises(QueryError) as caught:
                connection.query(sql).read_all()
            assert message in caught.value.fault.message
            assert connection.query("SELECT 1 AS one").read_all().to_pylist() == [{"one": 1}]


MONEY = [{"type": "track", "userId": "u", "event": "A", "properties": {"total": "9 EUR", "currency": "EUR"}}]
TRY = "; TRY_CAST(... AS DOUBLE) gives NULL for what is no number"
MISTAKES_WITH_JSON = {
    "SELECT 1 FROM events WHERE properties.currency = 'EUR'": "a text and a JSON value do not compare; "
    "take its text with ->>, such as traits ->> '$.plan' = 'pro'",
    "SELECT sum((properties ->> '$.total')::DOUBLE) FROM events": f"could not convert string '9 EUR' to DOUBLE{TRY}",
    "SELECT 1 FROM events WHERE properties.total > 100": f'failed to cast value to numerical: "9 EUR"{TRY}',
}


def test_mistakes_with_json_have_advice() -> None:
    with memory(MONEY, NOW) as connection:
        for sql, message in MISTAKES_WITH_JSON.items():
            with pytest.raises(QueryError) as caught:
                connection.query(sql).read_all()
            assert caught.value.fault.message == message


def test_memory_is_a_size() -> None:
    assert [memory_bytes(text) for text in ("500MB", "1.5 gb", "1TB")] == [500_000_000, 1_500_000_000, 10**12]
    for text in ("", "1", "1KB", "63MB", "2TB", "-1GB", "1GB; x"):
        with pytest.raises(UsageError) as caught:
            memory_bytes(text)
        assert str(caught.value) == f'memory must be a size from 64MB to 1TB, such as 500MB or 2GB; it is "{text}".'


def test_bounds_of_the_process_end_with_what_runs_inside() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with contained(QueryLimits(), 1):
        assert 2_500_000_000 <= resource.getrlimit(resource.RLIMIT_DATA)[0] < 2**40, "beside what the process has"
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_every_database_is_opened_without_a_progress_bar() -> None:
    """DuckDB prints one to standard output after two seconds, also in the middle of JSON."""
    with closing(in_memory({})) as database:
        assert database.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (False,)
    opening = [path for path in ENGINE.rglob("*.py") if "duckdb.connect(" in path.read_text(encoding="utf-8")]
    assert [path.name for path in opening] == ["connecting.py"]
