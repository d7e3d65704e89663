"""What `engine serve` allows on streams of NATS JetStream, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click
from click.core import ParameterSource

from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.collector.reloading import Served
    from engine.collector.responses import CollectorLimits
    from engine.delivery.outbox.location import Location

Role: TypeAlias = Literal["collector", "delivery"]
ONLY_ON_STREAMS = (
    "--only divides the work between servers that share an outbox: add --outbox nats://HOST:4222/NAME. A file has one "
    "server, which does both."
)
NO_COLLECTOR = "{option} is about the collector, which --only delivery does not start: leave it out."
SANDBOX_NEEDS_DELIVERY = (
    "--sandbox delivers to emulated vendors in this process, and --only collector delivers nothing: leave one of them "
    "out."
)
NO_BACKLOG = (
    "--backlog does not count on streams: max_bytes of the address bounds their size, and when they are full the "
    "collector answers 429."
)
DELETE_CALLS = (
    "Delete calls reach the vendors by their mappings. They remove nothing from the streams: there, events end with "
    "their age."
)


def check_role(
    outbox: Location, only: Role | None, workers: int | None, write_keys: Sequence[str], *, sandbox: bool
) -> None:
    """Raise UsageError for options that do not go together."""
    if only is not None and isinstance(outbox, Path):
        raise UsageError(ONLY_ON_STREAMS)
    if only == "collector" and sandbox:
        raise UsageError(SANDBOX_NEEDS_DELIVERY)
    if only == "delivery":
        for option, given in (("--workers", workers), ("--write-key", write_keys)):
            if given:
                raise UsageError(NO_COLLECTOR.format(option=option))


def check_served(outbox: Location, only: Role | None, served: Served) -> None:
    """Raise UsageError for a connection that cannot be delivered from streams."""
    if not isinstance(outbox, Path) and only != "collector":
        from engine.stream.delivery import check_connections

        check_connections(served.connections)


def limits_on(outbox: Location, limits: CollectorLimits) -> CollectorLimits:
    """Return the limits as they count for an outbox; say so if one that was given does not."""
    if isinstance(outbox, Path):
        return limits
    from dataclasses import replace

    if click.get_current_context().get_parameter_source("backlog") is not ParameterSource.DEFAULT:
        click.echo(NO_BACKLOG, err=True)
    return replace(limits, backlog=0)
