"""Rows of a query as a table, as JSON lines, or as CSV. Values are data: nothing of them may steer a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal

import orjson

from engine.commands.output.columns import Column, table
from engine.commands.output.text import Display
from engine.errors import UsageError
from engine.language.texts import visible, visible_json

NOTHING = "NULL"
_NUMBERS = (int, float, Decimal)
_INTERVAL = 3


def table_lines(display: Display, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield a table; numbers stand to the right."""
    numeric = [
        any(row[place] is not None for row in rows)
        and all(isinstance(row[place], (*_NUMBERS, type(None))) for row in rows)
        for place in range(len(names))
    ]
    columns = [Column(visible(name), least=6, share=1, right=right) for name, right in zip(names, numeric, strict=True)]
    return table(display, columns, [[cell(value) for value in row] for row in rows])


def cell(value: object) -> str:
    """Return a value as text: times in UTC with a Z, lists and objects as JSON."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date | time | Decimal):
        return str(plain(value))
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, int | float) else orjson.dumps(plain(value)).decode()


def plain(value: object) -> object:
    """Return a value as JSON has it; numbers that JSON's readers would change become texts."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**53) <= value <= 2**53 else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple) and len(value) == _INTERVAL and hasattr(value, "nanoseconds"):
        months, days, nanoseconds = value
        return f"{months} months {days} days {nanoseconds / 1e9:g} seconds"
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _number(value: Decimal) -> object:
    if not value.is_finite():
        return None
    whole = value == value.to_integral_value()
    if whole and abs(value) <= 2**53:
        return int(value)
    return float(value) if not whole and Decimal(repr(float(value))) == value else str(value)


def json_lines(
    names: Sequence[str], objects: Sequence[bool], rows: Iterable[Sequence[object]], *, terminal: bool
) -> Iterator[bytes]:
    """Yield a JSON object and a line break for each row; `objects` are the columns whose texts are JSON themselves."""
    doubled = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if doubled is not None:
        raise UsageError(f'Two columns are named "{visible(doubled)}"; name them with AS, or use --format csv.')
    for row in rows:
        values = [_json_text(value, of_json) for value, of_json in zip(row, objects, strict=True)]
        line = b"{" + b",".join(orjson.dumps(name) + b":" + text for name, text in zip(names, values, strict=True))
        yield (visible_json(line + b"}") if terminal else line + b"}") + b"\n"


def _json_text(value: object, of_json: bool) -> bytes:
    if of_json and isinstance(value, str):
        try:
            orjson.loads(value)  # DuckDB lets some pass that others would not read
        except orjson.JSONDecodeError:
            return orjson.dumps(value)
        return value.encode().replace(b"\n", b" ").replace(b"\r", b" ")
    return orjson.dumps(plain(value))


def csv_lines(names: Sequence[str], rows: Iterable[Sequence[object]], *, terminal: bool) -> Iterator[str]:
    """Yield lines of CSV with a header; NULL is an empty cell."""
    yield _csv_line(list(names), terminal)
    for row in rows:
        yield _csv_line(["" if value is None else cell(value) for value in row], terminal)


def _csv_line(cells: list[str], terminal: bool) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([visible(each) if terminal else each for each in cells])
    return buffer.getvalue()
