"""The formulas of docs/scale.md: what machines a rate of events takes, from what one event costs. Pure.

`MEASURED` is what `python -m benchmarks.scale` and `python -m benchmarks.stream` printed; everything else is computed
from it, so that no figure of a worked example is typed.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

DAY = 86_400
CORE_SECOND = 1e6
"""Microseconds of CPU that a core has a second."""


class EventCosts(NamedTuple):
    """CPU in microseconds, sizes in bytes. `pack` is for each message of up to 50 events, `event` for each in it."""

    collector_event: float
    collector_request: float
    publish_pack: float
    worker_event: float
    worker_pack: float
    leader_pack: float
    leader_event: float
    follower_pack: float
    follower_event: float
    result_server: float
    pack_bytes: float
    event_bytes: float
    result_bytes: float
    id_cpu: float
    id_pack: float
    id_bytes: float
    view_event: float
    view_bytes: float
    file_event: float
    file_bytes: float


MEASURED = EventCosts(
    collector_event=55,
    collector_request=250,
    publish_pack=125,
    worker_event=200,
    worker_pack=105,
    leader_pack=45,
    leader_event=9,
    follower_pack=28,
    follower_event=6,
    result_server=15,
    pack_bytes=247,
    event_bytes=124,
    result_bytes=60,
    id_cpu=7.5,
    id_pack=100,
    id_bytes=30,
    view_event=117,
    view_bytes=700,
    file_event=237,
    file_bytes=420,
)


class ScaleLoad(NamedTuple):
    """What comes in: events a second in the busiest hour, their size, and how they are sent and used.

    `body` is events a request; `acknowledged` the seconds that an acknowledgement takes, `busy` the share of a core
    that is planned for.
    """

    events: float
    bytes: float = 1000
    connections: int = 2
    body: int = 10
    acknowledged: float = 0.05
    busy: float = 0.5
    replicas: int = 3
    average: float = 0.5


class ScalePlan(NamedTuple):
    """What a load takes. Cores are counted with `busy`; `ids` are those of a partition in 24 hours."""

    outboxes: int
    partitions: int
    fill: float
    collectors: int
    workers: int
    servers: float
    disk: float
    network: float
    ids: float
    recovery: float
    view: float


MOST_OF_AN_OUTBOX = 25_000
"""Events a second for which one outbox is planned; see the page."""
FAILOVER = 7.0


def packs_hit(events: float, partitions: int) -> float:
    """Return how many packs some events of different devices make, before any is full."""
    return partitions * (1 - (1 - 1 / partitions) ** events)


def fill_of(events: float, partitions: int) -> float:
    """Return how many events a pack has, if so many are stored at a time."""
    return min(50.0, max(1.0, events / packs_hit(events, partitions)))


def collector_cost(costs: EventCosts, load: ScaleLoad, fill: float) -> float:
    """Return the CPU of a collector for an event."""
    return costs.collector_event + costs.collector_request / load.body + costs.publish_pack / fill


def worker_cost(costs: EventCosts, load: ScaleLoad, fill: float) -> float:
    """Return the CPU of workers for an event with all its connections."""
    return load.connections * costs.worker_event + costs.worker_pack / fill


def leader_cost(costs: EventCosts, fill: float) -> float:
    """Return the CPU of the server that leads the events for one of them."""
    return costs.leader_pack / fill + costs.leader_event


def server_cost(costs: EventCosts, load: ScaleLoad, fill: float) -> float:
    """Return the CPU of all servers for an event: storing, copies, results."""
    follower = costs.follower_pack / fill + costs.follower_event
    return leader_cost(costs, fill) + (load.replicas - 1) * follower + load.connections * costs.result_server


def stored(costs: EventCosts, load: ScaleLoad, fill: float) -> float:
    """Return the bytes of an event in the stream of events, on one server."""
    return load.bytes + costs.event_bytes + costs.pack_bytes / fill


def kept(costs: EventCosts, load: ScaleLoad, fill: float) -> float:
    """Return the bytes of all streams on one server: 25 hours of events and 30 days of results, at the average rate."""
    average = load.events * load.average
    return average * (stored(costs, load, fill) * 25 / 24 + load.connections * costs.result_bytes * 30) * DAY


def plan(load: ScaleLoad, costs: EventCosts = MEASURED) -> ScalePlan:
    """Return what a load takes on streams."""
    outboxes = ceil(load.events / MOST_OF_AN_OUTBOX)
    cores = load.events / outboxes * worker_cost(costs, load, 8.0) / CORE_SECOND / load.busy
    partitions = max(16, 2 ** ceil(cores).bit_length())
    fill = 8.0
    for _ in range(20):  # how full packs are depends on how much a collector does, and that on how full they are
        rate = min(load.events / outboxes, load.busy * CORE_SECOND / collector_cost(costs, load, fill))
        fill = fill_of(max(load.body, rate * load.acknowledged), partitions)
    workers = ceil(load.events / outboxes * worker_cost(costs, load, fill) / CORE_SECOND / load.busy)
    size = stored(costs, load, fill)
    ids = load.events * load.average * DAY / outboxes / partitions
    return ScalePlan(
        outboxes,
        partitions,
        fill,
        collectors=ceil(load.events * collector_cost(costs, load, fill) / CORE_SECOND / load.busy),
        workers=workers * outboxes,
        servers=load.events * server_cost(costs, load, fill) / CORE_SECOND / load.busy,
        disk=kept(costs, load, fill),
        network=load.events * size * (1 + load.replicas - 1 + 1),
        ids=ids,
        recovery=FAILOVER + ids * (costs.id_cpu + costs.id_pack / fill) / CORE_SECOND,
        view=load.events * load.average / outboxes * costs.view_event / CORE_SECOND,
    )


def core_hours(load: ScaleLoad, fill: float, costs: EventCosts = MEASURED) -> tuple[float, float, float]:
    """Return the core-hours that a billion events take of collectors, workers and servers, at the planned load."""
    each = (
        collector_cost(costs, load, fill),
        worker_cost(costs, load, fill),
        server_cost(costs, load, fill),
    )
    collector, worker, server = (cost * 1e9 / CORE_SECOND / 3600 / load.busy for cost in each)
    return collector, worker, server


def moving(costs: EventCosts = MEASURED, busy: float = 0.5) -> float:
    """Return the deliveries a second from which on an outbox belongs on streams: a share of what one process does."""
    return busy * CORE_SECOND / costs.file_event
