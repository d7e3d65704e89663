"""What examples use of a mapping: each kind of thing, and the shipped mappings."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

from engine.mapping import bundled
from engine.mapping.load import Library, Loaded
from engine.testing.coverage import What, coverage_of
from engine.testing.coverage_report import CoverageReport, counts_by_kind, percent, report_on
from tests.runners import load

HEAD = """
mapping: 1
name: case
title: Case
about: A mapping of a test.
docs: https://example.com
http: { base_url: "https://api.example.com" }
"""
REQUESTS = """
requests: { send: { path: /send } }
"""
TRACK = "{ type: track, messageId: m1, userId: u1, event: Tested, timestamp: 2024-03-05T10:15:30Z"


def step(words: str) -> str:
    return f"calls:\n  track:\n    - request: send\n      {words}\n"


def examples(*events: str) -> str:
    """Write examples of a track event with each of these properties and other keys."""
    lines = (
        f"  - {{ title: Number {number}, event: {TRACK}{event} }}, expect: [] }}" for number, event in enumerate(events)
    )
    return "examples:\n" + "\n".join(lines) + "\n"


CASES = {
    "a step whose condition never holds": (
        REQUESTS + step("when: properties.a\n      fields: { id: userId }") + examples(""),
        ["step send of track", "when of track[0] holds", "field id"],
    ),
    "a call with the steps of another": (
        REQUESTS + step("fields: { id: userId }") + "  page: track\n" + examples(""),
        ["step track for page"],
    ),
    "a field that is never there": (
        REQUESTS + step("fields: { id: userId, a: properties.a }") + examples(", properties: { b: 1 }"),
        ["field a"],
    ),
    "a null that is sent is there": (
        REQUESTS + step("fields: { a: { from: properties.a, nulls: send } }") + examples(", properties: { a: null }"),
        [],
    ),
    "the alternatives behind the one that wins": (
        REQUESTS
        + step("fields: { a: [properties.a, properties.b, { const: 1 }] }")
        + examples(", properties: { b: 1 }"),
        ["alternative properties.a", "alternative 3 of a"],
    ),
    "blank text does not win": (
        "empty_text: drop\n"
        + REQUESTS
        + step("fields: { a: [properties.a, userId] }")
        + examples(', properties: { a: " " }'),
        ["alternative properties.a"],
    ),
    "a choice in a choice": (
        REQUESTS
        + step("fields: { a: [{ from: [properties.a, properties.b] }, userId] }")
        + examples(", properties: { b: 1 }"),
        ["alternative properties.a", "alternative userId"],
    ),
    "conditions both ways": (
        REQUESTS
        + step(
            "require: { userId: no user }\n      "
            "fields: { a: { from: userId, when: properties.a, unless: properties.b }, "
            "c: { each: properties.c, where: item.d, value: item.e } }"
        )
        + examples(", properties: { a: 1, c: [{ d: 1, e: 2 }] }"),
        [
            "require userId does not hold",
            "when of a does not hold",
            "unless of a holds",
            "where of c does not hold",
        ],
    ),
    "entries of a map, and what it does not list": (
        REQUESTS
        + step("fields: { a: { from: properties.a, map: { One: 1, two: 2, three: 3 }, ignore_case: true } }")
        + examples(", properties: { a: ONE }", ", properties: { a: four }"),
        ["map of a: two", "map of a: three"],
    ),
    "entries of a map that is read from its entries": (
        REQUESTS
        + step("fields: { a: { from: properties.a, map: { buy: [x, y] }, reverse: true } }")
        + examples(", properties: { a: y }"),
        ["map of a: x", "map of a: a value that is not listed"],
    ),
    "values of settings": (
        "settings:\n"
        "  mode: { title: Mode, type: string, choices: [fast, slow], default: fast }\n"
        "  deep: { title: Deep, type: boolean, default: false }\n"
        + REQUESTS
        + step("fields: { a: settings.mode, b: settings.deep }")
        + examples("")
        + f"  - {{ title: Deep, settings: {{ deep: true }}, event: {TRACK} }}, expect: [send: ] }}\n",
        ["setting mode: slow"],
    ),
    "a setting of an example that sends nothing is not used": (
        "settings:\n"
        "  deep: { title: Deep, type: boolean, default: false }\n"
        + REQUESTS
        + step("fields: { b: settings.deep, a: { from: properties.a, required: true } }")
        + examples(""),
        ["step send of track", "field a", "setting deep: true", "setting deep: false"],
    ),
    "rules of responses, by replies": (
        "responses:\n"
        "  - { status: 401, then: stop }\n"
        "  - { status: 4xx, when: body.late, then: retry }\n"
        "  - { status: 4xx, then: reject }\n"
        + REQUESTS
        + step("fields: { id: userId }")
        + "examples:\n"
        + f"  - title: Late\n    event: {TRACK} }}\n"
        + "    replies: [{ request: send, status: 400, body: { late: true } }]\n    expect: [send: ]\n",
        ["response rule 1 (401)", "response rule 3 (4xx)"],
    ),
    "what a batch makes of its items, and its results": (
        "batches:\n  many: { path: /many, fields: { all: items }, results: { list: body.list, ok: item.ok } }\n"
        "requests: { send: { batch: many, item: { fields: { a: body.a, b: body.b } } } }\n"
        + step("fields: { a: userId }")
        + "examples:\n"
        + f"  - title: Fine\n    event: {TRACK} }}\n"
        + "    replies: [{ request: send, body: { list: [{ ok: true }] } }]\n    expect: [send: ]\n",
        ["field b", "results.ok of many does not hold"],
    ),
    "a part that nothing uses is not asked for": (
        "parts: { a: [properties.a, properties.b] }\n" + REQUESTS + step("fields: { id: userId }") + examples(""),
        [],
    ),
    "no example at all": (
        REQUESTS + step("fields: { id: userId }"),
        ["step send of track", "field id"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_missing(name: str) -> None:
    text, missing = CASES[name]
    coverage = coverage_of(load(HEAD + text))
    assert sorted(item.label for item in coverage.items if not item.used) == sorted(missing)


SHIPPED = sorted(bundled("mappings").glob("*.yaml"))
PARTS = sorted(bundled("mappings").glob("parts/*.yaml"))


@lru_cache
def shipped() -> CoverageReport:
    return report_on([Library([]).read(path) for path in SHIPPED], [*SHIPPED, *PARTS])


def test_shipped_mappings() -> None:
    """Every step and field, and 95 % of what else there is, as a mapping of one's own may be held to."""
    items = shipped().items
    counts = counts_by_kind(items)
    for what in (What.STEP, What.FIELD):
        used, total = counts[what]
        assert used == total, [item.label for item in items if item.thing.what is what and not item.used]
    assert percent(item for item in items if item.thing.what is What.ALTERNATIVE) >= 95
    assert percent(items) >= 95
    assert shipped().others == {}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_shipped_mapping(path: Path) -> None:
    """What a mapping takes from another file is held there; what stands in its own file, by its own examples."""
    report = report_on([Library([]).read(path)], [path])
    assert [file.coverage.file for file in report.files] == [path.as_posix()]
    assert percent(report.items) >= 95


