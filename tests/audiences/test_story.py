"""The documents' story, from the collector to the vendors: who orders enters an audience, and leaves it 31 days later.

Time is given. Everything is real but the vendors, which are emulated; what their profiles hold is what counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, closing
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from engine.archive.catalog import Catalog
from engine.archive.columns import ArchiveRow
from engine.archive.connecting import QueryLimits
from engine.archive.following import Follower
from engine.archive.writing import write
from engine.audiences.definitions import load
from engine.audiences.feeding import FeedingHooks
from engine.audiences.state import AudienceState, SeenDefinition
from engine.audiences.syncing import Syncer, SyncSettings
from engine.collector.sources import EventSource
from engine.delivery import connections
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.process import run
from engine.delivery.sending.pacing import Clock
from engine.delivery.supervisor import Delivery
from engine.sandbox.server import Sandbox
from tests.collector.harness import Inside
from tests.collector.running import until
from tests.operating import said

CONNECTIONS = """\
bloomreach:
  destination: bloomreach_engagement
  base_url: {url}/exponea
  settings:
    {{ api_key: public-key, project_token: project-token, hard_id: registered, soft_id: cookie, private_key_id: key-id,
      private_key_secret: private-secret }}
extole:
  destination: extole
  base_url: {url}/extole
  rate_limit: none
  settings: {{ api_key: access-token }}
crm:
  destination: user_com
  base_url: {url}/user_com/api/public
  settings: {{ api_key: api-key, app_url: "https://example.user.com" }}
"""
DEFINITIONS = """\
audiences:
  - name: Order Completed Last 30days
    connections: [bloomreach, extole, crm]
    did: Order Completed
    within: 30d
computed_traits:
  - { name: Total Spent, connections: [bloomreach], sum: properties.total, did: Order Completed }
