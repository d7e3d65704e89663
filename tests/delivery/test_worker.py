"""What a vendor's responses do to events, batches and the connection."""

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64encode
from dataclasses import replace
from urllib.parse import quote_plus

import orjson
import pytest

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.observers import DeliveryObserver
from engine.delivery.outbox.base import Chosen, Reason
from engine.delivery.supervisor import Delivery
from engine.plan import load
from engine.records import Outcome
from tests.delivery.memory_outbox import MemoryOutbox
from tests.delivery.vendor import (
    BATCHES,
    MAPPING,
    QUICK,
    Answer,
    Ran,
    Request,
    Vendor,
    delivered,
    event,
    fine,
    results,
    shop,
)


def run(*given, **named) -> Ran:
    return asyncio.run(delivered(*given, **named))


def batches(ran: Ran) -> list[list[str]]:
    return [[item["id"] for item in each.body] for each in ran.requests if each.path == "/many"]


def test_events_travel_in_batches_and_are_delivered(tmp_path) -> None:
    ran = run(tmp_path, [event(n) for n in range(12)])
    assert sorted(batches(ran)) == sorted(
        [["m0", "m1", "m2", "m3", "m4"], ["m5", "m6", "m7", "m8", "m9"], ["m10", "m11"]]
    )
    assert set(ran.outcomes.values()) == {"delivered"}
    assert set(ran.reasons.values()) == {"1 request accepted"}
    assert ran.requests[0].headers["authorization"] == "Bearer top-secret-key"


def test_what_is_not_mapped_or_not_valid_is_not_sent(tmp_path) -> None:
    events = [
        event(1, call="alias", previousId="p"),
        event(2)._replace(raw=b'{"type": "track", "userId": "u"}'),
        event(3)._replace(raw=b"[]"),
    ]
    ran = run(tmp_path, events)
    assert ran.requests == []
    assert ran.outcomes == {"m1": "ignored", "m2": "invalid", "m3": "invalid"}
    assert ran.reasons["m1"] == "shop does not map alias calls"


@pytest.mark.parametrize(
    ("options", "outcome", "reason"),
    [
        ({"calls": frozenset({"page"})}, "ignored", "the connection shop takes no track calls"),
        ({"when": "properties.vip"}, "ignored", "the connection's `when` is not met: properties.vip"),
        ({"when": "length(event)"}, "delivered", "1 request accepted"),
        (
            {"when": "length(properties.none)"},
            "ignored",
            (
                "the connection's `when` is not met: length(properties.none)"
                " (length() takes text or a list or an object, not null)"
            ),
        ),
        (
            {"when": "event > `5`"},
            "ignored",
            (
                "the connection's `when` is not met: event > `5`"
                " (> compares two numbers; comparing text with a number gives null)"
            ),
        ),
        ({"when": "properties.none > `5`"}, "ignored", "the connection's `when` is not met: properties.none > `5`"),
    ],
)
def test_a_connection_takes_what_it_wants(tmp_path, options, outcome, reason) -> None:
    ran = run(tmp_path, [event(1)], **options)
    assert (ran.outcomes["m1"], ran.reasons["m1"]) == (outcome, reason)


NOT_MET = "the connection's `when` is not met: {}"
NOT_MAPPED = "shop does not map delete calls"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"when": "context.consent.advertising"}, NOT_MAPPED),
        ({"when": "properties.type == 'vip'"}, NOT_MAPPED),
        ({"when": "length(properties.none)"}, NOT_MAPPED),
        ({"when": "type == 'track'"}, NOT_MET.format("type == 'track'")),
        ({"when": "@.type == 'track'"}, NOT_MET.format("@.type == 'track'")),
        ({"when": "properties.vip && type != 'page'"}, NOT_MET.format("properties.vip && type != 'page'")),
        ({"when": "type == 'delete' || properties.vip"}, NOT_MAPPED),
        ({"calls": frozenset({"track"})}, "the connection shop takes no delete calls"),
    ],
)
def test_a_deletion_passes_a_filter_that_does_not_read_the_type(tmp_path, options, reason) -> None:
    """The test mapping has no deletions, so one that passes the filters ends as not mapped."""
    ran = run(tmp_path, [event(1, call="delete")], **options)
    assert (ran.outcomes["m1"], ran.reasons["m1"]) == ("ignored", reason)


