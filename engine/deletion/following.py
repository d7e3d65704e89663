"""Deletions beside a running server: begins those that delete events ask for, and has another process do them.

That process is `engine delete resume`, at a low priority, started only when there is something to do; it may read the
whole outbox and the whole archive.  Between two of them is a pause of four times what the last one took, so that intake
and delivery keep the machine.  One that is ended anywhere is followed by one that goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from engine.deletion.beginning import begin_by_events
from engine.deletion.steps import DeletionSteps
from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import JsonObject

NAME = "waybill.delivery.deletion"
INTERVAL = 2.0
"""Seconds between two looks."""
SHARE = 5
"""The work may take a fifth of the time."""
LONGEST_PAUSE = 600.0
STOP_WITHIN = 10.0
"""Seconds for the process to end in order; it is killed then, which it has to survive."""
NICE = 10
MOST_WORDS = 1000
COMMAND = (sys.executable, "-m", "engine")

logger = logging.getLogger(NAME)


async def follow(
    outbox: SqliteOutbox,
    vendors: Callable[[], JsonObject],
    arguments: Sequence[str],
    *,
    clock: Callable[[], float] = time.time,
    interval: float = INTERVAL,
    command: Sequence[str] = COMMAND,
) -> None:
    """Run until cancelled.

    `vendors` returns the parts of the connections as they are now (engine/deletion/vendors.py), `arguments` are those
    of `engine delete resume`.
    """
    waiting = 0
    while True:
        took = 0.0
        with suppress(OutboxError):  # an outbox in trouble is reported where events are written
            begun = await asyncio.to_thread(begin_by_events, outbox, vendors, clock())
            if bool(begun.waiting) != bool(waiting):
                fields = {"waiting": begun.waiting}
                logger.warning("more deletions by events than begin within 24 hours", extra={"fields": fields})
            waiting = begun.waiting
            if begun.deletions:
                logger.info("deletions begun", extra={"fields": {"deletions": begun.deletions}})
            if await asyncio.to_thread(DeletionSteps(outbox).is_due):
                began = time.monotonic()
                await _resume([*command, "delete", "resume", *arguments])
                took = time.monotonic() - began
        await asyncio.sleep(max(interval, min(LONGEST_PAUSE, (SHARE - 1) * took)))


async def _resume(command: Sequence[str]) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220, S603  starting takes a moment; the engine itself
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    try:
        _, words = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.terminate()
        await asyncio.to_thread(_ended, process)
        raise
    if process.returncode:
        fields = {"reason": words.strip()[-MOST_WORDS:], "exitCode": process.returncode}
        logger.warning("deletion failed", extra={"fields": fields})


def _ended(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
