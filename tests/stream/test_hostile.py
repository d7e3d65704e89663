"""Messages that somebody else has written to the streams: each is named, and everything around them goes on."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from engine.delivery.outbox.base import Change, Chosen
from engine.delivery.outbox.location import StreamAddress
from engine.records import Outcome
from engine.stream.outbox import opened_stream
from engine.stream.packs import Pack, encode
from engine.stream.results import ResultBatch, encode_aside
from engine.stream.results import encode as encode_results
from engine.stream.shared_state import SharedState, decoded
from engine.stream.view_file import VARIABLE
from tests.stream.events import event
from tests.stream.worker import Worker

PACK, PACKED = encode(Pack(("shop",), [event(99)]))
RESULT, RESULTS = encode_results(ResultBatch(1, 0.0, (Change(10**9, Outcome.DELIVERED, "x"),)))
FORMAT = {"Waybill-Format": "1"}
STATE = {"held": "", "hint": "", "held_at": None, "due": None, "pause": "", "alarms": {}, "format": 1}


def copy(change: Change | None = None, **more: object) -> tuple[dict[str, str], bytes]:
    pack = Pack(("shop",), [event(77)], again=True, replayed=(640,))
    return encode_aside(pack._replace(**more), change or Change(640, Outcome.REJECTED, "no"))


def results_with(**more: object) -> bytes:
    return orjson.dumps(orjson.loads(RESULTS) | more)


NOTED = [
    ("{name}.events.abc", PACK, PACKED),
    ("{name}.events.02", PACK, PACKED),
    ("{name}.events.00", PACK | {"Waybill-Ids": b64encode(b"12345678").decode()}, PACKED),
    ("{name}.events.00", PACK, PACKED.replace(b'"replayed":[]', b'"replayed":[18446744073709551615]')),
    ("{name}.events.00", PACK | {"Status": "404"}, b"x"),
    ("{name}.results.00.\u20ac", RESULT, RESULTS),
    ("{name}.results.7.shop", RESULT, RESULTS),
    ("{name}.results.00.shop", RESULT, results_with(at=1e300)),
    ("{name}.results.00.shop", RESULT, results_with(attempts=[[2**64 - 1, 1, "n", "GET", "u", 1, 200]])),
    ("{name}.set_aside.shop.00", *copy(connections=("shop", "crm"))),
    ("{name}.set_aside.shop.00", *copy(connections=("crm",))),
    ("{name}.set_aside.shop.00", *copy(replayed=())),
    ("{name}.set_aside.shop.00", *copy(replayed=(2**60,))),
    ("{name}.set_aside.shop.00", *copy(Change(2**62, Outcome.REJECTED, "no"))),
    ("{name}.set_aside.shop.00", *copy(Change(640, Outcome.WAITING, "no"))),
    ("{name}.set_aside.shop.00", *copy(Change(64, Outcome.REJECTED, "no"), replayed=(704,))),
    ("{name}.set_aside.shop.x", *copy()),
    ("{name}.set_aside.shop.88", *copy()),
    ("$KV.{name}_state.connection", {}, b"x"),
    ("$KV.{name}_state.connection.\u20ac", {}, orjson.dumps(STATE)),
    ("$KV.{name}_state.connection.=73hop", {}, orjson.dumps(STATE | {"held": "by somebody"})),
    ("$KV.{name}_state.connection.a.b", {}, orjson.dumps(STATE)),
    ("$KV.{name}_state.version.\u20ac", {}, b'{"format":1,"name":"x"}\nx'),
    ("$KV.{name}_state.purged.all", {}, b'{"older_than":"nan","outcomes":[]}'),
    ("$KV.{name}_state.purged.all", {}, b'{"older_than":1e300,"outcomes":[]}'),
    ("$KV.{name}_state.purged.all", {}, b'{"older_than":1e9,"outcomes":["waiting"]}'),
    ("{name}.discards.web", FORMAT, b'{"at":1e300,"count":1,"discards":[]}'),
    ("{name}.discards.web", FORMAT, b'{"at":1,"count":1,"discards":[["nan","c","r","m","x"]]}'),
    ("{name}.discards.\u20ac", FORMAT, b'{"at":1,"count":1,"discards":[]}'),
]


def test_each_message_is_named_and_everything_else_is_shown(
    new_address: Callable[..., StreamAddress], tmp_path: Path
) -> None:
    address, notes = new_address(partitions=2), []
    environ = {VARIABLE: str(tmp_path / "view")}
    with opened_stream(address, environ, create=True, note=notes.append) as outbox:
        worker = Worker(outbox._client, outbox._layout)
        worker.publish(outbox._layout.events_subject(0), *reversed(encode(Pack(("shop",), [event(1)]))))
        subjects = [subject.format(name=address.name) for subject, _, _ in NOTED]
        written = [
            (worker.publish(subject, body, headers), subject)
            for subject, (_, headers, body) in zip(subjects, NOTED, strict=True)
        ]
        outbox.take_in([event(2)], ["shop"], 0)
        shown = {row.message_id: row.outcome for row in outbox.listed(Chosen("shop"), 0, 100)}
        assert shown == {"m1": Outcome.WAITING, "m2": Outcome.WAITING}
        kept = [each for each in written if "purged" not in each[1]] + [
            each for each in written if "purged" in each[1]
        ][-1:]
        for number, subject in kept:
            end = f"It is message {number} of {subject}, and is not shown."
            assert [line for line in notes if line.endswith(end)], (number, subject, notes)
        assert [row.name for row in SharedState(outbox._client, outbox._layout).rows()] == ["shop"]
        assert [(row.name, row.held) for row in outbox.connections()] == [("shop", "")]


@pytest.mark.parametrize(
    "more",
    [
        {"due": 1e300},
        {"due": -1},
        {"held_at": 2**64 - 1},
        {"due": True},
        {"alarms": {str(number): "x" for number in range(257)}},
        {"hint": 7},
        {"format": 1.5},
    ],
)
def test_a_shared_state_that_nobody_can_have_written_holds_its_connection(more: dict[str, object]) -> None:
    found = decoded("shop", "connection.shop", orjson.dumps(STATE | more))
    assert found.held == "the shared state of this connection cannot be read, so it is not known whether it was held"
    assert found.hint == "Find out what has written to the key connection.shop."


def test_texts_of_a_shared_state_are_bounded() -> None:
    found = decoded(
        "shop", "k", orjson.dumps(STATE | {"held": "h" * 10**6, "hint": "i" * 10**6, "alarms": {"0": "a" * 10**6}})
    )
    assert {len(each) for each in (found.held, found.hint, found.alarms["0"])} == {2000}
