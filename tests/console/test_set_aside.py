"""Set aside: groups of reasons, what events would become, and replays, also by two people at once."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine.collector import discards, shaping
from engine.console.planners import NOT_CONNECTED, Planners
from engine.console.replays import Replays
from engine.console.set_aside import WHY_DISCARDED, preview_found
from engine.console.site import Site
from engine.delivery.configured_connection import ConfiguredConnection, digest_of
from engine.delivery.mapping_versions import pack
from engine.delivery.outbox.aside import aside_groups, newest_of, places_of
from engine.delivery.outbox.base import Change, Chosen
from engine.delivery.outbox.looking import PageEnd, newest
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.mapping import bundled
from engine.plan import load
from engine.records import Outcome
from tests.console.event_seeding import NOW, new_event
from tests.console.harness import signed_in
from tests.console.test_event_pages import plain, text_of

REASON = 'total is "{}", not a number'
REFUSED = (Outcome.REJECTED, Outcome.INVALID)


EVIL = """\
mapping: 1
name: evil
title: Evil
settings: { api_key: { title: Key, type: string, secret: true, sent_in: url, example: x } }
http: { base_url: "https://vendor.example" }
requests: { go: { path: "/${settings.api_key}" } }
calls:
  track:
    - request: go
      fields: { name: event }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write an outbox with 30 events that ended for one kind of reason, and 3 for another, and return its path."""
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path)
    events = [{"type": "track", "event": "Order", "userId": f"u{number}"} for number in range(33)]
    outbox.take_in([new_event(each, f"m{number}") for number, each in enumerate(events)], ["shop"], NOW - 60)
    fence = outbox.lease("shop", "worker", NOW - 30, 10.0)
    assert fence is not None
    changes = [
        Change(each.place, Outcome.INVALID, REASON.format(number % 3))
        if number < 30
        else Change(each.place, Outcome.REJECTED, f"the vendor answered 400; {number % 2} of 2 accepted", "bad phone")
        for number, each in enumerate(outbox.waiting("shop", -1, 100))
    ]
    outbox.write("shop", fence, changes, NOW - 20)
    outbox.close()
    return path


@pytest.fixture(scope="module")
def shop() -> ConfiguredConnection:
    target = load(str(bundled("mappings") / "user_com.yaml"))
    return ConfiguredConnection(name="shop", connection=target.connect(target.example_settings()))


def client_of(file: Path, shop: ConfiguredConnection, **more: bool) -> Site:
    return Site(outbox_file=file, connections=lambda: [shop], clock=lambda: NOW, **more)


def test_reasons_that_differ_in_values_are_one_group(file: Path) -> None:
    look = OutboxFile(file).look
    found, more = look(lambda db: aside_groups(db, REFUSED))
    assert [(each.outcome, each.events, len(each.reasons), each.error) for each in found] == [
        (Outcome.INVALID, 30, 3, ""),
        (Outcome.REJECTED, 3, 2, "bad phone"),
    ]
    assert not more
    first = look(lambda db: newest_of(db, found[0], 20))
    rest = look(lambda db: newest_of(db, found[0], 20, PageEnd(first[-1].event, first[-1].place)))
    assert [each.event for each in [*first, *rest]] == list(range(30, 0, -1))
    places = look(lambda db: places_of(db, found, 100))
    assert places == sorted(places)
    assert len(places) == 33


def group_of(client: TestClient) -> str:
    found = re.search(r"/set-aside/group/(\w+)", client.get("/set-aside").text)
    assert found is not None
    return found[1]


def test_a_preview_ends_when_it_takes_too_long(file: Path, shop: ConfiguredConnection) -> None:
    found = OutboxFile(file).look(lambda db: newest(db, Chosen(), 30))
    answers = iter([False] * 11)  # before the first events are read, and before each of 10
    some = preview_found(file, found, shop, "by", NOW, lambda: next(answers, True))
    assert (some.previewed, some.late) == (10, True)
    whole = preview_found(file, found, shop, "by", NOW)
    assert (whole.previewed, whole.late) == (30, False)
    times = count(NOW)  # a second for each look at the clock
    site = Site(outbox_file=file, connections=lambda: [shop], clock=lambda: next(times))
    with signed_in(site) as client:
        page = text_of(client, f"/set-aside/replay?group={group_of(client)}")
        assert "This took too long and was stopped: 9 events were planned." in page


def test_a_mapping_cannot_show_what_the_connections_own_keeps_secret(file: Path) -> None:
    target = load(str(bundled("mappings") / "user_com.yaml"))
    connection = target.connect({**target.example_settings(), "api_key": "a/secret+key"})
    shop, told = (
        ConfiguredConnection(name="shop", connection=connection),
        EVIL.replace("secret: true, sent_in: url, ", ""),
    )
    with signed_in(client_of(file, shop)) as client:
        page = client.post("/set-aside/preview", data={"group": group_of(client), "mapping": told}).text
        assert "The mapping would show secrets of the connection: api_key. Add `secret: true` to these" in page
        kept = client.post("/set-aside/preview", data={"group": group_of(client), "mapping": EVIL}).text
        assert "30 would be sent" in plain(kept)
        assert "POST /***" in plain(kept)
        for each in (page, kept):
            assert not re.search(r"a(/|%2F|%252F)secret", each)


def test_an_older_version_cannot_show_what_is_a_secret_now(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(EVIL)
    now = ConfiguredConnection(name="shop", connection=load(str(path)).connect({"api_key": "a/secret+key"}))
    path.write_text(EVIL.replace("secret: true, sent_in: url, ", ""))
    older = load(str(path)).loaded
    found = Planners().find("shop", digest_of(older), now, pack(older))
    assert (found.exact, NOT_CONNECTED in found.note) == (False, True)


def test_the_groups_and_one_of_them(file: Path, shop: ConfiguredConnection) -> None:
    with signed_in(client_of(file, shop)) as client:
        page = text_of(client, "/set-aside")
        assert "33 events for 2 reasons" in page
        assert 'total is "0", not a number and 2 with other values 30 20 s ago 20 s ago Preview' in page
        assert "The vendor: bad phone 3" in page
        group = text_of(client, f"/set-aside/group/{group_of(client)}")
        assert "3 reasons that differ only in their values" in group
        assert "Nothing is left of this group" in text_of(client, "/set-aside/group/0000", 404)


def test_what_events_would_become(file: Path, shop: ConfiguredConnection) -> None:
    with signed_in(client_of(file, shop)) as client:
        page = text_of(client, f"/set-aside/replay?group={group_of(client)}")
        assert "Replay 30 events?" in page
        assert f"By the current mapping, version {shop.digest()}: 30 would be sent" in page
        whole = text_of(client, "/set-aside/replay?connection=shop")
        assert "Replay 33 events of shop?" in whole


STRICT = """\
name: user_com
version: 7
"""


def test_what_they_would_become_under_another_mapping(file: Path, shop: ConfiguredConnection) -> None:
    with signed_in(client_of(file, shop, read_only=True)) as client:
        data = {"group": group_of(client)}
        problems = plain(client.post("/set-aside/preview", data={**data, "mapping": STRICT}).text)
        assert "The mapping has problems." in problems
        assert "user_com.yaml:2:" in problems
        empty = plain(client.post("/set-aside/preview", data=data).text)
        assert "Paste a mapping, or choose its file." in empty
        file_of = {"file": ("user_com.yaml", (bundled("mappings") / "user_com.yaml").read_bytes())}
        answer = plain(client.post("/set-aside/preview", data=data, files=file_of).text)
        assert f"By the mapping that was given, version {shop.digest()}, with the connection's settings:" in answer
        assert "30 would be sent" in answer
        assert "put this one in its place and reload before you replay" in answer
        not_text = client.post("/set-aside/preview", data=data, files={"file": ("x.yaml", b"\xff\xfe")})
        assert not_text.status_code == 422


def test_a_group_is_replayed_once_by_two_people(file: Path, shop: ConfiguredConnection) -> None:
    site = client_of(file, shop)
    with signed_in(site) as first, signed_in(site) as second:
        group = group_of(first)
        for client in (first, second):
            assert client.get(f"/set-aside/replay?group={group}").status_code == 200
        assert first.post("/set-aside/replay", data={"group": group}).headers["location"] == "/set-aside"
        answer = first.get("/set-aside/progress")
        while "HX-Refresh" not in answer.headers:  # the list below is of before, so it is loaded again at the end
            answer = first.get("/set-aside/progress")
        assert "30 of 30 events queued again" in plain(answer.text)
        assert "They are now waiting 30" in text_of(first, "/set-aside")
        queued = OutboxFile(file).look(lambda db: newest(db, Chosen(outcomes=(Outcome.WAITING,)), 100))
        assert {each.reason for each in queued} == {"queued again by a person"}
        assert "hx-get" in first.get("/set-aside/became").text
        outbox = SqliteOutbox(file)
        waiting = outbox.waiting("shop", -1, 100)
        fence = outbox.lease("shop", "worker", NOW, 10.0)
        assert fence is not None
        ended = [Outcome.DELIVERED if number else Outcome.REJECTED for number in range(30)]
        outbox.write(
            "shop", fence, [Change(each.place, how, "") for each, how in zip(waiting, ended, strict=True)], NOW
        )
        outbox.close()
        became = first.get("/set-aside/became").text
        assert plain(became) == "They are now delivered 29 rejected 1"
        assert "hx-get" not in became
        assert second.post("/set-aside/replay", data={"group": group}).status_code == 404
        assert "4 events for 2 reasons" in text_of(second, "/set-aside")


def test_a_replay_counts_what_is_gone_and_one_runs_at_a_time(file: Path) -> None:
    replays = Replays(Site(outbox_file=file).opened, lambda: NOW)
    outbox = SqliteOutbox(file)
    assert outbox.replay([1, 2, 3], "elsewhere", NOW) == 3
    assert replays.start("all", range(1, 34))
    replays.wait()
    progress = replays.progress
    assert progress is not None
    assert (progress.state, progress.queued, progress.gone, progress.total) == ("done", 30, 3, 33)
    outbox.close()


def test_a_replay_of_an_outbox_that_is_no_more(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"not an outbox")
    replays = Replays(Site(outbox_file=path).opened, lambda: NOW)
    replays.start("all", [1])
    replays.wait()
    assert replays.progress is not None
    assert replays.progress.state == "failed"
    assert str(path) in replays.progress.trouble


def test_a_read_only_console_names_the_command(file: Path, shop: ConfiguredConnection) -> None:
    with signed_in(client_of(file, shop, read_only=True)) as client:
        page = text_of(client, "/set-aside/replay?connection=shop")
        assert f"engine outbox replay --connection shop --outbox {file}" in page
        assert client.post("/set-aside/replay", data={"connection": "shop"}).status_code == 403


def test_each_code_of_the_collector_is_explained() -> None:
    source = Path(discards.__file__).read_text() + Path(shaping.__file__).read_text()
    codes = set(re.findall(r'Discard\(\s*"(\w+)"', source))
    made = {"properties_not_object", "traits_not_object", "name_not_string", "category_not_string"}
    assert codes | made == set(WHY_DISCARDED)
