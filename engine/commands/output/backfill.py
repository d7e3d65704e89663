"""What people read of a backfill: what it would do, how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.backfill.counts import OTHER, Counts, batch_sizes, hours_at
from engine.backfill.work import FeedPosition, WorkPlan
from engine.commands.output.text import duration
from engine.delivery.configured_connection import ConfiguredConnection
from engine.language.texts import visible
from engine.language.times import iso_text, moment_at

SHOWN = 5
"""Reasons, and rows that are no events, that are shown of each kind."""


def plan_lines(counts: Counts, files: int, connections: Sequence[ConfiguredConnection], rate: str) -> Iterator[str]:
    """Yield what a backfill would do."""
    span = "" if counts.first is None else f", from {_time(counts.first)} to {_time(counts.last)}"
    where = f"{_count(files, 'file')} ({_size(counts.size)})"
    yield f"{_count(counts.events, 'event')} of about {_count(counts.users, 'user')} in {where}{span}"
    yield from _left_out(counts)
    for configured in connections:
        yield from _connection(configured, counts)
    if rate and (hours := hours_at(rate, counts.to_feed)) is not None:
        yield f"Feeding them takes {duration(hours * 3600)} at --rate {rate}."


def _left_out(counts: Counts) -> Iterator[str]:
    unusable = counts.unusable.total()
    if counts.outside:
        yield f"  {_count(counts.outside, 'event')} outside of --since and --until: left out"
    if counts.of_others:
        yield f"  {_count(counts.of_others, 'event')} of other sources of the archive: left out"
    if counts.duplicates:
        yield f"  {_count(counts.duplicates, 'duplicate')} (same messageId, same user): left out, the first one counts"
    if counts.timeless:
        yield f"  {_count(counts.timeless, 'event')} without a time: fed last, received when they are fed"
    if counts.zoneless:
        yield f"  {_count(counts.zoneless, 'time')} without a zone: read as UTC"
    if unusable:
        kinds = ", ".join(f"{count:,} {visible(kind)}" for kind, count in counts.unusable.most_common(SHOWN))
        yield f"  {_count(unusable, 'row')} that cannot be used: left out ({kinds})"
        here = f"{Path.cwd()}/"
        for place, reason in counts.examples[:SHOWN]:
            yield f"    {visible(place.removeprefix(here))}: {visible(reason)}"
        if unusable > SHOWN:
            yield f"    ... and {unusable - SHOWN:,} more"


def _connection(configured: ConfiguredConnection, counts: Counts) -> Iterator[str]:
    found = counts.connections[configured.name]
    outcomes = ", ".join(f"{count:,} {name}" for name, count in found.outcomes.most_common()) or "nothing"
    requests = found.sent(batch_sizes(configured))
    full = ", if batches are full" if found.items else ""
    yield f"{configured.name}: {outcomes}; {_count(requests, 'request')}{full}"
    hours = hours_at(configured.rate, requests)
    if hours is not None and requests:
        yield f"  {duration(hours * 3600)} at its rate limit, {configured.rate}"
    most = [each for each in found.reasons.most_common() if each[0] != OTHER][:SHOWN]
    for reason, count in most:
        yield f"  {count:,} {visible(reason)}"
    rest = found.reasons.total() - sum(count for _, count in most)
    if rest:
        yield f"  {rest:,} for other reasons"


def end_lines(plan: WorkPlan, position: FeedPosition) -> Iterator[str]:
    """Yield how far a backfill came."""
    others = {"already in the outbox": position.duplicates, "of suppressed users": position.suppressed}
    more = "".join(f", {count:,} {name}" for name, count in others.items() if count)
    left = plan.events - position.fed
    yield f"{position.new:,} new{more}" + (f"; {left:,} are left." if left else ".")


def _time(moment: float | None) -> str:
    found = None if moment is None else moment_at(moment)
    return "-" if found is None else iso_text(found)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
