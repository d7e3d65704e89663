"""A run of one definition in a process of its own, so that a crash of the database ends only that run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.delivery.outbox.location import Location

COMMAND = (sys.executable, "-m", "engine")
STOP_WITHIN = 10.0
"""Seconds for a run to end in order after SIGTERM; then it is killed, which it survives."""

LONGEST_WORDS = 2000
"""Characters of what a process said last."""

MOST_LINES = 20


class RunFiles(NamedTuple):
    """With which files a run works."""

    audiences: Path
    archive: Path
    connections: Path
    outbox: Location
    directories: tuple[Path, ...] = ()

    def arguments(self) -> list[str]:
        """Return the options that name them."""
        found = ["--audiences", str(self.audiences), "--archive", str(self.archive)]
        found += ["--connections", str(self.connections), "--outbox", str(self.outbox)]
        for each in self.directories:
            found += ["--mappings", str(each)]
        return found


def started(command: Sequence[str], key: str, files: RunFiles, *more: str) -> subprocess.Popen[str]:
    """Start a run of a definition; it ends when this process does, because its standard input ends then."""
    return subprocess.Popen(  # noqa: S603  the engine itself
        [*command, "audiences", "run", key, *files.arguments(), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def last_words(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a run, and return the last lines that it wrote to standard error, on one line."""
    assert process.stderr is not None
    words: list[str] = []
    with process.stderr:
        while line := process.stderr.readline(LONGEST_WORDS):
            words = [*words[1 - MOST_LINES :], line.strip()]
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
    return " ".join(words)[-LONGEST_WORDS:]


def end(process: subprocess.Popen[str]) -> None:
    """End a run in order, or kill it."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
