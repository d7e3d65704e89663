"""Asks the process that tries mappings, one question at a time, and stops it when an answer takes too long."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import orjson

import engine
from engine.console.playground.process import read_frame, write_frame
from engine.records import JsonObject

PATIENCE = 10.0
"""Seconds that an answer may take."""
TOO_LONG = "This took more than {:g} s, or too much memory, and was stopped. Take a smaller mapping or a smaller event."
COMMAND = (sys.executable, "-m", "engine.console.playground.process")
LOGGER = logging.getLogger("waybill.console")


class Workbench:
    """The process of one console; it is started by the first question and ends with `close`, or with the console."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize[..., Workbench] | None = None

    def ask(self, question: JsonObject) -> JsonObject:
        """Return the answer to a question; blocks, so it is called in a thread."""
        with self._lock:
            answer = self._asked(orjson.dumps(question))
        if answer is None:
            return {"error": TOO_LONG.format(self.patience)}
        found: JsonObject = orjson.loads(answer)
        if fault := found.pop("fault", None):
            LOGGER.error("playground: %s", fault)
        return found

    def close(self) -> None:
        """End the process."""
        self._process = None
        if self._ending is not None:
            self._ending()
            self._ending = None

    def _asked(self, question: bytes) -> bytes | None:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(self.patience, process.kill)
        timer.start()
        try:
            write_frame(process.stdin, question)
            answer = read_frame(process.stdout)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self.close()
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            folder = Path(engine.__file__).parent.parent  # so that it is this engine, wherever the console was started
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, cwd=folder)  # noqa: S603  our own
            self._ending = weakref.finalize(self, _end, self._process)
        return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with process:
        pass
