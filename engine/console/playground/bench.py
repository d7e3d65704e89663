"""Asks the process that tries mappings, one question at a time, and stops it when an answer takes too long."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import orjson

from engine.console.playground.frames import read_frame, write_frame
from engine.records import JsonObject

PATIENCE = 10.0
"""Seconds that an answer may take."""
TOO_LONG = "This took more than {:g} s, or too much memory, and was stopped. Take a smaller mapping or a smaller event."
START = """\
import sys
sys.path.append(sys.argv[1])
from engine.console.playground.process import main
main()"""
"""What Python runs. The folder of this engine comes last, and -P leaves the current one out: no file there is taken for
a module of Python's own."""
COMMAND = (sys.executable, "-P", "-c", START, str(Path(__file__).parents[3]))
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
            pipe = subprocess.PIPE
            # Of another session than the console's, so that Ctrl-C at its terminal is for the console alone.
            self._process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, start_new_session=True)  # noqa: S603
            self._ending = weakref.finalize(self, _end, self._process)
        return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with process:
        pass
