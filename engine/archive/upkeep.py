"""What an archive needs now and then while it grows: compaction, and the removal of old days; once an hour."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from engine.archive.catalog import ArchiveError, Catalog
from engine.archive.compacting import Compacted, compact, remove_old
from engine.archive.following import NAME

EVERY = 3600.0
"""Seconds between two rounds, and before the first one."""


class Upkeep:
    """Runs compaction and retention when they are due; `keep` is in seconds, None for ever.

    `stopping` ends a round after the group of files that it is at.
    """

    def __init__(
        self,
        catalog: Catalog,
        keep: float | None,
        clock: Callable[[], float],
        stopping: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog, self._keep, self._clock, self._stopping = catalog, keep, clock, stopping
        self._monotonic = monotonic
        self._due = monotonic() + EVERY
        self._logger = logging.getLogger(NAME)

    def run_if_due(self) -> None:
        """Run a round if the last one was an hour ago; one that fails is logged, and the next one goes on from there.

        An archive that is busy or full is no reason to stop archiving.
        """
        if self._monotonic() < self._due:
            return
        try:
            total = self._round()
        except ArchiveError as error:
            self._logger.warning("archive not compacted", extra={"fields": {"reason": str(error)}})
        else:
            if total != Compacted():
                self._logger.info("archive compacted", extra={"fields": total._asdict()})
            if total.damaged:
                self._logger.error("files of the archive are damaged", extra={"fields": {"files": total.damaged}})
        self._due = self._monotonic() + EVERY

    def _round(self) -> Compacted:
        total = Compacted()
        if self._keep is not None:
            total = total.plus(remove_old(self._catalog, self._keep, self._clock()))
        for each in compact(self._catalog, self._clock()):
            total = total.plus(each)
            if self._stopping():
                break
        return total
