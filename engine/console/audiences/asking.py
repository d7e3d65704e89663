"""Asks the process that computes (process.py): one at a time, with bounds, and stopped when it takes too long."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import cast

import orjson

from engine.audiences.state import COPY, FOLDER
from engine.console.playground.frames import read_frame, write_frame
from engine.files import version_of
from engine.records import Json, JsonObject

PATIENCE = 60.0
"""Seconds that an answer may take."""
WAIT = 15.0
"""Seconds that a question waits for the one before it."""
TOO_LONG = "This took more than {:g} s, or too much memory, and was stopped. Use the command, which has no such limit."
BUSY = "Another preview or search is being computed, for this or another page. Try again when it is done."
START = """\
import sys
sys.path.append(sys.argv[1])
from engine.console.audiences.process import main
main()"""
COMMAND = (sys.executable, "-P", "-c", START, str(Path(__file__).parents[3]))
LOGGER = logging.getLogger("waybill.console")


class Desk:
    """Answers questions about the definitions of one file and their archive; blocks, so it is called in a thread."""

    def __init__(
        self,
        file: Path,
        archive: Path,
        connections: Path | None = None,
        *,
        patience: float = PATIENCE,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.file, self.archive, self._connections = file, archive, connections
        self._patience, self._command = patience, command
        self._reading, self._computing = threading.Lock(), threading.Lock()
        self._known: tuple[object, JsonObject] | None = None

    def definitions(self, now: float) -> JsonObject:
        """Return the definitions of the file; read again when it, or a file beside it, changes."""
        with self._reading:
            state = tuple(map(version_of, (self.file, self._copy, self._connections or self.file)))
            if self._known is not None and self._known[0] == state:
                return self._known[1]
            listed: Json = None if self._connections is None else str(self._connections)
            answer = self._asked("definitions", {"now": now, "connections_file": listed})
            if "error" in answer:
                return {"definitions": [], "problems": [answer["error"]], "of_copy": False}
            self._known = (state, answer)
            return answer

    def compute(self, ask: str, asked: JsonObject) -> JsonObject:
        """Return a preview, a sample or the memberships of a user; `error` says what is wrong."""
        if not self._computing.acquire(timeout=WAIT):
            return {"error": BUSY}
        try:
            return self._asked(ask, asked)
        finally:
            self._computing.release()

    @property
    def _copy(self) -> Path:
        return self.archive / FOLDER / COPY

    def _asked(self, ask: str, asked: JsonObject) -> JsonObject:
        copy: Json = str(self._copy) if self._copy.exists() else None
        files: JsonObject = {"file": str(self.file), "copy": copy, "archive": str(self.archive)}
        frame = BytesIO()
        write_frame(frame, orjson.dumps({**files, **asked, "ask": ask}))
        # Of another session than the console's, so that Ctrl-C at its terminal is for the console alone.
        with subprocess.Popen(  # noqa: S603  the engine itself
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                written, _ = process.communicate(frame.getvalue(), self._patience)
            except subprocess.TimeoutExpired:
                process.kill()
                written = b""
        answer = read_frame(BytesIO(written))
        if answer is None:
            self._clean(process.pid)
            LOGGER.error("audiences: %s was stopped", ask, extra={"fields": {"code": process.returncode}})
            return {"error": TOO_LONG.format(self._patience)}
        return cast("JsonObject", orjson.loads(answer))

    def _clean(self, pid: int) -> None:
        """Remove the members that a preview which was stopped had computed."""
        for path in (self.archive / FOLDER).glob(f".preview-{pid}-*"):
            shutil.rmtree(path, ignore_errors=True)
