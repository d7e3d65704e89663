"""What runs beside the collector: the admin address, polling of the backlog, removal of old events."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import httpx
import orjson
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.archive.catalog import Catalog
from engine.archive.following import origin_of
from engine.collector.archiving import ServedArchive
from engine.collector.background import Admin, Backlog, BacklogObserver, purge
from engine.collector.reloading import ConnectionChange, ReloadReport, SourceChange
from engine.delivery.outbox.base import Change, Discarded, NewEvent
from engine.delivery.outbox.reading import stored_events
from engine.delivery.outbox.reports import EventReports
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.status import delivery_status
from engine.records import Json, JsonObject, Outcome, Report
from tests.collector.running import CLIENT, ROOT, STARTUP, serving, tracks, until
from tests.delivery.memory_outbox import MemoryOutbox

PAGE = (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")
TOKEN = "t0ken"
STATUS: JsonObject = {"connections": [], "reasons": []}
NO_TOKEN = {
    "success": False,
    "code": "unauthorized",
    "message": "The admin token is required: Authorization: Bearer TOKEN.",
}


RELOADED = ReloadReport(
    (), (ConnectionChange("shop", "changed", "b", "a", ("mapping",)),), (SourceChange("web", "added"),)
)


def ask(
    path: str,
    given: str | None = f"Bearer {TOKEN}",
    method: str = "GET",
    report: ReloadReport = RELOADED,
    console: ASGIApp | None = None,
) -> httpx.Response:
    async def reload() -> ReloadReport:
        return report

    admin = Admin(TOKEN, lambda: b"waybill_events_total 1.0\n", lambda: STATUS, reload, console)

    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(app=admin)
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            return await client.request(method, path, headers={} if given is None else {"authorization": given})

    return asyncio.run(work())


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer t0ke", "Bearer t0ken ", "bearer t0ken", "Basic t0ken"])
@pytest.mark.parametrize("path", ["/metrics", "/status", "/reload", "/elsewhere"])
def test_nothing_without_the_token(path: str, given: str | None) -> None:
    answer = ask(path, given)
    assert (answer.status_code, answer.json()) == (401, NO_TOKEN)
    assert answer.headers["www-authenticate"] == "Bearer"


async def never() -> ReloadReport:
    raise AssertionError


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="an empty token would let everyone in"):
        Admin("", lambda: b"", lambda: STATUS, never)


ANSWERS = [
    ("GET", "/metrics", 200, b"waybill_events_total 1.0\n", "text/plain; version=0.0.4; charset=utf-8"),
    ("HEAD", "/metrics", 200, b"", "text/plain; version=0.0.4; charset=utf-8"),
    ("GET", "/status", 200, orjson.dumps(STATUS), "application/json"),
    ("GET", "/status/", 200, orjson.dumps(STATUS), "application/json"),
]


@pytest.mark.parametrize(("method", "path", "status", "body", "kind"), ANSWERS)
def test_answers(method: str, path: str, status: int, body: bytes, kind: str) -> None:
    answer = ask(path, method=method)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (status, body, kind)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/status", 405, "Use GET."),
        ("GET", "/reload", 405, "Use POST."),
        ("GET", "/", 404, "Unknown path. Available: /metrics, /status, /reload."),
        ("GET", "/v1/track", 404, "Unknown path. Available: /metrics, /status, /reload."),
    ],
)
def test_refusals(method: str, path: str, status: int, message: str) -> None:
    answer = ask(path, method=method)
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def test_a_reload_answers_with_what_changed_or_what_is_wrong() -> None:
    answer = ask("/reload", method="POST")
    changed = {
        "name": "shop",
        "change": "changed",
        "digest": "b",
        "old_digest": "a",
        "differs": ["mapping"],
        "waiting": 0,
        "held": "",
    }
    sources = [{"name": "web", "change": "added"}]
    assert (answer.status_code, answer.json()) == (
        200,
        {"result": "reloaded", "connections": [changed], "sources": sources},
    )
    answer = ask("/reload", method="POST", report=ReloadReport(("c.yaml:1:1  shop\n  Wrong.",)))
    assert (answer.status_code, answer.json()) == (
        422,
        {"result": "refused", "problems": ["c.yaml:1:1  shop\n  Wrong."]},
    )
    for key in ("result", *changed, "sources", "problems"):
        assert f"`{key}`" in PAGE, key


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/", None, 299),
        ("/events/7", None, 299),
        ("/metrics/x", None, 299),
        ("/metrics", None, 401),
        ("/reload", None, 401),
    ],
)
def test_a_console_has_all_other_paths(path: str, token: str | None, status: int) -> None:
    async def console(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"console"})

    assert ask(path, token, console=console).status_code == status


def test_status_of_connections() -> None:
    outbox = MemoryOutbox()
    outbox.take_in([NewEvent("web", f"m{n}", "2026-01-01T00:00:00Z", b"{}") for n in range(3)], ["shop"], 1000.0)
    fence = outbox.lease("shop", "me", 1000.0, 10)
    assert fence is not None
    rows = outbox.waiting("shop", 0, 10)
    reply = "Could not authenticate"
    report = Report("id-converted", "userId", "userId is the number 7; it was converted to text")
    changes = [
        Change(rows[0].place, Outcome.DELIVERED, "1 request accepted"),
        Change(rows[1].place, Outcome.REJECTED, "the vendor answered 400", reply, reports=EventReports((report,))),
    ]
    outbox.write("shop", fence, changes, 1001.0)
    outbox.hold("shop", reply, "Check the token.", 1002.0)
    shop: dict[str, Json] = {
        "name": "shop",
        "outcomes": {"delivered": 1, "held": 1, "rejected": 1},
        "unfinished": 1,
        "oldest_queued_at": "1970-01-01T00:16:40.000Z",
        "held": reply,
        "hint": "Check the token. Then: engine outbox resume shop",
        "held_at": "1970-01-01T00:16:42.000Z",
        "pause": "",
        "next_try_at": None,
        "alarm": "",
        "state": "held",
        "lag_seconds": 20.0,
        "events_per_second": 0.033,
        "drain_seconds": None,
        "last_hour": {"delivered": 1, "rejected": 1},
        "mapping": None,
    }
    reason: dict[str, Json] = {
        "connection": "shop",
        "outcome": "rejected",
        "reason": "the vendor answered 400",
        "events": 1,
        "words": reply,
    }
    counted: dict[str, Json] = {"connection": "shop", "code": "id-converted", "place": "userId", "reports": 1}
    assert delivery_status(outbox, 1020.0) == {"connections": [shop], "reasons": [reason], "reports": [counted]}
    keys = [f"`connections[].{key}`" for key in shop]
    keys += [f"`reasons[].{key}`" for key in reason] + [f"`reports[].{key}`" for key in counted]
    assert [key for key in keys if key not in PAGE] == []


def test_the_server_has_it_on_an_address_of_its_own(tmp_path: Path) -> None:
    with serving("--admin-token", TOKEN, "--keep", "30d", mappings=["exponea"]) as server:
        assert CLIENT.get(f"{server.url}/metrics").status_code == 404
        assert CLIENT.get(f"{server.admin}/metrics").status_code == 401
        long = CLIENT.get(f"{server.admin}/", headers={"x": "x" * 65536})
        assert (long.status_code, "access-control-allow-origin" in long.headers) == (431, False)
        assert "waybill_collector_kept_total 0.0" in server.metrics(TOKEN)
        assert "waybill_collector_purged_total 0.0" in server.metrics(TOKEN), "--keep was taken"

        def connections() -> list[str]:
            answer = CLIENT.get(f"{server.admin}/status", headers={"authorization": f"Bearer {TOKEN}"})
            return [each["name"] for each in answer.json()["connections"]]

        until(lambda: connections() == ["exponea"])  # a file knows a connection once it is delivered
        assert server.stop() == 0


def test_without_a_token_there_is_none(tmp_path: Path) -> None:
    options = ("--example-settings", "--write-key", "wk", "--outbox", str(tmp_path / "outbox.db"))
    with serving(*options, mappings=["exponea"], sandbox=False) as server:
        assert server.admin == ""
        assert "The admin address (/metrics, /status) is off: it needs --admin-token.\n" in server.printed
        assert CLIENT.get(f"{server.url}/readyz").status_code == 200  # from then on it obeys signals
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("option", "who"),
    [("--port", "The collector (--host, --port)"), ("--admin-port", "The admin address (--admin-host, --admin-port)")],
)
def test_an_address_that_is_taken(option: str, who: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = {"--port": "0", "--admin-port": "0", option: port}
        command = [sys.executable, "-m", "engine", "serve", "exponea", "--sandbox"]
        command += [word for each in ports.items() for word in each]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (2, f"{who} cannot listen on 127.0.0.1:{port}: Address already in use.\n")


@pytest.mark.parametrize(("limit", "behind"), [(0, False), (1, True), (2, False)])
def test_each_queue_is_observed(limit: int, behind: bool) -> None:
    outbox = MemoryOutbox()
    for at, connections in ((1000.0, ["shop"]), (1010.0, ["shop", "crm"])):
        outbox.take_in([NewEvent("web", f"m{at}", "2026-01-01T00:00:00Z", b"{}")], connections, at)
    deepest: list[int] = []
    queues: list[tuple[str, int, float]] = []
    names = ["shop", "crm", "idle"]
    observer = BacklogObserver(deepest.append, lambda *queue: queues.append(queue), lambda: 1030.0)
    backlog = Backlog(outbox, names, limit, observer)

    async def work() -> None:
        task = asyncio.create_task(backlog.poll())
        async with asyncio.timeout(10):
            while len(queues) < len(names):  # noqa: ASYNC110  there is nothing to wait for
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(work())
    assert (deepest, queues) == ([2], [("shop", 2, 30.0), ("crm", 1, 20.0), ("idle", 0, 0.0)])
    assert backlog.behind() is behind


@pytest.mark.parametrize(
    "more", [pytest.param((), id="one process"), pytest.param(("--workers", "2"), marks=pytest.mark.slow, id="several")]
)
def test_the_server_has_each_queue_also_without_a_limit(tmp_path: Path, more: tuple[str, ...]) -> None:
    file = tmp_path / "connections.yaml"
    file.write_text("""
