"""Runs of definitions that somebody starts on a page: each in a process of its own, which ends with the console's."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence

from engine.audiences.run_process import COMMAND, RunFiles, last_words, started

MOST_REMEMBERED = 200
"""Definitions whose last words are kept."""


class AudienceRuns:
    """The runs of one console, one at a time."""

    def __init__(self, files: RunFiles, command: Sequence[str] = COMMAND) -> None:
        self._files, self._command = files, command
        self._lock = threading.Lock()
        self._running: tuple[str, subprocess.Popen[str]] | None = None
        self._follower: threading.Thread | None = None
        self._words: dict[str, str] = {}

    @property
    def running(self) -> str:
        """The key of the definition that runs, '' for none."""
        with self._lock:
            return self._key()

    def words(self, key: str) -> str:
        """Return why the last run of a definition that was started here did not work, '' if it did."""
        return self._words.get(key, "")

    def start(self, key: str, approve: int | None = None) -> bool:
        """Start a run; with `approve`, only if this guarded run is the last one. False if another one is running."""
        approval = () if approve is None else ("--approve", str(approve))
        with self._lock:
            if self._key():
                return False
            process = started(self._command, key, self._files, *approval)
            self._running = (key, process)
            self._words.pop(key, None)
            self._follower = threading.Thread(target=self._follow, args=(key, process), daemon=True)
            self._follower.start()
        return True

    def wait(self) -> None:
        """Wait until nothing runs."""
        if self._follower is not None:
            self._follower.join()

    def _key(self) -> str:
        return "" if self._running is None else self._running[0]

    def _follow(self, key: str, process: subprocess.Popen[str]) -> None:
        words, code = last_words(process), process.returncode
        with self._lock:
            self._running = None
            if code:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                self._words[key] = words or f"The process ended with {how}."
                while len(self._words) > MOST_REMEMBERED:
                    self._words.pop(next(iter(self._words)))
