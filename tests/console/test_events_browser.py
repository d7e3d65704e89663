"""Events and Set aside in a real browser, on an outbox that was delivered to the sandbox, and on a hostile one."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from engine.console.site import Site
from engine.delivery.outbox.base import Chosen
from engine.delivery.outbox.looking import newest
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.console.event_seeding import NOW, hostile_outbox, new_event, site_of
from tests.console.harness import commanded, served, tell
from tests.operating import operated

BURST = 500


@pytest.mark.slow  # overview.mjs looks at the page, too
def test_events_and_what_was_set_aside(tmp_path: Path) -> None:
    (tmp_path / "operated").mkdir()
    hostile_site = Site(outbox_file=hostile_outbox(tmp_path / "hostile.db"), clock=lambda: NOW)
    with operated(tmp_path / "operated") as folder, served(site_of(folder)) as site, served(hostile_site) as hostile:
        [found] = OutboxFile(folder / "outbox.db").look(
            lambda db: newest(db, Chosen(user="bob", name="Order Completed"), 1)
        )
        commands = {
            "send": send,
            "burst": burst,
        }
        with commanded(commands) as control:
            tell("events.mjs", url=site.url, hostile=hostile.url, control=control, event=f"/events/{found.event}")


def send() -> None:
    """Deliver what waits, in a process of its own, which signals may end."""
    words = ("send", "--connections", "connections.yaml", "--patience", "0s")
    subprocess.run([sys.executable, "-m", "engine", *words], check=False, capture_output=True)


def burst() -> None:
    """Take in as many events at once as no update of the tail shows."""
    events = [
        new_event({"type": "track", "event": "Burst", "userId": f"u{number}"}, f"b{number}") for number in range(BURST)
    ]
    with closing(SqliteOutbox(Path("outbox.db"))) as outbox:
        outbox.take_in(events, ["archive"], time.time())
