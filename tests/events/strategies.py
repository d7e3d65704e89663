"""Generated JSON, and events of which about half are just right and the others a little wrong."""

from __future__ import annotations

from hypothesis import strategies as st

from engine.events.spec import FIELDS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12)
)
KEYS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["traits", "All", "all", "Exponea", "type"])
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
        "1970-01-01T00:00:00.000Z",
        "2558-05-01T12:00:29.319Z",
        0,
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
    "userId": st.sampled_from(["u1", "", " ", "Null", 7, 7.0, None]),
    "anonymousId": st.sampled_from(["a1", "", "undefined", None]),
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
