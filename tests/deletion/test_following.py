"""Deletions beside a server: begun by delete events, done by another process, whose failure is logged."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing, suppress
from pathlib import Path

import pytest

from engine.deletion import following
from engine.deletion.following import follow
from engine.delivery.outbox import deletions
from engine.delivery.outbox.sqlite import SqliteOutbox
from tests.deletion.filled import NOW, USER, new


class Heard(logging.Handler):
    """Sets an event when something failed."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, object]] = []
        self.failed = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.getMessage(), getattr(record, "fields", None)))
        if record.levelno >= logging.WARNING:
            self.loop.call_soon_threadsafe(self.failed.set)


def test_another_process_does_what_delete_events_ask_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = 'echo "$@" >&2; exit 4'
    path = tmp_path / "o.db"

    async def scenario() -> list[tuple[str, object]]:
        heard = Heard()
        following.logger.addHandler(heard)
        caplog.set_level(logging.INFO, following.NAME)
        with closing(SqliteOutbox(path)) as outbox:
            outbox.take_in([new(1, {"type": "delete", "userId": USER})], ["a"], NOW)
            task = asyncio.create_task(
                follow(outbox, dict, ("--outbox", "o.db"), interval=0, command=("sh", "-c", script, "sh"))
            )
            await heard.failed.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert len(outbox.look(deletions.listed)) == 1
        following.logger.removeHandler(heard)
        return heard.lines

    assert asyncio.run(scenario())[:2] == [
        ("deletions begun", {"deletions": 1}),
        ("deletion failed", {"reason": "delete resume --outbox o.db", "exitCode": 4}),
    ]
