"""Workers that die, connections that are held or pause: reported at once, seen in the outbox, and started again."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import orjson
import pytest

from engine.commands import INTERNAL, _guarded
from engine.delivery import logs
from engine.delivery.metrics import Metrics
from engine.delivery.observers import Observers
from engine.delivery.outbox.base import OutboxDamaged, OutboxError
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.status import delivery_status
from engine.delivery.supervisor import Delivery
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.test_process import until
from tests.delivery.vendor import QUICK, Answer, Vendor, delivered, event, fine, results, shop

FOR_EVER = replace(QUICK, until_idle=False, lease=0.2, restart=0.05)
Logged = Callable[[], list[dict[str, object]]]


class Breaking(MemoryOutbox):
    """Raises `error` for one connection, while it is set."""

    error: Exception | None = None
    written: Exception | None = None

    def waiting(self, connection, after, limit):
        if connection == "ill" and self.error is not None:
            raise self.error
        return super().waiting(connection, after, limit)

    def pause(self, connection, due, reason):
        if connection == "ill" and self.written is not None:
            raise self.written
        super().pause(connection, due, reason)


@pytest.fixture
def logged():
    stream = io.StringIO()
    handler = logs.start(stream, ["top-secret-key"])
    yield lambda: [
        {key: value for key, value in orjson.loads(line).items() if key != "time"}
        for line in stream.getvalue().splitlines()
    ]
    logs.stop(handler)


@asynccontextmanager
async def going_on(outbox, configured, options=FOR_EVER):
    """Deliver for the duration of the `with`; yield the metrics."""
    metrics = Metrics()
    delivery = Delivery(outbox, configured, options, observer=Observers([metrics, logs.Logging()]))
    task = asyncio.create_task(delivery.run())
    yield lambda: metrics.text().decode().splitlines()
    delivery.stop()
    await asyncio.wait_for(task, 10)


def failure(reason: str, seconds: float) -> dict[str, object]:
    return {"level": "error", "event": "worker failed", "connection": "ill", "reason": reason, "seconds": seconds}


def test_a_worker_that_dies_is_reported_and_started_again_and_the_others_go_on(tmp_path, logged: Logged) -> None:
    async def story() -> None:
        outbox = Breaking()
        outbox.error = ValueError("top-secret-key is no number")
        async with Vendor() as vendor:
            outbox.take_in([event(1)], ["well", "ill"], 1.0)
            connections = [shop(tmp_path, vendor.url, name=name) for name in ("ill", "well")]
            async with going_on(outbox, connections) as metrics:
                await until(lambda: len([each for each in logged() if each["event"] == "worker failed"]) >= 3)
                await until(lambda: outbox.unfinished("well")[0] == 0)
                ill, well = delivery_status(outbox, 1.0)["connections"]
                assert ill["pause"] == "ValueError: *** is no number"
                assert ill["next_try_at"] is not None
                assert (well["pause"], well["next_try_at"]) == ("", None)
                assert outbox.unfinished("ill")[0] == 1
                outbox.error = None
                await until(lambda: outbox.unfinished("ill")[0] == 0)
                await until(lambda: delivery_status(outbox, 1.0)["connections"][0]["pause"] == "")
                [count] = [each for each in metrics() if each.startswith("waybill_worker_failures_total")]
                assert count.startswith('waybill_worker_failures_total{connection="ill"} ')

    asyncio.run(story())
    failures = [each for each in logged() if each["event"] == "worker failed"]
    assert failures[:2] == [failure("ValueError: *** is no number", wait) for wait in (0.05, 0.1)]


def test_an_outbox_that_is_full_for_a_while_is_tried_again(tmp_path, logged: Logged) -> None:
    async def story() -> None:
        outbox = Breaking()
        outbox.error = outbox.written = OutboxError("There is no room left.")
        async with Vendor() as vendor:
            outbox.take_in([event(1)], ["ill"], 1.0)
            async with going_on(outbox, [shop(tmp_path, vendor.url, name="ill")]):
                await until(lambda: [each for each in logged() if each["event"] == "worker failed"])
                outbox.error = outbox.written = None
                await until(lambda: outbox.unfinished("ill")[0] == 0)

    asyncio.run(story())
    assert failure("OutboxError: There is no room left.", 0.05) in logged()


def test_the_wait_for_another_start_ends_at_the_stop(tmp_path, logged: Logged) -> None:
    async def story() -> None:
        outbox = Breaking()
        outbox.error = ValueError("no")
        options = replace(FOR_EVER, restart=600.0, longest_restart=600.0)
        async with going_on(outbox, [shop(tmp_path, "http://127.0.0.1:9", name="ill")], options):
            await until(lambda: [each for each in logged() if each["event"] == "worker failed"])

    asyncio.run(story())


def test_what_goes_wrong_at_the_end_is_raised(tmp_path, logged: Logged) -> None:
    class Closing(MemoryOutbox):
        def release(self, connection, owner):
            raise OutboxError("There is no room left.")

    async def story() -> None:
        outbox = Closing()
        delivery = Delivery(outbox, [shop(tmp_path, "http://127.0.0.1:9")], FOR_EVER)
        task = asyncio.create_task(delivery.run())
        await until(lambda: outbox.connections() and outbox.connections()[0].owner)
        delivery.stop()
        with pytest.raises(OutboxError, match=r"^There is no room left.$"):
            await asyncio.wait_for(task, 10)

    asyncio.run(story())
    assert logged() == []


def test_a_pause_that_is_over_is_shown_no_more(tmp_path) -> None:
    outbox = MemoryOutbox()
    outbox.take_in([event(1)], ["shop"], 1.0)
    outbox.pause("shop", 2.0, "the vendor answered 503")
    asyncio.run(delivered(tmp_path, [], outbox=outbox))
    [row] = outbox.connections()
    assert (row.due, row.pause) == (None, "")


def test_a_damaged_outbox_ends_all(tmp_path, logged: Logged) -> None:
    async def story() -> None:
        outbox = Breaking()
        outbox.error = OutboxDamaged("outbox.db is damaged.")
        connections = [shop(tmp_path, "http://127.0.0.1:9", name=name) for name in ("well", "ill")]
        with pytest.raises(OutboxDamaged, match=r"^outbox.db is damaged.$"):
            await asyncio.wait_for(Delivery(outbox, connections, FOR_EVER).run(), 10)

    asyncio.run(story())


def test_damage_is_reported_from_other_trouble(tmp_path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"no outbox at all, and longer than a page's head" * 100)
    with pytest.raises(OutboxDamaged), closing(SqliteOutbox(path)):
        pass
    with pytest.raises(OutboxError) as missing, closing(SqliteOutbox(tmp_path / "none" / "outbox.db")):
        pass
    assert not isinstance(missing.value, OutboxDamaged)


def test_an_error_of_the_engine_is_reported_with_the_connection(tmp_path, capsys) -> None:
    outbox = Breaking()
    outbox.error = ValueError("no")
    work = delivered(tmp_path, [event(1)], outbox=outbox, name="ill")
    assert _guarded(lambda: asyncio.run(work)) == INTERNAL
    assert capsys.readouterr().err == (
        "Internal error (ValueError with the connection ill). WAYBILL_DEBUG=1 shows the traceback; please report it.\n"
    )


HELD = {
    "level": "error",
    "event": "held",
    "connection": "shop",
    "reason": "the vendor answered 401",
    "hint": "Check the key. Then: engine outbox resume shop",
}


def test_a_connection_held_since_an_earlier_process_is_reported_once_and_its_end_too(tmp_path, logged: Logged) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        outbox.take_in([event(1)], ["shop"], 1.0)
        outbox.hold("shop", "the vendor answered 401", "Check the key.", 2.0)
        async with Vendor() as vendor, going_on(outbox, [shop(tmp_path, vendor.url)]) as metrics:
            await until(lambda: 'waybill_held{connection="shop"} 1.0' in metrics())
            outbox.resume("shop")
            await until(lambda: 'waybill_held{connection="shop"} 0.0' in metrics())
            await until(lambda: outbox.unfinished("shop")[0] == 0)

    asyncio.run(story())
    assert logged() == [
        HELD,
        {"level": "info", "event": "no longer held", "connection": "shop"},
        {"level": "info", "event": "worker ended", "connection": "shop", "unfinished": 0},
    ]


def test_engine_send_tells_it_too(tmp_path, logged: Logged) -> None:
    outbox = MemoryOutbox()
    outbox.hold("shop", "", "", 2.0)
    outbox.take_in([event(1)], ["shop"], 1.0)
    outbox.hold("shop", "the vendor answered 401", "Check the key.", 2.0)
    asyncio.run(delivered(tmp_path, [], outbox=outbox, observer=logs.Logging()))
    assert logged() == [HELD]


def test_one_that_is_held_while_it_works_is_reported_once(tmp_path, logged: Logged) -> None:
    answers = [Answer(401)]

    async def story() -> None:
        outbox = MemoryOutbox()
        outbox.take_in([event(1)], ["shop"], 1.0)
        async with Vendor(lambda request: answers.pop() if answers else fine(request)) as vendor:
            async with going_on(outbox, [shop(tmp_path, vendor.url)]) as metrics:
                await until(lambda: outbox.connections()[0].held and outbox.connections()[0].owner is None)
                assert 'waybill_held{connection="shop"} 1.0' in metrics()
                outbox.resume("shop")
                await until(lambda: outbox.unfinished("shop")[0] == 0)
                assert 'waybill_held{connection="shop"} 0.0' in metrics()
                assert 'waybill_holds_total{connection="shop"} 1.0' in metrics()
            assert results(outbox)[0] == {"m1": "delivered"}

    asyncio.run(story())
    assert [each["event"] for each in logged()] == ["held", "worker ended", "no longer held", "worker ended"]


def test_one_pause_is_one_line_and_so_is_its_end(tmp_path, logged: Logged) -> None:
    left = [Answer(503, None, {"Retry-After": "1"})] * 8

    async def story() -> None:
        outbox = MemoryOutbox()
        outbox.take_in([event(n, call="identify") for n in range(8)], ["shop"], 1.0)
        async with Vendor(lambda request: left.pop() if left else fine(request)) as vendor:
            vendor.delay = 0.1  # so that all are in flight together
            async with going_on(outbox, [shop(tmp_path, vendor.url)]):
                await until(lambda: outbox.unfinished("shop")[0] == 0)

    asyncio.run(story())
    paused, goes_on, _ = logged()
    assert paused == {
        "level": "warning",
        "event": "paused",
        "connection": "shop",
        "reason": "the vendor answered 503",
        "seconds": 1.0,
    }
    assert 1.0 <= goes_on.pop("seconds") < 10
    assert goes_on == {"level": "info", "event": "resumed", "connection": "shop"}
