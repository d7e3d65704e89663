"""Where fields go, found in the mapping alone: by example, and never less than what the engine really sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from engine.events.normalizing import normalize
from engine.mapping import bundled
from engine.mapping.flows import MOST_FLOWS, declared_personal, kinds, reaches, sent
from engine.mapping.load import Library, Loaded
from engine.mapping.personal import KINDS, PERSONAL
from engine.mapping.privacy import shown_names
from engine.mapping.yaml import reader
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Outcome
from engine.testing.examples import NOW
from tests.language.cases import HERE, load_cases

SHOP = """\
mapping: 1
name: shop
title: Shop
http: { base_url: https://api.shop.example }
requests: { save: { path: /save } }
"""


def loaded(text: str) -> Loaded:
    document = reader.parse(text, "shop.yaml")
    assert not document.problems
    return Library([]).of(document, Path("shop.yaml"))


def lines(text: str) -> list[str]:
    """Return each flow as `part target < field`, with its form and what is left out."""
    found = []
    for each in sent(loaded(SHOP + text).mapping):
        flow = each.flow
        form = "?" if flow.decides else flow.hashed
        left = f" -{'-'.join(sorted(flow.but))}" if flow.but else ""
        kept = f" ={'+'.join(sorted(flow.only))}" if flow.only is not None else ""
        found.append(f"{each.part} {'.'.join(flow.target)} < {shown_names(flow.names)}{left}{kept} {form}".rstrip())
    return found


def step(words: str, more: str = "", call: str = "track") -> list[str]:
    return lines(f"{more}\ncalls: {{ {call}: [{{ request: save, {words} }}] }}\n")


FLOWS = {
    "fields: { a: event, b: { from: userId, as: md5 } }": ["body a < event", "body b < userId md5"],
    "fields: { a: [userId, { from: anonymousId, as: [trim, sha1] }] }": ["body a < userId", "body a < anonymousId sha1"],
    "fields: { a: { from: properties.ids, as: { map_items: [trim, sha256] } } }": ["body a < properties.ids sha256"],
    "fields: { a: { from: properties.ids, as: { map_items: lowercase } } }": ["body a < properties.ids"],
    "from: properties, except: [a], when: userId": ["condition  < userId ?", "body  < properties -a"],
    "from: properties, only: [a, b], except: [b]": ["body  < properties -b =a+b"],
    "from: properties, as: parse_json, only: [a]": ["body  < properties"],
    "from: { from: properties, rename: { a: b } }, except: [a]": ["body  < properties"],
    "merge: [properties, { fields: { a: userId } }], only: [b]": ["body  < properties =b"],
    "fields: { a: { fields: { b: userId, c: event } } }, only: [a]": ["body a.b < userId", "body a.c < event"],
    "fields: { a: userId, b: event }, prefix: x_, rename: { a: c }": ["body x_c < userId", "body x_b < event"],
    "fields: { a: { fields: { b: userId } } }, flatten: true": ["body a_b < userId"],
    "text: '${userId}/${event}'": ["body  < userId", "body  < event"],
    "fields: { '${userId}': event }": ["body ${userId} < userId", "body ${userId} < event"],
    "each: properties.list, where: item.x, value: item.sku": [
        "condition  < properties.list ?",
        "condition  < properties.list[].x ?",
        "body [] < properties.list[].sku",
    ],
    "entries: properties, key: { text: '${key}' }, value: { from: item, as: sha256 }": [
        "condition  < properties ?",
        "body * < properties[] sha256",
    ],
    'from: "to_string(properties)"': ["body  < properties"],
    'from: "{ a: userId, b: properties.x }", except: [a]': ["body  < userId", "body  < properties.x"],
    "from: message.context, except: [ip]": ["body  < context -ip"],
    "list: [userId], for_each: properties.rows, where: item.a": [
        "condition  < properties.rows ?",
        "condition  < properties.rows[].a ?",
        "body [] < userId",
    ],
    "fields: { a: { from: event, map: properties.table } }": ["body a < event", "body a < properties.table"],
    "fields: { a: { from: options.list, default: 1 } }, require: { userId: none }": [
        "condition  < userId ?",
        "body a < options.list",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("words", "flows"), FLOWS.items(), ids=FLOWS)
def test_where_fields_go(words: str, flows: list[str]) -> None:
    assert step(words) == flows


def test_through_parts_only_what_is_read_of_them_counts() -> None:
    parts = "parts: { who: { fields: { id: userId, mail: parts.mail } }, mail: { from: properties.mail, as: sha256 } }"
    assert step("fields: { a: parts.who.id }", parts) == ["body a < userId"]
    assert step("fields: { a: parts.who.mail }", parts) == ["body a < properties.mail sha256"]
    assert step("from: parts.who, except: [id]", parts) == ["body mail < properties.mail sha256"]
    assert step("from: parts.who, only: [mail], rename: { mail: id }", parts) == ["body id < properties.mail sha256"]
    assert step("fields: { a: 'to_string(parts.who)' }", parts) == [
        "body a < userId",
        "body a < properties.mail sha256",
    ]


def test_envelopes_headers_urls_and_queries_count() -> None:
    text = """\
requests:
  wrapped:
    path: "/${userId}"
    query: { ip: "${context.ip}" }
    headers: { X-Id: "${anonymousId}" }
    envelope: { fields: { data: body, hash: { from: body, as: [json, sha256] } } }
calls: { track: [{ request: wrapped, fields: { a: event } }] }
"""
    found = [
        f"{each.part} {'.'.join(each.flow.target)} < {shown_names(each.flow.names)} {each.flow.hashed}".rstrip()
        for each in sent(loaded(SHOP.replace("requests: { save: { path: /save } }\n", "") + text).mapping)
    ]
    assert found == [
        "body data.a < event",
        "body hash < event sha256",
        "URL  < userId",
        "query ip < context.ip",
        "header X-Id < anonymousId",
    ]


def test_a_part_that_leads_back_to_itself_ends() -> None:
    assert step("fields: { a: parts.a }", "parts: { a: [parts.b, userId], b: [parts.a, event] }") == [
        "body a < event",
        "body a < userId",
    ]


def test_parts_that_use_each_other_twice_stay_few() -> None:
    twice = {f"p{n}": {"fields": {"a": f"parts.p{n - 1}", "b": f"parts.p{n - 1}"}} for n in range(1, 13)}
    parts = {"p0": {"from": "traits.email", "as": "sha256"}, **twice}
    found = step("fields: { x: parts.p12 }", f"parts: {json.dumps(parts)}", "identify")
    assert len(found) < 2 * MOST_FLOWS
    assert {line.partition(" < ")[2] for line in found} == {"traits.email sha256"}


def tagged(fields: str) -> dict[str, list[str]]:
    """Return the kinds of what each field of an identify call is sent from."""
    mapping = loaded(f"{SHOP}calls: {{ identify: [{{ request: save, fields: {fields} }}] }}\n").mapping
    found = list(sent(mapping))
    declared = declared_personal(found)
    return {each.flow.target[0]: sorted(kinds(mapping, each, declared)) for each in found}


def test_personal_adds_to_what_is_known_wherever_the_field_is_read() -> None:
    assert tagged("{ a: { from: traits.mail, personal: [email] }, b: { from: traits, only: [mail] } }") == {
        "a": ["email"],
        "b": ["email"],
    }
    assert tagged("{ a: { from: traits, only: [x, phone], personal: [email] }, b: traits.x, c: traits.y }") == {
        "a": ["email", "phone"],
        "b": ["email"],
        "c": [],
    }
    assert tagged("{ a: { from: traits.email, personal: [] }, b: traits.email }") == {"a": [], "b": ["email"]}


def test_every_default_is_of_a_kind() -> None:
    assert {kind for paths in PERSONAL.values() for kind in paths.values()} == set(KINDS)


DIGEST = 32
"""Characters of the shortest digest: what looks like one is not hashed again."""


# --- Sound: whatever the engine sends in the clear, the flows know of. ---


def leaves(value: Json, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Return every text inside a value, with its path; `[]` for items of lists."""
    if isinstance(value, str):
        yield names, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, (*names, name))
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, (*names, "[]"))


