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
    """CPU in microseconds, sizes in bytes. `pack` is for each message of up to 50 events, `event` for each in it.

    `idle` is for each partition and second, `result_server` that of three servers together.
    """

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
    id_taken: float
    id_bytes: float
    worker_idle: float
    server_idle: float
    view_event: float
    view_bytes: float
    file_event: float
    file_small: float
    file_bytes: float
    spark_event: float
    feed_event: float


MEASURED = EventCosts(
    collector_event=38,
    collector_request=650,
    publish_pack=125,
    worker_event=155,
    worker_pack=105,
    leader_pack=45,
    leader_event=9,
    follower_pack=28,
    follower_event=6,
    result_server=38,
    pack_bytes=247,
    event_bytes=124,
    result_bytes=16,
    id_cpu=5.3,
    id_pack=100,
    id_taken=0.3,
    id_bytes=20.3,
    worker_idle=5000,
    server_idle=2200,
    view_event=117,
    view_bytes=700,
    file_event=212,
    file_small=372,
    file_bytes=420,
    spark_event=163,
    feed_event=52,
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
SEGMENT_IDS, SEGMENT_SECONDS = 25_000, 600.0
WINDOW_BYTES = 15e6
"""Memory of a partition's window at most."""


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
    """Return the bytes of all streams on one server: events of 25 hours, ids of 26, results of 30 days."""
    average = load.events * load.average
    results = load.connections * costs.result_bytes * 30
    return average * (stored(costs, load, fill) * 25 / 24 + costs.id_bytes * 26 / 24 + results) * DAY


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
    idle = outboxes * partitions * load.replicas * costs.server_idle
    ids = load.events * load.average * DAY / outboxes / partitions
    return ScalePlan(
        outboxes,
        partitions,
        fill,
        collectors=ceil(load.events * collector_cost(costs, load, fill) / CORE_SECOND / load.busy),
        workers=workers * outboxes,
        servers=(load.events * server_cost(costs, load, fill) + idle) / CORE_SECOND / load.busy,
        disk=kept(costs, load, fill),
        network=load.events * size * (1 + load.replicas - 1 + 1),
        ids=ids,
        recovery=FAILOVER + taken_over(costs, ids, fill) / CORE_SECOND,
        view=load.events * load.average / outboxes * costs.view_event / CORE_SECOND,
    )


def taken_over(costs: EventCosts, ids: float, fill: float) -> float:
    """Return the CPU of having the ids of 24 hours again: segments, and the packs behind the last one."""
    behind = min(SEGMENT_IDS, ids / DAY * SEGMENT_SECONDS)
    return ids * costs.id_taken + behind * (costs.id_cpu + costs.id_pack / fill)


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
    return busy * CORE_SECOND / costs.file_small


# The tables of the page


def costs_table(costs: EventCosts = MEASURED) -> list[str]:
    """Return what one event costs, with the command that measured it."""
    parts = "`scale --parts processes`"
    packs, idle = "`scale --parts packs`", "`scale --parts idle`"
    rows = [
        ("a file: the one process, 100 events a request", us(costs.file_event), "event, one connection", parts),
        ("a file: the one process, 10 events a request", us(costs.file_small), "event, one connection", parts),
        ("collector: reading, checking", us(costs.collector_event), "event", parts),
        ("collector: HTTP", us(costs.collector_request), "request", parts),
        ("collector: publishing", us(costs.publish_pack), "pack", packs),
        ("worker: planning, sending, results", us(costs.worker_event), "event and connection", parts),
        ("worker: reading", us(costs.worker_pack), "pack", packs),
        ("leading NATS server", f"{us(costs.leader_pack)} + {us(costs.leader_event)}", "pack + event", packs),
        ("each other NATS server", f"{us(costs.follower_pack)} + {us(costs.follower_event)}", "pack + event", packs),
        ("three NATS servers: reads, results", us(costs.result_server), "event and connection", parts),
        ("a worker that has nothing to do", us(costs.worker_idle), "partition and second", idle),
        ("a NATS server that has nothing to do", us(costs.server_idle), "partition and second", idle),
        ("stream of events", f"{costs.pack_bytes:g} + {costs.event_bytes:g} bytes", "pack + event, above it", packs),
        ("stream of results", f"{costs.result_bytes:.0f} bytes", "event and connection, batches of 50", parts),
        ("window of duplicates: adding, publishing", us(costs.id_cpu), "event", "`scale --parts window`"),
        ("window of duplicates: taking over", us(costs.id_taken), "event of 24 hours", "`scale --parts window`"),
        ("window of duplicates: behind its last segment", us(costs.id_pack), "pack", "`scale --parts headers`"),
        ("window of duplicates", f"{costs.id_bytes:g} bytes", "event of 24 hours", "`scale --parts window`"),
        ("view", us(costs.view_event), "event and connection", "`stream --parts throughput`"),
        ("view", f"{costs.view_bytes:.0f} bytes", "event, above it", "`scale --parts view`"),
        ("history: planning on Spark", us(costs.spark_event), "event and mapping", "[spark.md](spark.md)"),
        ("history: feeding", us(costs.feed_event), "event", "[backfill.md](backfill.md)"),
        ("an outbox in a file", f"{costs.file_bytes:.0f} bytes", "event, above it", "`scale --parts disk`"),
    ]  # fmt: skip
    return markdown(("part", "measured", "for each", "by `python -m benchmarks.`"), rows)


def us(cost: float) -> str:
    """Return CPU time."""
    return f"{cost:g} us" if cost < 1000 else f"{cost / 1000:g} ms"


def moving_line(costs: EventCosts = MEASURED) -> list[str]:
    """Return the number from which on an outbox belongs on streams."""
    each, number, large = costs.file_small, moving(costs), moving(costs._replace(file_small=costs.file_event))
    line = (
        f"On the machine of these figures `d` is {each:.0f} us with 10 events a request (measured, receiving "
        f"included), so the number is **{number:,.0f} deliveries a second in the busiest hour** (computed: "
        f"1,000,000 / {each:.0f} / 2). That is {number / 2:,.0f} events a second to two connections, or about "
        f"{number / 2 * DAY / 2 / 1e6:,.0f} million events a day if the average hour has half of the busiest. "
        f"With 100 events a request it is {large:,.0f}."
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
        ("temporary disk for them, all workers together", *(size(ids_of(each) * MEASURED.id_bytes) for each in plans)),
        (
            "memory for them, all together, at most",
            *(size(each.outboxes * each.partitions * WINDOW_BYTES) for each in plans),
        ),
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


def history_table(costs: EventCosts = MEASURED) -> list[str]:
    """Return what a billion events of history cost before they are delivered."""
    parts = (("planned and counted on Spark, one connection", costs.spark_event), ("fed", costs.feed_event))
    rows = []
    for name, each in parts:
        hours = each * 1e9 / CORE_SECOND / 3600
        rows.append((name, us(each), f"{hours:,.0f} core-hours", f"${hours * CORE_HOUR:,.2f}"))
    return markdown(
        ("a billion events of history", "measured, an event", "computed", f"at ${CORE_HOUR} a core-hour"), rows
    )


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
        "history": history_table(),
    }


def recovery_table() -> list[str]:
    """Return how long a partition stands still."""
    rows = []
    for rate in RATES:
        found = plan(ScaleLoad(rate))
        rows.append((f"{rate:,}", f"{found.ids / 1e6:.1f} million", f"{found.recovery:,.1f} s"))
    return markdown(
        ("events a second", "ids of a partition", "a killed worker's first partition delivers again after"), rows
    )
