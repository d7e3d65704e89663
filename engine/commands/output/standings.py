"""How connections stand, as text: a row of numbers for each, and what a person has to know or do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from engine.commands.output.columns import Column, table
from engine.commands.output.text import Display, duration, local_time
from engine.commands.shared import counted
from engine.delivery.outbox.base import Standing, delivering_commands, resume_command
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.delivery.outbox.location import Location

NONE = "-"
COLUMNS = (
    Column("connection", least=10, share=1),
    Column("state"),
    Column("waiting", right=True),
    Column("lag", right=True),
    Column("rate", right=True),
    Column("drains in", right=True),
    Column("last hour", least=20, share=4, wraps=True),
)


def standing_lines(display: Display, standings: Iterable[Standing]) -> Iterator[str]:
    """Yield a table with a row for each connection; no lines where there is none."""
    rows = [_cells(each) for each in standings]
    if rows:
        yield from table(display, COLUMNS, rows)


def _cells(each: Standing) -> tuple[str, ...]:
    return (
        each.row.name,
        each.state,
        f"{each.waiting:,}",
        NONE if each.lag is None else duration(each.lag),
        rate_text(each.rate),
        NONE if each.drain is None else duration(each.drain),
        shares_text(each.hour),
    )


def rate_text(rate: float) -> str:
    """Write events a second; of fewer than one a second, those a minute."""
    if not rate:
        return NONE
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.0f}/min"


def shares_text(counts: Mapping[Outcome, int]) -> str:
    """Write how many events ended, and which share of them in which way, the largest first: `120: 99 % delivered`."""
    total = sum(counts.values())
    if not total:
        return NONE
    shares = [f"{_percent(count, total)} {outcome.value}" for outcome, count in _largest_first(counts)]
    return f"{total:,}: {', '.join(shares)}"


def _largest_first(counts: Mapping[Outcome, int]) -> list[tuple[Outcome, int]]:
    return sorted(
        ((outcome, count) for outcome, count in counts.items() if count), key=lambda item: (-item[1], item[0])
    )


def _percent(count: int, total: int) -> str:
    """Write a share; neither all nor nothing is said where it is not true."""
    percent = 100 * count / total
    if count < total and percent > 99:
        return ">99 %"
    return "<1 %" if percent < 1 else f"{percent:.0f} %"


def notes(display: Display, each: Standing, outbox: Location) -> Iterator[str]:
    """Yield what a person has to know or do about a connection."""
    row = each.row
    if row.alarm:
        yield display.wrap(f"{row.name}: {row.alarm}.", "", 2)
    if row.held:
        hint = f" {row.hint.rstrip(' .')}." if row.hint else ""
        yield display.wrap(
            f"{row.name} has been held since {local_time(row.held_at)}: {row.held.rstrip('.')}.{hint}", "", 2
        )
        yield f"  Once the cause is fixed, run: {resume_command(row.name, outbox)}"
    elif row.due is not None:
        yield display.wrap(f"{row.name} is paused: {row.pause.rstrip('.')}. Next try: {local_time(row.due)}.", "", 2)
    elif each.state == "waiting":
        what = f"{counted(each.waiting, 'event')} of {row.name}: no process delivers them."
        yield display.wrap(f"{what} Run {delivering_commands(outbox)}.", "", 2)
