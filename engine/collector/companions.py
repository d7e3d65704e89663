"""Companions of the server: processes that work on what it stores, such as the archive, and never stop it.

A companion is this engine with other arguments.  It logs as the server does, one JSON object a line on standard error;
its lines are passed on, and anything else it prints is logged as its words.  One that ends is started again, after
pauses that grow while it keeps failing.  It ends by SIGTERM, and when its standard input ends: so it never outlives the
server, however that one ended.  Its priority is low, so that taking in and delivering come first.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from engine.collector.observers import NAME
from engine.records import Json, JsonObject

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a companion is started again: doubled for each failure in a row."""
STEADY = 60.0
"""Seconds after which a companion that fails has failed for the first time again."""
STOP_WITHIN = 10.0
"""Seconds for a companion to end in order; it is killed then, which it has to survive."""
NICE = 10
LONGEST_LINE = 64 * 1024
"""Characters of a line that are passed on."""
MOST_WORDS = 1000


def to_log(line: str) -> None:
    """Write a line of a companion's log behind those of the server, if that logs."""
    if logging.getLogger(NAME).isEnabledFor(logging.INFO):
        sys.stderr.write(line)
        sys.stderr.flush()


class Companion:
    """Keeps one process running; `name` is how logs and metrics call it, `arguments` are those of the engine.

    `command` is what runs the engine, `log` gets the lines of its log.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        command: Sequence[str] = (sys.executable, "-m", "engine"),
        first_pause: float = FIRST_PAUSE,
        log: Callable[[str], None] = to_log,
        on_failure: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self.name = name
        self.failures = 0
        """How often it ended without being asked to."""
        self.problem = ""
        """Its last words, while it is not running because it failed."""
        self.on_failure = on_failure
        self._command = (*command, *arguments)
        self._first_pause, self._pass_on = first_pause, log
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # so that a process is not started after `stop` looked for one
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep_running, name=f"companion {name}", daemon=True)
        self._logger = logging.getLogger(NAME)

    @property
    def pid(self) -> int | None:
        """The number of its process, None while it has none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def status(self) -> JsonObject:
        """Return how it stands, as JSON."""
        return {"name": self.name, "pid": self.pid, "failures": self.failures, "problem": self.problem}

    def start(self) -> None:
        """Start it, and keep it running until `stop`; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End it in order; returns when its process is gone."""
        with self._lock:
            self._stopping.set()
            process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self._log(logging.WARNING, "companion killed", reason=f"it did not end within {STOP_WITHIN:g} s")
                process.kill()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep_running(self) -> None:
        pause = self._first_pause
        while not self._stopping.is_set():
            began = time.monotonic()
            words = self._run()
            if self._stopping.is_set():
                return
            if time.monotonic() - began >= STEADY:
                pause = self._first_pause
            self.failures += 1
            self.problem = words
            self.on_failure(self.name)
            self._log(logging.ERROR, "companion ended", reason=words, seconds=pause)
            self._stopping.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _run(self) -> str:
        """Run one process to its end; return its last words, or how it ended."""
        with self._lock:
            if self._stopping.is_set():
                return ""
            try:
                self._process = process = _started(self._command)
            except OSError as error:  # no memory, too many processes
                return f"it could not be started: {error.strerror}"
        assert process.stderr is not None
        words = ""
        while line := process.stderr.readline(LONGEST_LINE):
            self.problem = ""
            if line.startswith("{") and line.endswith("}\n"):
                self._pass_on(line)
            else:  # an error message
                words = line.strip()[:MOST_WORDS] or words
        code = process.wait()
        for pipe in (process.stdin, process.stderr):
            if pipe is not None:
                pipe.close()
        return words or (f"signal {-code}" if code < 0 else f"exit code {code}")

    def _log(self, level: int, event: str, **fields: Json) -> None:
        self._logger.log(level, event, extra={"fields": {"companion": self.name, **fields}})


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a process in a session of its own: Ctrl-C on a terminal is for the server, which ends it in order."""
    return subprocess.Popen(  # noqa: S603  the engine itself
        [*command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM, SIGINT or the end of standard input sets: the end of a companion, in its process."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}

    def watch() -> None:
        with suppress(OSError, ValueError):
            while os.read(sys.stdin.fileno(), 1024):
                pass
        stop.set()

    threading.Thread(target=watch, name="server", daemon=True).start()
    with suppress(OSError):
        os.nice(NICE)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
