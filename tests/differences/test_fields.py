"""Where two JSON values differ, and what differs between plans: tables of cases."""

from __future__ import annotations

import json

import pytest

from engine.differences.comparison import (
    LONGEST_SAMPLE,
    MOST_FIELDS,
    MOST_REASONS,
    OTHERS,
    Differences,
    DiffVerdict,
)
from engine.differences.fields import field_differences, field_text
from engine.records import NO_SECRETS, Json, Outcome, Plan, PlannedRequest, Secret, Secrets

DEEP: Json = {"a": 1}
for _ in range(200):
    DEEP = {"a": DEEP}

FIELDS: list[tuple[Json, Json, list[str]]] = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ({"a": 1}, {"a": 1.0}, []),
    ({"a": 1}, {"a": True}, ["type changed a: 1 -> true"]),
    ({"a": "1"}, {"a": 1}, ['type changed a: "1" -> 1']),
    ({"a": None}, {}, ["removed a: null -> null"]),
    ({"a": None}, {"a": {}}, ["type changed a: null -> {}"]),
    ({"a": "x"}, {"b": "x"}, ['removed a: "x" -> null', 'added b: null -> "x"']),
    ({"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, ["changed a.b: 1 -> 2", "added a.c: null -> 3"]),
    ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, ["changed a[].b: 2 -> 3"]),
    ({"a": [1, 2]}, {"a": [1]}, ["changed a: [1, 2] -> [1]"]),
    ([1], [2], ["changed []: 1 -> 2"]),
    ({"Feed Type": 1, 'a"b\n': 1}, {}, ['removed ["Feed Type"]: 1 -> null', 'removed ["a\\"b\\n"]: 1 -> null']),
    (DEEP, {"a": {"a": 2}}, ["type changed a.a: ..."]),
    ("a", "a", []),
]


@pytest.mark.parametrize(("old", "new", "expected"), FIELDS, ids=range(len(FIELDS)))
def test_where_values_differ(old: Json, new: Json, expected: list[str]) -> None:
    found = [
        f"{each.change} {field_text(each.place)}: {json.dumps(each.old)} -> {json.dumps(each.new)}"
        for each in field_differences(old, new)
    ]
    assert [text if len(text) < 100 else f"{text.partition(':')[0]}: ..." for text in found] == expected


def request(name: str = "send", body: Json = None, **others) -> PlannedRequest:
    known = {"method": "POST", "url": "https://v.example/a", "headers": {}, "query": {}}
    return PlannedRequest(request=name, body=body, **(known | others))


def planned(*requests: PlannedRequest) -> Plan:
    return Plan(Outcome.PLANNED, "1 request", requests)


IGNORED = Plan(Outcome.IGNORED, 'nothing to send: "a" is not known')
INVALID = Plan(Outcome.INVALID, "email is required")
MISSING = request("new", url="https://v.example/new")
PLANS: dict[str, tuple[Plan, Plan, DiffVerdict, list[str]]] = {
    "nothing": (planned(request(body={"a": 1})), planned(request(body={"a": 1})), DiffVerdict.SAME, []),
    "order of keys": (
        planned(request(body={"a": 1, "b": 2})),
        planned(request(body={"b": 2, "a": 1})),
        DiffVerdict.SAME,
        [],
    ),
    "1 is not true": (
        planned(request(body={"a": 1})),
        planned(request(body={"a": True})),
        DiffVerdict.BREAKING,
        ["send body.a type changed 1"],
    ),
    "a new field": (
        planned(request(body={})),
        planned(request(body={"a": [1]})),
        DiffVerdict.ADDITIVE,
        ["send body.a added 1"],
    ),
    "one field in two entries counts once": (
        planned(request(body=[{"a": 1}, {"a": 2}])),
        planned(request(body=[{}, {}])),
        DiffVerdict.BREAKING,
        ["send body[].a removed 1"],
    ),
    "method, url, header, query": (
        planned(request(headers={"A": "1"}, query={"q": "1"})),
        planned(request(method="PUT", url="https://v.example/b", headers={"a": "2"}, query={"r": "1"})),
        DiffVerdict.BREAKING,
        [
            "send query.q removed 1",
            "send headers.a changed 1",
            "send method changed 1",
            "send url changed 1",
            "send query.r added 1",
        ],
    ),
    "upper case of a header's name": (
        planned(request(headers={"X-Key": "1"})),
        planned(request(headers={"x-key": "1"})),
        DiffVerdict.SAME,
        [],
    ),
    "another name for the same request": (
        planned(request("a", body={"x": 1})),
        planned(request("b", body={"x": 1})),
        DiffVerdict.SAME,
        [],
    ),
    "another name and a new field": (
        planned(request("a", body={})),
        planned(request("b", body={"x": 1})),
        DiffVerdict.ADDITIVE,
        ["a -> b body.x added 1"],
    ),
    "one more": (planned(request()), planned(request(), request("b", url="/b")), DiffVerdict.ADDITIVE, ["+ b 1"]),
    "one less": (planned(request(), request()), planned(request()), DiffVerdict.BREAKING, ["- send 1"]),
    "another order": (
        planned(request("a"), request("b", url="/b")),
        planned(request("b", url="/b"), request("a")),
        DiffVerdict.BREAKING,
        ["(all) order changed 1"],
    ),
    "the request for what is missing": (
        planned(request(if_missing=MISSING)),
        planned(request(if_missing=MISSING._replace(method="PUT"))),
        DiffVerdict.BREAKING,
        ["new (if_missing) method changed 1"],
    ),
    "sent in a batch": (
        planned(request()),
        planned(request(batch="bulk")),
        DiffVerdict.BREAKING,
        ["send batch type changed 1"],
    ),
    "no longer planned": (planned(), INVALID, DiffVerdict.BREAKING, ["planned -> invalid: email is required"]),
    "planned now": (
        IGNORED,
        planned(request()),
        DiffVerdict.ADDITIVE,
        ["+ send 1", 'ignored -> planned: nothing to send: "a" is not known'],
    ),
    "set aside now": (
        IGNORED,
        INVALID,
        DiffVerdict.BREAKING,
        ['ignored -> invalid: nothing to send: "a" is not known -> email is required'],
    ),
    "ignored for another reason": (IGNORED, IGNORED._replace(reason="switched off"), DiffVerdict.SAME, []),
}