def test_a_failed_item_is_rejected_alone_with_the_vendors_words(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, {"results": [{"ok": item["id"] != "m1", "error": "bad\nthing"} for item in request.body]})

    ran = run(tmp_path, [event(n) for n in range(3)], answer)
    assert ran.outcomes == {"m0": "delivered", "m1": "rejected", "m2": "delivered"}
    assert ran.reasons["m1"] == "the vendor refused this item of a batch (status 200) | bad thing"


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_batch_refused_whole_is_halved_until_the_culprit_is_alone(tmp_path, count) -> None:
    bad = f"m{count // 2}"

    def answer(request: Request) -> Answer:
        if any(item["id"] == bad for item in request.body):
            return Answer(400, {"why": "no"})
        return fine(request)

    ran = run(tmp_path, [event(n) for n in range(count)], answer, max_items=8)
    assert [each for each, outcome in ran.outcomes.items() if outcome == "rejected"] == [bad]
    assert ran.reasons[bad] == 'the vendor answered 400 | {"why":"no"}'
    assert set(ran.outcomes.values()) <= {"delivered", "rejected"}


def test_where_everything_is_refused_the_brake_leaves_the_rest_waiting(tmp_path) -> None:
    options = replace(QUICK, slots=1, patience=0.2)
    ran = run(tmp_path, [event(n) for n in range(200)], lambda _: Answer(422, {}), max_items=50, options=options)
    assert 15 < list(ran.outcomes.values()).count("rejected") <= 20
    assert list(ran.outcomes.values()).count("waiting") >= 180
    [row] = ran.outbox.connections()
    assert (row.held, row.due) == ("", None)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "data"), (413, "data"), (422, "data"), (404, "settings"), (405, "settings"),
                         (410, "settings"), (415, "settings"), (302, "settings")]
)  # fmt: skip
def test_refusals_raise_an_alarm_that_says_what_they_speak_of(tmp_path, status, kind) -> None:
    alarms: list[str] = []

    class Alarms(DeliveryObserver):
        def alarmed(self, connection, alarm, kind):
            alarms.append(alarm)

    events = [event(n, call="identify") for n in range(60)]
    options = replace(QUICK, slots=1, patience=0.0)
    ran = run(tmp_path, events, lambda _: Answer(status), options=options, observer=Alarms())
    assert list(ran.outcomes.values()).count("rejected") in (20, 21)
    expected = (
        f"20 of the last 20 results are refusals, most of them because of the {kind} (the last with status {status})"
    )
    assert alarms == [expected]
    assert ran.outbox.connections()[0].alarm == expected


def test_items_refused_in_batches_put_on_the_brake_too(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, {"results": [{"ok": False} for _ in request.body]})

    options = replace(QUICK, slots=1, patience=0.0)
    ran = run(tmp_path, [event(n) for n in range(60)], answer, max_items=25, options=options)
    assert list(ran.outcomes.values()).count("rejected") == 25, "one batch, and nothing is lost"
    assert list(ran.outcomes.values()).count("waiting") == 35


def test_bad_data_never_stops_the_others(tmp_path) -> None:
    """Twenty-five events that the vendor refuses come first; they are rejected, and the others delivered."""

    def answer(request: Request) -> Answer:
        return Answer(400, {"why": "not an email"}) if int(request.body["id"][1:]) < 25 else fine(request)

    ran = run(tmp_path, [event(n, call="identify") for n in range(100)], answer, options=replace(QUICK, patience=10))
    assert list(ran.outcomes.values()).count("rejected") == 25
    assert list(ran.outcomes.values()).count("delivered") == 75
    assert ran.outbox.connections()[0].held == ""


