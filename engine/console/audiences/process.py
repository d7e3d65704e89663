"""The process that reads definitions and computes previews, which the console starts for one question.

The database and its memory are in this process only, and only a process can be stopped: it ends with its answer, at
the latest after `LONGEST` seconds. It has no environment; questions and answers are JSON (engine/console/playground/
frames.py) on standard input and output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

import orjson

from engine.console.audiences import computing, defined
from engine.console.playground.frames import read_frame, write_frame
from engine.errors import WaybillError
from engine.language.texts import visible
from engine.records import JsonObject

MOST_MEMORY = 4 * 1024 * 1024 * 1024
"""Bytes of address space, of which the database may fill 512 MB."""
NICE = 10
"""How far it stands back behind delivery where both want the processor."""
LONGEST = 90
"""Seconds after which it ends by itself; the console, if it is still there, has stopped it before."""
ANSWERS: dict[str, Callable[[JsonObject], JsonObject]] = {
    "definitions": defined.read,
    "sample": computing.sample,
    "preview": computing.preview,
    "user": computing.user,
}
NO_MEMORY = "This needs too much memory for the console. Use the command."
MISSING = 'This needs packages that are not installed: pip install "waybill[audiences]".'


def main() -> None:
    """Answer one question."""
    _be_modest()
    os.environ.clear()
    question = read_frame(sys.stdin.buffer)
    if question is not None:
        write_frame(sys.stdout.buffer, orjson.dumps(answer(orjson.loads(question))))


def answer(question: JsonObject) -> JsonObject:
    """Return the answer to a question, or `error` with what is wrong and what to do."""
    try:
        return ANSWERS[str(question["ask"])](question)
    except WaybillError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": NO_MEMORY}
    except ModuleNotFoundError as error:
        if error.name not in ("duckdb", "pyarrow"):
            raise
        return {"error": MISSING}
    except Exception as error:  # noqa: BLE001  the page says it, and the log says what it was
        return {"error": visible(f"{type(error).__name__}: {error}"[:500])}


def _be_modest() -> None:
    with suppress(AttributeError, OSError):  # not on Windows
        os.nice(NICE)
    with suppress(ImportError, AttributeError, ValueError, OSError):  # not on Windows; a Mac refuses
        import resource
        import signal

        signal.alarm(LONGEST)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
