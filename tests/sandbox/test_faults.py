"""Which requests a fault hits, and the errors of invalid faults."""

from __future__ import annotations

import pytest

from engine.sandbox.faults import READERS, FaultError, Faults
from engine.sandbox.http_messages import VendorResponse

REQUEST = ("exponea", "POST", "/track/v2/projects/project-token/batch")


def hit(fault, requests=12, request=REQUEST):
    """Return the numbers of the requests that are hit."""
    faults = Faults()
    faults.inject(fault, 0.0)
    return [number for number in range(1, requests + 1) if faults.decide(*request, 0.0).fault]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ({"nth": [2, 5]}, [2, 5]),
        ({"every": 4}, [4, 8, 12]),
        ({"after": 10}, [11, 12]),
        ({"count": 2}, [1, 2]),
        ({"after": 3, "every": 2, "count": 2}, [5, 7]),
        ({"after": 3, "nth": [1]}, [4]),
        ({"rate": 0.3, "seed": 1}, [1, 4, 9, 10]),
        ({"rate": 0.3, "seed": 2}, [3, 4, 12]),
        ({"rate": 0}, []),
        ({"vendor": "extole"}, []),
        ({"vendor": "exponea", "method": "POST", "path": "/batch$", "count": 1}, [1]),
        ({"method": "GET"}, []),
        ({"path": "^/batch"}, []),
    ],
)
def test_which_requests_are_hit(fields, expected):
    assert hit({"kind": "reset", **fields}) == expected


def test_the_same_seed_hits_the_same_requests():
    fault = {"kind": "reset", "rate": 0.5, "seed": 7}
    assert hit(fault, 200) == hit(fault, 200) != hit({**fault, "seed": 8}, 200)


def test_a_fault_can_end_by_time():
    faults = Faults()
    faults.inject({"kind": "status", "for_seconds": 10}, 100.0)
    assert [bool(faults.decide(*REQUEST, now).fault) for now in (100.0, 110.0, 110.1)] == [True, True, False]


def test_delays_add_up_and_the_first_other_fault_wins():
    faults = Faults()
    for fault in (
        {"kind": "latency", "seconds": 0.5},
        {"kind": "status", "status": 500},
        {"kind": "latency", "seconds": [1, 1]},
        {"kind": "reset"},
    ):
        faults.inject(fault, 0.0)
    decision = faults.decide(*REQUEST, 0.0)
    assert (decision.delay, decision.fault.kind) == (1.5, "status")


def test_items_are_counted_over_all_batches():
    faults = Faults()
    faults.inject({"kind": "items", "nth": [2, 4], "errors": ["no", "never"]}, 0.0)
    first, second = faults.decide(*REQUEST, 0.0), faults.decide(*REQUEST, 0.0)
    assert [first.item_error(), first.item_error(), first.item_error()] == [None, ["no", "never"], None]
    assert [second.item_error(), second.item_error()] == [["no", "never"], None]


def failure(status, retry_after):
    return VendorResponse(status, {"status": status})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, VendorResponse(503, {"status": 503})),
        ({"status": 429}, VendorResponse(429, {"status": 429})),
        ({"status": 429, "retry_after": 5}, VendorResponse(429, {"status": 429}, {"retry-after": "5"})),
        (
            {"status": 503, "retry_after": 60, "retry_after_as": "date"},
            VendorResponse(503, {"status": 503}, {"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}),
        ),
        ({"status": 502, "body": "<html>"}, VendorResponse(502, b"<html>")),
        ({"status": 200, "body": {"success": False}}, VendorResponse(200, {"success": False})),
    ],
)
def test_the_response_of_a_status_fault(fields, expected):
    (fault,) = Faults().inject({"kind": "status", **fields}, 0.0)
    assert fault.response(failure, 1_700_000_000.0) == expected


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ([5], "a fault must be a JSON object with at least `kind`"),
        ({}, "kind is missing; write one of latency, status, reset, half, wrong_json, items"),
        ({"kind": "fire"}, "kind must be one of latency, status, reset, half, wrong_json, items, not 'fire'"),
        ({"kind": "reset", "rate": 2}, "rate must be a number from 0 to 1, not 2"),
        ({"kind": "reset", "rate": True}, "rate must be a number from 0 to 1, not True"),
        ({"kind": "reset", "nth": []}, "nth must be a list of positive whole numbers, not []"),
        ({"kind": "reset", "nth": [0]}, "nth must be a list of positive whole numbers, not [0]"),
        ({"kind": "reset", "every": 1.5}, "every must be a positive whole number, not 1.5"),
        ({"kind": "reset", "applied": 1}, "applied must be true or false, not 1"),
        ({"kind": "status", "status": 99}, "status must be a status from 200 to 599, not 99"),
        ({"kind": "latency", "seconds": [1]}, "seconds must be a number of seconds, or a list of two, not [1]"),
        ({"kind": "latency", "vendor": 1}, "vendor must be a vendor's name, not 1"),
        ({"kind": "reset", "path": "a(b"}, "path is not a valid RE2 pattern: missing )"),
        ({"kind": "reset", "path": "(?=a)"}, "path is not a valid RE2 pattern: invalid perl operator: (?="),
        (
            {"kind": "reset", "rat": 1},
            f"unknown key rat; allowed: {', '.join(sorted(READERS))}",
        ),
    ],
)
def test_errors_of_an_invalid_fault(fault, message):
    with pytest.raises(FaultError) as caught:
        Faults().inject(fault, 0.0)
    assert str(caught.value) == message