def test_secrets_are_masked_in_what_is_kept(tmp_path) -> None:
    """A vendor repeats its credentials in other forms; a reason quotes an event that holds them."""
    key = "top-secret-key"
    answers = {
        "m1": {"got": f"Basic {b64encode(f'user:{key}'.encode()).decode()}"},
        "m2": {"got": quote_plus(key).replace("-", "%2d")},
        "m3": {"got": "x" * 480 + key},
    }

    def answer(request: Request) -> Answer:
        return Answer(422, answers[request.body["id"]])

    events = [event(n, call="identify") for n in range(1, 4)]
    events.append(event(4)._replace(raw=orjson.dumps({"type": key, "userId": "u"})))
    ran = run(tmp_path, events, answer)
    refused = "the vendor answered 422"
    assert ran.reasons == {
        "m1": f'{refused} | {{"got":"Basic dXNlcj***"}}',
        "m2": f'{refused} | {{"got":"***"}}',
        "m3": f'{refused} | {{"got":"{"x" * 480}***"}}',
        "m4": 'unknown type "***"; it must be one of identify, track, page, screen, group, alias, delete',
    }


def test_stop_holds_the_connection_until_a_person_resumes_it(tmp_path) -> None:
    allowed: list[bool] = []

    def answer(request: Request) -> Answer:
        return fine(request) if allowed else Answer(409, {"why": "top-secret-key is not known"})

    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor(answer) as vendor:
            configured = shop(tmp_path, vendor.url)
            outbox.take_in([event(1)], ["shop"], 1.0)
            await Delivery(outbox, [configured], QUICK).run()
            [row] = outbox.connections()
            assert (row.held, row.hint) == ("the vendor answered 409: *** is not known", "Ask for access.")
            allowed.append(True)
            await Delivery(outbox, [configured], QUICK).run()
            assert (results(outbox)[0], len(vendor.requests)) == ({"m1": "held"}, 1)
            outbox.resume("shop")
            await Delivery(outbox, [configured], QUICK).run()
            assert results(outbox)[0] == {"m1": "delivered"}

    asyncio.run(story())


FAILURES = {
    "503": (Answer(503, {"why": "busy"}), 'the vendor answered 503: {"why":"busy"}'),
    "429": (Answer(429), "the vendor answered 429"),
    "lost": (Answer(0), "no response from the vendor: the vendor closed the connection before it responded"),
    "unreadable": (Answer(200, b"<html>"), "the vendor answered 200: the response could not be read"),
    "too few": (
        Answer(200, {"results": []}),
        (
            "the vendor answered 200: the response has no result for each item of the batch: body.results "
            "(batches.many.results.list)"
        ),
    ),
}


def test_a_response_that_values_are_saved_from_is_asked_for_again_if_it_cannot_be_read(tmp_path) -> None:
    answers = iter([Answer(200, b"<html>")])
    ran = asyncio.run(
        delivered(tmp_path, [event(1, call="group")], lambda request: next(answers, None) or fine(request))
    )
    assert ran.outcomes == {"m1": "delivered"}
    assert [request.path for request in ran.requests] == ["/find/u1", "/find/u1", "/use/k1"]


@pytest.mark.parametrize(("failure", "reason"), FAILURES.values(), ids=FAILURES)
def test_failures_of_the_vendor_use_nothing_up(tmp_path, failure, reason) -> None:
    class Failures(DeliveryObserver):
        def paused(self, connection, reason, seconds):
            failures.append(reason)

        def retrying(self, connection, events, reason, seconds):
            failures.append(reason)

    failures: list[str] = []
    left = [failure] * 6
    answer = lambda request: left.pop() if left else fine(request)  # noqa: E731
    ran = run(tmp_path, [event(n) for n in range(7)], answer, observer=Failures())
    assert set(ran.outcomes.values()) == {"delivered"}
    assert set(failures) == {reason}


