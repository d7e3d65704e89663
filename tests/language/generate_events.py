"""Random events, settings and replies over the same small vocabulary, with odd types in places."""

from __future__ import annotations

from typing import cast

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from engine.records import Json, JsonObject
from tests.language.generate_paths import NAMES

TEXTS = ("", "a", "b", "A b", " a ", "1", "2.50", "-3e2", "true", "a@Ex.com", "é/?#", "..", '{"a": [1, null]}', "x,y")
TIMES = ("2024-01-02T03:04:05.678Z", "2024-01-02", "1704164645", "2019-09-01T14:00:00+02:00", "yesterday")
NUMBERS: tuple[int | float, ...] = (0, 1, -1, 2, 7, 2.0, 0.5, -2.5, 2.675, 1704164645678, 10**15, 1e30)

scalars: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(TEXTS + TIMES),
    st.sampled_from(NUMBERS),
    st.booleans(),
    st.none(),
)


KEYS = st.sampled_from((*NAMES, "A", "a_b", ""))


def _objects_of(inside: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.dictionaries(KEYS, inside, min_size=1, max_size=3)


_flat = st.one_of(scalars, _objects_of(scalars), st.lists(scalars, max_size=3))
values: st.SearchStrategy[Json] = st.one_of(
    scalars,
    scalars,
    _objects_of(_flat),
    st.lists(_flat, max_size=3),
    st.lists(_objects_of(_flat), min_size=1, max_size=3),
    st.sampled_from(cast("list[Json]", [{}, []])),
)


@st.composite
def objects(draw: DrawFn) -> JsonObject:
    """An object in which most of the vocabulary is there, `items` mostly a list of objects."""
    names = draw(st.lists(KEYS, unique=True, min_size=2, max_size=5))
    made = {name: draw(values) for name in names}
    if draw(st.booleans()):
        made["items"] = draw(st.lists(_objects_of(_flat), max_size=3))
    return made


texts = st.sampled_from(TEXTS)
tables: st.SearchStrategy[Json] = st.dictionaries(
    st.sampled_from((*NAMES, *TEXTS)), st.sampled_from((*NAMES, "", "z")), max_size=3
)

NOTES = st.sampled_from(
    [
        "plain",
        "a ${properties.a} ${traits.b}",
        "${userId}",
        "$${x} ${options.a || context.b}",
        "${length(properties.c)}",
    ]
)
DOCUMENTS: st.SearchStrategy[Json] = st.sampled_from(
    [
        {"a": "${properties.a}", "b": ["${traits.items}", None, "x ${event}"], "items": {"c": 1}},
        '["${message.properties}", {"a": "${context.a} ${settings.text}"}]',
        [],
    ]
)
ROWS: JsonObject = {
    "title": "Rows",
    "type": "rows",
    "fields": {
        "a": {"title": "A", "type": "string"},
        "b": {"title": "B", "type": "template", "optional": True},
        "items": {
            "title": "Items",
            "type": "rows",
            "optional": True,
            "fields": {"a": {"title": "A", "type": "template", "escape": "slack", "missing": "drop"}},
        },
    },
}
_inner_rows = st.lists(st.fixed_dictionaries({"a": NOTES}), max_size=2)
_rows = st.fixed_dictionaries(
    {"a": st.sampled_from(("a", "b", "track", "1"))}, optional={"b": NOTES, "items": _inner_rows}
)

# name -> how it is written in the mapping, and what a person may fill in
SETTINGS: dict[str, tuple[JsonObject, st.SearchStrategy[Json]]] = {
    "text": ({"title": "Text", "type": "string"}, texts),
    "api": ({"title": "API", "type": "url"}, st.sampled_from(["https://eu.example.com", "https://eu.example.com/x/"])),
    "flag": ({"title": "Flag", "type": "boolean", "default": True}, st.booleans()),
    "count": ({"title": "Count", "type": "integer", "default": 2}, st.integers(-2, 5)),
    "rate": ({"title": "Rate", "type": "number", "default": 0.5}, st.sampled_from([0.5, 2, -1.25])),
    "names": ({"title": "Names", "type": "list", "default": ["a"]}, st.lists(st.sampled_from(NAMES), max_size=3)),
    "table": ({"title": "Table", "type": "table", "default": {"a": "b"}}, tables),
    "many": (
        {"title": "Many", "type": "table", "many": True, "default": {"a": ["b"]}},
        st.dictionaries(st.sampled_from(TEXTS), st.lists(texts, min_size=1, max_size=2), max_size=2),
    ),
    "note": ({"title": "Note", "type": "template", "missing": "drop", "escape": "html"}, NOTES),
    "document": ({"title": "Document", "type": "template", "format": "json"}, DOCUMENTS),
    "rows": (ROWS, st.lists(_rows, max_size=3)),
    "maybe": ({"title": "Maybe", "type": "string", "optional": True}, texts),
    "signing_key": ({"title": "Key", "type": "string", "secret": True, "optional": True}, texts),
}


@st.composite
def settings_for(draw: DrawFn, written: JsonObject) -> JsonObject:
    """Typed settings, complete with the defaults of those that are not filled in."""
    given: JsonObject = {}
    for name in written:
        setting, filled = SETTINGS[name]
        if not (setting.keys() & {"default", "optional"}) or draw(st.booleans()):
            given[name] = draw(filled)
        elif "default" in setting:
            given[name] = setting["default"]
    return given


@st.composite
def events(draw: DrawFn, call: str) -> Json:
    """An event of one call; now and then of another, or of a shape that no library would send."""
    event: JsonObject = {
        "type": call,
        "messageId": "m1",
        "userId": "u1",
        "anonymousId": "a1",
        "event": "a",
        "groupId": "g1",
    }
    event |= {"timestamp": "2024-01-02T03:04:05.678Z", "context": draw(objects())}
    event |= {"properties": draw(objects()), "traits": draw(objects())}
    if draw(st.sampled_from((False, False, True))):
        event |= draw(st.fixed_dictionaries({}, optional=_ODD))
    return event


_ids = st.one_of(st.sampled_from(["u2", "é/x", " ", "", "1"]), st.sampled_from([None, 5, 1.5, True, []]))
_odd_objects: st.SearchStrategy[Json] = st.sampled_from(cast("list[Json]", [[], None, {}, {}]))
_ODD: dict[str, st.SearchStrategy[Json]] = {
    "type": st.sampled_from(["track", "page", "screen", "delete"]),
    "userId": cast("st.SearchStrategy[Json]", _ids),
    "messageId": cast("st.SearchStrategy[Json]", _ids),
    "previousId": st.sampled_from(["p1", "", None, 7]),
    "name": st.sampled_from(["a", "", None, "Home"]),
    "category": st.sampled_from(["a", None]),
    "properties": _odd_objects,
    "traits": _odd_objects,
    "context": st.sampled_from(cast("list[Json]", [[], None, "text", {"traits": {"a": 1}}])),
    "timestamp": st.sampled_from(["yesterday", None, "2024-01-02T03:04:05+01:00"]),
    "receivedAt": st.just("2024-01-02T04:00:00.000Z"),
    "integrations": st.sampled_from(
        cast(
            "list[Json]",
            [
                {"All": True},
                {"Case": {"a": 1, "b": "x"}},
                {"All": False, "Case": {"a": {"b": 0}}},
                {"Case": 1},
                {"Case": False},
            ],
        )
    ),
}
