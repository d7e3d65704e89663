"""What every outbox does; on SQLite, in memory, and on streams as far as `on_streams.py` says."""

from __future__ import annotations

import pytest

from engine.delivery.outbox.base import (
    NOT_SENT_YET,
    Change,
    Chosen,
    ConnectionRow,
    LeaseLost,
    NewEvent,
    ReportCount,
    TakenIn,
)
from engine.delivery.outbox.reports import NO_REPORTS, EventReports
from engine.records import Outcome, Report
from tests.delivery.on_streams import EACH_TIME, NOT_ON_STREAMS

NOW = 1_000_000.0
DAY = 86400.0


def events(*ids: str, source: str = "s") -> list[NewEvent]:
    return [NewEvent(source, each, "2026-01-01T00:00:00.000Z", b'{"n":"%s"}' % each.encode()) for each in ids]


def ids(outbox, connection="a", after=0, limit=100):
    return [row.message_id for row in outbox.waiting(connection, after, limit)]


def places(outbox, connection="a"):
    return {row.message_id: row.place for row in outbox.waiting(connection, 0, 100)}


def finish(outbox, message_id, outcome=Outcome.REJECTED, connection="a", now=NOW, **more):
    fence = outbox.lease(connection, "w", now, 10)
    change = Change(places(outbox, connection)[message_id], outcome, "because", **more)
    outbox.write(connection, fence, [change], now)


def test_events_wait_for_each_connection_in_the_order_they_came(outbox) -> None:
    assert outbox.take_in(events("1", "2"), ["a", "b"], NOW) == TakenIn(2, 0)
    outbox.take_in(events("3"), ["b"], NOW)
    assert (ids(outbox), ids(outbox, "b"), ids(outbox, "c")) == (["1", "2"], ["1", "2", "3"], [])


