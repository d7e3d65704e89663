"""A view that is kept up to date in a thread, for a process that looks at it again and again: console, archive."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.stream.outbox import StreamOutbox, opened_stream
from engine.stream.viewing import Progress

EVERY = 1.0
"""Seconds between two passes."""

LEAVING = 2.0
"""Seconds to wait for the pass that runs."""

logger = logging.getLogger("waybill.delivery")


class FollowedView:
    """A view that a thread follows; `trouble` is why it is not up to date, '' if it is."""

    def __init__(self, outbox: StreamOutbox) -> None:
        self.file: Path = outbox.file
        self.trouble = ""
        self._outbox = outbox
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)

    def start(self) -> None:
        """Bring the view up to date, then follow; raise OutboxError."""
        self._outbox.catch_up()
        self._thread.start()

    def stop(self) -> None:
        """End after the pass that runs; one that waits for servers is left behind."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(LEAVING)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self._outbox.catch_up()
            except OutboxError as error:
                if not self.trouble:
                    logger.error("view waits", extra={"fields": {"reason": str(error)}})  # noqa: TRY400  no traceback
                self.trouble = str(error)
            except Exception:
                if self._stop.is_set():  # what it worked with is closed by now
                    return
                raise
            else:
                if self.trouble:
                    logger.info("view goes on")
                self.trouble = ""


@contextmanager
def followed_view(
    address: StreamAddress,
    environ: Mapping[str, str] = os.environ,
    *,
    note: Callable[[str], None] = lambda _: None,
    progress: Progress = lambda _read, _all: None,
) -> Iterator[FollowedView]:
    """Follow the streams of an address for as long as the block lasts; raise OutboxError if that cannot begin."""
    with opened_stream(address, environ, note=note, progress=progress) as outbox:
        view = FollowedView(outbox)
        view.start()
        try:
            yield view
        finally:
            view.stop()