def test_a_vendor_that_stays_away_is_not_waited_for_without_end(tmp_path) -> None:
    events = [event(n, call="identify") for n in range(12)]
    ran = run(tmp_path, events, lambda _: Answer(503), options=replace(QUICK, patience=0.05))
    assert set(ran.outcomes.values()) == {"waiting"}
    assert set(ran.reasons.values()) <= {"the vendor answered 503", "not sent yet"}
    [row] = ran.outbox.connections()
    assert (row.pause, row.owner) == ("the vendor answered 503", None)
    assert row.due is not None


def test_an_event_that_keeps_failing_is_not_waited_for_without_end(tmp_path) -> None:
    ran = run(tmp_path, [event(1)], lambda _: Answer(503), options=replace(QUICK, patience=0.05))
    assert (ran.outcomes, ran.reasons) == ({"m1": "waiting"}, {"m1": "the vendor answered 503"})
    assert ran.outbox.retried(9) == [Reason("shop", Outcome.WAITING, "the vendor answered 503", 1, "")]
    assert ran.outbox.connections()[0].due is None, "the connection does not pause for one event"


def test_retry_after_is_kept_to_by_the_next_process_too(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor(lambda _: Answer(429, None, {"Retry-After": "60"})) as vendor:
            configured = shop(tmp_path, vendor.url)
            outbox.take_in([event(1)], ["shop"], 1.0)
            await Delivery(outbox, [configured], QUICK).run()
            await Delivery(outbox, [configured], QUICK).run()
            assert len(vendor.requests) == 1
            outbox.resume("shop")
            await Delivery(outbox, [configured], QUICK).run()
            assert len(vendor.requests) == 2

    asyncio.run(story())


def test_an_event_is_given_up_by_age_with_the_last_words(tmp_path) -> None:
    ran = run(
        tmp_path, [event(1)], lambda _: Answer(503, {"why": "busy"}), give_up="20ms", options=replace(QUICK, patience=5)
    )
    assert ran.outcomes == {"m1": "rejected"}
    reason = r'gave up after [0-9.]+s \| the vendor answered 503: {"why":"busy"}'
    assert re.fullmatch(reason, ran.reasons["m1"])


def test_steps_wait_for_each_other_and_use_what_was_saved(tmp_path) -> None:
    ran = run(tmp_path, [event(1, call="group")])
    assert [each.path for each in ran.requests] == ["/find/u1", "/use/k1"]
    assert ran.reasons == {"m1": "2 requests accepted"}


@pytest.mark.parametrize("body", [{}, {"key": None}, None])
def test_what_a_response_lacks_is_absent_in_later_steps(tmp_path, body) -> None:
    ran = run(tmp_path, [event(1, call="group")], lambda _: Answer(200, body))
    assert [each.path for each in ran.requests] == ["/find/u1"]
    assert ran.outcomes == {"m1": "invalid"}
    assert ran.reasons == {"m1": "the URL needs a value that is missing (requests.use.path)"}


def test_what_is_missing_is_made_and_read_from(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(404) if request.path == "/find/u1" else Answer(201, {"key": "new"})

    ran = run(tmp_path, [event(1, call="group")], answer)
    assert [(each.path, each.body) for each in ran.requests] == [
        ("/find/u1", {"id": "m1"}),
        ("/make", {"id": "m1"}),
        ("/use/new", {"id": "m1"}),
    ]
    assert ran.outcomes == {"m1": "delivered"}


def test_what_another_made_in_between_is_asked_for_again(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/make":
            return Answer(400, "it is there already")
        first = [each.path for each in requests].count(request.path) == 0
        requests.append(request)
        return Answer(404) if first and request.path == "/find/u1" else Answer(200, {"key": "theirs"})

    requests: list[Request] = []
    ran = run(tmp_path, [event(1, call="group")], answer)
    assert [each.path for each in ran.requests] == ["/find/u1", "/make", "/find/u1", "/use/theirs"]


def test_a_rejected_step_stops_the_later_ones_and_a_replay_sends_the_rest(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(400, "not yet") if request.path == "/use/k1" and not fixed else fine(request)

    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor(answer) as vendor:
            configured = shop(tmp_path, vendor.url)
            outbox.take_in([event(1, call="group")], ["shop"], 1.0)
            await Delivery(outbox, [configured], QUICK).run()
            assert results(outbox)[1] == {"m1": "the vendor answered 400; 1 of 2 accepted | not yet"}
            fixed.append(True)
            outbox.replay([row.place for row in outbox.listed(Chosen(), 0, 9)], "replayed", 2.0)
            await Delivery(outbox, [configured], QUICK).run()
            assert [each.path for each in vendor.requests] == ["/find/u1", "/use/k1", "/use/k1"]
            assert results(outbox)[0] == {"m1": "delivered"}

    fixed: list[bool] = []
    asyncio.run(story())


def test_under_another_mapping_all_steps_go_again(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor(lambda request: Answer(400) if request.path == "/use/k1" else fine(request)) as vendor:
            outbox.take_in([event(1, call="group")], ["shop"], 1.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url)], QUICK).run()
            outbox.replay([row.place for row in outbox.listed(Chosen(), 0, 9)], "replayed", 2.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url, max_items=6)], QUICK).run()
            assert [each.path for each in vendor.requests] == ["/find/u1", "/use/k1"] * 2

    asyncio.run(story())


def test_one_of_two_requests_refused_in_a_batch(tmp_path) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, {"results": [{"ok": item["part"] == 2, "error": "no"} for item in request.body]})

    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor(answer) as vendor:
            configured = shop(tmp_path, vendor.url)
            outbox.take_in([event(1, call="page")], ["shop"], 1.0)
            await Delivery(outbox, [configured], QUICK).run()
            assert results(outbox)[1] == {
                "m1": "the vendor refused this item of a batch (status 200); 1 of 2 accepted | no"
            }
            vendor.answer = fine
            outbox.replay([row.place for row in outbox.listed(Chosen(), 0, 9)], "replayed", 2.0)
            await Delivery(outbox, [configured], QUICK).run()
            assert [[item["part"] for item in each.body] for each in vendor.requests] == [[1, 2], [1]]

    asyncio.run(story())


