"""Processes beside the server: their log, their end, and the next one after it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue

import pytest

from engine.collector.companions import Companion

READY = 'import os, signal, sys; sys.stderr.write(\'{"event": "ready"}\\n\'); sys.stderr.flush(); '
WAITS = READY + "sys.stdin.read()"


@contextmanager
def running(code: str, failed: threading.Event, log: Callable[[str], None] = pytest.fail) -> Iterator[Companion]:
    companion = Companion("helper", [code], command=(sys.executable, "-c"), first_pause=0.0, log=log)
    companion.on_failure = lambda _name: failed.set()
    companion.start()
    try:
        yield companion
    finally:
        companion.stop()


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(each.message, each.fields["reason"]) for each in caplog.records]  # type: ignore[attr-defined]


def test_a_companion_that_is_killed_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    failed, lines = threading.Event(), Queue[str]()
    with running(WAITS, failed, lines.put) as companion:
        assert lines.get(timeout=20) == '{"event": "ready"}\n'
        assert companion.pid is not None
        os.kill(companion.pid, signal.SIGKILL)
        assert failed.wait(20)
        assert lines.get(timeout=20) == '{"event": "ready"}\n'
        assert (companion.failures, companion.problem) == (1, "")
    assert companion.pid is None
    assert logged(caplog) == [("companion ended", "signal 9")]


def test_the_words_of_one_that_fails_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    failed = threading.Event()
    with running("raise SystemExit('The archive is in use.')", failed) as companion:
        assert failed.wait(20)
    assert companion.failures >= 1
    assert logged(caplog)[0] == ("companion ended", "The archive is in use.")


def test_one_that_does_not_end_is_killed(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Queue[str]()
    monkeypatch.setattr("engine.collector.companions.STOP_WITHIN", 0.05)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS
    with running(deaf, threading.Event(), lines.put):
        lines.get(timeout=20)
    assert logged(caplog) == [("companion killed", "it did not end within 0.05 s")]


def test_one_that_cannot_be_started(caplog: pytest.LogCaptureFixture) -> None:
    failed = threading.Event()
    companion = Companion("helper", [], command=("/nowhere",), on_failure=lambda _name: failed.set())
    companion.start()
    assert failed.wait(20)
    companion.stop()
    assert logged(caplog) == [("companion ended", "it could not be started: No such file or directory")]