def unknown_leaks(connection: Connection, event: Json, replies: list[JsonObject], now: float) -> list[str]:
    """Return the texts of an event that are in its requests although no flow takes them there in the clear."""
    target = connection.destination.loaded
    normalized = normalize(event, now=now)
    plan = connection.plan_normalized(normalized, now=now, replies=replies)
    if plan.outcome is not Outcome.PLANNED or not isinstance(normalized.event, dict):
        return []
    call = cast("str", normalized.event["type"])
    out = json.dumps([request[1:6] for request in plan.requests if request.batch is None], ensure_ascii=False)
    known = json.dumps([target.raw, connection.settings, replies], ensure_ascii=False)
    clear = [each.flow for each in sent(target.mapping, connection.settings) if each.call == call]
    clear = [flow for flow in clear if not flow.decides and not flow.hashed]
    return [
        ".".join(names)
        for names, text in leaves(cast("Json", normalized.event))
        if 4 < len(text) < DIGEST and text.isalnum() and text in out and text not in known
        and not any(reaches(flow, names) or flow.names[:1] == ("options",) for flow in clear)
    ]  # fmt: skip


FEW = ("envelope", "loops", "parts", "templates")
"""The files whose cases are not left to the slow tests."""
FILES = [
    pytest.param(path.stem, marks=[] if path.stem in FEW else pytest.mark.slow) for path in sorted(HERE.glob("*.yaml"))
]


@pytest.mark.parametrize("file", FILES)
def test_no_case_of_the_language_sends_what_is_not_known(file: str) -> None:
    for case in load_cases():
        if case.file == file:
            document = reader.parse(json.dumps(case.mapping), "case.yaml")
            connection = Connection(Destination(Library([]).of(document, Path("case.yaml"))), case.settings)
            assert unknown_leaks(connection, case.event, case.replies, case.now) == [], case.title


def full_event(call: str) -> dict[str, Any]:
    """Return an event with a text of its own in every personal field of a call."""
    event: dict[str, Any] = {"type": call, "messageId": "m1", "timestamp": "2024-03-05T10:15:30Z", "event": "Bought"}
    for number, names in enumerate(PERSONAL[call]):
        inner = event
        for name in names[:-1]:
            inner = inner.setdefault(name, {})
        inner[names[-1]] = f"canary{number:03}"
    return event


NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_what_shipped_mappings_send_is_known_with_its_kind(name: str) -> None:
    target = Library([]).load(name)
    destination = Destination(target)
    connection = destination.connect(destination.example_settings(), {})
    found = list(sent(target.mapping))
    declared = declared_personal(found)
    for call in (*target.mapping.calls, *target.mapping.shared):
        event = {**full_event(call), "groupId": "g1"}
        assert unknown_leaks(connection, event, [], NOW) == []
        plan = connection.plan(event, now=NOW)
        out = json.dumps([request[1:6] for request in plan.requests])
        reached = {kind for each in found if each.call == call for kind in kinds(target.mapping, each, declared)}
        texts = dict(leaves(cast("Json", event)))
        assert {kind for names, kind in PERSONAL[call].items() if texts[names] in out} <= reached
