"""Runs of definitions that somebody starts on a page: each in a process of its own, which ends with the console's."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LONGEST_WORDS = 2000
MOST_REMEMBERED = 200
"""Definitions whose last words are kept."""
COMMAND = (sys.executable, "-m", "engine")


class RunFiles(NamedTuple):
    """With which files a run works."""

    audiences: Path
    archive: Path
    connections: Path
    outbox: Path
    directories: tuple[Path, ...] = ()

    def arguments(self) -> list[str]:
        """Return the options that name them."""
        found = ["--audiences", str(self.audiences), "--archive", str(self.archive)]
        found += ["--connections", str(self.connections), "--outbox", str(self.outbox)]
        for each in self.directories:
            found += ["--mappings", str(each)]
        return found


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
        arguments = ["audiences", "run", key, *self._files.arguments()]
        if approve is not None:
            arguments += ["--approve", str(approve)]
        with self._lock:
            if self._key():
                return False
            process = subprocess.Popen(  # noqa: S603  the engine itself
                [*self._command, *arguments],
                stdin=subprocess.PIPE,  # its end is the end of this process, so the run never outlives it
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
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
        assert process.stderr is not None
        words: list[str] = []
        with process.stderr:
            while line := process.stderr.readline(LONGEST_WORDS):
                words = [*words[-20:], line.strip()]
        code = process.wait()
        if process.stdin is not None:
            process.stdin.close()
        with self._lock:
            self._running = None
            if code:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                self._words[key] = (" ".join(words) or f"The process ended with {how}.")[-LONGEST_WORDS:]
                while len(self._words) > MOST_REMEMBERED:
                    self._words.pop(next(iter(self._words)))