def test_one_example_less(tmp_path: Path) -> None:
    """Without its example a line is missing, and the draft for it is what the example did."""
    text = (bundled("mappings") / "user_com.yaml").read_text(encoding="utf-8")
    title = "  - title: An address without a street is sent as JSON\n"
    before, _, rest = text.partition(title)
    changed = tmp_path / "user_com.yaml"
    changed.write_text(before + rest[rest.index("  - title:") :], encoding="utf-8")
    line = text[: text.index("- { from: traits.address, as: json }")].count("\n") + 1

    report = report_on([_load(changed)], [changed])
    assert [(each.item.mark.line, each.item.label) for each in report.files[0].missing] == [
        (line, "alternative 3 of address")
    ]
    assert percent(report.items) < 100
    draft = report.files[0].missing[0].draft
    assert draft is not None
    assert draft["event"] == {
        "type": "group",
        "messageId": "alternative-3-of-address",
        "anonymousId": "507f191e81",
        "timestamp": "2024-03-05T10:15:30Z",
        "groupId": "0e8c78ea9d97a7b8185e8632",
        "traits": {"name": "Initech", "address": {"key": "text"}},
    }


def test_the_lines_of_an_example(tmp_path: Path) -> None:
    """Everything that one example alone uses is named with its line."""
    text = (bundled("mappings") / "user_com.yaml").read_text(encoding="utf-8")
    title = "  - title: An identify call with every context field\n"
    before, _, rest = text.partition(title)
    changed = tmp_path / "user_com.yaml"
    changed.write_text(before + rest[rest.index("  - title:") :], encoding="utf-8")
    lines = changed.read_text(encoding="utf-8").splitlines()

    report = report_on([_load(changed)], [changed])
    assert {each.item.label: lines[each.item.mark.line - 1].strip() for each in report.files[0].missing} == {
        "alternative parts.agent.os.family": "os: [context.os.name, parts.agent.os.family]",
        "alternative parts.agent.device.family": (
            "device_name: [context.device.name, context.device.model, parts.agent.device.family]"
        ),
        "field language": "language: parts.language",
        "field resolution": 'resolution: { text: "${context.screen.width}x${context.screen.height}" }',
        "field ip_address": "ip_address: parts.ip",
        "field timezone": "timezone: parts.timezone",
        "field current_url": "current_url: parts.url",
    }


def _load(path: Path) -> Loaded:
    return Library([]).read(path)


def test_marks_are_of_the_line_of_the_thing(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    text = f"""{HEAD}
settings:
  mode:
    title: Mode
    type: string
    choices:
      - fast
      - slow
    default: fast
requests: {{ send: {{ path: /send }} }}
calls:
  track:
    - request: send
      require:
        userId: a user is needed
      fields:
        mode: settings.mode
        a:
          from:
            - properties.a
            - properties.b
          map:
            x: 1
            y: 2
"""
    path.write_text(text, encoding="utf-8")
    found = {item.label: text.splitlines()[item.mark.line - 1].strip() for item in coverage_of(_load(path)).items}
    assert found == {
        "setting mode: fast": "- fast",
        "setting mode: slow": "- slow",
        "step send of track": "- request: send",
        "require userId holds": "userId: a user is needed",
        "require userId does not hold": "userId: a user is needed",
        "field mode": "mode: settings.mode",
        "field a": "a:",
        "alternative properties.a": "- properties.a",
        "alternative properties.b": "- properties.b",
        "map of a: x": "x: 1",
        "map of a: y": "y: 2",
        "map of a: a value that is not listed": "map:",
    }
