"""What was converted or left out stays with its event, from intake to the vendor: bounded, counted, without secrets."""

from __future__ import annotations

import asyncio

import pytest

from engine.delivery.metrics import Metrics
from engine.delivery.observers import MOST_KINDS, ReportCounter
from engine.delivery.outbox.base import Change, Chosen
from engine.delivery.outbox.reports import (
    MOST_BYTES,
    MOST_KEPT,
    NO_REPORTS,
    EventReports,
    as_text,
    from_text,
    kept,
)
from engine.records import NO_SECRETS, Outcome, Report, Secrets
from tests.delivery.vendor import delivered, event

CONVERTED = Report("id-converted", "userId", "userId is the number 7; it was converted to text")
LEFT_OUT = Report("not-converted", "calls.track[0].fields.price", '"x" was left out: it is not a number')


def finished(number: int, *reports: Report) -> Change:
    return Change(number, Outcome.DELIVERED, "", reports=EventReports((), reports))


def test_what_is_kept_of_an_event_is_bounded_in_number() -> None:
    found = kept([CONVERTED] * 3 + [LEFT_OUT] * MOST_KEPT, 3, NO_SECRETS)
    assert found.event == (CONVERTED,) * 3
    assert found.mapping == (
        *[LEFT_OUT] * (MOST_KEPT - 3),
        Report("more-reports", "event", "3 more reports of this event not kept"),
    )


def test_what_is_kept_of_an_event_is_bounded_in_bytes() -> None:
    long = LEFT_OUT._replace(message="é" * (MOST_BYTES // 4))
    found = kept([CONVERTED, long, long], 1, NO_SECRETS)
    assert found == ((CONVERTED,), (long, Report("more-reports", "event", "1 more report of this event not kept")))


@pytest.mark.parametrize("character", ["\ud83d", "\x00", "\x1b", "漢"])
def test_every_text_can_be_kept(character: str) -> None:
    text = as_text(EventReports((), (LEFT_OUT._replace(message=character),)))
    shown = "?" if character == "\ud83d" else character
    assert from_text(text) == EventReports((), (LEFT_OUT._replace(message=shown),))


@pytest.mark.parametrize(
    "text", ["", "[", "5", "null", "{}", '{"event":[[1]],"mapping":[]}', '{"event":5,"mapping":5}']
)
def test_a_text_that_holds_no_reports_is_found(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)


def test_secrets_are_masked() -> None:
    report = LEFT_OUT._replace(message='"my-secret-key" was left out')
    assert kept([report], 0, Secrets(["my-secret-key"])).mapping[0].message == '"***" was left out'


def test_reports_are_counted_by_code_and_place_up_to_a_number_of_kinds() -> None:
    counter = ReportCounter()
    many = [finished(n, Report("code", f"place {n}", "")) for n in range(MOST_KINDS + 20)]
    counter.add("a", [*many, Change(0, Outcome.WAITING, "", reports=EventReports((CONVERTED,)))])
    assert counter.add("a", [finished(0, Report("code", "place 7", ""), CONVERTED)]) == [
        ("code", "place 7"),
        ("other", "other"),
    ]
    counter.add("b", [Change(1, Outcome.DELIVERED, ""), finished(2, LEFT_OUT)])
    assert counter.events == {"a": MOST_KINDS + 21, "b": 1}
    assert counter.rows()[:2] == [("a", "other", "other", 21), ("a", "code", "place 7", 2)]
    assert len(counter.rows()) == MOST_KINDS + 2


def test_metrics_count_them_by_code_and_place() -> None:
    metrics = Metrics()
    metrics.written("shop", [finished(1, LEFT_OUT, LEFT_OUT), Change(2, Outcome.DELIVERED, "")])
    lines = metrics.text().decode().splitlines()
    place = "calls.track[0].fields.price"
    assert f'waybill_reports_total{{code="not-converted",connection="shop",place="{place}"}} 2.0' in lines


def test_reports_arrive_with_the_event(tmp_path) -> None:
    intake = Report("character-replaced", "properties.t", "half a character was replaced")
    events = [
        event(1, userId=7)._replace(reports=(intake,)),
        event(2, integrations={"All": "no"}),
        event(3),
        event(4, call="unknown")._replace(reports=(intake,)),
    ]
    ran = asyncio.run(delivered(tmp_path, events))
    assert ran.outcomes == {"m1": "delivered", "m2": "delivered", "m3": "delivered", "m4": "invalid"}
    found = {row.message_id: row.reports for row in ran.outbox.listed(Chosen(), 0, 10)}
    assert found["m1"].event == (intake, CONVERTED)
    assert [report.place for report in found["m2"].mapping] == ["integrations.All"]
    assert found["m3"] == NO_REPORTS
    assert found["m4"].event == (intake,)


def test_an_event_that_a_connection_does_not_want_has_no_reports(tmp_path) -> None:
    ran = asyncio.run(delivered(tmp_path, [event(1, userId=7)], calls=frozenset({"page"})))
    assert [(row.outcome, row.reports) for row in ran.outbox.listed(Chosen(), 0, 10)] == [(Outcome.IGNORED, NO_REPORTS)]