@pytest.mark.parametrize("case", PLANS)
def test_what_differs_between_plans(case: str) -> None:
    old, new, verdict, expected = PLANS[case]
    differences = Differences(NO_SECRETS)
    differences.add(old, new, "e:1")
    assert listed(differences) == expected
    assert differences.verdict is verdict
    assert differences.differing == bool(expected)


def listed(differences: Differences) -> list[str]:
    counts = differences.requests()
    return [
        *(f"- {each.request} {each.removed}" for each in counts if each.removed),
        *(f"+ {each.request} {each.added}" for each in counts if each.added),
        *(f"{each.request} {each.field} {each.change} {each.requests}" for each in differences.fields()),
        *(f"{each.old} -> {each.new}: {each.reason}" for each in differences.outcomes()),
    ]


def test_reasons_that_differ_in_a_value_are_one() -> None:
    differences = Differences(NO_SECRETS)
    for number in range(3):
        differences.add(planned(), INVALID._replace(reason=f'"{number}" is not a number'), f"e:{number}")
    assert listed(differences) == ['planned -> invalid: "0" is not a number']
    assert [(each.events, each.event) for each in differences.outcomes()] == [(3, "e:0")]


def test_what_events_can_grow_is_bounded() -> None:
    differences = Differences(NO_SECRETS)
    for number in range(MOST_FIELDS + 5):
        old, new = request(body={f"k{number}": "x" * 1000}), request(body={})
        differences.add(planned(old), planned(new), "e")
        differences.add(planned(), INVALID._replace(reason=f"reason {number}"), "e")
    fields = {each.field: each for each in differences.fields()}
    assert len(fields) == MOST_FIELDS + 1
    assert fields[OTHERS].requests == 5
    assert fields["body.k0"].sample.old == f'"{"x" * (LONGEST_SAMPLE - 2)}…'
    outcomes = {each.reason: each.events for each in differences.outcomes()}
    assert len(outcomes) == MOST_REASONS + 1
    assert outcomes[OTHERS] == MOST_FIELDS + 5 - MOST_REASONS


def test_secrets_are_masked_wherever_they_stand() -> None:
    secret = "s3cret-of-the-vendor"
    differences = Differences(Secrets([secret]))
    old = request(headers={"Authorization": Secret(f"Token {secret}", "Token ***")}, body={secret: f"a {secret}"})
    new = request(headers={"Authorization": Secret(f"Bearer {secret}", "Bearer ***")}, body={"b": secret})
    differences.add(planned(old), planned(new), "e")
    differences.add(planned(), INVALID._replace(reason=f"{secret} is wrong"), "e")
    shown = repr((differences.fields(), differences.outcomes(), differences.requests()))
    assert secret not in shown
    samples = {each.field: each.sample[:2] for each in differences.fields()}
    assert samples == {
        'body["***"]': ('"a ***"', None),
        "headers.Authorization": ('"Token ***"', '"Bearer ***"'),
        "body.b": (None, '"***"'),
    }


def test_requests_that_python_alone_can_write_are_compared() -> None:
    differences = Differences(NO_SECRETS)
    differences.add(planned(request(body={"a": 2**70})), planned(request(body={"a": 2**70})), "e")
    assert differences.verdict is DiffVerdict.SAME
    differences.add(planned(request(body={"a": "\ud800"})), planned(request(body={"a": 2**70})), "e")
    assert [each.sample[:2] for each in differences.fields()] == [('"\\ud800"', "1180591620717411303424")]
