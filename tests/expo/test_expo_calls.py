"""What each call becomes on the wire: `sdk/expo-segment/test/calls.json`, which the ES module is held to as well."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.errors import UsageError
from engine.events.normalizing import normalize_json
from engine.expo import Flushed, Limits, Segment
from engine.expo.events import LIBRARY
from tests.expo.collector_stub import Stub, client, codes

ROOT = Path(engine.__file__).parent.parent
CASES = json.loads((ROOT / "sdk/expo-segment/test/calls.json").read_text())
LIMITS = {"eventBytes": "event_bytes", "queueEvents": "queue_events"}
PYTHON_NAMES = {
    "initializeIOS": "initialize_ios",
    "initializeAndroid": "initialize_android",
    "identifyWithTraits": "identify_with_traits",
    "trackWithProperties": "track_with_properties",
}


def shown(event: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
    assert event["context"]["library"] == LIBRARY
    event["context"]["library"] = "<library>"
    if names is None:
        return event
    flat = {**event, **{f"context.{name}": member for name, member in event["context"].items()}}
    return {name: flat[name] for name in names if name in flat}


@pytest.mark.parametrize("names", [{}, PYTHON_NAMES], ids=["camelCase", "snake_case"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_calls_become_events(case: dict[str, Any], names: dict[str, str], stub: Stub, tmp_path: Path) -> None:
    limits = Limits(**{LIMITS[name]: limit for name, limit in case.get("limits", {}).items()})
    segment = client(stub, tmp_path, case["platform"], context=case.get("context"), limits=limits)
    for call, *arguments in case["calls"]:
        getattr(segment, names.get(call, call))(*arguments)
    segment.close()
    assert [shown(event, case.get("show")) for event in stub.events] == case["events"]
    assert codes(segment) == [tuple(report) for report in case["reports"]]


@pytest.mark.parametrize("event", CASES[0]["events"] + CASES[1]["events"], ids=lambda event: event["messageId"])
def test_events_need_no_mending(event: dict[str, Any]) -> None:
    event = {**event, "context": {**event["context"], "library": LIBRARY}}
    normalized = normalize_json(json.dumps(event).encode(), received_at=event["timestamp"])
    assert (normalized.invalid, normalized.reports, normalized.call) == (None, (), event["type"])


def test_the_request_is_that_of_segments_mobile_libraries(stub: Stub, tmp_path: Path) -> None:
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
        assert segment.flush() == Flushed(sent=1)
        assert segment.flush() == Flushed()
    (request,) = stub.requests
    assert request.path == "/v1/batch"
    assert request.headers["Authorization"] == "Basic aW9zLWtleTo="
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Content-Encoding"] == "gzip"
    assert {**request.body, "batch": len(request.body["batch"])} == {"batch": 1, "sentAt": "2026-01-02T03:04:05.678Z"}


def test_gzip_can_be_left_out_and_the_endpoint_may_have_a_path(stub: Stub, tmp_path: Path) -> None:
    stub.endpoint += "/segment/"
    with client(stub, tmp_path, gzip=False) as segment:
        segment.initialize_ios("ios-key")
        segment.track("A")
    assert stub.requests[0].path == "/segment/v1/batch"
    assert "Content-Encoding" not in stub.requests[0].headers


def test_a_function_is_asked_for_the_context_of_every_event(stub: Stub, tmp_path: Path) -> None:
    said: list[Any] = [{"network": {"wifi": True}}, {"network": {"wifi": False}}, None]
    with client(stub, tmp_path, context=lambda: said.pop(0)) as segment:
        segment.initialize_ios("ios-key")
        for _ in range(4):
            segment.track("A")
    assert [event["context"].get("network") for event in stub.events] == [{"wifi": True}, {"wifi": False}, None, None]
    assert [report.message for report in segment.reports] == [
        "The context is not an object (null); it was left out.",
        "The function that returns the context raised IndexError; the event went without it.",
    ]


def test_a_second_initialise_replaces_the_key_and_loses_nothing(stub: Stub, tmp_path: Path) -> None:
    with client(stub, tmp_path) as segment:
        segment.initialize_ios("first")
        segment.track("A")
        segment.initialize_ios("second")
        segment.track("B")
        assert segment.flush() == Flushed(sent=2)
    sent = [(request.headers["Authorization"], request.body["batch"][0]["event"]) for request in stub.requests]
    assert sent == [("Basic Zmlyc3Q6", "A"), ("Basic c2Vjb25kOg==", "B")]


@pytest.mark.parametrize(
    ("platform", "endpoint", "message"),
    [
        ("web", "https://c.example.com", "Unknown platform 'web'. Use ios or android."),
        *(
            (
                "ios",
                endpoint,
                (
                    "The endpoint is not the address of a collector. Use an http or https address without user, query "
                    "or fragment, as in https://collector.example.com."
                ),
            )
            for endpoint in (
                None,
                "",
                "collector.example.com",
                "ftp://collector.example.com",
                "https://",
                "https://user:pass@collector.example.com",
                "https://collector.example.com?key=1",
                "https://collector.example.com#x",
                "https://collector.example.com:port",
                "https://collector.example.com/a b",
                "https://collector.example.com\r\nX: y",
            )
        ),
    ],
)
def test_a_setup_that_cannot_work_is_refused_at_once(
    platform: str, endpoint: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as raised:
        Segment(platform, endpoint, tmp_path)
    assert str(raised.value) == message
    assert not list(tmp_path.iterdir())


def test_reports_say_what_is_wrong_and_what_to_do(stub: Stub, tmp_path: Path) -> None:
    with client(stub, tmp_path, limits=Limits(queue_events=1, event_bytes=600)) as segment:
        segment.track("A")
        segment.initialize_android("android-key")
        segment.initialize_ios("")
        segment.initialize_ios("ios-key")
        segment.identify(7)  # type: ignore[arg-type]
        segment.track_with_properties("A", [])  # type: ignore[arg-type]
        segment.track_with_properties("B", {"when": object()})
        segment.track("C" * 1000)
        segment.track_with_properties("D", dict.fromkeys(map(str, range(40_000))))
    segment.track("E")
    assert [report.message for report in segment.reports] == [
        "track before initializeIOS does nothing. Call that first, with a write key.",
        "initializeAndroid does nothing on ios; initializeIOS is used.",
        "The write key given to initializeIOS is blank; nothing was initialized.",
        "The user id given to identify is not text (int); the call was dropped.",
        "The properties given to trackWithProperties are not an object (list); the event went without them.",
        "properties.when has no JSON form (object); it was left out. Use text, numbers or true/false.",
        "The queue holds 1 events; the oldest, track A of 2026-01-02T03:04:05.678Z, was dropped to make room.",
        "The event of track takes more than 600 bytes; it was dropped. Send less data.",
        "The event of trackWithProperties takes more than 600 bytes; it was dropped. Send less data.",
        "track after close does nothing.",
    ]


def test_reports_are_logged_the_usual_ones_quietly(
    stub: Stub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "engine.expo.client"), client(stub, tmp_path) as segment:
        segment.initialize_android("android-key")
        segment.track("A")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "other-platform: initializeAndroid does nothing on ios; initializeIOS is used."),
        ("WARNING", "not-initialised: track before initializeIOS does nothing. Call that first, with a write key."),
    ]


def test_only_the_last_thousand_reports_are_kept(stub: Stub, tmp_path: Path) -> None:
    with client(stub, tmp_path) as segment:
        for _ in range(1010):
            segment.track("A")
        assert len(segment.reports) == 1000


def test_an_argument_that_raises_does_not_stop_the_app(stub: Stub, tmp_path: Path) -> None:
    class Trap(dict[str, object]):
        def items(self) -> Any:
            raise ValueError("ios-key and somebody's e-mail")

    with client(stub, tmp_path) as segment:
        segment.initialize_ios("ios-key")
        segment.track_with_properties("A", Trap())
        segment.track("B")
    assert [event["event"] for event in stub.events] == ["B"]
    assert [report.message for report in segment.reports] == [
        "trackWithProperties failed (ValueError); please report this."
    ]


def test_the_write_key_is_nowhere_to_be_seen(stub: Stub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stub.replies = []
    key = "sEcReTkEy0123456789"

    def quoting(url: str, body: bytes, headers: dict[str, str], timeout: float) -> Any:
        raise OSError(f"refused: {headers} {key}")

    with client(stub, tmp_path, transport=quoting) as segment:
        segment.initialize_ios(key)
        segment.track("A")
        result = segment.flush()
        seen = [repr(segment), repr(vars(segment)), repr(vars(segment._sender)), str(segment.reports), str(result)]
    seen += [caplog.text, *(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir())]
    assert "refused" in str(segment.reports)
    assert [text for text in seen if key in text or "c0VjUmVUa0V5" in text] == []
    assert seen[0] == f"<Segment ios to {stub.endpoint}, initialized>"
