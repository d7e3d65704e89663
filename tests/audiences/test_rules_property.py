"""Any rule gives in SQL what a plain reading of it gives in Python, with JMESPath's library for each comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.archive.queries import ArchiveConnection, memory
from engine.audiences.compiling import compiled
from engine.audiences.definitions import load_document
from engine.language import paths
from engine.language.paths.values import equal, holds
from engine.language.times import iso_text, moment_at
from engine.mapping.yaml.reader import parse

NOW = 1_795_953_600.0
DAY = 86_400
MISSING = object()
VALUES: list[Any] = [
    *(MISSING, None, True, False, 0, 1, -1.5, 100, 100.0, 2**53 + 1, "", "a", "pro", "prö\u2028", 'q"\\', "5"),
    *([], {}, ["a", 1, None, True, "pro"], ["5", 100.0], {"b": "a"}, {"b": 7}, {"b": None}),
]
AGES = [0, 1, DAY, DAY + 0.001, DAY - 0.001, 30 * DAY, 30 * DAY + 1, 400 * DAY, -0.001, -DAY]
"""How long before now events happened, in seconds: at the ends of times, and after now."""
LITERALS: list[Any] = [None, True, False, 0, 1, -1.5, 100, 2**53 + 1, "", "a", "pro", "prö\u2028", 'q"\\', "5"]
FIELDS = ["properties.x", "properties.y", "properties.x.b", 'properties."odd name"', "context.x", "userId"]


def with_field(key: str, value: Any) -> dict[str, Any]:
    return {} if value is MISSING else {key: value}


def made_events() -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for number, (value, age) in enumerate(product(VALUES, AGES)):
        user = f"u{number % 37}"
        other = VALUES[(number * 7) % len(VALUES)]
        events.append(
            {
                "type": "track",
                "messageId": f"m{number}",
                "userId": user,
                "event": "AB"[number % 3 % 2],
                "timestamp": iso_text(moment_at(NOW - age)),  # type: ignore[arg-type]
                "properties": {**with_field("x", value), **with_field("y", other), **with_field("odd name", other)},
                "context": with_field("x", other),
            }
        )
    for number, value in enumerate(VALUES):
        time = iso_text(moment_at(NOW - DAY))  # type: ignore[arg-type]
        traits = {"n": number, **with_field("x", value)}
        events.append(
            {
                "type": "identify",
                "messageId": f"i{number}",
                "userId": f"u{number + 20}",
                "traits": traits,
                "timestamp": time,
            }
        )
    return events


EVENTS = made_events()
USERS = sorted({event["userId"] for event in EVENTS})


@pytest.fixture(scope="module")
def connection() -> Iterator[ArchiveConnection]:
    with memory(EVENTS, NOW) as opened:
        yield opened


# --- a condition as text, and what it means ---


def literal_text(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return "`" + json.dumps(value, ensure_ascii=False).replace("`", "\\`") + "`"


def leaves(fields: list[str]) -> st.SearchStrategy[tuple[Any, ...]]:
    field, literal = st.sampled_from(fields), st.sampled_from(LITERALS)
    sign, numbers = st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from([0, 1, -1.5, 100, 99.5])
    return st.one_of(
        st.tuples(st.just("field"), field),
        st.tuples(st.sampled_from(["==", "!="]), field, literal),
        st.tuples(st.sampled_from(["==", "!="]), field, field),
        st.tuples(sign, field, numbers),
        st.tuples(sign, field, field),
        st.tuples(st.just("contains"), field, literal),
        st.tuples(st.just("in"), st.lists(literal, max_size=3), field),
        st.tuples(st.sampled_from(["starts_with", "ends_with"]), field, st.sampled_from(["", "p", "a", "o"])),
    )


def conditions(fields: list[str]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.recursive(
        leaves(fields),
        lambda inner: st.one_of(
            st.tuples(st.just("!"), inner),
            st.tuples(st.sampled_from(["&&", "||"]), inner, inner),
        ),
        max_leaves=4,
    )


def text_of(condition: tuple[Any, ...]) -> str:
    match condition:
        case ("field", name):
            return str(name)
        case ("!", inner):
            return f"!({text_of(inner)})"
        case (("&&" | "||") as word, left, right):
            return f"({text_of(left)}) {word} ({text_of(right)})"
        case ("in", entries, field):
            return f"contains({literal_text(entries)}, {field})"
        case (("contains" | "starts_with" | "ends_with") as name, field, literal):
            return f"{name}({field}, {literal_text(literal)})"
        case (sign, field, other):
            return f"{field} {sign} {other if other in FIELDS or other in TRAITS else literal_text(other)}"
    raise AssertionError(condition)


def meets(condition: tuple[Any, ...], event: dict[str, Any]) -> bool:
    match condition:
        case ("!", inner):
            return not meets(inner, event)
        case ("&&", left, right):
            return meets(left, event) and meets(right, event)
        case ("||", left, right):
            return meets(left, event) or meets(right, event)
        case ("in", entries, field):
            return any(equal(paths.search(field, event), entry) for entry in entries)
        case ("contains", field, literal):
            found = paths.search(field, event)
            if isinstance(found, list):  # the library's `in` takes 1 for true
                return any(equal(entry, literal) for entry in found)
            return isinstance(found, str) and isinstance(literal, str) and literal in found
        case (sign, field, other) if sign in ("<", "<=", ">", ">=", "==", "!="):
            right = other if other in FIELDS or other in TRAITS else f"`{json.dumps(other)}`"
            return holds(paths.search(f"{field} {sign} {right}", event))
    try:
        return holds(paths.search(text_of(condition), event))
    except paths.PathTypeError:
        return False


# --- rules ---

TRAITS = ["traits.x", "traits.n", "traits.x.b"]
WITHIN = {None: float("inf"), "1d": DAY, "30d": 30 * DAY, "1440m": DAY}
EVENT_CONDITION = st.one_of(st.none(), conditions(FIELDS))
DID = st.tuples(
    st.just("did"),
    st.sampled_from(["A", "B", "C"]),
    st.tuples(st.sampled_from(["<", "<=", "=", "!=", ">=", ">"]), st.integers(0, 4)),
    st.sampled_from(list(WITHIN)),
    EVENT_CONDITION,
)
DID_NOT = st.tuples(
    st.just("did_not"), st.sampled_from(["A", "B", "C"]), st.sampled_from(list(WITHIN)), EVENT_CONDITION
)
HAS = st.tuples(
    st.just("traits"),
    st.dictionaries(
        st.sampled_from(["x", "n"]), st.lists(st.sampled_from(LITERALS), min_size=1, max_size=3), max_size=2
    ),
    conditions(TRAITS),
)
RULES = st.recursive(
    st.one_of(DID, DID_NOT, HAS),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("not"), inner),
    ),
    max_leaves=4,
)


def written(rule: tuple[Any, ...]) -> dict[str, Any]:
    match rule:
        case ("did", event, (sign, number), within, where):
            found = {"did": event, "times": f"{sign} {number}", "within": within, "where": where and text_of(where)}
        case ("did_not", event, within, where):
            found = {"did_not": event, "within": within, "where": where and text_of(where)}
        case ("traits", values, where):
            found = {"traits": values, "where": text_of(where)}
        case ("not", inner):
            return {"not": written(inner)}
        case (word, inner):
            return {word: [written(each) for each in inner]}
    return {key: value for key, value in found.items() if value is not None}


def age(event: dict[str, Any]) -> float:
    from engine.language.times import read_time

    return round(NOW - read_time(event["timestamp"]), 3)  # type: ignore[operator]


AGED: dict[tuple[str, str | None], list[tuple[float, dict[str, Any]]]] = {}
for each in EVENTS:
    AGED.setdefault((each["userId"], each.get("event")), []).append((age(each), each))


def count(user: str, name: str, within: Any, where: Any) -> int:
    found = AGED.get((user, name), [])
    return sum(0 <= old <= WITHIN[within] and (where is None or meets(where, event)) for old, event in found)


def is_in(rule: tuple[Any, ...], user: str) -> bool:
    match rule:
        case ("did", event, (sign, number), within, where):
            found = count(user, event, within, where)
            return bool(eval(f"{found} {'==' if sign == '=' else sign} {number}"))
        case ("did_not", event, within, where):
            return count(user, event, within, where) == 0
        case ("traits", values, where):
            traits = next((e["traits"] for e in EVENTS if e["userId"] == user and e["type"] == "identify"), {})
            has = (any(equal(traits.get(name), value) for value in wanted) for name, wanted in values.items())
            return all(has) and meets(where, {"traits": traits})
        case ("all", inner):
            return all(is_in(each, user) for each in inner)
        case ("any", inner):
            return any(is_in(each, user) for each in inner)
        case (_, inner):
            return not is_in(inner, user)
    raise AssertionError(rule)


EXISTING = [
    user for user in USERS if any(who == user and max(old for old, _ in found) >= 0 for (who, _), found in AGED.items())
]


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(RULES)
def test_a_rule_means_in_sql_what_it_means_in_python(connection: ArchiveConnection, rule: tuple[Any, ...]) -> None:
    compare(connection, rule)


def compare(connection: ArchiveConnection, rule: tuple[Any, ...]) -> None:
    text = json.dumps({"audiences": [{"name": "Any", **written(rule)}]}, ensure_ascii=False)
    (definition,) = load_document(parse(text, "audiences.yaml"))
    query = compiled(definition, NOW)
    found = connection.execute(query.sql, list(query.parameters)).fetchall()
    assert sorted(row[0] for row in found) == [user for user in EXISTING if is_in(rule, user)]


@pytest.mark.parametrize(
    "rule",
    [
        ("all", [("did", "A", (">=", 1), "1d", None), ("traits", {}, ("field", "traits.x"))]),
        ("any", [("did", "A", (">=", 1), "1d", None), ("traits", {}, ("field", "traits.x"))]),
        ("not", ("did", "A", (">=", 1), None, None)),
    ],
)
def test_users_are_joined_where_they_are_needed(connection: ArchiveConnection, rule: tuple[Any, ...]) -> None:
    compare(connection, rule)