def test_events_of_one_person_keep_their_order(tmp_path) -> None:
    calls = ["track", "identify", "group", "page"]
    events = [
        event(n, user=f"u{n % 3}", call=calls[n * 7 % 4], anonymousId=f"a{n % 5}" if n % 4 == 0 else None)
        for n in range(120)
    ]
    ran = run(tmp_path, events)
    assert set(ran.outcomes.values()) == {"delivered"}
    seen: list[int] = []
    for request in ran.requests:
        seen += [int(item["id"][1:]) for item in (request.body if isinstance(request.body, list) else [request.body])]
    for user in range(3):
        mine = [each for each in seen if each % 3 == user]
        assert mine == sorted(mine)


def test_no_more_requests_at_once_than_slots(tmp_path) -> None:
    async def story() -> int:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            vendor.delay = 0.01
            outbox.take_in([event(n, call="identify") for n in range(60)], ["shop"], 1.0)
            await Delivery(outbox, [shop(tmp_path, vendor.url)], replace(QUICK, slots=3)).run()
            return vendor.most_at_once

    assert asyncio.run(story()) == 3


def test_the_rate_limit_holds(tmp_path) -> None:
    class Waits(DeliveryObserver):
        def limited(self, connection, seconds):
            waits.append(seconds)

    waits: list[float] = []
    began = time.monotonic()
    ran = run(tmp_path, [event(n, call="identify") for n in range(5)], rate_limit="3/s", observer=Waits())
    assert set(ran.outcomes.values()) == {"delivered"}
    assert time.monotonic() - began >= 2 / 3, "three go at once, and one more each third of a second"
    assert 1 <= len(waits) <= 2
    assert max(waits) <= 2 / 3


