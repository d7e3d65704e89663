"""A shop for tests of syncs: its archive, its definitions, its outbox, and a clock that is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import orjson

from engine.archive.catalog import Catalog
from engine.archive.columns import row_of
from engine.archive.connecting import QueryLimits
from engine.archive.writing import write
from engine.audiences.definitions import load
from engine.audiences.feeding import FeedingHooks
from engine.audiences.model import Definition
from engine.audiences.state import AudienceState, Run, SeenDefinition
from engine.audiences.syncing import Syncer, SyncSettings
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.events.normalizing import normalize

INTEGRATIONS = {"crm": "CRM", "mail": "Mail"}
NOON = "2026-11-29T12:00:00Z"
ORDERS = """
audiences:
  - { name: Buyers, connections: [crm, mail], did: Order Completed, within: 30d }
"""
QUERY_LIMITS = QueryLimits(threads=1)  # two take half as much CPU again for a few rows
FED = """
    SELECT e.raw, group_concat(c.name, ' ') FROM events AS e JOIN states AS s ON s.event = e.id
    JOIN connections AS c ON c.id = s.connection WHERE e.id > ? GROUP BY e.id ORDER BY e.id
"""


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def order(user: str, at: str = NOON, **fields: object) -> dict[str, object]:
    return {"type": "track", "event": "Order Completed", "userId": user, "timestamp": at, **fields}


def identify(user: str, at: str = NOON, **fields: object) -> dict[str, object]:
    return {"type": "identify", "userId": user, "timestamp": at, **fields}


class Shop:
    """All of it below one folder."""

    def __init__(self, folder: Path, definitions: str = ORDERS, state: Callable[[Path], AudienceState] = AudienceState):
        self.folder = folder
        self.archive = folder / "archive"
        self.file = folder / "audiences.yaml"
        self._position = 0
        self._fed = 0
        Catalog.open(self.archive, create=True).close()
        self.state = state(self.archive / "audiences")
        self.outbox = SqliteOutbox(folder / "outbox.db")
        self.define(definitions)

    def close(self) -> None:
        self.state.close()
        self.outbox.close()

    def define(self, text: str) -> None:
        """Write the definitions, and have the state see them."""
        self.file.write_text(text)
        self.definitions: Mapping[str, Definition] = load(self.file).by_key()
        seen = [
            SeenDefinition(each.key, each.kind, each.name, each.digest, 0.0, each.connections, None, None)
            for each in self.definitions.values()
        ]
        self.state.see(seen, 1.0)

    def happened(self, *events: dict[str, object]) -> None:
        """Archive events."""
        rows = []
        for event in events:
            self._position += 1
            at = max(NOON, str(event["timestamp"]))
            found = normalize({"messageId": f"m{self._position}", **event}, received_at=at, now=seconds(at))
            rows.append(row_of(found, "web", str(event.get("messageId", f"m{self._position}")), at))
        with closing(Catalog.open(self.archive)) as catalog:
            assert write(catalog, rows, "test", self._position, erasures_seen=catalog.erasures(), now=seconds(NOON))

    def syncer(
        self,
        integrations: Mapping[str, str] = INTEGRATIONS,
        *,
        stopped: Callable[[], bool] = lambda: False,
        fed: Callable[[Run], None] = lambda _run: None,
        limits: QueryLimits = QUERY_LIMITS,
    ) -> Syncer:
        hooks = FeedingHooks(lambda: seconds(NOON), lambda _seconds: None, stopped)
        return Syncer(self.state, SyncSettings(self.archive, integrations, limits, hooks, fed))

    def sync(self, key: str = "buyers", at: str = NOON, *, yes: bool = False, **options) -> Run:
        return self.syncer(**options).sync(self.definitions[key], self.outbox, seconds(at), yes=yes)

    def exit_all(self, key: str) -> Run:
        seen = next(each for each in self.state.definitions() if each.key == key)
        return self.syncer().exit_all(seen, self.outbox, seconds(NOON))

    def fed(self) -> list[dict[str, object]]:
        """Return the events that were fed since this was asked the last time, whole."""
        return [event for event, _ in self._new()]

    def sent(self) -> list[str]:
        """Return the same as text: who, which traits, to whom."""
        return [text_of(event, connections) for event, connections in self._new()]

    def _new(self) -> Sequence[tuple[dict[str, object], str]]:
        rows = self.outbox.look(lambda db: db.execute(FED, (self._fed,)).fetchall())
        self._fed = self.outbox.look(lambda db: db.execute("SELECT ifnull(max(id), 0) FROM events").fetchone()[0])
        return [(orjson.loads(raw), " ".join(sorted(names.split()))) for raw, names in rows]


def text_of(event: dict, connections: str) -> str:
    who = event.get("userId") or f"anonymous {event['anonymousId']}"
    traits = ", ".join(f"{name}={orjson.dumps(value).decode()}" for name, value in event["traits"].items())
    assert sorted(event["integrations"]) == sorted(["All", *(INTEGRATIONS[each] for each in connections.split())])
    return f"{who} {traits} -> {connections}"
