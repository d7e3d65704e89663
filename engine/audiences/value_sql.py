"""The values of computed traits as SQL: one row `person_id, value` for each user that has a value.

Values are JSON text. Only numbers count for sum, average, min and max; a number written as text does not. Whole
results are written as whole numbers, and sums of decimals are exact (0.1 + 0.2 is 0.3) up to 10 decimals.
"""

from __future__ import annotations

from engine.audiences.rules import MOST_LISTED, Computation
from engine.audiences.where_sql import WhereSql

SMALL = "1e15"
"""Below it the number has its decimals in a DECIMAL(38, 10), and many can be added."""


def value_query(rule: Computation, fields: WhereSql, matching: str) -> str:
    """Return the query of a rule's values over the events that are `matching`."""
    if rule.field is None:
        count = "CAST(count(*) AS VARCHAR) AS value"
        return f"SELECT person_id, {count} FROM events WHERE {matching} GROUP BY person_id"  # noqa: S608
    text = fields.json_text(rule.field)
    found = f"SELECT person_id, timestamp, row, {text} AS text FROM events WHERE {matching}"  # noqa: S608
    given = "SELECT *, TRY_CAST(text AS DOUBLE) AS number FROM found WHERE text <> 'null'"
    return f"WITH found AS ({found}),\ngiven AS ({given}){QUERIES[rule.aggregation]}"


def _number(value: str) -> str:
    """Return a double as JSON: whole numbers without a point; NULL for an infinite one."""
    return (
        f"CASE WHEN NOT isfinite({value}) THEN NULL WHEN {value} = trunc({value}) AND abs({value}) < {SMALL} "
        f"THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) ELSE CAST(to_json({value}) AS VARCHAR) END"
    )


def canonical(text: str, number: str | None = None) -> str:
    """Return JSON text in which whole numbers have no point; `number` is the same as a double."""
    number = number or f"TRY_CAST({text} AS DOUBLE)"
    return f"CASE WHEN abs({number}) < {SMALL} THEN {_number(number)} ELSE {text} END"


def _of_numbers(aggregate: str, result: str = "result") -> str:
    inner = f"SELECT person_id, {aggregate} AS result FROM given WHERE number IS NOT NULL GROUP BY person_id"  # noqa: S608
    return f"\nSELECT person_id, {_number(result)} AS value FROM ({inner}) WHERE isfinite(result)"


def _of_events(aggregate: str) -> str:
    return f"\nSELECT person_id, {aggregate} AS value FROM given GROUP BY person_id"


EXACT = "TRY_CAST(number AS DECIMAL(38, 10))"
IS_EXACT = f"coalesce(abs(number) < {SMALL} AND CAST(TRY_CAST(number AS DECIMAL(38, 10)) AS DOUBLE) = number, false)"
SUM = (
    f"CASE WHEN bool_and({IS_EXACT}) THEN CAST(sum({EXACT}) FILTER (WHERE {IS_EXACT}) AS DOUBLE) ELSE fsum(number) END"
)
AVERAGE = f"{SUM} / count(*)"
WITHOUT_NOISE = (
    "CASE WHEN abs(result) < 1e5 AND abs(result - round(result, 10)) <= 4e-16 * abs(result)"
    " THEN round(result, 10) ELSE result END"
)
"""A division leaves noise in the last digit: 697.9 / 5 is 139.58, and not 139.57999999999998."""
CANONICAL = canonical("text", "number")
DISTINCT = (
    f", same AS (SELECT person_id, {CANONICAL} AS text, number, count(*) AS times,"  # noqa: S608
    " coalesce(json_extract_string(CAST(any_value(text) AS JSON), '$'), '') AS plain"
    " FROM given GROUP BY ALL)"
)
MOST_FREQUENT = "ROW(-times, number IS NULL, coalesce(number, 0), plain, text)"
"""Smallest for what is found most often; of several such, for the first in the order of `LISTED`."""
LISTED = f"list_slice(list(text ORDER BY number NULLS LAST, plain, text), 1, {MOST_LISTED})"


def _chosen(aggregate: str) -> str:
    chosen = f"SELECT person_id, {aggregate}(text, place_of(timestamp, row)) AS text FROM given GROUP BY person_id"  # noqa: S608
    read = f"SELECT person_id, text, TRY_CAST(text AS DOUBLE) AS number FROM ({chosen})"  # noqa: S608
    return f"\nSELECT person_id, {CANONICAL} AS value FROM ({read})"


QUERIES = {
    "count": _of_events("CAST(count(*) AS VARCHAR)"),
    "sum": _of_numbers(SUM),
    "average": _of_numbers(AVERAGE, WITHOUT_NOISE),
    "min": _of_numbers("min(number)"),
    "max": _of_numbers("max(number)"),
    "first": _chosen("arg_min"),
    "last": _chosen("arg_max"),
    "most_frequent": f"{DISTINCT}\nSELECT person_id, arg_min(text, {MOST_FREQUENT}) AS value FROM same"
    " GROUP BY person_id",
    "unique_list": f"{DISTINCT}\nSELECT person_id, '[' || array_to_string({LISTED}, ',') || ']' AS value FROM same"
    " GROUP BY person_id",
}