def test_a_vendor_that_fails_does_not_slow_another(tmp_path) -> None:
    async def story(broken: bool) -> float:
        outbox = MemoryOutbox()
        async with Vendor() as well, Vendor(lambda _: Answer(503) if broken else None) as ill:
            well.delay = 0.005
            names = ["well"] + ["ill"] * broken
            outbox.take_in([event(n, call="identify") for n in range(100)], names, 1.0)
            configured = [shop(tmp_path, well.url, name="well"), shop(tmp_path, ill.url, name="ill")]
            delivery = Delivery(outbox, configured, replace(QUICK, patience=60))
            began = asyncio.get_running_loop().time()
            task = asyncio.create_task(delivery.run())
            while outbox.unfinished("well")[0]:  # noqa: ASYNC110  an outbox has no events to wait for
                await asyncio.sleep(0.005)
            took = asyncio.get_running_loop().time() - began
            delivery.stop()
            await task
            assert not broken or outbox.unfinished("ill")[0] == 100
            return took

    alone, beside = asyncio.run(story(False)), asyncio.run(story(True))
    assert beside < 2 * alone + 0.2


def test_stopping_waits_for_what_is_on_its_way_and_loses_nothing(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            vendor.delay = 0.1
            outbox.take_in([event(n, call="identify") for n in range(30)], ["shop"], 1.0)
            delivery = Delivery(outbox, [shop(tmp_path, vendor.url)], QUICK)
            task = asyncio.create_task(delivery.run())
            await vendor.asked.wait()
            delivery.stop()
            await task
            outcomes = list(results(outbox)[0].values())
            assert outcomes.count("delivered") == len(vendor.requests) == 8
            assert outcomes.count("waiting") == 22
            assert outbox.connections()[0].owner is None

    asyncio.run(story())


def test_a_worker_takes_over_from_one_that_is_gone(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            configured = shop(tmp_path, vendor.url)
            outbox.take_in([event(1)], ["shop"], 1.0)
            delivery = Delivery(outbox, [configured], QUICK)
            outbox.lease("shop", "gone", delivery._clock.time() + 0.2 - 0.3, 0.3)
            await delivery.run()
            assert results(outbox)[0] == {"m1": "delivered"}

    asyncio.run(story())


def test_two_workers_share_connections_without_sending_twice(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            configured = shop(tmp_path, vendor.url)
            outbox.take_in([event(n) for n in range(100)], ["shop"], 1.0)
            await asyncio.gather(*(Delivery(outbox, [configured], QUICK).run() for _ in range(3)))
            ids = [item["id"] for each in vendor.requests for item in each.body]
            assert sorted(ids) == sorted(f"m{n}" for n in range(100))

    asyncio.run(story())


def test_a_worker_that_lost_its_lease_notes_nothing_more(tmp_path) -> None:
    async def story() -> None:
        outbox = MemoryOutbox()
        async with Vendor() as vendor:
            vendor.delay = 0.2
            outbox.take_in([event(n, call="identify") for n in range(20)], ["shop"], 1.0)
            delivery = Delivery(outbox, [shop(tmp_path, vendor.url)], replace(QUICK, lease=0.3))
            task = asyncio.create_task(delivery.run())
            await vendor.asked.wait()
            assert outbox.lease("shop", "other", delivery._clock.time() + 1, 60), "by another clock, it has run out"
            await asyncio.sleep(0.6)
            assert set(results(outbox)[0].values()) == {"waiting"}
            sent = len(vendor.requests)
            outbox.release("shop", "other")
            await task
            assert set(results(outbox)[0].values()) == {"delivered"}
            assert len(vendor.requests) == sent + 20

    asyncio.run(story())


def test_an_outbox_that_fails_ends_the_worker(tmp_path) -> None:
    class Full(MemoryOutbox):
        def write(self, *_: object) -> None:
            raise OSError("no room")

    async def story() -> None:
        with pytest.raises(OSError, match=r"^no room$"):
            await delivered(tmp_path, [event(n, call="identify") for n in range(50)], outbox=Full())

    asyncio.run(story())


def test_requests_that_cannot_be_written_reject_their_event_alone(tmp_path) -> None:
    events = [
        event(1),
        event(2)._replace(raw=orjson.dumps({"type": "track", "event": "E", "userId": "u"}), message_id="m\ud800"),
        event(3),
    ]
    ran = run(tmp_path, events)
    assert [ran.outcomes["m1"], ran.outcomes["m\ud800"], ran.outcomes["m3"]] == ["delivered", "rejected", "delivered"]


def test_held_is_an_outcome_of_the_connection_not_of_rows(tmp_path) -> None:
    ran = run(tmp_path, [event(n) for n in range(3)], lambda _: Answer(401))
    assert ran.outbox.counts() == {("shop", Outcome.HELD): 3}


def test_what_a_connection_does_not_want_need_not_be_valid(tmp_path) -> None:
    nameless = event(1)._replace(raw=b'{"type": "group", "anonymousId": "a", "groupId": "g"}')
    assert run(tmp_path, [nameless]).outcomes == {"m1": "invalid"}
    assert run(tmp_path, [nameless], calls=frozenset({"track"})).outcomes == {"m1": "ignored"}


def test_settings_that_make_no_address_hold_the_connection(tmp_path) -> None:
    text = MAPPING.format(more=BATCHES.format(max_items=5, give_up="24h")).replace(
        "type: url,", "type: url, optional: true,"
    )
    (tmp_path / "shop.yaml").write_text(text)
    configured = ConfiguredConnection(name="shop", connection=load(tmp_path / "shop.yaml").connect({"key": "k"}, {}))
    outbox = MemoryOutbox()
    outbox.take_in([event(1)], ["shop"], 1.0)

    class Holds(DeliveryObserver):
        def held(self, connection, reason, hint):
            holds.append((connection, reason, hint))

    holds: list[tuple[str, str, str]] = []

    async def story() -> None:
        await Delivery(outbox, [configured], QUICK, observer=Holds()).run()

    asyncio.run(story())
    [row] = outbox.connections()
    assert holds == [("shop", row.held, row.hint)]
    assert (row.held, row.hint) == (
        "the URL needs a value that is missing (http.base_url)",
        "Check the connection's settings.",
    )
    assert results(outbox)[0] == {"m1": "held"}


PORT = "the port of this address is not a number from 1 to 65535 (http.base_url)"


def test_settings_that_make_a_port_out_of_range_hold_the_connection(tmp_path) -> None:
    text = MAPPING.format(more=BATCHES.format(max_items=5, give_up="24h"))
    (tmp_path / "shop.yaml").write_text(
        text.replace("type: url,", "type: string,").replace("${settings.url}", "http://127.0.0.1:${settings.url}")
    )
    connection = load(tmp_path / "shop.yaml").connect({"key": "k", "url": "99999"}, {})
    plan = connection.plan({"type": "identify", "userId": "u", "traits": {"a": 1}})
    assert (plan.outcome, plan.reason) == ("invalid", PORT)
    outbox = MemoryOutbox()
    outbox.take_in([event(1)], ["shop"], 1.0)
    asyncio.run(Delivery(outbox, [ConfiguredConnection(name="shop", connection=connection)], QUICK).run())
    [row] = outbox.connections()
    assert (row.held, row.hint) == (PORT, "Check the connection's settings.")
    assert results(outbox)[0] == {"m1": "held"}
