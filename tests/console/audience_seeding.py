"""A shop with audiences in every state, whose names are hostile where they can be, for the pages of audiences."""

from __future__ import annotations

from pathlib import Path

from engine.audiences.state import COMPUTING, DONE, FAILED, GUARDED, AudienceState, Run
from engine.console.site import Site
from engine.deletion.beginning import begin_by_command
from engine.deletion.steps import DeletionSteps
from engine.deletion.vendors import BY_HAND, QUEUE
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import JsonObject
from tests.audiences.shop import INTEGRATIONS, Shop, identify, order, seconds
from tests.console.event_seeding import HOSTILE

NOW = seconds("2026-11-30T12:00:00Z")
DEFINITIONS = """\
audiences:
  # Who bought.
  - name: Buyers
    about: Everyone who ordered within a month.
    connections: [crm, mail]
    every: 1h
    did: Order Completed
    within: 30d
  - name: Lapsed
    connections: [crm]
    did_not: Order Completed
    within: 10d
  - name: Guarded Ones
    connections: [crm]
    every: 1d
    did: Order Completed
  - name: Failing
    every: 1d
    sql: |
      SELECT person_id FROM users
computed_traits:
  - name: Orders
    title: "<script>alert(1)</script> how many orders"
    connections: [crm]
    every: 6h
    count: true
    did: Order Completed
"""
CONNECTIONS = """\
crm: { destination: webhook, settings: { url: "https://crm.example.com" } }
mail: { destination: webhook, settings: { url: "https://mail.example.com" } }
"""


def seeded_shop(folder: Path) -> Shop:
    """Return a shop whose audiences have run, were guarded, failed, and were removed."""
    shop = Shop(folder, DEFINITIONS)
    (folder / "connections.yaml").write_text(CONNECTIONS)
    shop.happened(
        identify("ann", "2026-11-01T00:00:00Z", traits={"email": "ann@example.com"}),
        order("ann", "2026-11-02T00:00:00Z"),
        order("ann", "2026-11-28T00:00:00Z", messageId="m<&>\u202e"),
        order("bob", "2026-10-20T00:00:00Z"),
        order(HOSTILE.replace("\x00", ""), "2026-11-29T00:00:00Z"),
    )
    shop.sync("buyers")
    shop.sync("orders")
    for number, size in enumerate((1, 3, 4, 3, 6, 8)):
        at = NOW - (6 - number) * 3600
        note(
            shop.state,
            "buyers",
            at,
            state=DONE,
            size=size,
            entered=number,
            left=1,
            unchanged=3,
            took=2.5,
            sent_run=1,
            connections=INTEGRATIONS,
        )
    note(shop.state, "guarded_ones", NOW - 1800, state=GUARDED, entered=900, left=3, message=f"too many {HOSTILE}")
    note(shop.state, "failing", NOW - 600, state=FAILED, message=f'no column "{HOSTILE}"; did you mean "user_id"?')
    shop.state.plan({"buyers": NOW + 1200, "orders": NOW - 5})
    return shop


def note(known: AudienceState, key: str, at: float, **fields: object) -> Run:
    """Write a run that ended."""
    run = known.begin(key, "d", at, at)
    assert run.state == COMPUTING
    return known.note(run._replace(ended_at=at + 3, **fields))


def site_of(shop: Shop, **more: object) -> Site:
    """Return the site of a shop."""
    from engine.delivery import connections

    loaded = connections.load(shop.folder / "connections.yaml", {}, ()).connections
    given: dict[str, object] = {
        "outbox_file": shop.folder / "outbox.db",
        "connections": lambda: loaded,
        "connections_file": shop.folder / "connections.yaml",
        "archive": shop.archive,
        "audiences_file": shop.file,
        "clock": lambda: NOW,
    }
    return Site(**{**given, **more})  # type: ignore[arg-type]


def with_deletions(outbox: SqliteOutbox) -> None:
    """Delete two users: one waits for vendors, of the other a person has to do something."""
    vendors: JsonObject = {"crm": [QUEUE, ""], f"hand{HOSTILE}": [BY_HAND, f"the mapping {HOSTILE} has no delete call"]}
    for user, parts in (
        ("gone-user-1", {"hand": vendors[f"hand{HOSTILE}"], HOSTILE: [BY_HAND, HOSTILE]}),
        ("gone-user-2", vendors),
    ):
        begin_by_command(outbox, [user], parts, NOW - 3600, suppress=user.endswith("2"))
    assert DeletionSteps(outbox, clock=lambda: NOW - 1800).run() == 1
