"""Which tests of the suite of all outboxes do not hold on streams, and why; of the others, which run each time."""

from __future__ import annotations

SERVERS_TIME = "the servers' clock says when something came and ended, so a test cannot make it later"
WORKERS_FIND = "a worker finds duplicates when it reads its partition, so intake counts every event as new"
OWN_NUMBERS = "an event's number is that of its pack in the stream"
JETSTREAM_CHOOSES = "JetStream chooses who delivers, by its own time; tests/stream/test_owning.py"

NOT_ON_STREAMS = {
    "test_what_waits_is_what_was_taken_in": SERVERS_TIME,
    "test_a_messageid_that_was_sent_is_a_duplicate": WORKERS_FIND,
    "test_a_duplicate_ends_ignored": WORKERS_FIND,
    "test_what_one_connection_had_is_new_to_another": WORKERS_FIND,
    "test_a_duplicate_is_not_kept_twice_unless_it_differs_or_is_new_to_a_connection": WORKERS_FIND,
    "test_an_event_stays_as_long_as_its_duplicates": SERVERS_TIME,
    "test_duplicates_do_not_stretch_the_window": WORKERS_FIND,
    "test_what_was_noted_is_there": SERVERS_TIME,
    "test_only_who_has_the_lease_may_write": JETSTREAM_CHOOSES,
    "test_who_had_the_lease_before_another_gets_another_fence": JETSTREAM_CHOOSES,
    "test_a_lease_from_the_future_is_a_clock_that_jumped": JETSTREAM_CHOOSES,
    "test_a_replay_queues_behind_everything": SERVERS_TIME,
    "test_states_are_chosen": SERVERS_TIME,
    "test_an_overview_tells_counts_reasons_connections_and_what_is_unfinished": SERVERS_TIME,
    "test_an_event_is_found_by_its_number": OWN_NUMBERS,
    "test_only_what_was_finished_long_ago_is_purged": SERVERS_TIME,
    "test_a_purge_can_be_limited_to_outcomes": SERVERS_TIME,
    "test_a_purge_leaves_nothing_of_what_ended": SERVERS_TIME,
    "test_a_place_and_a_number_are_never_given_twice": OWN_NUMBERS,
    "test_what_is_queued_again_after_a_purge_is_behind_everything_ever_given": SERVERS_TIME,
    "test_after_a_purge_a_messageid_is_new": WORKERS_FIND,
}

EACH_TIME = (
    "test_events_wait_for_each_connection_in_the_order_they_came",
    "test_what_is_finished_stays_finished",
    "test_a_held_connection_holds_what_waits_until_it_is_resumed",
    "test_a_replay_keeps_the_order",
    "test_finished_states_are_read_with_all_that_planning_them_again_needs",
)
"""The others of the suite run on streams with the slow tests."""
