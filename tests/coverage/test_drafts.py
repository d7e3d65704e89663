"""Drafts of examples: each does what it is for, can be pasted, and passes as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.commands.output.yaml_text import yaml_item
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.mapping.yaml import reader
from engine.records import Json
from engine.testing import drafts
from engine.testing.coverage import Exercise
from engine.testing.coverage_report import CoverageReport, percent, report_on
from engine.testing.drafts import Drafter
from engine.testing.examples import validate
from tests.coverage.test_coverage import HEAD, REQUESTS, examples, step
from tests.runners import load

LARGE = sorted({path.stem for path in bundled("mappings").glob("*.yaml")} - {"slack", "webhook"})


@pytest.mark.parametrize("name", ["slack", "webhook", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_drafts_of_everything(name: str, tmp_path: Path) -> None:
    """Shipped mappings without their examples: the drafts, pasted, use all there is, and the checker is content."""
    folder = tmp_path / "mappings"
    shutil.copytree(bundled("mappings"), folder)
    for path in folder.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text[: text.index("\nexamples:") + 1], encoding="utf-8")
    assert _missing_after_pasting(folder / f"{name}.yaml", folder) == ([], [], 100)


def _missing_after_pasting(path: Path, folder: Path) -> tuple[list[str], list[str], float]:
    """Paste all drafts; return what has none, the problems then, and the coverage then."""
    alone = path.read_text(encoding="utf-8")
    missing = [each for file in _report(path, folder).files for each in file.missing]
    lines = [line for each in missing if each.draft and not each.again for line in yaml_item(each.draft, 2)]
    path.write_text(alone + "examples:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    problems = [str(problem) for problem in validate(Library([]).read(path))]
    covered = percent(_report(path, folder).items)
    path.write_text(alone, encoding="utf-8")
    return [each.item.label for each in missing if each.draft is None], problems, covered


def _report(path: Path, folder: Path) -> CoverageReport:
    return report_on([Library([]).read(path)], [*folder.glob("*.yaml"), *folder.glob("parts/*.yaml")])


CONDITIONS = [
    "properties.a == 'x'",
    "properties.a != 'x'",
    "properties.a == `3`",
    "properties.a > `3`",
    "properties.a >= `3` && properties.a < `10`",
    "!(properties.a)",
    "properties.a || properties.b",
    "properties.a && !(properties.b)",
    "!(properties.a && properties.b)",
    "type(properties.a) == 'array'",
    "type(properties.a) != 'string'",
    "contains(properties.a, 'gift')",
    "starts_with(event, 'Order')",
    "properties.a == properties.b",
    "properties.a.b[0].c",
    "properties.list[?a == 'x'] | [0]",
    "context.ip == '1.2.3.4' || parts.both",
    "parts.gone == 'x'",
    "settings.mode == 'slow'",
    "settings.deep && properties.a",
    "options.fast",
    "length(properties.list)",
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions(condition: str) -> None:
    text = (
        "settings:\n"
        "  mode: { title: Mode, type: string, choices: [fast, slow], default: fast }\n"
        "  deep: { title: Deep, type: boolean, default: false }\n"
        "parts:\n  both: properties.a && properties.b\n"
        "  gone: { from: properties.c, unless: properties.d }\n"
        + REQUESTS
        + step(f'when: "{condition}"\n      fields: {{ id: userId }}')
    )
    exercise = Exercise(load(HEAD + text + examples("")))
    drafter = Drafter(exercise)
    missing = [item for item in exercise.coverage().items if not item.used]
    assert [item.label for item in missing if drafter.draft(item.thing) is None and "setting" not in item.label] == []


LOOPS = {
    "each": step("fields: { a: { each: properties.list, where: \"item.kind == 'x'\", value: item.b } }"),
    "entries": step("fields: { a: { entries: properties.list, value: { from: item.b, when: item.c } } }"),
    "loops inside": step(
        "fields: { a: { each: properties.list, value: { each: item.more, where: item.d, value: item.e } } }"
    ),
    "for_each": step("for_each: properties.list\n      where: item.a\n      fields: { b: [item.b, item.c] }"),
    "key": step('fields: { "${properties.key}": properties.a, b: 1 }'.replace("b: 1", "b: userId")),
    "saved": step("fields: { id: userId }\n      save: { id: body.id }")
    + "    - request: send\n      when: saved.id == 'x1'\n      fields: { id: saved.id }\n",
    "required": step(
        "fields: { a: { from: properties.a, required: true }, b: { from: properties.b, required: true } }"
    ),
    "message": step("from: message\n      only: [type, userId]"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_and_others(name: str) -> None:
    exercise = Exercise(load(HEAD + REQUESTS + LOOPS[name]))
    drafter = Drafter(exercise)
    assert [each.label for each in exercise.coverage().items if drafter.draft(each.thing) is None] == []


def test_what_cannot_be_reached() -> None:
    """No event makes this condition hold; the report says what was tried."""
    impossible = "properties.a == 'x' && properties.a == 'y'"
    text = REQUESTS + step(f'fields: {{ id: userId, a: {{ from: userId, when: "{impossible}" }} }}') + examples("")
    loaded = load(HEAD + text)
    missing = report_on([loaded], [loaded.path]).files[0].missing
    assert [(each.item.label, each.draft is None) for each in missing] == [("field a", True), ("when of a holds", True)]
    assert missing[0].reason == "none of the 15 events that were tried reaches it"


def test_runs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST_RUNS", 9)
    fields = ", ".join(f"f{number}: properties.f{number}" for number in range(20))
    loaded = load(HEAD + REQUESTS + step(f"fields: {{ {fields} }}") + examples(""))
    missing = report_on([loaded], [loaded.path]).files[0].missing
    assert missing[0].draft is not None
    assert missing[-1].draft is None
    assert missing[-1].reason == "9 events were tried for this mapping, and no more are"


@pytest.mark.slow
def test_parts_in_parts_are_bounded() -> None:
    """Thirty parts that each use the one before twice stand for a billion paths; few of them are looked at."""
    parts = "\n".join(f"  p{number}: [parts.p{number - 1}, {{ from: parts.p{number - 1} }}]" for number in range(1, 30))
    text = f"parts:\n  p0: properties.a\n{parts}\n" + REQUESTS + step("fields: { a: parts.p29 }") + examples("")
    exercise = Exercise(load(HEAD + text))
    drafter = Drafter(exercise)
    things = [item.thing for item in exercise.coverage().items if not item.used]
    assert len([thing for thing in things if drafter.draft(thing) is None]) < len(things)


def test_secrets_of_a_setting_are_not_in_a_draft() -> None:
    text = (
        "settings:\n  key: { title: Key, type: string, secret: true, sent_in: body, example: k3y-of-example }\n"
        + REQUESTS
        + step("fields: { key: settings.key, a: properties.a }")
        + examples("")
    )
    loaded = load(HEAD + text)
    (missing,) = report_on([loaded], [loaded.path]).files[0].missing
    assert missing.draft is not None
    assert "k3y" not in str(missing.draft)
    assert missing.draft["expect"] == [{"send": {"a": "a"}}]


VALUES: list[Json] = [
    "plain text",
    "no",
    "Yes",
    "null",
    "~",
    "12:30",
    "0x1f",
    "1e3",
    "507f191e81",
    "2024-03-05",
    "2024-03-05T10:15:30.250Z",
    "- a",
    "a: b",
    "a #b",
    "{a}",
    "${userId}",
    "'",
    '"',
    'it\'s "both"',
    '{"key":"text"}',
    "back\\slash",
    "two\nlines",
    "\t",
    " ",
    "",
    "ünï",
    "\U0001f389",
    "\x1b[31m",
    "\x85\u2028\u202e",
    "\ufeff",
    "@at",
    "%",
    "!tag",
    "*star",
    "a,b",
    "Name (2)",
    "ends with ",
    "ends:",
    0,
    -1.5,
    1e22,
    True,
    None,
    [],
    {},
    [[1], {"a": None}],
    {"no": 1, "a b": {"${x}": [{}]}},
]


def test_pasted_yaml(tmp_path: Path) -> None:
    """What the reader makes of a draft is what was written, on one line or over several."""
    item: dict[str, Json] = {"values": VALUES, **{f"key {number}": value for number, value in enumerate(VALUES)}}
    path = tmp_path / "x.yaml"
    path.write_text("\n".join(["list:", *yaml_item(item, 2)]) + "\n", encoding="utf-8")
    document = reader.read(path)
    assert document.problems == ()
    assert document.value == {"list": [item]}


def test_pasted_yaml_steers_no_terminal() -> None:
    assert yaml_item({"a\x1b": "\x1b[31m\u202e"}, 2) == ['  - "a\\u001b": "\\u001b[31m\\u202e"']
