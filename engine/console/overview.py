"""What the Overview page shows, computed from an outbox: no HTTP, no HTML but the charts.

Everything comes from counts that indexes hold, so that a reading of a million events takes milliseconds. Connections
and sources are those that are configured, then those that only the outbox knows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from engine.console import charts
from engine.console.wording import number
from engine.delivery.outbox.base import ConnectionRow
from engine.delivery.outbox.keeping import SLOT
from engine.delivery.outbox.looking import SlotArrived, SlotEnded, Standing, slots_arrived, slots_ended, standings
from engine.records import Outcome

if TYPE_CHECKING:
    from engine.collector.sources import EventSource
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.troubles import Trouble

HOUR = 3600
MINUTES = 60
SHOWN = (Outcome.DELIVERED, Outcome.IGNORED, Outcome.INVALID, Outcome.REJECTED)
"""The outcomes of the charts, from the bottom up."""
MOST_TROUBLES = 8
"""Troubles of the last hour that are shown; the page says how many earlier ones there are."""
MOST_NODES = 40
"""Sources, and connections, that are shown; the page says how many more there are."""
STATES = {
    "held": ("bad", "Held"),
    "paused": ("warn", "Paused"),
    "delivering": ("good", "Delivering"),
    "starting": ("", "Starting"),
    "waiting": ("warn", "Not delivering"),
    "idle": ("", "Idle"),
}
"""The words and the kind of badge for each state."""
UNCONFIGURED = "not configured: only the outbox knows it"


class ConnectionCard(NamedTuple):
    """One connection of the page; times are Unix seconds, `rate` events a second, `lag` and `drain` seconds.

    `peak` is the most events that ended in a minute of the chart.
    """

    name: str
    title: str
    state: str
    kind: str
    words: str
    waiting: int
    lag: float | None
    rate: float
    drain: float | None
    hour: tuple[tuple[str, int], ...]
    set_aside: int
    chart: Markup
    peak: int
    digest: str
    row: ConnectionRow
    configured: bool


class SourceCard(NamedTuple):
    """One source of the page; `rate` is events a second, `hour` and `discarded` are of the last hour."""

    name: str
    rate: float
    hour: int
    discarded: int
    note: str


class Totals(NamedTuple):
    """All connections together."""

    waiting: int
    lag: float | None
    rate: float
    arriving: float
    delivered: int
    set_aside: int


class OverviewReading(NamedTuple):
    """The page at one time; `trouble` says why the outbox cannot be read, `hidden` how many nodes are left out.

    `troubles` are what was wrong in the last hour, the latest first.
    """

    sources: tuple[SourceCard, ...] = ()
    connections: tuple[ConnectionCard, ...] = ()
    edges: Markup = Markup()
    totals: Totals = Totals(0, None, 0.0, 0.0, 0, 0)
    hidden: int = 0
    trouble: str = ""
    troubles: tuple[Trouble, ...] = ()


def read(
    db: sqlite3.Connection,
    now: float,
    configured: Sequence[ConfiguredConnection],
    sources: Sequence[EventSource],
    *,
    live: bool = False,
) -> OverviewReading:
    """Return the page at a time; a function for `OutboxFile.look`. `live` is whether this process delivers."""
    ended, arrived = slots_ended(db, now, HOUR), slots_arrived(db, now, HOUR)
    found = {each.row.name: each for each in standings(db, now)}
    cards = [_started(each) if live else each for each in connection_cards(found, ended, configured, now)]
    nodes = source_cards(arrived, sources, now)
    shown, shown_nodes = cards[:MOST_NODES], nodes[:MOST_NODES]
    hidden = len(cards) - len(shown) + len(nodes) - len(shown_nodes)
    drawn = charts.edges(_pairs(shown_nodes, shown, sources), len(shown_nodes), len(shown))
    return OverviewReading(tuple(shown_nodes), tuple(shown), drawn, _totals(cards, nodes), hidden)


def connection_cards(
    found: Mapping[str, Standing], ended: Sequence[SlotEnded], configured: Sequence[ConfiguredConnection], now: float
) -> list[ConnectionCard]:
    """Return the cards of connections that are configured, then of those that only the outbox knows."""
    known = {each.name: each for each in configured}
    names = [*known, *(name for name in found if name not in known)]
    slots: dict[str, list[SlotEnded]] = {}
    for each in ended:
        slots.setdefault(each.name, []).append(each)
    unknown = UNCONFIGURED if known else ""  # a console of the outbox alone knows none
    return [_card(name, found.get(name), known.get(name), slots.get(name, []), now, unknown) for name in names]


def _card(
    name: str,
    found: Standing | None,
    configured: ConfiguredConnection | None,
    slots: Sequence[SlotEnded],
    now: float,
    unknown: str,
) -> ConnectionCard:
    stands = found or Standing(ConnectionRow(name), 0, None, 0.0, None, {}, {}, None)
    state = _state(stands, now)
    kind, words = STATES[state]
    hour = tuple((each.value, stands.hour[each]) for each in Outcome if stands.hour.get(each))
    bars = _bars(slots, now)
    return ConnectionCard(
        name=name,
        title=unknown if configured is None else configured.mapping.title,
        state=state,
        kind=kind,
        words=words,
        waiting=stands.waiting,
        lag=None if stands.lag is None else float(int(stands.lag)),
        rate=stands.rate,
        drain=stands.drain,
        hour=hour,
        set_aside=sum(stands.set_aside.get(each, 0) for each in (Outcome.REJECTED, Outcome.INVALID)),
        chart=_chart(bars, hour, now),
        peak=max(sum(bar.values()) for bar in bars),
        digest=configured.digest() if configured is not None else stands.digest or "",
        row=stands.row._replace(leased_until=None),  # it changes every few seconds, and nobody reads it
        configured=configured is not None,
    )


def _started(card: ConnectionCard) -> ConnectionCard:
    """Return a card that says of a connection that was just resumed or loaded that this process is about to deliver."""
    if card.state != "waiting" or not card.configured:
        return card
    kind, words = STATES["starting"]
    return card._replace(state="starting", kind=kind, words=words)


def _state(stands: Standing, now: float) -> str:
    """Return the state, in which a lease that has run out belongs to nobody."""
    row = stands.row
    if row.leased_until is not None and row.leased_until < now:
        stands = stands._replace(row=row._replace(owner=None))
    return stands.state


def _bars(slots: Sequence[SlotEnded], now: float) -> list[dict[str, int]]:
    """Return what ended in each minute of the hour, by outcome."""
    bars = [dict.fromkeys((each.value for each in SHOWN), 0) for _ in range(MINUTES)]
    last = int(now // 60)
    for each in slots:
        index = each.slot * SLOT // 60 - last + MINUTES - 1
        if 0 <= index < MINUTES and each.outcome in SHOWN:
            bars[index][each.outcome.value] += each.events
    return bars


def _chart(bars: Sequence[Mapping[str, int]], hour: Sequence[tuple[str, int]], now: float) -> Markup:
    words = ", ".join(f"{number(count)} {name}" for name, count in hour) or "nothing ended"
    return charts.stacked_bars(bars, (int(now // 60) + 1) * 60.0, 60.0, f"The last hour by minute: {words}")


def source_cards(arrived: Sequence[SlotArrived], sources: Sequence[EventSource], now: float) -> list[SourceCard]:
    """Return the cards of sources that are configured, then of those that only the outbox knows."""
    known = {each.name: each for each in sources}
    names = dict.fromkeys([*known, *(each.source for each in arrived)])
    last = int(now // SLOT)
    cards = []
    for name in names:
        own = [each for each in arrived if each.source == name]
        minute = sum(each.events for each in own if last - 60 // SLOT <= each.slot < last)
        note = "disabled" if name in known and not known[name].enabled else ""
        counts = sum(each.events for each in own), sum(each.discarded for each in own)
        cards.append(SourceCard(name, minute / 60, *counts, note))
    return cards


def _pairs(
    nodes: Sequence[SourceCard], cards: Sequence[ConnectionCard], sources: Sequence[EventSource]
) -> list[tuple[int, int, str]]:
    """Return which source feeds which connection; one that is not configured may feed any."""
    targets = {each.name: each.connections for each in sources}
    pairs = []
    for start, node in enumerate(nodes):
        kind = "unknown" if node.name not in targets else "active" if node.rate else "quiet"
        for end, card in enumerate(cards):
            if node.name not in targets or card.name in targets[node.name]:
                pairs.append((start, end, kind))
    return pairs


def _totals(cards: Sequence[ConnectionCard], nodes: Sequence[SourceCard]) -> Totals:
    hour: dict[str, int] = {}
    for card in cards:
        for name, count in card.hour:
            hour[name] = hour.get(name, 0) + count
    return Totals(
        waiting=sum(card.waiting for card in cards),
        lag=max((card.lag for card in cards if card.lag is not None), default=None),
        rate=sum(card.rate for card in cards),
        arriving=sum(node.rate for node in nodes),
        delivered=hour.get(Outcome.DELIVERED, 0),
        set_aside=hour.get(Outcome.REJECTED, 0) + hour.get(Outcome.INVALID, 0),
    )
