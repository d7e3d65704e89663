"""What holds for every JSON value there is, found out with generated ones."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine.sources import segment
from engine.sources.jsonvalue import crowding, flaw
from engine.sources.mending import mend
from engine.sources.segment import FIELDS, normalise, normalise_json, switch

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12)
)
KEYS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["traits", "All", "Exponea", "type"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TIMES = st.sampled_from(
    [
        "2024-05-01T12:00:29.319Z",
        "2024-05-01T12:00:29Z",
        "2024-W18-3T12:00:00.000Z",
        "2024-02-30T12:00:00.000Z",
        "2016-12-31T23:59:60.000Z",
        "2024-05-01T24:00:00.000Z",
        "2024-05-01T12:00:29.319Z\n",
        "2024-05-01T12:00:29.3193Z",
        "2024-05-01T12:00:29.31+02:00",
        "2024-05-01",
        "20240501T120029.319+0000",
        "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29",
        "2020-05-09T23:54 +00 CEZ",
        "1714564829",
        "0001-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00+12:00",
        1714564829319,
        "soon",
    ]
) | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
OBJECTS = st.dictionaries(KEYS, JSON, max_size=3)
LIKELY = {
    "type": st.sampled_from([*FIELDS, "Track"]),
    "event": st.sampled_from(["Order Completed", " ", ""]),
    "userId": st.sampled_from(["u1", "", " ", 7, None]),
    "anonymousId": st.sampled_from(["a1", "", None]),
    "groupId": st.sampled_from(["g1", 7, None]),
    "previousId": st.sampled_from(["a1", 7, None]),
    "name": st.sampled_from(["Home", None]),
    "category": st.sampled_from(["Shop", None]),
    "timestamp": TIMES,
    "receivedAt": TIMES,
    "sentAt": TIMES,
    "originalTimestamp": TIMES,
} | {name: OBJECTS | st.sampled_from([[], None]) for name in ("context", "integrations", "properties", "traits")}
WELL_FORMED = st.fixed_dictionaries(
    {
        "type": st.sampled_from(list(FIELDS)),
        "userId": st.just("u1"),
        "event": st.just("Order Completed"),
        "timestamp": TIMES,
        "context": OBJECTS,
    },
    optional={"traits": OBJECTS, "properties": OBJECTS, "integrations": OBJECTS, "groupId": st.just("g1")},
)
CHANGES = st.lists(st.sampled_from(list(LIKELY)), max_size=4).flatmap(
    lambda names: st.fixed_dictionaries({name: LIKELY[name] | LIKELY[name] | JSON for name in names})
)
EVENTS = st.builds(lambda event, changes: event | changes, WELL_FORMED, CHANGES)


@given(JSON | EVENTS)
def test_every_json_value_is_valid_or_has_a_reason(value):
    event, call, reports, invalid = normalise(value)

    assert isinstance(event, dict)
    assert (invalid is None) <= (call in FIELDS)
    assert invalid is None or invalid.strip() == invalid != ""
    assert all(report.code and report.place and report.message for report in reports)
    assert normalise_json(orjson.dumps(value)) == (event, call, reports, invalid)


@given(EVENTS)
def test_what_is_valid_has_fields_of_the_right_kind(value):
    event, call, _, invalid = normalise(value)
    if invalid is not None:
        return

    for name in FIELDS[call]:
        field = event.get(name)
        if name in ("context", "integrations", "properties", "traits"):
            assert type(field) is dict or name not in event
        elif name in ("userId", "anonymousId", "groupId", "previousId", "name", "category", "timestamp"):
            assert field is None or type(field) is str
    assert call in ("alias", "delete") or event.get("userId") or event.get("anonymousId")


@given(EVENTS)
def test_normalising_again_changes_nothing_and_has_nothing_to_say(value):
    once = normalise(value)
    if once.invalid is not None:
        return
    again = normalise(once.event)

    assert again.event == once.event
    if once.event.get("timestamp") is not None:
        assert again.reports == ()
    else:  # what was missing is still missing
        assert {report.code for report in again.reports} <= {"no-timestamp", "timestamp-unreadable"}


@given(EVENTS)
def test_the_quick_look_lets_pass_only_what_the_rules_leave_alone(value):
    if segment._is_clean(value):
        assert mend(value) == (value, value["type"], (), None)


@given(EVENTS, EVENTS)
def test_fields_that_are_not_the_call_s_own_are_left_as_they_came(value, more):
    event, call, _, invalid = normalise(more | value)
    if invalid is None:
        others = {name: field for name, field in (more | value).items() if name not in FIELDS[call]}
        assert {name: event[name] for name in others} == others


@given(OBJECTS)
def test_json_is_json(value):
    assert flaw(value) is None
    assert crowding(value) is None


@given(OBJECTS, st.lists(KEYS, max_size=3))
def test_a_destination_is_on_with_options_or_off_with_a_reason(integrations, names):
    on, options, reason, reports = switch(integrations, names)

    assert on == (reason is None)
    assert options == {} or any(options is integrations.get(name) for name in names)
    assert {report.code for report in reports} <= {"integration-unknown-value"}
