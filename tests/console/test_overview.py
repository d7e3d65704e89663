"""The Overview: what it computes from an outbox, its page, its stream, and resuming a connection."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from engine.collector.sources import EventSource
from engine.console import overview, streams
from engine.console.charts import edges, stacked_bars
from engine.console.overview import OverviewReading, Totals, read
from engine.console.pages.overview import NO_NAME, NOT_HELD
from engine.console.site import Site
from engine.console.streams import MOST_STREAMS, Feed, Streams
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.outbox.reading import OutboxFile
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.troubles import Trouble
from engine.mapping import bundled
from engine.plan import load
from tests.console.harness import commanded, served, signed_in, tell
from tests.console.seeding import BUSY, HELD, IDLE, NOW, PAUSED, STOPPED, seeded

SOURCES = (EventSource("web", ("k",), (BUSY, HELD)), EventSource("off", ("k2",), (BUSY,), enabled=False))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeded(tmp_path_factory.mktemp("outbox") / "outbox.db")


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    return seeded(tmp_path / "outbox.db", minutes=3)


def reading(file: Path, now: float = NOW) -> OverviewReading:
    return OutboxFile(file).look(lambda db: read(db, now, (), SOURCES))


def test_how_connections_stand(file: Path) -> None:
    found = {card.name: card for card in reading(file).connections}
    assert {name: card.words for name, card in found.items()} == {
        BUSY: "Delivering",
        HELD: "Held",
        PAUSED: "Paused",
        STOPPED: "Not delivering",
        IDLE: "Idle",
    }
    shop = found[BUSY]
    assert (shop.waiting, shop.lag, shop.rate, shop.digest) == (1, 7.0, 12 / 60, "0123456789abcdef")
    assert dict(shop.hour) == {"delivered": 382, "ignored": 49, "invalid": 39, "rejected": 10}
    assert shop.set_aside == 49
    assert shop.peak == 12
    assert shop.row.alarm == "40 % of the last 50 requests were refused"


def test_a_lease_that_has_run_out_is_nobodys(file: Path) -> None:
    found = {card.name: card.words for card in reading(file, NOW + 61).connections}
    assert found[BUSY] == "Not delivering"


def test_a_service_is_about_to_deliver_what_was_just_resumed(file: Path) -> None:
    target = load(str(bundled("mappings") / "webhook.yaml"))
    shop = ConfiguredConnection(name=STOPPED, connection=target.connect(target.example_settings()))
    for live, words in ((True, "Starting"), (False, "Not delivering")):
        found = OutboxFile(file).look(lambda db, live=live: read(db, NOW, (shop,), SOURCES, live=live))  # type: ignore[misc]
        assert {card.name: card.words for card in found.connections}[STOPPED] == words
        site = Site(outbox_file=file, clock=lambda: NOW, connections=lambda: [shop], live=live)
        with signed_in(site) as client:
            assert ("Delivery begins within seconds." in client.get("/").text) == live


def test_what_was_wrong_in_the_last_hour(file: Path) -> None:
    troubles = [Trouble("crm", "held", "<b>401</b>", NOW - 5)]
    troubles += [Trouble("shop", "paused", f"the vendor answered {n}", NOW - 90, NOW - 30) for n in range(10)]
    with signed_in(Site(outbox_file=file, clock=lambda: NOW, troubles=lambda: troubles)) as client:
        page = client.get("/").text
        shown = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", page.partition('id="troubles-title">')[2]))
        assert shown.startswith("What was wrong in the last hour held 07:59:55 UTC, still crm &lt;b&gt;401&lt;/b&gt; ")
        assert "paused 07:58:30 UTC, for 1 min shop the vendor answered 6 and 3 earlier" in shown
    with signed_in(Site(outbox_file=file, clock=lambda: NOW)) as client:
        assert 'aria-labelledby="troubles-title" hidden>' in client.get("/").text


def test_sources_and_totals(file: Path) -> None:
    found = reading(file)
    assert [(each.name, each.note) for each in found.sources] == [("web", ""), ("off", "disabled"), ("ios", "")]
    assert sum(each.hour for each in found.sources) == 481
    assert found.totals == Totals(waiting=73, lag=175.0, rate=13 / 60, arriving=13 / 60, delivered=383, set_aside=49)
    assert [found.edges.count(f'class="{kind}"') for kind in ("active", "quiet", "unknown")] == [2, 1, 5]


def test_more_nodes_than_fit_are_counted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MOST_NODES", 2)
    found = reading(file)
    assert (len(found.sources), len(found.connections), found.hidden) == (2, 2, 4)


def test_charts_say_what_they_show() -> None:
    chart = stacked_bars([{"a": 0}, {"a": 3, "b": 1}], NOW, 60.0, 'The "last" hour')
    assert chart == (
        '<svg class="chart" viewBox="0 0 8 41" preserveAspectRatio="none" role="img" aria-label="The &#34;last&#34; hour">'
        '<path class="axis" d="M0 40.5H8"/>'
        "<g><title>07:59 UTC: 3 a, 1 b</title>"
        '<rect class="hit" x="4" y="0" width="4" height="40"/>'
        '<rect class="a" x="4" y="10.0" width="3" height="30.0"/><rect class="b" x="4" y="0.0" width="3" height="10.0"/>'
        "</g></svg>"
    )
    assert 'd="M0 25.00C50 25.00 50 50.00 100 50.00"' in edges([(0, 0, "active")], 2, 1)
    assert "path" not in edges([], 0, 0)


def test_of_many_connections_those_that_stopped_come_first(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db")
    names = [f"eu-loyalty-program-and-marketing-automation-{number}" for number in range(9)]
    outbox.take_in([], names, NOW)
    outbox.hold(names[7], "the vendor answered 401", "Check the API key", NOW)
    for name in names:
        outbox.pause(name, NOW - 60, "a pause that is over")
    outbox.close()
    with signed_in(Site(outbox_file=tmp_path / "outbox.db", clock=lambda: NOW)) as client:
        page = client.get("/").text
    assert '<section class="card flow many"' in page
    assert page.count('<a href="#connection-') == 1
    assert '<span class="badge bad">Held</span> <a href="#connection-7">eu-loy…ng-automation-7</a>' in page


def test_the_page_escapes_what_others_wrote(file: Path) -> None:
    with signed_in(Site(outbox_file=file, clock=lambda: NOW, read_only=True)) as client:
        page = client.get("/").text
        assert "the vendor answered 401: &lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\u001b[31m" in page
        assert "<script>alert" not in page
        assert "Paused until 08:01:15 UTC" in page
        assert "/overview/resume" not in page


TROUBLES = {
    "missing": "There is no outbox {file}; name one with --outbox.",
    "no outbox": "{file} is damaged or not an outbox (file is not a database).",
    "empty": "{file} is empty, so it is no outbox; name one with --outbox.",
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_outbox_in_trouble_is_a_part_of_the_page(trouble: str, tmp_path: Path) -> None:
    file = tmp_path / "outbox.db"
    if trouble != "missing":
        file.write_bytes(b"" if trouble == "empty" else b"not a database at all" * 100)
    with signed_in(Site(outbox_file=file)) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert TROUBLES[trouble].format(file=file) in page.text


def test_resuming_a_connection(own_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with signed_in(Site(outbox_file=own_file, clock=lambda: NOW)) as client:
        assert 'action="/overview/resume"' in client.get("/").text
        caplog.clear()  # of signing in, where a command of another test has left the level at INFO
        with caplog.at_level(logging.INFO, "waybill.console"):
            answer = client.post("/overview/resume", data={"connection": HELD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        [line] = [each for each in caplog.records if each.name == "waybill.console"]
        assert (line.getMessage(), line.fields["connection"], line.fields["status"]) == ("resume", HELD, 303)  # type: ignore[attr-defined]
        outbox = SqliteOutbox(own_file)
        assert [each.held for each in outbox.connections(HELD)] == [""]
        outbox.close()
        again = client.post("/overview/resume", data={"connection": HELD})
        assert again.status_code == 409
        assert NOT_HELD.format(name=HELD) in again.text
        assert NO_NAME in client.post("/overview/resume").text
    with signed_in(Site(outbox_file=own_file, read_only=True)) as client:
        assert client.post("/overview/resume", data={"connection": HELD}).status_code == 403


# Streams


class Counter:
    """Readings that count."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self) -> int:
        self.read += 1
        return self.read