"""
NAMES = ("bloomreach", "extole", "crm")
KEY = "order_completed_last_30days"
BEGIN = datetime.fromisoformat("2026-03-01T10:00:00+00:00")
TIME = int(BEGIN.timestamp() * 1_000_000)
ADA, EMAIL, PHONE = "ada-7001", "ada.secret@example.com", "phone-7001"


class World:
    """All of it, below one folder, at the time `now`."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.now = BEGIN.timestamp()
        self.outbox_file, self.archive = folder / "outbox.db", folder / "archive"
        (folder / "connections.yaml").write_text(CONNECTIONS.format(url=sandbox.url))
        (folder / "audiences.yaml").write_text(DEFINITIONS)
        self.definitions = load(folder / "audiences.yaml", connections=NAMES).by_key()
        self.connections = connections.load(folder / "connections.yaml", os.environ, ()).connections
        self._numbers = count(1)

    def day(self, number: float) -> None:
        """Let it be so many days after the begin."""
        self.now = (BEGIN + timedelta(days=number)).timestamp()

    def happens(self, *events: dict[str, object]) -> None:
        """Take events in through the collector, archive them, and deliver."""
        with closing(SqliteOutbox(self.outbox_file)) as outbox:
            sources = [EventSource("web", ("wk",), NAMES)]
            new_id = (f"id-{number}" for number in self._numbers).__next__
            door = Inside(outbox=outbox, sources=sources, clock=lambda: self.now, new_id=new_id)
            assert [answer.status for answer in door.post(events)] == [200]
        with Catalog.open(self.archive, create=True) as catalog, catalog.follower():
            assert Follower(self.outbox_file, catalog, lambda: self.now).step().events >= len(events)
        self.deliver()

    def sync(self, key: str = KEY) -> list[str]:
        """Sync a definition, and deliver; return who was sent what."""
        with (
            closing(AudienceState(self.archive / "audiences")) as state,
            closing(SqliteOutbox(self.outbox_file)) as box,
        ):
            known = self.definitions.values()
            seen = [SeenDefinition(e.key, e.kind, e.name, e.digest, 0.0, e.connections, None, None) for e in known]
            state.see(seen, self.now)
            integrations = {each.name: next(iter(each.mapping.integrations)) for each in self.connections}
            hooks = FeedingHooks(lambda: self.now, lambda _seconds: None)
            syncer = Syncer(state, SyncSettings(self.archive, integrations, QueryLimits(threads=1), hooks))
            before = len(self.calls())
            with state.lock():
                done = syncer.sync(self.definitions[key], box, self.now)
            assert done.state == "done", done.message
        self.deliver()
        return self.calls()[before:]

    def deliver(self) -> None:
        """Deliver what waits; all of it is accepted."""
        with closing(SqliteOutbox(self.outbox_file)) as outbox:
            run(lambda: Delivery(outbox, self.connections, clock=Clock(lambda: self.now)))
            assert {outcome for _, outcome in outbox.counts()} <= {"delivered", "ignored"}

    def calls(self) -> list[str]:
        """Return the events of the source `audiences` as text, each with what became of it at each connection."""
        statement = (
            "SELECT e.raw, json_group_array(c.name || ' ' || s.outcome) FROM events AS e "
            "JOIN states AS s ON s.event = e.id JOIN connections AS c ON c.id = s.connection "
            "WHERE e.source = 'audiences' GROUP BY e.id ORDER BY e.id"
        )
        with closing(SqliteOutbox(self.outbox_file)) as outbox:
            rows = outbox.look(lambda db: db.execute(statement).fetchall())
        found = [(orjson.loads(raw), ", ".join(sorted(orjson.loads(states)))) for raw, states in rows]
        return [f"{event['userId']} {orjson.dumps(event['traits']).decode()} {states}" for event, states in found]

    def profiles(self, user: str, key: str = KEY) -> list[object]:
        """Return what Bloomreach, Extole and User.com hold of a user's trait, None for nothing."""
        customers = {each["ids"].get("registered"): each for each in self.sandbox.state("exponea")["customers"]}
        persons = {each["partner_user_id"]: each for each in self.sandbox.state("extole")["persons"]}
        users = {each["custom_id"]: each for each in self.sandbox.state("user_com")["users"]}
        parameters = {each["name"]: each["value"] for each in persons[user]["parameters"]}
        return [customers[user]["properties"].get(key), parameters.get(key), users[user].get(key)]

    def sent_to_extole(self) -> list[object]:
        """Return the values of the audience that Extole was sent, in their order."""
        found = [each["data"] for each in self.sandbox.state("extole")["events"] if KEY in each["data"]]
        return [[data["partner_user_id"], data[KEY]] for data in found]

    def traces(self) -> dict[str, list[str]]:
        """Return which files below the folder hold an ID or the address of Ada; what is compressed is read."""
        found = {}
        for path in sorted(self.archive.parent.rglob("*")):
            content = path.read_bytes() if path.is_file() else b""
            if path.suffix == ".parquet":
                content += repr(pq.read_table(path).to_pylist()).encode()
            found[path.name] = [text for text in (ADA, EMAIL, PHONE) if text.encode() in content]
        return {name: texts for name, texts in found.items() if texts}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Sandbox(database=str(tmp_path / "sandbox.db")) as sandbox, chdir(tmp_path):
        yield World(tmp_path, sandbox)


def identify(user: str, **fields: object) -> dict[str, object]:
    return {"type": "identify", "userId": user, **fields}


def order(user: str, total: float, **fields: object) -> dict[str, object]:
    return {"type": "track", "event": "Order Completed", "userId": user, "properties": {"total": total}, **fields}


def sent(user: str, value: object, names: Sequence[str] = sorted(NAMES), key: str = KEY) -> str:
    traits = orjson.dumps({key: value}).decode()
    return f"{user} {traits} {', '.join(f'{name} delivered' for name in names)}"


ON, OFF = [True, True, "true"], [False, False, "false"]
"""What the vendors hold then; User.com keeps attributes as text."""


