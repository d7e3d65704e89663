"""Which events may go together, and which have to wait."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.delivery.sending.batching import BatchLimits, Next, PickRules, pick
from engine.records import PlannedRequest


@dataclass
class Event:
    """`wants` names the batch of each request, None for one that is sent alone."""

    name: str
    ids: frozenset[str]
    wants: list[str | None]
    queued_at: float = 0.0
    sent: int = 0
    sizes: list[int] = field(default_factory=list)

    def next(self) -> Next:
        left = self.wants[self.sent :]
        count = 1 if left[0] is None else next((n for n, batch in enumerate(left) if batch != left[0]), len(left))
        found = [request(f"{self.name}.{self.sent + n}", batch) for n, batch in enumerate(left[:count])]
        return Next(found, count < len(left))


def request(name: str, batch: str | None) -> PlannedRequest:
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
    for each in written:
        name, ids, wants = each.split(":")
        made.append(Event(name, frozenset(ids.split("+")) - {""}, [None if want == "-" else want for want in wants]))
    return made


def picked(*written: str, busy: str = "", slots: int = 8, **limits) -> list[str]:
    found = pick(events(*written), set(busy.split()), slots, rules(**limits), 0.0)
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
    "events without ids wait for nobody": (["a::-", "b::-"], {"busy": "1"}, ["- a.0", "- b.0"]),
}


@pytest.mark.parametrize(("written", "options", "expected"), CASES.values(), ids=CASES)
def test_what_is_picked(written, options, expected) -> None:
    assert sorted(picked(*written, **options)) == sorted(expected)


def test_a_batch_that_is_not_full_waits_for_more() -> None:
    waiting = events("a:1:b", "b:2:b")
    waiting[0].queued_at = 100.0
    waiting[1].queued_at = 101.0
    early = pick(waiting, set(), 8, rules(wait=5.0), 102.0)
    assert (early.shipments, early.look_again_at) == ([], 105.0)
    assert len(pick(waiting, set(), 8, rules(wait=5.0), 105.0).shipments) == 1
    assert len(pick(waiting, set(), 8, rules(wait=5.0), 50.0).shipments) == 1, "a clock that was set back"
    full = pick([*waiting, *events("c:3:b")], set(), 8, rules(wait=5.0), 102.0)
    assert len(full.shipments) == 1


made_events = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from("123456"), max_size=3),
        st.lists(st.sampled_from(["b", "c", None]), min_size=1, max_size=3),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(made_events, st.integers(1, 4), st.integers(1, 5), st.booleans(), st.randoms(use_true_random=False))
def test_every_request_goes_once_and_in_order_for_each_person(made, slots, items, ordered, random) -> None:
    """For any results in any order, nothing is lost, and no events of one person overtake each other."""
    waiting = [Event(f"e{n}", ids, wants) for n, (ids, wants) in enumerate(made)]
    everything = list(waiting)
    flying: list = []
    sent: list[tuple[str, int]] = []
    while waiting or flying:
        busy = {each for shipment in flying for parcel in shipment.parcels for each in parcel.job.ids}
        found = pick(waiting, busy, slots - len(flying), rules(items, ordered=ordered), 0.0).shipments
        assert found or flying, "something can always go"
        assert len(found) <= slots - len(flying)
        for shipment in found:
            check(shipment, busy, items, ordered)
            busy |= {each for parcel in shipment.parcels for each in parcel.job.ids}
            flying.append(shipment)
            gone = {parcel.job.name for parcel in shipment.parcels}
            waiting = [each for each in waiting if each.name not in gone]
        back = flying.pop(random.randrange(len(flying)))
        for parcel in back.parcels:
            sent.append((parcel.job.name, parcel.job.sent))
            parcel.job.sent += 1
        unfinished = {parcel.job.name: parcel.job for parcel in back.parcels if parcel.job.sent < len(parcel.job.wants)}
        waiting = sorted([*waiting, *unfinished.values()], key=lambda each: int(each.name[1:]))
    assert sorted(sent) == sorted((each.name, n) for each in everything for n in range(len(each.wants)))
    for one in "123456":
        mine = [(int(name[1:]), n) for name, n in sent if one in everything[int(name[1:])].ids]
        assert mine == sorted(mine)


def check(shipment, busy, items, ordered) -> None:
    assert len(shipment.parcels) <= items
    names = [parcel.job.name for parcel in shipment.parcels]
    numbers = [int(name[1:]) for name in names]
    assert numbers == sorted(numbers), "a batch holds events in their order"
    assert all(busy.isdisjoint(parcel.job.ids) for parcel in shipment.parcels), "no id is on its way twice"
    if ordered:
        ids = [
            each for job in {parcel.job.name: parcel.job for parcel in shipment.parcels}.values() for each in job.ids
        ]
        assert len(ids) == len(set(ids))
