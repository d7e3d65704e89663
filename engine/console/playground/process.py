"""The process that tries mappings, which the console starts.

It is a process of its own because what is typed may take seconds and much memory: threads would slow delivery down,
and only a process can be stopped. Questions and answers are JSON, each with its length before it, on standard input
and output. It has no environment, and ends with the one that started it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson

from engine.console.playground.editing import Editors
from engine.console.playground.frames import read_frame, write_frame
from engine.console.playground.question import Question, QuestionError
from engine.console.playground.trying import try_out
from engine.records import Json, JsonObject

MOST_MEMORY = 1024 * 1024 * 1024
"""Bytes of address space."""
NICE = 10
"""How far it stands back behind delivery where both want the processor."""
LONGEST = 30
"""Seconds after which it ends by itself; the console, if it is still there, has stopped it long before."""


def main() -> None:
    """Answer questions until standard input ends."""
    _be_modest()
    os.environ.clear()
    answerer = Answerer(time.time)
    while (question := read_frame(sys.stdin.buffer)) is not None:
        _limit_time(LONGEST)
        write_frame(sys.stdout.buffer, answerer.written(question))
        _limit_time(0)


class Answerer:
    """Answers the questions of the page; `clock` is that of planning, in Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._editors = Editors()

    def written(self, question: bytes) -> bytes:
        """Return the answer to a question, both as JSON."""
        answer = self.answer(orjson.loads(question))
        try:
            return orjson.dumps(answer)
        except TypeError as error:  # half a character somewhere in the mapping
            return orjson.dumps(_fault(error))

    def answer(self, question: JsonObject) -> JsonObject:
        """Return the answer, or `error` with what is wrong and what to do."""
        directories = [Path(str(each)) for each in _list(question.get("directories"))]
        try:
            asked = Question.of(question)
            if question.get("ask") in ("complete", "hover"):
                return self._editors.answer(asked, question, directories)
            return try_out(asked, directories, self._clock())
        except QuestionError as error:
            return {"error": str(error)}
        except (MemoryError, RecursionError):
            return {"error": "This needs too much memory. Take a smaller mapping or a smaller event."}
        except Exception as error:  # noqa: BLE001  the next question still gets an answer
            return _fault(error)


def _fault(error: Exception) -> JsonObject:
    advice = "This cannot be tried because of a fault in waybill. `engine run` may say more."
    return {"error": advice, "fault": f"{type(error).__name__}: {error}"[:500]}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _be_modest() -> None:
    with suppress(AttributeError, OSError):  # not on Windows
        os.nice(NICE)
    with suppress(ImportError, ValueError, OSError):  # not on Windows; a Mac refuses
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _limit_time(seconds: int) -> None:
    with suppress(ImportError, AttributeError):  # not on Windows
        import signal

        signal.alarm(seconds)
