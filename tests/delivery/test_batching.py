"""Which events may go together, and which have to wait."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.delivery.sending.batching import MOST_OPEN, BatchLimits, PickRules, Shipment, pick
from engine.delivery.sending.fair_queue import FairQueue, Next, QueueLimits, Retries
from engine.records import PlannedRequest

GROUPS = ("p", "q", "r")


@dataclass(eq=False)
class Event:
    """`wants` names the batch of each request, None for one that is sent alone; `p` `q` `r` are groups of batch `g`."""

    place: int
    name: str
    ids: frozenset[str]
    wants: list[str | None]
    queued_at: float = 0.0
    sent: int = 0
    sizes: list[int] = field(default_factory=list)
    weight: int = 100
    retries: Retries | None = None
    apart: bool = False

    def next(self) -> Next:
        left = enumerate(self.wants[self.sent :], start=self.sent)
        return Next.of(request(f"{self.name}.{number}", batch) for number, batch in left)


def request(name: str, batch: str | None) -> PlannedRequest:
    if batch in GROUPS:
        return PlannedRequest(name, "POST", "", {}, {}, name, batch="g", group=batch)
    return PlannedRequest(name, "POST", "", {}, {}, name, batch=batch)


def rules(items: int = 3, size: int | None = None, wait: float = 0.0, *, ordered: bool = False) -> PickRules:
    return PickRules(
        limits=lambda _: BatchLimits(items, size, wait),
        size=lambda request: len(request.request) * 10,
        ordered_batches=ordered,
    )


def events(*written: str) -> list[Event]:
    """`a:u1+u2:b` is event a with two ids and one request for batch b; `-` is one that is sent alone."""
    made = []
    for place, each in enumerate(written, start=1):
        name, ids, wants = each.split(":")
        wanted = [None if want == "-" else want for want in wants]
        made.append(Event(place, name, frozenset(ids.split("+")) - {""}, wanted))
    return made


def queue(made: list[Event], busy: str = "") -> FairQueue:
    """A queue of these events, behind one that is on its way with the ids `busy`."""
    found = FairQueue(QueueLimits())
    if busy:
        first = Event(0, "first", frozenset(busy.split()), ["b"])
        found.add(first)
        found.start([first.place])
        found.ready.clear()
    for each in made:
        found.add(each)
    return found


def picked(*written: str, busy: str = "", slots: int = 8, **limits) -> list[str]:
    found = pick(queue(events(*written), busy), slots, rules(**limits), 0.0)
    return [
        f"{each.batch or '-'} " + " ".join(parcel.request.request for parcel in each.parcels)
        for each in found.shipments
    ]


CASES = {
    "a batch holds events in their order": (["a:1:b", "b:2:b", "c:3:b"], {}, ["b a.0 b.0 c.0"]),
    "a full batch goes, the next begins": (["a:1:b", "b:2:b", "c:3:b", "d:4:b"], {}, ["b a.0 b.0 c.0", "b d.0"]),
    "a batch may hold several of one person": (["a:1:b", "b:1:b"], {}, ["b a.0 b.0"]),
    "but not in two batches at once": (["a:1:b", "b:2:b", "c:3:b", "d:1:b"], {}, ["b a.0 b.0 c.0"]),
    "ordered batches hold one event of a person": (["a:1:b", "b:1:b", "c:2:b"], {"ordered": True}, ["b a.0 c.0"]),
    "what shares an id with one on its way waits": (["a:1:b", "b:2:b"], {"busy": "1"}, ["b b.0"]),
    "and so does what shares an id with what waits": (["a:1+2:b", "b:2:b", "c:3:b"], {"busy": "1"}, ["b c.0"]),
    "events that travel alone": (["a:1:-", "b:2:-"], {}, ["- a.0", "- b.0"]),
    "one after the other for one person": (["a:1:-", "b:1:-"], {}, ["- a.0"]),
    "not beside a batch with the same person": (["a:1:b", "b:1:-"], {}, ["b a.0"]),
    "not in two batches": (["a:1:b", "b:1:c", "c:2:c"], {}, ["c c.0", "b a.0"]),
    "both requests of an event in one batch": (["a:1:bb", "b:2:b"], {}, ["b a.0 a.1 b.0"]),
    "an event that does not fit goes in part": (["a:1:b", "b:2:b", "c:3:bb", "d:4:b"], {}, ["b a.0 b.0 c.0", "b d.0"]),
    "and its person waits for the rest": (["a:1:bbbb", "b:1:b"], {}, ["b a.0 a.1 a.2"]),
    "no more than there are slots": (["a:1:-", "b:2:-", "c:3:-"], {"slots": 2}, ["- a.0", "- b.0"]),
    "a slot is a whole batch": (["a:1:b", "b:2:b", "c:3:b", "d:4:b"], {"slots": 1}, ["b a.0 b.0 c.0"]),
    "an open batch fills though no slot is free": (["a:1:b", "b:2:-", "c:3:b"], {"slots": 1}, ["b a.0 c.0"]),
    "nothing without a slot": (["a:1:b"], {"slots": 0}, []),
    "bytes end a batch": (["a:1:b", "b:2:b", "c:3:b"], {"size": 60}, ["b a.0 b.0", "b c.0"]),
    "what is too large goes by itself": (["a:1:b", "b:2:b"], {"size": 5}, ["b a.0", "b b.0"]),
    "only a group travels together": (["a:1:p", "b:2:q", "c:3:p", "d:4:q"], {}, ["g a.0 c.0", "g b.0 d.0"]),
    "a batch of several persons has one group": (["a:1:p", "b:1:q", "c:1:p"], {}, ["g a.0"]),
    "requests of one event in two groups": (["a:1:ppq", "b:2:p"], {}, ["g a.0 a.1 b.0"]),
    "a group is a slot": (["a:1:p", "b:2:q", "c:3:r", "d:4:p"], {"slots": 2}, ["g a.0 d.0", "g b.0"]),
    "a full group goes, the next begins": (["a:1:p", "b:2:p", "c:3:p", "d:4:p"], {}, ["g a.0 b.0 c.0", "g d.0"]),
    "events without ids wait for nobody": (["a::-", "b::-"], {"busy": "1"}, ["- a.0", "- b.0"]),
}


@pytest.mark.parametrize(("written", "options", "expected"), CASES.values(), ids=CASES)
def test_what_is_picked(written, options, expected) -> None:
    assert sorted(picked(*written, **options)) == sorted(expected)


def test_a_batch_that_is_not_full_waits_for_more() -> None:
    waiting = events("a:1:b", "b:1:b", "c:2:b")
    for number, each in enumerate(waiting):
        each.queued_at = 100.0 + number
    several = queue(waiting[:2])
    early = pick(several, 8, rules(wait=5.0), 102.0)
    assert (early.shipments, early.look_again_at) == ([], 105.0)
    assert len(pick(queue(waiting[:2]), 8, rules(wait=5.0), 105.0).shipments) == 1
    assert len(pick(queue(waiting[:2]), 8, rules(wait=5.0), 50.0).shipments) == 1, "a clock that was set back"
    several.add(waiting[2])
    [full] = pick(several, 8, rules(wait=5.0), 102.0).shipments
    assert [parcel.job.name for parcel in full.parcels] == ["a", "b", "c"]


def grouped(count: int, queued_at: float = 100.0) -> list[Event]:
    """Events of as many users, each for a group of its own."""

    class Own(Event):
        def next(self) -> Next:
            return Next([PlannedRequest(self.name, "POST", "", {}, {}, None, batch="g", group=self.name)], more=False)

    found = [Own(n, f"u{n}", frozenset([f"u{n}"]), ["g"]) for n in range(1, count + 1)]
    for number, each in enumerate(found):
        each.queued_at = queued_at + number / 1000
    return found


def test_groups_that_wait_for_more_take_no_slot() -> None:
    """Twenty groups wait; beside them, eight events that are sent alone go at once."""
    alone = [Event(n, f"a{n}", frozenset([f"a{n}"]), [None], queued_at=100.0) for n in range(100, 108)]
    found = pick(queue([*grouped(20), *alone]), 8, rules(wait=5.0), 102.0)
    assert [shipment.batch for shipment in found.shipments] == [None] * 8
    assert found.look_again_at == 105.0


def test_of_many_groups_that_are_due_the_oldest_go_first() -> None:
    found = pick(queue(grouped(20)), 3, rules(wait=5.0), 110.0)
    assert [shipment.parcels[0].job.name for shipment in found.shipments] == ["u1", "u2", "u3"]
    assert found.look_again_at is None, "a shipment that returns wakes the worker"


def test_at_most_a_thousand_groups_wait_for_more() -> None:
    found = pick(queue(grouped(MOST_OPEN + 2)), 8, rules(wait=500.0), 102.0)
    assert [shipment.parcels[0].job.name for shipment in found.shipments] == ["u1", "u2"]


def test_a_group_that_is_full_while_no_slot_is_free_goes_later() -> None:
    made = [*grouped(1, queued_at=0.0), *events("x:x:p", "y:y:p", "z:z:p", "w:w:p")]
    for place, each in enumerate(made[1:], start=10):
        each.place, each.queued_at = place, 100.0
    several = queue(made)
    [first] = pick(several, 1, rules(wait=5.0), 102.0).shipments
    assert [parcel.job.name for parcel in first.parcels] == ["u1"]
    [second] = pick(several, 1, rules(wait=5.0), 102.0).shipments
    assert [parcel.job.name for parcel in second.parcels] == ["x", "y", "z"]


def test_an_event_that_made_a_batch_fail_goes_alone() -> None:
    made = events("a:1:b", "b:2:b", "c:3:b")
    made[1].retries = Retries(since=0.0, alone=True)
    found = pick(queue(made), 8, rules(), 0.0).shipments
    assert sorted([parcel.job.name for parcel in each.parcels] for each in found) == [["a", "c"], ["b"]]


def test_an_event_alone_keeps_to_the_limits_of_its_batch() -> None:
    """Alone or as a probe, it has at most what the batch may hold: three items, or 40 bytes of 30 each."""
    for limits, sent in (({}, ["a.0", "a.1", "a.2"]), ({"size": 40}, ["a.0"])):
        [shipment] = pick(queue(events("a:1:bbbb")), 8, rules(**limits), 0.0, probing=True).shipments
        assert [parcel.request.request for parcel in shipment.parcels] == sent


made_events = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from("123456"), max_size=3),
        st.lists(st.sampled_from(["b", "c", "p", "q", None]), min_size=1, max_size=3),
    ),
    max_size=25,
)
limits = st.builds(
    QueueLimits,
    users=st.integers(1, 8),
    memory=st.integers(1, 3000),
    places=st.integers(1, 30),
    line=st.integers(1, 5),
)


class Run:
    """Drives a queue as a worker does, over an outbox that is a list."""

    def __init__(self, made: list[Event], limits: QueueLimits, slots: int, rules: PickRules) -> None:
        self.queue = FairQueue(limits)
        self.unread = list(made)
        self.rows = {each.place: each for each in made}
        self.slots = slots
        self.rules = rules
        self.now = 0.0
        self.flying: list[Shipment] = []
        self.most_loaded = 0

    def read(self) -> None:
        """Load what is wanted, then read two more events."""
        for place in self.queue.wanted(self.now, 3):
            if place in self.rows:
                self.queue.loaded(self.rows[place])
            else:
                self.queue.vanished(place, None)
        for _ in range(2):
            if self.unread and self.queue.has_room():
                each = self.unread.pop(0)
                if self.queue.defers(each.ids):
                    self.queue.defer(each.place, each.ids)
                else:
                    self.queue.add(each)
        self.most_loaded = max(self.most_loaded, len(self.queue._jobs))

    def start(self) -> list[Shipment]:
        started = pick(self.queue, self.slots - len(self.flying), self.rules, self.now).shipments
        self.flying += started
        return started

    def busy(self) -> set[str]:
        return {each for shipment in self.flying for parcel in shipment.parcels for each in parcel.job.ids}


@settings(max_examples=80, deadline=None)
@given(made_events, limits, st.integers(1, 4), st.integers(1, 5), st.booleans(), st.randoms(use_true_random=False))
def test_every_request_goes_once_and_in_order_for_each_person(made, limits, slots, items, ordered, random) -> None:
    """For any results in any order and any limits, nothing is lost, and no event overtakes another of its user."""
    everything = [Event(n, f"e{n}", ids, list(wants)) for n, (ids, wants) in enumerate(made)]
    run = Run(everything, limits, slots, rules(items, ordered=ordered))
    sent: list[tuple[int, int]] = []
    idle = 0
    while run.unread or not run.queue.empty:
        run.read()
        busy = run.busy()
        started = run.start()
        assert len(run.flying) <= slots
        for shipment in started:
            check(shipment, busy, items, ordered)
            busy |= {each for parcel in shipment.parcels for each in parcel.job.ids}
        idle = 0 if run.flying else idle + 1
        assert idle < 40, "something can always go"
        if run.flying:
            settle(run, run.flying.pop(random.randrange(len(run.flying))), sent, random)
        due = run.queue.next_due()
        run.now = run.now if run.flying or due is None else max(run.now, due)
    assert sorted(sent) == sorted((each.place, n) for each in everything for n in range(len(each.wants)))
    for one in "123456":
        mine = [(place, n) for place, n in sent if one in everything[place].ids]
        assert mine == sorted(mine)
    assert run.most_loaded <= 2 * limits.users + 5


def settle(run: Run, shipment: Shipment, sent: list[tuple[int, int]], random) -> None:
    """End a shipment: it is accepted, or its events try again later, or it was not sent at all."""
    fate = random.choice(["accept", "accept", "later", "not sent"])
    if fate == "accept":
        for parcel in shipment.parcels:
            sent.append((parcel.job.place, parcel.job.sent))
            parcel.job.sent += 1
    for job in shipment.jobs():
        if job.sent == len(job.wants):
            run.queue.finished(job)
            continue
        if fate == "later":
            job.retries = job.retries or Retries(since=run.now)
            job.retries.due = run.now + 1.0
        run.queue.back(job)


def check(shipment, busy, items, ordered) -> None:
    assert len(shipment.parcels) <= items
    assert len({(parcel.request.batch, parcel.request.group) for parcel in shipment.parcels}) == 1
    places = [parcel.job.place for parcel in shipment.parcels]
    assert places == sorted(places), "a batch holds events in their order"
    assert all(busy.isdisjoint(parcel.job.ids) for parcel in shipment.parcels), "no id is on its way twice"
    if ordered:
        ids = [each for job in shipment.jobs() for each in job.ids]
        assert len(ids) == len(set(ids))


def test_users_take_turns() -> None:
    """Two users have many events, three have one: these come after one of each of the others."""
    made = events("a1:a:-", "a2:a:-", "a3:a:-", "b1:b:-", "b2:b:-", "c1:c:-", "d1:d:-", "e1:e:-")
    several, order = queue(made), []
    while found := pick(several, 1, rules(), 0.0).shipments:
        order.append(found[0].parcels[0].job.name)
        several.finished(found[0].parcels[0].job)
    assert order == ["a1", "b1", "c1", "d1", "e1", "a2", "b2", "a3"]


def test_the_backlog_of_a_user_is_known_by_its_places_alone() -> None:
    several = FairQueue(QueueLimits(users=10, places=1000, line=4))
    for each in (Event(n, f"e{n}", frozenset(["busy"]), [None]) for n in range(500)):
        if several.defers(each.ids):
            several.defer(each.place, each.ids)
        else:
            several.add(each)
    assert (len(several._jobs), len(several.ready)) == (4, 1)
    assert several.has_room()
    several.add(Event(500, "other", frozenset(["other"]), [None]))
    assert [job.name for job in several.ready] == ["e0", "other"]
