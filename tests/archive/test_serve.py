"""`engine serve --archive`: what was answered 200 is in the archive, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from engine.archive.catalog import Catalog
from engine.archive.following import Follower
from tests.archive.made import ids
from tests.collector.running import serving

ADMIN = {"authorization": "Bearer sandbox"}


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_what_was_answered_200_is_archived(workers: int, tmp_path: Path) -> None:
    """The companion is killed, then the server ends: what is missing then, the next companion finds in the outbox."""
    archive, outbox = tmp_path / "a", tmp_path / "o.db"
    words = ("--archive", str(archive), "--archive-keep", "400d", "--outbox", str(outbox))
    with serving(*words, mappings=["exponea"], workers=workers, log=tmp_path / "log") as server:
        with httpx.Client(base_url=server.url, auth=("sandbox", "")) as client:
            client.post("/v1/track", json={"userId": "u", "event": "E", "messageId": "m1"}).raise_for_status()
            status = httpx.get(f"{server.admin}/status", headers=ADMIN).json()
            [companion] = status["companions"]
            if companion["pid"] is not None:
                os.kill(companion["pid"], signal.SIGKILL)
            client.post("/v1/track", json={"userId": "u", "event": "E", "messageId": "m2"}).raise_for_status()
        assert "waybill_archive_behind" in server.metrics()
        assert status["archive"]["directory"] == str(archive)
        assert server.stop() == 0
    with Catalog.open(archive) as catalog, catalog.follower():
        Follower(outbox, catalog).step()
        assert ids(catalog) == ["m1", "m2"]