shop:
  destination: exponea
  base_url: http://127.0.0.1:9
  settings: {api_key: id:secret, project_token: token, hard_id: registered, soft_id: cookie}
sources:
  web: {write_keys: web-key}
""")
    options = ("--connections", str(file), "--outbox", str(tmp_path / "outbox.db"), "--backlog", "0")
    with serving(*options, *more, "--admin-token", "sandbox", mappings=[], sandbox=False) as server:
        until(lambda: 'waybill_queue_depth{connection="shop"} 0.0' in server.metrics())
        answer = CLIENT.post(f"{server.url}/v1/batch", content=tracks(0, 3), auth=("web-key", ""), timeout=STARTUP)
        assert answer.status_code == 200
        until(lambda: 'waybill_queue_depth{connection="shop"} 3.0' in server.metrics())
        metrics = server.metrics()
        assert 'waybill_queue_age_seconds{connection="shop"} ' in metrics
        assert 'waybill_held{connection="shop"} 0.0' in metrics
        assert server.stop() == 0


DAY = 24 * 3600.0
NOW = 100 * DAY


def new_event(name: str) -> NewEvent:
    return NewEvent("web", name, "2026-01-01T00:00:00Z", b"{}")


def test_what_ended_long_ago_is_removed() -> None:
    outbox, purged = MemoryOutbox(), list[int]()
    outbox.take_in([new_event("old"), new_event("waits")], ["shop"], NOW - 40 * DAY)
    outbox.take_in([new_event("young")], ["shop"], NOW - DAY)
    fence = outbox.lease("shop", "me", NOW - 40 * DAY, 10)
    assert fence is not None
    old, _, young = outbox.waiting("shop", 0, 10)
    outbox.write("shop", fence, [Change(old.place, Outcome.REJECTED, "no")], NOW - 39 * DAY)
    outbox.write("shop", fence, [Change(young.place, Outcome.DELIVERED, "yes")], NOW - DAY)

    async def work() -> None:
        task = asyncio.create_task(purge(outbox, 30 * DAY, lambda: NOW, purged.append))
        async with asyncio.timeout(10):
            while not purged:  # noqa: ASYNC110  there is nothing to wait for
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(work())
    assert purged == [1]
    found = [outbox.event(number) for number in range(1, 4)]
    assert [each and each.message_id for each in found] == [None, "waits", "young"]


@pytest.mark.parametrize(("archived", "left"), [(0, ["m1", "m2"]), (1, ["m2"]), (2, [])])
def test_what_is_not_archived_yet_stays(archived: int, left: list[str], tmp_path: Path) -> None:
    path, purged = tmp_path / "outbox.db", list[int]()
    with closing(SqliteOutbox(path)) as outbox, Catalog.open(tmp_path / "a", create=True) as catalog:
        for number in (1, 2):
            outbox.take_in([new_event(f"m{number}")], [], NOW - 50 * DAY + number)
        catalog.add([], origin_of(path), archived, erasures_seen=0)
        kept_from = ServedArchive(tmp_path / "a", path).kept_from

        async def work() -> None:
            task = asyncio.create_task(purge(outbox, 30 * DAY, lambda: NOW, purged.append, kept_from))
            async with asyncio.timeout(10):
                while not purged:  # noqa: ASYNC110  there is nothing to wait for
                    await asyncio.sleep(0.01)
            task.cancel()

        asyncio.run(work())
        assert [event.message_id for event in stored_events(path, None)] == left


class Forgetting(MemoryOutbox):
    """Tells when discards are forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.forgot = threading.Event()

    def forget_discards(self, older_than: float) -> int:
        forgotten = super().forget_discards(older_than)
        self.forgot.set()
        return forgotten


def test_without_keep_only_old_discards_are_removed() -> None:
    outbox = Forgetting()
    discards = [Discarded("web", NOW - age, "bad_request", "why", "", b"{}") for age in (7 * DAY + 1, 7 * DAY, 0)]
    outbox.keep_discards(discards, {"web": 3}, NOW)

    async def work() -> None:
        task = asyncio.create_task(purge(outbox, None, lambda: NOW, pytest.fail))
        assert await asyncio.to_thread(outbox.forgot.wait, 10)
        task.cancel()

    asyncio.run(work())
    assert outbox.discards == discards[1:]


@pytest.mark.slow
def test_the_server_purges() -> None:
    with serving("--keep", "30d", mappings=["exponea"]) as server:
        assert "waybill_collector_purged_total 0.0" in server.metrics()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("23h", "--keep must be at least 24h: messageIds are remembered that long to detect duplicates.\n"),
        ("month", '--keep: "month" is not a duration; write a whole number and ms, s, m, h or d, e.g. 30s.\n'),
    ],
)
def test_values_of_keep(given: str, message: str) -> None:
    command = [sys.executable, "-m", "engine", "serve", "exponea", "--sandbox", "--keep", given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
