"""Logs are JSON, and no secret is in them: neither by its type nor by its text."""

from __future__ import annotations

import io
import logging

import orjson
import pytest

from engine.delivery import logs
from engine.delivery.observers import DeliveryObserver, Observers
from engine.delivery.outbox.base import Change
from engine.records import Outcome, Secret


@pytest.fixture
def logged():
    stream = io.StringIO()
    handler = logs.start(stream, ["s3cret-key"])
    yield lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]
    logs.stop(handler)


def test_a_line_is_an_object(logged) -> None:
    logs.Logging().paused("shop", "the vendor answered 503", 1.23456)
    [line] = logged()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "event": "paused",
        "connection": "shop",
        "reason": "the vendor answered 503",
        "seconds": 1.235,
    }


LINES = {
    "held": (
        ("shop", "the vendor answered 401", "Check the key."),
        {"level": "error", "reason": "the vendor answered 401"}
        | {"hint": "Check the key. Then: engine outbox resume shop"},
    ),
    "held without a hint": (
        ("shop", "the vendor answered 401", ""),
        {"level": "error", "event": "held", "reason": "the vendor answered 401"}
        | {"hint": "After fixing the cause: engine outbox resume shop"},
    ),
    "resumed": (("shop", 63.21987), {"level": "info", "seconds": 63.22}),
    "released": (("shop",), {"level": "info", "event": "no longer held"}),
    "warned": (
        ("shop", "`calls` leaves out delete"),
        {"level": "warning", "event": "check the connection", "reason": "`calls` leaves out delete"},
    ),
    "failed": (
        ("shop", "ValueError: s3cret-key is none", 5.0),
        {"level": "error", "event": "worker failed", "reason": "ValueError: *** is none", "seconds": 5.0},
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_what_is_reported_is_a_line(logged, case) -> None:
    given, fields = LINES[case]
    method = case.split()[0]
    getattr(logs.Logging(), method)(*given)
    [line] = logged()
    assert line | {"time": ""} == {"time": "", "event": method, "connection": "shop"} | fields


FIELDS = {
    "by its type": {"key": Secret("other", "Token ***")},
    "by its text": {"reason": "token s3cret-key is not known"},
    "deep inside": {"headers": [{"Authorization": "Bearer s3cret-key"}, {"s3cret-key": Secret("other")}]},
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_secrets_are_masked(logged, fields) -> None:
    logging.getLogger(logs.NAME).warning("said %s", "s3cret-key", extra={"fields": fields})
    text = str(logged())
    assert "s3cret-key" not in text
    assert "other" not in text
    assert "***" in text


def test_a_traceback_is_a_field_and_masked_too(logged) -> None:
    try:
        int("s3cret-key")
    except ValueError:
        logging.getLogger(logs.NAME).exception("failed")
    [line] = logged()
    assert "'***'" in line["traceback"]


def test_nothing_is_logged_after_the_end() -> None:
    stream = io.StringIO()
    logs.stop(logs.start(stream, []))
    logs.Logging().held("shop", "401", "")
    assert stream.getvalue() == ""


def test_several_observers_hear_everything() -> None:
    heard: list[tuple[str, tuple[object, ...]]] = []

    class Hears(DeliveryObserver):
        def __getattribute__(self, name: str):
            return lambda *given: heard.append((name, given))

    reports = {
        "finished": ("shop", Outcome.DELIVERED, 1.0),
        "written": ("shop", [Change(1, Outcome.DELIVERED, "")]),
        "answered": ("shop", 200, 5, 0.1),
        "timed_out": ("shop", 30.0),
        "limited": ("shop", 0.5),
        "paused": ("shop", "503", 1.0),
        "held": ("shop", "401", "Check."),
        "resumed": ("shop", 3.5),
        "released": ("shop",),
        "warned": ("shop", "leaves out delete"),
        "retrying": ("shop", 2, "503", 1.0),
        "alarmed": ("shop", "20 of 20", "data"),
        "failed": ("shop", "ValueError: no", 5.0),
        "lost": ("shop", "It is gone."),
        "split": ("shop", 50),
        "elsewhere": ("shop", 9.0),
        "ended": ("shop", 3),
        "removed": ("shop", 3),
        "queue": ("shop", 3, 9.0),
        "owning": (4, 16),
    }
    assert set(reports) == {name for name in vars(DeliveryObserver) if not name.startswith("_")}
    for name, given in reports.items():
        getattr(Observers([Hears(), Hears()]), name)(*given)
    assert heard == [(name, given) for name, given in reports.items() for _ in range(2)]


def test_retries_are_logged_at_once_and_then_once_a_minute(logged) -> None:
    now = [0.0]
    logging_to_it = logs.Logging(clock=lambda: now[0])
    for moment in (0.0, 1.0, 59.0, 60.0, 61.0):
        now[0] = moment
        logging_to_it.retrying("shop", 2, "the vendor answered 500", 1.5)
    assert [(each["event"], each["events"], each["reason"], each["seconds"]) for each in logged()] == [
        ("retrying", 2, "the vendor answered 500", 1.5),
        ("retrying", 6, "the vendor answered 500", 1.5),
    ]


def test_lost_leases_are_logged_at_once_and_then_once_a_minute(logged) -> None:
    now = [0.0]
    logging_to_it = logs.Logging(clock=lambda: now[0])
    for moment in (0.0, 1.0, 59.0, 60.0):
        now[0] = moment
        logging_to_it.lost("shop", "It is gone.")
    lost = [(each["event"], each["connection"], each["times"], each["reason"]) for each in logged()]
    assert lost == [("lease lost", "shop", 1, "It is gone."), ("lease lost", "shop", 3, "It is gone.")]
