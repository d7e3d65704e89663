"""Every connection's queue is looked at and told, whatever its limit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from engine.collector.background import Backlog, BacklogObserver
from engine.delivery.outbox.base import NewEvent
from tests.collector.running import serving, tracks, until
from tests.delivery.memory_outbox import MemoryOutbox


@pytest.mark.parametrize(("most", "behind"), [(0, False), (1, True), (2, False)])
def test_each_queue_is_told(most: int, behind: bool) -> None:
    outbox = MemoryOutbox()
    for at, connections in ((1000.0, ["shop"]), (1010.0, ["shop", "crm"])):
        outbox.take_in([NewEvent("web", f"m{at}", "2026-01-01T00:00:00Z", b"{}")], connections, at)
    deepest: list[int] = []
    queues: list[tuple[str, int, float]] = []
    names = ["shop", "crm", "idle"]
    told = BacklogObserver(deepest.append, lambda *queue: queues.append(queue), lambda: 1030.0)
    backlog = Backlog(outbox, names, most, told)

    async def work() -> None:
        task = asyncio.create_task(backlog.watch())
        async with asyncio.timeout(10):
            while len(queues) < len(names):  # noqa: ASYNC110  it tells nobody else
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(work())
    assert (deepest, queues) == ([2], [("shop", 2, 30.0), ("crm", 1, 20.0), ("idle", 0, 0.0)])
    assert backlog.behind() is behind


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "several"])
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
        assert httpx.post(f"{server.url}/v1/batch", content=tracks(0, 3), auth=("web-key", "")).status_code == 200
        until(lambda: 'waybill_queue_depth{connection="shop"} 3.0' in server.metrics())
        metrics = server.metrics()
        assert 'waybill_queue_age_seconds{connection="shop"} ' in metrics
        assert 'waybill_held{connection="shop"} 0.0' in metrics
        assert server.stop() == 0
