"""`engine archive query`: a question in SQL to the archive, over events, users and groups."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import with_archive
from engine.commands.output.text import Display
from engine.commands.shared import FOUND
from engine.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.archive.connecting import QueryLimits
    from engine.archive.queries import ArchiveConnection
    from engine.archive.untrusted import SqlFault

TABLE_ROWS = 1_000
"""Rows of a table, which is laid out as a whole."""
FILE_ROWS = 10_000_000
LONGEST_QUERY = 100_000
"""Bytes that are read of standard input."""
EXCERPT = 160


@click.command("query")
@click.argument("sql", required=False)
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "ndjson", "csv"]),
    default="table",
    show_default=True,
    help="A table for people, or one JSON object or CSV line a row.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"Show this many rows. [default: {TABLE_ROWS:,} in a table, {FILE_ROWS:,} else]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 86_400),
    default=300.0,
    show_default=True,
    help="End the query after this time.",
)
@click.option(
    "--memory",
    metavar="SIZE",
    default="1GB",
    show_default=True,
    help="Memory the query may use; what does not fit is put on the disk, up to 8GB.",
)
@click.option("--schema", is_flag=True, help="List the views and their columns instead.")
@with_archive
def command(
    directory: Path, sql: str | None, style: str, limit: int | None, seconds: float, memory: str, *, schema: bool
) -> int:
    """Ask the archive a question in SQL (DuckDB's), over the views events, users and groups. `-` reads it from a pipe.

    The query is one SELECT. It can write nothing and read no other files. Columns, rules and examples: engine docs sql

    Exit code 0: fine; 1: the query is wrong, failed or was ended; 2: wrong usage; 4: the archive cannot be used.
    """
    if schema:
        _print_schema()
        return 0
    text = _text(sql)
    from engine.archive.connecting import QueryLimits
    from engine.archive.containing import contained, memory_bytes

    memory_bytes(memory)
    shown = limit or (TABLE_ROWS if style == "table" else FILE_ROWS)
    limits = QueryLimits(memory=memory, seconds=seconds, rows=shown + 100_000)
    with contained(limits, FOUND):
        return _answer(directory, text, style, shown, limits)


def _text(sql: str | None) -> str:
    if sql is None:
        raise UsageError('Write a query, such as: engine archive query "SELECT count(*) FROM events"')
    if sql != "-":
        return sql
    raw = sys.stdin.buffer.read(LONGEST_QUERY + 1)
    if len(raw) > LONGEST_QUERY:
        raise UsageError(f"The query on standard input has more than {LONGEST_QUERY:,} bytes.")
    return raw.decode(errors="replace")


def _answer(directory: Path, sql: str, style: str, shown: int, limits: QueryLimits) -> int:
    """Run a query and print its rows; once more if compaction replaced files before the first row was there."""
    from engine.archive.queries import opened
    from engine.archive.untrusted import QueryError, fault_of

    fault = fault_of(sql)
    if fault is not None:
        return _explain(sql, fault, at_start=True)
    for last in (False, True):
        with opened(directory, limits) as connection:
            try:
                _print(connection, sql, style, shown)
            except QueryError as error:
                if error.vanished and not last:
                    continue
                return _explain(sql, error.fault)
            for warning in connection.warnings:
                _note(f"Warning: {warning}")
            return 0
    raise AssertionError


def _print(connection: ArchiveConnection, sql: str, style: str, shown: int) -> None:
    from engine.commands.output.results import csv_lines, json_lines, table_lines

    reader = connection.query(sql)
    names, more = reader.schema.names, _More(shown)
    rows = more.of(reader)
    terminal = sys.stdout.isatty()
    if style == "table":
        for line in table_lines(Display(sys.stdout), names, list(rows)):
            click.echo(line)
    elif style == "csv":
        for text in csv_lines(names, rows, terminal=terminal):
            click.echo(text, nl=False)
    else:
        objects = [field.metadata == {b"type": b"JSON"} for field in reader.schema]
        for each in json_lines(names, objects, rows, terminal=terminal):
            click.echo(each, nl=False)
    if more.left:
        _note(f"Only the first {shown:,} rows are shown; --limit changes that.")


class _More:
    """The first rows of a result, and whether more are left."""

    def __init__(self, shown: int) -> None:
        self._shown = shown
        self.left = False

    def of(self, reader: pa.RecordBatchReader) -> Iterator[Sequence[object]]:
        rows = (row for batch in reader for row in zip(*(each.to_pylist() for each in batch.columns), strict=True))
        yield from islice(rows, self._shown)
        self.left = next(rows, None) is not None


def _explain(sql: str, fault: SqlFault, *, at_start: bool = False) -> int:
    """Print what is wrong with a query above the line of it where that is."""
    from engine.language.texts import visible

    end = "" if fault.message.endswith("?") else "."
    if (fault.line, fault.column) == (1, 1) and not at_start:
        _note(f"{fault.message[:1].upper()}{fault.message[1:]}{end}")
        return FOUND
    lines = sql.split("\n")
    start = max(fault.column - EXCERPT // 2, 0) if fault.column > EXCERPT else 0
    excerpt = visible(lines[fault.line - 1][start : start + EXCERPT]) if fault.line <= len(lines) else ""
    before = visible(lines[fault.line - 1][start : fault.column - 1]) if excerpt else ""
    _note(f"Line {fault.line}, column {fault.column}: {fault.message}{end}")
    if excerpt.strip():
        from engine.commands.output.columns import width_of

        _note(f"  {excerpt}\n  {' ' * width_of(before)}^")
    return FOUND


def _note(text: str) -> None:
    from engine.language.texts import visible_lines

    click.echo(visible_lines(text), err=True)


def _print_schema() -> None:
    from engine.archive.views import VIEWS
    from engine.commands.output.columns import Column, table

    display = Display(sys.stdout)
    for number, (name, columns) in enumerate(VIEWS.items()):
        click.echo("\n" * bool(number) + display.paint(name, "title"))
        rows = [[each.name, each.type, each.about] for each in columns]
        for line in table(display, [Column("column"), Column("type"), Column("", share=1, wraps=True)], rows):
            click.echo(f"  {line}")
