"""The formulas of docs/scale.md: what machines a rate of events takes, from what one event costs. Pure.

`MEASURED` is what `python -m benchmarks.scale` and `python -m benchmarks.stream` printed; everything else is computed
from it, so that no figure of a worked example is typed.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from benchmarks._table import markdown

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


# The tables of the page


def costs_table(costs: EventCosts = MEASURED) -> list[str]:
    """Return what one event costs, with the command that measured it."""
    parts = "`scale --parts processes`"
    packs = "`scale --parts packs`"
    rows = [
        ("an outbox in a file: the one process", us(costs.file_event), "event and connection", parts),
        ("collector: reading, checking", us(costs.collector_event), "event", parts),
        ("collector: HTTP", us(costs.collector_request), "request", parts),
        ("collector: publishing", us(costs.publish_pack), "pack", packs),
        ("worker: planning, sending, results", us(costs.worker_event), "event and connection", parts),
        ("worker: reading", us(costs.worker_pack), "pack", packs),
        ("leading NATS server", f"{us(costs.leader_pack)} + {us(costs.leader_event)}", "pack + event", packs),
        ("each other NATS server", f"{us(costs.follower_pack)} + {us(costs.follower_event)}", "pack + event", packs),
        ("NATS servers: reads, results", us(costs.result_server), "event and connection", parts),
        ("stream of events", f"{costs.pack_bytes:.0f} + {costs.event_bytes:.0f} bytes", "pack + event, above its own", packs),
        ("stream of results", f"{costs.result_bytes:.0f} bytes", "event and connection, batches of 50", parts),
        ("window of duplicates", f"{costs.id_bytes:.0f} bytes", "event of 24 hours", "`scale --parts window`"),
        ("view", us(costs.view_event), "event and connection", "`stream --parts throughput`"),
        ("view", f"{costs.view_bytes:.0f} bytes", "event, above its size", "`scale --parts view`"),
        ("an outbox in a file", f"{costs.file_bytes:.0f} bytes", "event, above its size", "`scale --parts disk`"),
    ]  # fmt: skip
    return markdown(("part", "measured", "for each", "by benchmarks."), rows)


def us(cost: float) -> str:
    """Return CPU time."""
    return f"{cost:g} us"


def moving_line(costs: EventCosts = MEASURED) -> list[str]:
    """Return the number from which on an outbox belongs on streams."""
    each, number = costs.file_event, moving(costs)
    line = (
        f"On the machine of these figures `d` is {each:.0f} us (measured, receiving included), so the number is "
        f"**{number:,.0f} deliveries a second in the busiest hour** (computed: 1,000,000 / {each:.0f} / 2). "
        f"That is {number / 2:,.0f} events a second to two connections, or about {number / 2 * DAY / 2 / 1e6:,.0f} "
        "million events a day if the average hour has half of the busiest."
    )
    return [line]


def fill_table() -> list[str]:
    """Return how full packs are."""
    given = (10, 50, 250, 1000)
    head = ("partitions", *(f"G = {each:,}" for each in given))
    return markdown(head, [(str(p), *(f"{fill_of(g, p):.1f}" for g in given)) for p in (16, 32, 64, 256)])


RATES = (1_000, 10_000, 100_000, 1_000_000)


def examples_table() -> list[str]:
    """Return what some loads take."""
    plans = [plan(ScaleLoad(rate)) for rate in RATES]
    head = ("events a second", *(f"{rate:,}" for rate in RATES))
    rows = [
        ("outboxes", *(f"{each.outboxes}" for each in plans)),
        ("partitions of each", *(f"{each.partitions}" for each in plans)),
        ("events a pack", *(f"{each.fill:.1f}" for each in plans)),
        ("cores of collectors", *(f"{each.collectors:,}" for each in plans)),
        ("cores of workers", *(f"{each.workers:,}" for each in plans)),
        ("cores of NATS servers, all together", *(f"{each.servers:,.1f}" for each in plans)),
        ("disk of each replica", *(size(each.disk) for each in plans)),
        ("network, all together", *(f"{size(each.network)}/s" for each in plans)),
        ("ids of a partition in 24 hours, millions", *(f"{each.ids / 1e6:.1f}" for each in plans)),
        ("temporary disk for them, all together", *(size(ids_of(each) * MEASURED.id_bytes) for each in plans)),
        ("memory for them, all together", *(size(each.outboxes * each.partitions * 8e6) for each in plans)),
        ("a view's share of a core, of each outbox", *(f"{each.view:.0%}" for each in plans)),
    ]
    return markdown(head, rows)


def ids_of(found: ScalePlan) -> float:
    """Return the ids of 24 hours in all partitions."""
    return found.ids * found.partitions * found.outboxes


def size(count: float) -> str:
    """Return bytes for people."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def view_line(costs: EventCosts = MEASURED) -> list[str]:
    """Return what a view can follow."""
    line = (
        f"{costs.view_event:.0f} us of CPU an event and connection (measured) are "
        f"**{CORE_SECOND / costs.view_event:,.0f} a second** of one core (computed). Peaks above it are caught up with "
        "later: what counts is the average."
    )
    return [line]


def price_table() -> list[str]:
    """Return what a billion events cost, with prices as examples."""
    load = ScaleLoad(10_000)
    found = plan(load)
    names = ("collectors", "workers, two connections", "NATS servers")
    hours = core_hours(load, found.fill)
    bytes_a_replica = 1e9 * stored(MEASURED, load, found.fill)
    months = bytes_a_replica * load.replicas * 25 / 730 / 1e9
    rows = [
        (name, f"{each:,.0f} core-hours", f"${each * CORE_HOUR:,.2f}") for name, each in zip(names, hours, strict=True)
    ]
    rows.append(("disk for 25 hours, three replicas", f"{months:,.0f} GB-months", f"${months * GB_MONTH:,.2f}"))
    whole = sum(hours) * CORE_HOUR + months * GB_MONTH
    rows.append(("all of it", "", f"**${whole:,.2f}**"))
    head = (f"{found.fill:.0f} events a pack", "computed", f"at ${CORE_HOUR} a core-hour, ${GB_MONTH} a GB-month")
    return markdown(head, rows)


CORE_HOUR, GB_MONTH = 0.04, 0.08
"""Dollars; examples, to be replaced by one's own."""


def figures() -> dict[str, list[str]]:
    """Return the blocks of docs/scale.md."""
    return {
        "costs": costs_table(),
        "moving": moving_line(),
        "fill": fill_table(),
        "examples": examples_table(),
        "view": view_line(),
        "recovery": recovery_table(),
        "price": price_table(),
    }


def recovery_table() -> list[str]:
    """Return how long a partition stands still."""
    rows = []
    for rate in RATES:
        found = plan(ScaleLoad(rate))
        rows.append((f"{rate:,}", f"{found.ids / 1e6:.1f} million", f"{found.recovery:,.0f} s"))
    return markdown(("events a second", "ids of a partition", "a killed worker's partition delivers again after"), rows)