def test_what_waits_is_what_was_taken_in(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    [row] = outbox.waiting("a", 0, 10)
    assert (row.raw, row.received_at, row.queued_at) == (b'{"n":"1"}', "2026-01-01T00:00:00.000Z", NOW)
    assert (row.progress, row.digest, row.tried_at) == (None, None, None)


def test_reading_goes_on_behind_a_place(outbox) -> None:
    outbox.take_in(events("1", "2", "3"), ["a"], NOW)
    [first] = outbox.waiting("a", 0, 1)
    assert ids(outbox, after=first.place) == ["2", "3"]


@pytest.mark.parametrize(
    ("source", "later", "again", "new"),
    [
        pytest.param("s", 1.0, False, 0, id="the same source within the window"),
        pytest.param("s", DAY - 1, False, 0, id="the end of the window"),
        pytest.param("s", DAY + 1, False, 1, id="behind the window"),
        pytest.param("other", 1.0, False, 1, id="another source"),
        pytest.param("s", 1.0, True, 1, id="again"),
    ],
)
def test_a_messageid_that_was_sent_is_a_duplicate(outbox, source, later, again, new) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    assert outbox.take_in(events("1", source=source), ["a"], NOW + later, again=again) == TakenIn(
        new, 1 - new, {} if new else {"a": 1}
    )
    assert len(ids(outbox)) == 1 + new


def test_a_duplicate_ends_ignored(outbox) -> None:
    outbox.take_in(events("1", "1"), ["a"], NOW)
    [row] = outbox.listed(Chosen(outcomes=(Outcome.IGNORED,)), 0, 10)
    assert row.reason == "a duplicate: its source has sent this messageId before"
    assert outbox.counts() == {("a", Outcome.IGNORED): 1, ("a", Outcome.WAITING): 1}


def test_what_one_connection_had_is_new_to_another(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    taken = outbox.take_in(events("1"), ["a", "b"], NOW)
    assert taken == TakenIn(1, 0, {"a": 1})
    assert (taken.fresh("a"), taken.fresh("b")) == (0, 1)
    assert (len(ids(outbox)), len(ids(outbox, "b"))) == (1, 1)
    assert outbox.take_in(events("1"), ["a", "b"], NOW) == TakenIn(0, 1, {"a": 1, "b": 1})


def test_a_duplicate_is_not_kept_twice_unless_it_differs_or_is_new_to_a_connection(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    outbox.take_in(events("1", "1"), ["a"], NOW)
    outbox.take_in(events("1"), ["a", "b"], NOW)
    outbox.take_in(events("1"), ["b", "a"], NOW)
    outbox.take_in([events("1")[0]._replace(raw=b"{}")], ["a"], NOW)
    found = [(row.event, row.connection, row.outcome is Outcome.IGNORED) for row in outbox.listed(Chosen(), 0, 10)]
    assert found == [
        (1, "a", False),
        (1, "a", True),
        (1, "a", True),
        (2, "a", True),
        (2, "b", False),
        (2, "b", True),
        (1, "a", True),
        (3, "a", True),
    ]
    assert [outbox.event(n).raw for n in (1, 2, 3)] == [b'{"n":"1"}', b'{"n":"1"}', b"{}"]


def test_an_event_stays_as_long_as_its_duplicates(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    finish(outbox, "1", Outcome.DELIVERED)
    outbox.take_in(events("1"), ["a"], NOW + DAY / 2)
    assert outbox.purge(NOW + 1) == ({Outcome.DELIVERED: 1}, 0)
    assert outbox.event(1) is not None
    assert outbox.take_in(events("1"), ["a"], NOW + DAY / 2) == TakenIn(1, 0), "purged is forgotten"
    assert outbox.purge(NOW + DAY) == ({Outcome.IGNORED: 1}, 1)


def test_duplicates_do_not_stretch_the_window(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    outbox.take_in(events("1"), ["a"], NOW + DAY / 2)
    assert outbox.take_in(events("1"), ["a"], NOW + DAY + 1) == TakenIn(1, 0)


def test_what_was_noted_is_there(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    finish(outbox, "1", Outcome.WAITING, progress="{}", digest="d", tried_at=5.0, error="busy")
    [row] = outbox.waiting("a", 0, 10)
    assert (row.progress, row.digest, row.tried_at) == ("{}", "d", 5.0)
    finish(outbox, "1", Outcome.DELIVERED, now=NOW + 1)
    assert ids(outbox) == []
    [listed] = outbox.listed(Chosen(), 0, 10)
    assert (listed.outcome, listed.reason, listed.changed_at) == (Outcome.DELIVERED, "because", NOW + 1)


def test_what_is_finished_stays_finished(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    place = places(outbox)["1"]
    finish(outbox, "1", Outcome.DELIVERED)
    outbox.write("a", outbox.lease("a", "w", NOW, 10), [Change(place, Outcome.REJECTED, "late")], NOW)
    assert outbox.counts() == {("a", Outcome.DELIVERED): 1}


def test_only_who_has_the_lease_may_write(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    change = Change(places(outbox)["1"], Outcome.DELIVERED, "")
    with pytest.raises(LeaseLost, match=r"^Another worker has taken over a\.$"):
        outbox.write("a", 0, [change], NOW)
    assert outbox.lease("a", "w", NOW, 10) == 1
    assert outbox.lease("a", "v", NOW + 9, 10) is None
    assert outbox.lease("a", "w", NOW + 9, 10) == 1, "its owner renews it"
    assert outbox.lease("a", "v", NOW + 20, 10) == 2, "it has expired"
    with pytest.raises(LeaseLost, match=r"^Another worker has taken over a\.$"):
        outbox.write("a", 1, [change], NOW)
    assert ids(outbox) == ["1"]


def test_who_had_the_lease_before_another_gets_another_fence(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    change = Change(places(outbox)["1"], Outcome.DELIVERED, "")
    assert [outbox.lease("a", owner, now, 10) for owner, now in (("w", NOW), ("v", NOW + 20))] == [1, 2]
    outbox.release("a", "v")
    assert outbox.lease("a", "w", NOW + 21, 10) == 3
    assert outbox.lease("b", "w", NOW + 21, 10) == 1, "each connection has its own"
    with pytest.raises(LeaseLost):
        outbox.write("a", 1, [change], NOW + 22)
    assert outbox.write("a", 3, [change], NOW + 22) == [change]


def test_who_has_given_its_lease_back_may_not_write(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    change = Change(places(outbox)["1"], Outcome.DELIVERED, "")
    fence = outbox.lease("a", "w", NOW, 10)
    outbox.release("a", "w")
    with pytest.raises(LeaseLost):
        outbox.write("a", fence, [change], NOW)


def test_a_lease_given_back_is_free(outbox) -> None:
    outbox.lease("a", "w", NOW, 10)
    outbox.release("a", "v")
    assert not outbox.lease("a", "v", NOW, 10), "only its owner can give it back"
    outbox.release("a", "w")
    assert outbox.lease("a", "v", NOW, 10)


def test_a_lease_from_the_future_is_a_clock_that_jumped(outbox) -> None:
    outbox.lease("a", "w", NOW + 10 * DAY, 10)
    assert outbox.lease("a", "v", NOW, 10)


def test_a_held_connection_holds_what_waits_until_it_is_resumed(outbox) -> None:
    outbox.take_in(events("1", "2"), ["a"], NOW)
    finish(outbox, "1", Outcome.DELIVERED)
    outbox.hold("a", "401", "Check the key.", NOW)
    assert outbox.counts() == {("a", Outcome.DELIVERED): 1, ("a", Outcome.HELD): 1}
    assert [row.message_id for row in outbox.listed(Chosen(outcomes=(Outcome.HELD,)), 0, 10)] == ["2"]
    assert outbox.connections("a")[0][:4] == ("a", "401", "Check the key.", NOW)
    assert outbox.resume("a")
    assert outbox.counts() == {("a", Outcome.DELIVERED): 1, ("a", Outcome.WAITING): 1}
    assert not outbox.resume("nobody")


def test_a_pause_is_kept(outbox) -> None:
    outbox.take_in([], ["a"], NOW)
    outbox.pause("a", NOW + 5, "503")
    assert outbox.connections() == [ConnectionRow("a", due=NOW + 5, pause="503")]
    outbox.pause("a", None, "")
    assert outbox.connections() == [ConnectionRow("a")]


def test_a_replay_queues_behind_everything(outbox) -> None:
    outbox.take_in(events("1", "2"), ["a"], NOW)
    finish(outbox, "1", Outcome.REJECTED, progress="{}", digest="d", tried_at=3.0)
    [row] = outbox.listed(Chosen(outcomes=(Outcome.REJECTED,)), 0, 10)
    assert outbox.replay([row.place], "replayed", NOW + 7) == 1
    outbox.take_in(events("3"), ["a"], NOW)
    assert ids(outbox) == ["2", "1", "3"]
    again = outbox.waiting("a", 0, 10)[1]
    assert (again.progress, again.digest, again.tried_at, again.queued_at) == ("{}", "d", None, NOW + 7)
    assert outbox.replay([again.place], "replayed", NOW) == 0, "what waits is not queued twice"


def test_a_replay_keeps_the_order(outbox) -> None:
    outbox.take_in(events("1", "2", "3"), ["a"], NOW)
    for each in ("3", "1", "2"):
        finish(outbox, each)
    rows = outbox.listed(Chosen(), 0, 10)
    assert outbox.replay([row.place for row in reversed(rows)], "replayed", NOW) == 3
    assert ids(outbox) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (Chosen(), ["1", "2", "3", "1"]),
        (Chosen(connection="b"), ["1"]),
        (Chosen(outcomes=(Outcome.REJECTED, Outcome.INVALID)), ["1", "2"]),
        (Chosen(since=NOW + 2), ["2"]),
        (Chosen(event="2"), ["2"]),
        (Chosen(event="m-none"), []),
    ],
)
def test_states_are_chosen(outbox, chosen, found) -> None:
    outbox.take_in(events("1", "2", "3"), ["a"], NOW)
    outbox.take_in(events("1", source="other"), ["b"], NOW)
    finish(outbox, "1", Outcome.REJECTED, now=NOW + 1)
    finish(outbox, "2", Outcome.INVALID, now=NOW + 2)
    assert [row.message_id for row in outbox.listed(chosen, 0, 10)] == found


def test_chosen_states_are_counted(outbox) -> None:
    outbox.take_in(events("1", "2", "3"), ["a", "b"], NOW)
    finish(outbox, "2", Outcome.REJECTED)
    outbox.hold("b", "401", "", NOW)
    counted = [Chosen(), Chosen("a"), Chosen(outcomes=(Outcome.HELD,)), Chosen("a", (Outcome.HELD,)), Chosen(event="2")]
    assert [outbox.count(chosen) for chosen in counted] == [6, 3, 3, 0, 2]


def test_an_overview_tells_counts_reasons_connections_and_what_is_unfinished(outbox) -> None:
    outbox.take_in(events("1", "2", "3"), ["a"], NOW)
    outbox.take_in([], ["b"], NOW)
    finish(outbox, "1", now=NOW + 1)
    finish(outbox, "2", now=NOW + 5, error="no")
    outbox.release("a", "w")
    seen = outbox.overview(5)
    assert seen.counts == {("a", Outcome.REJECTED): 2, ("a", Outcome.WAITING): 1} == outbox.counts()
    assert seen.reasons == [("a", Outcome.REJECTED, "because", 2, "no")]
    assert seen.connections == [ConnectionRow("a"), ConnectionRow("b")] == outbox.connections()
    assert seen.unfinished == {"a": (1, NOW)}
    assert (outbox.unfinished("a"), outbox.unfinished("b")) == ((1, NOW), (0, None))
    assert outbox.overview(0).reasons == []


def test_what_was_finished_already_is_not_given_as_written(outbox) -> None:
    outbox.take_in(events("1", "2"), ["a"], NOW)
    fence = outbox.lease("a", "w", NOW, 10)
    first, second = (Change(place, Outcome.DELIVERED, "") for place in places(outbox).values())
    assert outbox.write("a", fence, [first], NOW) == [first]
    assert outbox.write("a", fence, [first, second], NOW) == [second]


def test_changes_that_are_alike_and_others_are_written_each_as_it_is(outbox) -> None:
    outbox.take_in(events(*"123456"), ["a"], NOW)
    fence = outbox.lease("a", "w", NOW, 10)
    at = list(places(outbox).values())
    alike = [Change(place, Outcome.DELIVERED, "sent", digest="d") for place in (at[4], at[0], at[2])]
    others = [Change(at[1], Outcome.REJECTED, "no", "why"), Change(at[3], Outcome.WAITING, "later", tried_at=NOW)]
    last = Change(at[3], Outcome.DELIVERED, "sent", digest="d")
    changes = [*alike[:2], *others, alike[2], last]
    assert outbox.write("a", fence, changes, NOW) == changes
    assert outbox.write("a", fence, changes, NOW) == []
    listed = {row.place: (row.outcome, row.reason, row.error) for row in outbox.listed(Chosen(), 0, 10)}
    sent = (Outcome.DELIVERED, "sent", "")
    waiting = (Outcome.WAITING, NOT_SENT_YET, "")
    assert [listed[place] for place in at] == [sent, (Outcome.REJECTED, "no", "why"), sent, sent, sent, waiting]


def test_of_changes_that_are_alike_those_of_events_that_still_wait_are_written(outbox) -> None:
    outbox.take_in(events(*"1234"), ["a"], NOW)
    fence = outbox.lease("a", "w", NOW, 10)
    changes = [Change(place, Outcome.DELIVERED, "sent") for place in places(outbox).values()]
    earlier = [Change(changes[1].place, Outcome.REJECTED, "no"), Change(changes[3].place, Outcome.WAITING, "later")]
    assert outbox.write("a", fence, earlier, NOW) == earlier
    assert outbox.write("a", fence, [*changes, changes[0]], NOW) == [changes[0], *changes[2:]]
    counts = {("a", Outcome.DELIVERED): 3, ("a", Outcome.REJECTED): 1}
    assert outbox.counts() == counts


def test_an_event_is_found_by_its_number(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    assert outbox.event(1) == events("1")[0]
    assert outbox.event(2) is None
    assert outbox.listed(Chosen(), 0, 10)[0].reason == NOT_SENT_YET


def test_only_what_was_finished_long_ago_is_purged(outbox) -> None:
    outbox.take_in(events("old", "busy"), ["a", "b"], NOW)
    outbox.take_in(events("new"), ["a"], NOW + DAY)
    finish(outbox, "old", now=NOW)
    finish(outbox, "old", connection="b", now=NOW)
    finish(outbox, "busy", now=NOW)
    finish(outbox, "new", now=NOW + DAY)
    assert outbox.purgeable(NOW + 1) == ({Outcome.REJECTED: 3}, 1)
    assert outbox.purge(NOW + 1) == ({Outcome.REJECTED: 3}, 1)
    assert [row.message_id for row in outbox.listed(Chosen(), 0, 10)] == ["busy", "new"]


def test_a_purge_can_be_limited_to_outcomes(outbox) -> None:
    outbox.take_in(events("1", "2", "3"), ["a", "b"], NOW)
    for connection, outcome in (("a", Outcome.DELIVERED), ("b", Outcome.REJECTED)):
        finish(outbox, "1", outcome, connection)
        finish(outbox, "2", Outcome.DELIVERED, connection)
    finish(outbox, "3", Outcome.IGNORED, "b")
    chosen = (Outcome.DELIVERED, Outcome.IGNORED)
    gone = {Outcome.DELIVERED: 3, Outcome.IGNORED: 1}
    assert outbox.purgeable(NOW + 1, chosen) == outbox.purge(NOW + 1, chosen) == (gone, 1)
    left = {("a", Outcome.WAITING): 1, ("b", Outcome.REJECTED): 1}
    assert outbox.counts() == left
    assert outbox.purgeable(NOW + 1, chosen) == outbox.purge(NOW + 1, chosen) == ({}, 0)
    assert outbox.purge(NOW + 1) == ({Outcome.REJECTED: 1}, 1)


def everything(outbox) -> tuple:
    return outbox.listed(Chosen(), 0, 100), outbox.counts(), outbox.overview(100)[:2], outbox.unfinished("a")


def test_a_purge_leaves_nothing_of_what_ended(outbox) -> None:
    nothing = everything(outbox)
    for _ in range(3):
        outbox.take_in(events("1", "2"), ["a", "b"], NOW)
        for connection in ("a", "b"):
            finish(outbox, "1", connection=connection)
            finish(outbox, "2", connection=connection)
        assert outbox.purgeable(NOW + DAY) == ({Outcome.REJECTED: 4}, 2)
        assert outbox.purge(NOW + DAY) == ({Outcome.REJECTED: 4}, 2)
        assert outbox.purgeable(NOW + DAY) == outbox.purge(NOW + DAY) == ({}, 0)
        assert (everything(outbox), [outbox.event(n) for n in range(1, 6)]) == (nothing, [None] * 5)


def test_a_place_and_a_number_are_never_given_twice(outbox) -> None:
    seen = []
    for name in ("1", "2", "3"):
        outbox.take_in(events(name), ["a"], NOW)
        [row] = outbox.waiting("a", 0, 10)
        seen.append((row.place, row.event))
        finish(outbox, name)
        if name == "2":
            assert outbox.replay([row.place], "replayed", NOW) == 1
            seen.append((places(outbox)["2"], row.event))
            finish(outbox, name)
        outbox.purge(NOW + DAY)
    assert seen == [(1, 1), (2, 2), (3, 2), (4, 3)]


def test_what_is_queued_again_after_a_purge_is_behind_everything_ever_given(outbox) -> None:
    outbox.take_in(events("1", "2"), ["a"], NOW)
    finish(outbox, "1", now=NOW + 2 * DAY)
    finish(outbox, "2")
    outbox.purge(NOW + DAY)
    [row] = outbox.listed(Chosen(), 0, 10)
    assert outbox.replay([row.place], "replayed", NOW) == 1
    assert places(outbox) == {"1": 3}


def test_after_a_purge_a_messageid_is_new(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    finish(outbox, "1")
    outbox.purge(NOW + 1)
    assert outbox.take_in(events("1"), ["a"], NOW + 2) == TakenIn(1, 0)


CONVERTED = Report("id-converted", "userId", "userId is the number 7; it was converted to text")
LEFT_OUT = Report("not-converted", "calls.track[0].fields.price", '"x" was left out: it is not a number')


def test_reports_are_kept_with_each_state_and_counted(outbox) -> None:
    outbox.take_in(events("1", "2", "3"), ["a", "b"], NOW)
    both = EventReports((CONVERTED,), (LEFT_OUT, LEFT_OUT))
    finish(outbox, "1", reports=both)
    finish(outbox, "2", Outcome.DELIVERED, reports=EventReports((CONVERTED,)))
    finish(outbox, "3", Outcome.WAITING, "b", reports=EventReports((), (LEFT_OUT,)))
    shown = {(row.message_id, row.connection): row.reports for row in outbox.listed(Chosen(), 0, 10)}
    assert shown == {
        ("1", "a"): both,
        ("1", "b"): NO_REPORTS,
        ("2", "a"): EventReports((CONVERTED,)),
        ("2", "b"): NO_REPORTS,
        ("3", "a"): NO_REPORTS,
        ("3", "b"): EventReports((), (LEFT_OUT,)),
    }
    overview = outbox.overview(10)
    assert overview.reported == {"a": 2, "b": 1}
    assert list(overview.reports) == [
        ReportCount("a", *CONVERTED[:2], 2),
        ReportCount("a", *LEFT_OUT[:2], 2),
        ReportCount("b", *LEFT_OUT[:2], 1),
    ]
    assert len(outbox.overview(2).reports) == 2


def test_a_replay_forgets_the_reports_of_the_last_try(outbox) -> None:
    outbox.take_in(events("1"), ["a"], NOW)
    finish(outbox, "1", reports=EventReports((), (LEFT_OUT,)))
    outbox.replay([row.place for row in outbox.listed(Chosen(), 0, 10)], "again", NOW)
    assert [row.reports for row in outbox.listed(Chosen(), 0, 10)] == [NO_REPORTS]
    assert (outbox.overview(10).reported, list(outbox.overview(10).reports)) == ({}, [])


def test_reports_of_intake_stay_with_the_event(outbox) -> None:
    [given] = events("1")
    given = given._replace(reports=(CONVERTED,))
    outbox.take_in([given], ["a"], NOW)
    [row] = outbox.waiting("a", 0, 10)
    assert (row.reports, outbox.waiting_at("a", [row.place])[0].reports) == ((CONVERTED,), (CONVERTED,))
    assert outbox.event(row.event) == given


def test_finished_states_are_read_with_all_that_planning_them_again_needs(outbox) -> None:
    outbox.take_in(events("1", "2", "3"), ["a"], NOW)
    first, second, third = places(outbox).values()
    finish(outbox, "1", digest="d", progress="{}")
    found = outbox.stored_at([third, first, 77])
    assert [(row.place, row.message_id, row.digest, row.progress) for row in found] == [
        (first, "1", "d", "{}"),
        (third, "3", None, None),
    ]
    assert outbox.stored_at([]) == []
    outbox.replay([first], "replayed", NOW)
    assert [row.place for row in outbox.stored_at([first, second])] == [second], "it is at another place now"


def test_what_does_not_hold_on_streams_is_a_test_here() -> None:
    assert [name for name in (*NOT_ON_STREAMS, *EACH_TIME) if name not in globals()] == []
    assert not NOT_ON_STREAMS.keys() & set(EACH_TIME)
