"""Commands on an address: import puts events there, and those who look find them."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing

import orjson
import pytest

from engine.commands.options import followed, looked_at
from engine.console.outbox import change, look
from engine.console.site import Site
from engine.delivery.outbox import looking
from engine.delivery.outbox.base import Chosen
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from engine.stream import forgetting
from engine.stream.outbox import opened_stream
from tests.operating import said
from tests.stream.events import event

CONNECTIONS = """
shop: {destination: exponea, settings: {api_key: "a:b", project_token: t, hard_id: registered, soft_id: cookie}}
sources: {web: {write_keys: k, partition_by: userId}}
"""
EVENTS = [{"type": "track", "userId": "ada", "event": "A", "messageId": "m1"}, {"type": "track", "userId": "ada"}]
FORGET = (
    "If it was removed from the connections files on purpose, run: engine outbox forget shop. Until then the streams keep "
    "all events that wait for it."
)
MISSING = (
    "There is no outbox at {address}: its streams are made by `engine serve`, `engine import` or `engine backfill`. "
    "Start one of these with this address, or correct the address.\n"
)
IMPORTED = (
    "events.ndjson:2: track calls require event (event_not_defined)\n"
    "1 event added, 1 discarded. Those that the streams have had in the last 24 hours are not sent again.\n"
)


@pytest.fixture
def address(new_address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAYBILL_VIEW", str(tmp_path / "view"))
    monkeypatch.setattr("engine.stream.outbox.FRESH", 0.0)
    found = new_address(partitions=2)
    monkeypatch.setenv("WAYBILL_OUTBOX", str(found))
    return found


def test_an_import_says_what_the_streams_know(address, tmp_path) -> None:
    (tmp_path / "connections.yaml").write_text(CONNECTIONS)
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(map(orjson.dumps, EVENTS)))
    code, text = said("outbox", "status")
    assert (code, text) == (4, MISSING.format(address=address))
    code, text = said("import", "--source", "web", "events.ndjson")
    assert (code, text) == (1, IMPORTED)
    _, text = said("outbox", "list", "--user", "ada")
    assert text.splitlines()[1].split()[2:] == ["track", "A", "ada", "shop", "waiting", "not", "sent", "yet"]
    assert said("outbox", "status")[1].splitlines()[2] == "1 event of shop: no process delivers them. Run engine serve."
    assert said("outbox", "resume", "shop") == (0, "shop was not held or paused. All workers know within 2 seconds.\n")
    assert "event_not_defined" in said("outbox", "discards")[1]
    assert said("diff", "exponea", "exponea", "--example-settings", "--outbox", str(address))[0] == 0


def test_a_connection_is_resumed_without_reading_the_streams(address, tmp_path) -> None:
    with opened_stream(address, create=True) as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        outbox.hold("shop", "the vendor answered 401", "", 1.0)
    assert said("outbox", "resume", "shop") == (0, "shop resumed. All workers know within 2 seconds.\n")
    with closing(sqlite3.connect(tmp_path / "view")) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (0,)
    assert said("outbox", "resume", "shpo")[0] == 2


def test_what_a_console_changes_goes_to_the_streams_and_is_in_the_file_it_looks_at(address) -> None:
    with opened_stream(address, create=True) as outbox:
        outbox.take_in([event(1)], ["shop"], 0)
        outbox.hold("shop", "the vendor answered 401", "", 1.0)
    with followed(address) as looked:
        site = Site(outbox_file=looked.file, address=address, behind=looked.trouble)
        assert (site.location, site.behind()) == (address, "")
        assert looked_at(address) == looked.file
        assert look(looked.file, looking.counts) == {("shop", Outcome.HELD): 1}
        assert change(site, lambda outbox: outbox.resume("shop"))
        assert look(looked.file, looking.counts) == {("shop", Outcome.WAITING): 1}
        with opened_stream(address) as outbox:
            assert outbox.count(Chosen("shop", (Outcome.WAITING,))) == 1


def test_a_connection_to_which_nobody_delivers_is_named_and_forgotten(address, tmp_path, monkeypatch) -> None:
    with opened_stream(address, create=True) as outbox:
        outbox.take_in([event(1), event(2)], ["shop"], 0)
    undelivered = f"No worker has delivered to shop for an hour. {FORGET}"
    assert "for an hour" not in said("outbox", "status")[1]
    monkeypatch.setattr(forgetting, "UNDELIVERED_SECONDS", -1.0)
    assert undelivered in " ".join(said("outbox", "status")[1].split())
    assert orjson.loads(said("outbox", "status", "--format", "json")[1])["undelivered"] == ["shop"]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert said("outbox", "forget", "shop")[1] == (
        "2 events wait for shop, and will never be sent to it. Forget it? [y/N]: Interrupted.\n"
    )
    assert said("outbox", "forget", "shop", "--yes") == (0, "shop forgotten; 2 events no longer kept for it.\n")
    SqliteOutbox(tmp_path / "outbox.db").close()
    code, text = said("outbox", "--outbox", "outbox.db", "forget", "shop")
    assert code == 2
    assert text == (
        "outbox.db is a file: events that wait for a removed connection keep no others there, so nothing needs to be "
        "forgotten. `engine delete` removes persons, `engine outbox purge` what has ended.\n"
    )
