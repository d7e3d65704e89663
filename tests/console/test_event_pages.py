"""The pages of events and of what was set aside, over HTTP: what they say, what they refuse, and a broken outbox."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine.console.event_story import read_event
from engine.console.playground.files import TypedLibrary
from engine.console.replanned import Replanned, Replanner
from engine.console.site import Site
from engine.delivery.configured_connection import ConfiguredConnection, rebased
from engine.delivery.outbox import reading
from engine.delivery.outbox.base import Chosen, outbox_command
from engine.delivery.outbox.looking import Found, newest, stored_at, version_files
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.mapping import bundled
from engine.plan import destination, load
from engine.records import Outcome, unmasked
from tests.console.event_seeding import HOSTILE, NOW, SHOWN, hostile_outbox, new_event, site_of
from tests.console.harness import signed_in
from tests.operating import operated, said

LARGEST_PAGE = 500_000
"""Bytes of a page, whatever the events are like."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with operated(tmp_path_factory.mktemp("operated")) as folder:
        yield folder


@pytest.fixture(scope="module")
def client(service: Path) -> Iterator[TestClient]:
    with signed_in(site_of(service)) as client:
        yield client


def text_of(client: TestClient, path: str, status: int = 200) -> str:
    """Return the text of a page without its tags, each run of spaces as one."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return plain(answer.text)


def plain(page: str) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", page.partition("<main")[2] or page)).split())


def rows(folder: Path, **chosen: object) -> list[Found]:
    return OutboxFile(folder / "outbox.db").look(lambda db: newest(db, Chosen(**chosen), 50))  # type: ignore[arg-type]


# Search.


def test_whom_a_search_is_about_is_in_no_address(client: TestClient) -> None:
    form = {"user": "ada@example.com", "outcome": ["delivered"], "since": "7d", "name": ""}
    answer = client.post("/events/search", data=form)
    assert answer.status_code == 303
    address = answer.headers["location"]
    assert re.fullmatch(r"/events\?since=7d&outcome=delivered&person=[\w-]{16}", address)
    page = client.get(address)
    assert 'value="ada@example.com"' in page.text
    assert "2 found, newest first" in plain(page.text)
    other = re.search(r'This person is also <a href="([^"]*)">ada</a>; events may have only that id.', page.text)
    assert other is not None
    assert "Plan Upgraded" not in page.text
    only_that = client.get(unescape(other[1]).replace("outcome=delivered", "outcome=waiting"))
    assert "Plan Upgraded" in only_that.text
    assert "ada@example.com" not in re.sub(r'<input[^>]*name="user"[^>]*>', "", page.text)
    again = client.post("/events/search", data=form)
    assert again.headers["location"] == address


def test_a_person_of_an_earlier_console_is_not_known(client: TestClient) -> None:
    assert (
        "This search was for a person whom the console no longer knows, because it has been started again since. "
        "Type the id again." in text_of(client, "/events?person=gone")
    )


def test_a_connection_that_is_not_there(client: TestClient) -> None:
    assert "The outbox has no connection of this name." in text_of(client, "/events?connection=nothing")


def test_a_search_by_outcome_and_reason(client: TestClient) -> None:
    page = text_of(client, "/events?outcome=rejected&reason=TOTAL+must")
    assert "1 found, newest first" in page
    assert "Order Completed bob crm rejected the vendor answered 400" in page


def test_pages_follow_one_another(tmp_path: Path) -> None:
    path = hostile_outbox(tmp_path / "outbox.db")
    outbox = SqliteOutbox(path)
    events = [new_event({"type": "track", "event": f"E{number}"}, f"e{number}") for number in range(120)]
    outbox.take_in(events, ["shop"], NOW)
    outbox.close()
    with signed_in(Site(outbox_file=path, clock=lambda: NOW)) as client:
        address, names = "/events?connection=shop", []
        while address:
            page = client.get(address).text
            names += re.findall(r">E(\d+)</a>", page)
            older = re.search(r'rel="next" href="([^"]+)"', page)
            address = "" if older is None else unescape(older[1])
    assert names == [str(number) for number in range(119, -1, -1)]


# One event.


def test_what_became_of_an_event(client: TestClient, service: Path) -> None:
    [found] = [each for each in rows(service, outcomes=(Outcome.REJECTED,)) if each.connection == "crm"]
    page = text_of(client, f"/events/{found.event}")
    assert "total must be text" in page
    assert "add_event 400" in page
    assert "Rejected" in page
    command = f"engine explain mappings/user_com.yaml --message-id {found.event} --outbox {service / 'outbox.db'}"
    assert command.partition("mappings/")[2] in page
    raw = client.get(f"/events/{found.event}/raw")
    assert raw.content == found.raw
    assert raw.headers["content-disposition"] == f'attachment; filename="event-{found.event}.json"'


def test_what_a_request_was_made_of(client: TestClient, service: Path) -> None:
    [found] = [each for each in rows(service, outcomes=(Outcome.REJECTED,)) if each.connection == "crm"]
    page = client.get(f"/events/{found.event}/requests?place={found.place}").text
    text = plain(page)
    assert text.startswith(
        f"What it was made of Planned by version {found.digest} of the mapping, which is the current one. "
        "Its digest is that of the request that was sent, so this is what was sent."
    )
    assert 'data-from="[&#34;properties.total&#34;]"' in page
    rule = re.search(r'data-rule="(data\.total[^"]*)" data-where="([^"]*)"', page)
    assert rule is not None
    assert rule[2].endswith(f"user_com.yaml:{rule[2].rpartition(':')[2]}")
    assert "-- api-key" not in text
    assert "Token api-key" not in text


def test_what_a_part_of_a_batch_was_made_of(client: TestClient, service: Path) -> None:
    found = next(each for each in rows(service, connection="shop", outcomes=(Outcome.DELIVERED,)))
    text = plain(client.get(f"/events/{found.event}/requests?place={found.place}").text)
    assert "It was sent in a batch with other events" in text or "so this is what was sent" in text


def test_a_console_without_the_connections_plans_by_the_kept_version(service: Path) -> None:
    [found] = [each for each in rows(service, outcomes=(Outcome.REJECTED,)) if each.connection == "crm"]
    with signed_in(Site(outbox_file=service / "outbox.db", read_only=True)) as client:
        text = plain(client.get(f"/events/{found.event}/requests?place={found.place}").text)
        assert text.startswith(
            f"What it was made of Planned by version {found.digest} of the mapping, with its example settings: this "
            "console does not know the connection crm. Start it with --connections FILE to see the real ones."
        )
        page = text_of(client, f"/events/{found.event}/replay?place={found.place}")
    assert "This console does not know the connection crm, so it cannot say what its events would become." in page
    command = outbox_command(f"replay {found.event} --connection crm", service / "outbox.db")
    assert f"This console changes nothing. This command does it: {command}" in page


@pytest.mark.parametrize("path", ["/events/999999", "/events/99999999999999999999999999", "/events/999999/raw"])
def test_an_event_that_is_not_there(client: TestClient, path: str) -> None:
    number = path.split("/")[2]
    assert (
        f"There is no event {number} in the outbox. It may have been purged; search for it by its messageId."
        in text_of(client, path, 404)
    )


def test_a_state_that_was_queued_again_meanwhile(client: TestClient, service: Path) -> None:
    event = rows(service)[0].event
    said_by_page = (
        f"Event {event} has no such outcome any more: it was queued again or purged meanwhile. Reload its page."
    )
    assert said_by_page in text_of(client, f"/events/{event}/replay?place=999999", 409)
    assert said_by_page in text_of(client, f"/events/{event}/requests", 409)


# Bad input.

PAGES = ("/events", "/events/1", "/events/1/requests?place=1", "/events/1/replay?place=1", "/events/2", "/events/3")
PAGES += ("/events/4", "/events/5", "/set-aside", "/set-aside/discarded", "/set-aside/replay", "/set-aside/ignored")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_outbox(tmp_path_factory.mktemp("hostile") / "outbox.db")


@pytest.mark.parametrize("path", PAGES)
def test_hostile_events_are_shown_and_bounded(hostile: Path, path: str) -> None:
    with signed_in(Site(outbox_file=hostile, clock=lambda: NOW)) as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert len(answer.content) < LARGEST_PAGE
    for raw in ("<img src=x", "<script>alert", "\u202e", "\x1b", "\x00", "49&amp;"):
        assert raw not in re.sub(r'(value|href|id|data-copy)="[^"]*"', "", answer.text)
    if path in ("/events", "/events/1", "/set-aside", "/set-aside/discarded"):
        assert SHOWN in answer.text


def test_the_requests_of_a_large_event_are_bounded(hostile: Path) -> None:
    target = load(str(bundled("mappings") / "user_com.yaml"))
    configured = ConfiguredConnection(name=HOSTILE, connection=target.connect(target.example_settings()))
    with signed_in(Site(outbox_file=hostile, connections=lambda: [configured], clock=lambda: NOW)) as client:
        answer = client.get("/events/2/requests?place=2")
    assert len(answer.content) < LARGEST_PAGE // 4
    assert "data.text" in answer.text


def test_a_group_with_a_hostile_reason(hostile: Path) -> None:
    with signed_in(Site(outbox_file=hostile, clock=lambda: NOW)) as client:
        digest = re.search(r"/set-aside/group/(\w+)", client.get("/set-aside").text)
        assert digest is not None
        for path in (f"/set-aside/group/{digest[1]}", f"/set-aside/replay?group={digest[1]}"):
            page = client.get(path).text
            assert "<img src=x" not in page
            assert SHOWN in page


# An outbox that cannot be read.


def missing(_path: Path) -> str:
    return "There is no outbox {path}; name one with --outbox."


def damaged(path: Path) -> str:
    path.write_bytes(b"SQLite format 3\0" + b"\1" * 5000)
    return "{path} is "


def older(path: Path) -> str:
    SqliteOutbox(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 3")
    return "{path} was made by an older version of the engine; `engine outbox status --outbox {path}` brings it up."


def newer(path: Path) -> str:
    SqliteOutbox(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    return "{path} was created by a newer version of the engine; update the engine."


def impossible(path: Path) -> str:
    hostile_outbox(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE states SET outcome = 'lost', reports = 'x'")
        db.commit()
    return "{path} is damaged or not an outbox ("


READING = ("/events", "/set-aside")
BROKEN = [(breaks, path) for breaks in (missing, damaged, older, newer) for path in READING]
BROKEN += [(impossible, "/events"), (impossible, "/events/1"), (damaged, "/set-aside/discarded")]


@pytest.mark.parametrize(("breaks", "path"), BROKEN)
def test_an_outbox_that_cannot_be_read(tmp_path: Path, breaks, path: str) -> None:
    file = tmp_path / "outbox.db"
    says = breaks(file).format(path=file)
    with signed_in(Site(outbox_file=file)) as client:
        answer = client.get(path)
    assert answer.status_code == 503
    assert says in plain(answer.text)


def test_an_outbox_that_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE", 0.05)
    file = hostile_outbox(tmp_path / "outbox.db")
    with closing(sqlite3.connect(file, isolation_level=None)) as db, signed_in(Site(outbox_file=file)) as client:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("UPDATE states SET reason = reason")
        for path in ("/events", "/set-aside"):
            assert f"{file} is locked" in text_of(client, path, 503)


# By what an event is planned again.


@pytest.fixture(scope="module")
def changed(service: Path) -> ConfiguredConnection:
    """Return the connection crm with a mapping that was changed after its events were sent."""
    [crm] = [each for each in site_of(service).connections() if each.name == "crm"]
    loaded = crm.connection.destination.loaded
    text = (bundled("mappings") / "user_com.yaml").read_text().replace("UserEngage, ", "UserEngage, Other, ")
    other = TypedLibrary([bundled("mappings")], text)
    target = destination(other.read(other.path))
    settings = {name: unmasked(each) for name, each in crm.connection.settings.items()}
    made = rebased(target.connect(settings), str(loaded.mapping.http.base_url.literal))  # type: ignore[union-attr]
    return replace(crm, connection=made)


def planned(service: Path, configured: ConfiguredConnection, *, kept: bool) -> Replanned:
    """Plan the event again that crm refused; with `kept`, the outbox has the version that planned it."""
    [found] = [each for each in rows(service, outcomes=(Outcome.REJECTED,)) if each.connection == "crm"]
    look = OutboxFile(service / "outbox.db").look
    story = look(lambda db: read_event(db, found.event))
    assert story is not None
    [state] = [each for each in story.states if each.found.connection == "crm"]
    [event] = look(lambda db: stored_at(db, [state.found.place]))
    files = look(lambda db: version_files(db, str(state.found.digest)))
    assert files is not None
    return Replanner().plan(state, event, configured, files[1] if kept else None, NOW)


def test_an_older_version_plans_what_it_planned(service: Path, changed: ConfiguredConnection) -> None:
    found = planned(service, changed, kept=True)
    assert found.note.endswith(
        f"of the mapping, whose text is in the outbox. The current version is {changed.digest()}. "
        "Its digest is that of the request that was sent, so this is what was sent."
    )
    assert (found.kind, [each.name for each in found.requests]) == ("good", ["upsert_user", "add_event"])


def test_a_version_that_is_not_kept_is_not_what_was_sent(service: Path, changed: ConfiguredConnection) -> None:
    found = planned(service, changed, kept=False)
    assert found.kind == "warn"
    assert found.note.endswith(
        "of the mapping, which is not in the outbox. This is what the current one, version "
        f"{changed.digest()}, makes of it, so what was sent may differ."
    )


def test_other_settings_are_said(service: Path) -> None:
    [crm] = [each for each in site_of(service).connections() if each.name == "crm"]
    moved = replace(crm, connection=rebased(crm.connection, "https://elsewhere.example.com"))
    found = planned(service, moved, kept=True)
    assert found.kind == "warn"
    assert found.note.endswith(
        "Its digest is not that of the request that was sent: the settings may have changed since, or the clock or a "
        "value from an earlier answer decides something."
    )


# It changes the outbox, so it is the last one.


def test_a_replay_delivers_what_the_vendor_now_accepts(
    client: TestClient, service: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="waybill.console")
    [found] = [each for each in rows(service, outcomes=(Outcome.REJECTED,)) if each.connection == "shop"]
    assert "would be sent" in text_of(client, f"/events/{found.event}/replay?place={found.place}")
    answer = client.post(f"/events/{found.event}/replay", data={"place": str(found.place)})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/events/{found.event}")
    assert "queued again by a person" in text_of(client, f"/events/{found.event}")
    second = client.post(f"/events/{found.event}/replay", data={"place": str(found.place)})
    assert second.status_code == 409
    said("send", "--connections", "connections.yaml", "--patience", "0s")
    assert "1 request accepted" in text_of(client, f"/events/{found.event}")
    [record] = [each for each in caplog.records if each.message == "replay" and each.fields["status"] == 303]  # type: ignore[attr-defined]
    fields = record.fields  # type: ignore[attr-defined]
    assert (fields["event"], fields["connection"], fields["session"]) == (found.event, "shop", 1)
