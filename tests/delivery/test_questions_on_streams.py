"""The operator's questions on an outbox on streams: the same commands, the same answers."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir

import orjson
import pytest

from engine.delivery.connections import load
from engine.delivery.intake import new_events
from engine.delivery.outbox.base import Discarded
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.events.reading import read_events
from engine.sandbox.server import Sandbox
from tests.delivery.test_questions import QUESTIONS, words
from tests.operating import CONNECTIONS, FAULTS, FIRST, LATER, WAIT, said, steady
from tests.stream.whole_outbox import whole_outbox

NUMBERS = {"2": "65", "3": "66", "4": "67"}
"""What has these numbers in a file: the four first events are one pack here."""


@pytest.fixture
def streams(tmp_path, monkeypatch, new_address) -> Iterator[None]:
    """Deliver the events of tests/operating.py from streams, and have the commands find them."""
    address = new_address(partitions=1)
    monkeypatch.setenv("WAYBILL_OUTBOX", str(address))
    monkeypatch.setenv("WAYBILL_VIEW", str(tmp_path / "view"))
    with Sandbox() as sandbox, chdir(tmp_path):
        (tmp_path / "connections.yaml").write_text(CONNECTIONS.format(url=sandbox.url))
        configured = load(tmp_path / "connections.yaml", os.environ, ()).connections
        for events, faults in ((FIRST, FAULTS), (LATER, [WAIT])):
            file = tmp_path / "events.ndjson"
            file.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in events))
            for fault in faults:
                sandbox.inject(fault)
            with whole_outbox(address, tmp_path / "worker's view") as outbox, read_events(str(file)) as lines:
                received = "2026-01-31T10:15:30.000Z"
                outbox.take_in([*new_events(lines, "files", received)], [each.name for each in configured], 0)
                asyncio.run(Delivery(outbox.queue, configured, Options(patience=0.0)).run())
                discard = Discarded("web", 1.7e9, "event_not_defined", "track calls require event", "m9", b"{}")
                outbox.keep_discards([discard] if faults is FAULTS else [], {}, 0)
        yield


@pytest.mark.slow
def test_each_question_has_one_command_on_streams(streams: None) -> None:
    for question, (command, *answers) in QUESTIONS.items():
        _, text = said(*shlex.split(command))
        found = words(re.sub(r"\b\d\d:\d\d:\d\d identify|(?<=\d )10:15:30 (?=track)", "", words(steady(text))))
        for answer in answers:
            expected = re.sub(r"^\d(?= track)", lambda number: NUMBERS[number[0]], words(answer))
            assert expected in found, (question, text)
