"""The checker of the chaos tests finds what is planted: an event lost, two swapped, one sent twice."""

from __future__ import annotations

import pytest

from tests.stream.chaos_check import Comparison, compare
from tests.stream.chaos_events import events, message_id, place_of

SENT = [message_id(sender, number) for number in range(4) for sender in (1, 2)]
PLANTED = {
    "nothing": ([*SENT], ()),
    "an event lost": (
        [each for each in SENT if each != "1:3"],
        ("1 answered 200 and not delivered: 1:3",),
    ),
    "an event lost in the middle": (
        [each for each in SENT if each != "2:1"],
        ("1 answered 200 and not delivered: 2:1", "1 out of order: 2:2"),
    ),
    "two swapped": (["1:0", "1:2", "1:1", "1:3", "2:0", "2:1", "2:2", "2:3"], ("2 out of order: 1:2, 1:3",)),
    "the last two swapped": (["1:0", "1:1", "1:3", "1:2", "2:0", "2:1", "2:2", "2:3"], ("2 out of order: 1:3, 1:2",)),
    "one twice": ([*SENT, "1:3"], ("1 delivered again, more than 0: 1:3",)),
    "again from one on": ([*SENT, "1:2", "1:3"], ("2 delivered again, more than 0: 1:2, 1:3",)),
    "an old one again, alone": (
        [*SENT, "1:1"],
        ("1 out of order: 1:1", "1 delivered again, more than 0: 1:1"),
    ),
    "again with a hole": (
        ["1:0", "1:1", "1:2", "1:0", "1:2", "1:3", "2:0", "2:1", "2:2", "2:3"],
        ("1 out of order: 1:2", "2 delivered again, more than 0: 1:0, 1:2"),
    ),
    "never sent": ([*SENT, "1:4"], ("1 delivered and never sent: 1:4",)),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_the_checker_finds_it(planted: str) -> None:
    arrived, faults = PLANTED[planted]
    assert tuple(compare(SENT, SENT, arrived).faults(most_twice=0)) == faults


def test_what_was_not_answered_need_not_arrive_and_may() -> None:
    answered = [each for each in SENT if each != "1:3"]
    assert compare(SENT, answered, answered) == Comparison(7, 7, [], [], [], [])
    assert compare(SENT, answered, SENT).faults(most_twice=0) == []


def test_twice_is_allowed_up_to_the_bound() -> None:
    arrived = [*SENT, "1:2", "1:3"]
    assert compare(SENT, SENT, arrived).faults(most_twice=2) == []
    assert compare(SENT, SENT, arrived).twice == ["1:2", "1:3"]


def test_every_sender_sends_its_events_in_order_and_mixed_with_others() -> None:
    found = list(events(range(1, 61), 10))
    ids = [str(each["messageId"]) for each in found]
    assert compare(ids, ids, ids).faults(most_twice=0) == []
    assert len(set(ids)) == 600
    assert {place_of(each)[0] for each in ids[:30]} != {1, 2, 3}
    assert {each["type"] for each in found} == {"page", "track", "identify", "alias"}
    assert found == list(events(range(1, 61), 10)), "the same events each time"