def test_who_orders_enters_and_leaves(world: World) -> None:
    """The shortest way through all of it."""
    world.happens(identify(ADA, traits={"email": EMAIL}), order(ADA, 40.1))
    assert world.sync() == [sent(ADA, True)]
    assert world.profiles(ADA) == ON
    world.day(31)
    assert world.sync() == [sent(ADA, False)]
    assert world.profiles(ADA) == OFF


@pytest.mark.slow
def test_the_documents_story(world: World) -> None:
    world.happens(
        identify(ADA, anonymousId=PHONE, traits={"email": EMAIL}),
        order(ADA, 40.1),
        order("cyd", 25),
        identify("bob"),
        {"type": "track", "event": "Product Viewed", "userId": "bob"},
    )
    assert world.sync() == [sent(ADA, True), sent("cyd", True)]
    assert [world.profiles(user) for user in (ADA, "cyd", "bob")] == [ON, ON, [None] * 3]

    world.day(10)
    world.happens(order("bob", 0.2), order("cyd", 0.2))
    assert world.sync() == [sent("bob", True)]  # cyd was in, and is
    assert world.profiles("bob") == ON

    assert world.sync("total_spent") == [
        sent(user, value, ["bloomreach"], "total_spent") for user, value in ((ADA, 40.1), ("bob", 0.2), ("cyd", 25.2))
    ]
    assert world.profiles("cyd", "total_spent") == [25.2, None, None]

    world.day(30)
    assert world.sync() == []  # to the second
    world.day(31)
    assert world.sync() == [sent(ADA, False)]
    assert [world.profiles(user) for user in (ADA, "cyd", "bob")] == [OFF, ON, ON]
    assert world.sent_to_extole() == [[ADA, True], ["cyd", True], ["bob", True], [ADA, False]]

    assert {"outbox.db", "sandbox.db-wal"} < world.traces().keys()
    code, shown = said("delete", "--user", ADA, "--yes", "--suppress", "--archive", "archive")
    assert code == 1, shown
    world.deliver()
    said("delete", "resume", "--archive", "archive")
    code, shown = said("delete", "status", "1")
    assert "a person has to delete the user there: the mapping user_com has no delete call" in shown
    assert world.traces().keys() <= {"sandbox.db", "sandbox.db-wal"}  # User.com still has her
    left = orjson.dumps([world.sandbox.state("exponea"), world.sandbox.state("extole")]).decode()
    assert [text for text in (ADA, EMAIL, PHONE) if text in left] == []

    world.happens(order(ADA, 10), order("dora", 10))  # suppressed: nothing of her is kept
    assert world.sync() == [sent("dora", True)]
    assert world.traces().keys() <= {"sandbox.db", "sandbox.db-wal"}


MEMBERS = 10_000


@pytest.mark.slow
def test_a_first_sync_that_is_killed_doubles_nothing(world: World) -> None:
    """Killed while events are fed, delivered, run again: Extole has one call for each member."""
    rows = [
        ArchiveRow(
            "web", f"m{n}", "track", f"u{n}", *[None] * 3, "Order Completed", *[None] * 3, *[TIME] * 2, *[None] * 7
        )
        for n in range(MEMBERS)
    ]
    with Catalog.open(world.archive, create=True) as catalog:
        assert write(catalog, rows, "test", 1, erasures_seen=0, now=world.now)
    Path("audiences.yaml").write_text("audiences: [{ name: Ordered, did: Order Completed, connections: [extole] }]")
    command = [sys.executable, "-m", "engine", "audiences", "sync", "--at", "2026-03-02T00:00:00Z"]
    with closing(SqliteOutbox(world.outbox_file)):
        killed = subprocess.Popen(command)
        until(lambda: len(world.calls()) >= MEMBERS // 10)
        killed.kill()
        killed.wait()
    assert MEMBERS // 10 <= len(world.calls()) < MEMBERS
    world.deliver()
    assert subprocess.run(command, check=False).returncode == 0
    world.deliver()
    found = [each["data"]["partner_user_id"] for each in world.sandbox.state("extole", 3 * MEMBERS)["events"]]
    assert len(found) == len(set(found)) == MEMBERS