def test_one_reading_serves_all_and_none_is_made_for_nobody() -> None:
    async def story() -> None:
        counter = Counter()
        feed = Feed(counter, 0.001)
        first, second = feed.readings(), feed.readings()
        one, other = await asyncio.gather(anext(first), anext(second))
        assert one == other == 1
        await anext(first)
        await first.aclose()
        await second.aclose()
        read = counter.read
        await asyncio.sleep(0.01)
        assert counter.read == read
        assert await anext(feed.readings()) == read + 1

    asyncio.run(story())


def test_a_reading_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    answers: Iterator[Exception | int] = iter([RuntimeError("once"), 7])

    async def read() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def story() -> None:
        assert await anext(Feed(read, 0.001).readings()) == 7

    asyncio.run(story())
    assert "reading for a page failed" in caplog.text


def test_streams_are_bounded() -> None:
    held = Streams()
    held.open = MOST_STREAMS
    with pytest.raises(HTTPException) as raised:
        held.response(None, None)  # type: ignore[arg-type]
    assert (raised.value.status_code, raised.value.detail) == (503, streams.TOO_MANY)


def test_the_browser(own_file: Path) -> None:
    """The frame, the page in both themes and widths, moving by itself, and its stream after the server was away."""
    site = Site(outbox_file=own_file, clock=lambda: NOW, sources=lambda: SOURCES)
    with served(site) as running:

        def pause() -> None:
            outbox = SqliteOutbox(own_file)
            outbox.pause(IDLE, NOW + 30, "a change to see")
            outbox.close()

        commands = {"pause": pause, "away": running.away, "back": running.back, "anew": running.anew}
        with commanded(commands) as control:
            tell("overview.mjs", url=running.url, link=running.console.link, first="/", control=control)
