"""One entry of a YAML file is changed and nothing else: `edits/*.yaml`, the change as JSON, and the text it becomes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.console.yaml_edits import edited, entry_text
from engine.mapping.yaml.reader import parse

CASES = sorted((Path(__file__).parent / "edits").glob("*.yaml"))
VALUES: list[Any] = [
    *(
        None,
        True,
        1,
        1.0,
        "",
        "a",
        "a\nother: {}",
        "!!python/object",
        "*alias",
        "<<",
        "# no",
        "x: y",
        "- z",
        "é😀\u202e",
    ),
    *(
        "${env:X}",
        "${userId} y",
        "true",
        "123",
        "'q'",
        '"',
        "{",
        "[a",
        "|",
        "> x",
        "a #b",
        "\\",
        "\x07\x85\u2028",
        "x" * 120,
    ),
    *([], {}, ["a", "b"], {"a": "b"}, [{"event": "a", "text": "b"}] * 3, {f"k {n}": "v" * 30 for n in range(6)}),
]
KEYS = ["new", "a", "n: w", "b", "<<", "z.z", "true", "- q", "#"]


def changed(text: str, name: str, fields: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    value = parse(text, "connections.yaml").value
    assert isinstance(value, dict)
    return tuple(edited(text, value, name, fields))  # type: ignore[return-value]


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
@pytest.mark.parametrize(("line_end", "mark"), [("\n", ""), ("\r\n", "\ufeff")])
def test_a_change(case: Path, line_end: str, mark: str) -> None:
    change = json.loads(case.with_suffix(".json").read_text())
    before, after = (mark + case.with_suffix(each).read_text().replace("\n", line_end) for each in (".yaml", ".txt"))
    text, _ = changed(before, change["name"], change["fields"])
    assert text == after
    value = parse(text, "connections.yaml").value
    assert isinstance(value, dict)
    assert value[change["name"]] == change["fields"]


def test_comments_that_are_gone_are_known() -> None:
    text = "a:\n  # stays\n  b: [1, # one\n    2]  # stays too\n  c: 3 # three\n  d: '# no comment'\n"
    assert changed(text, "a", {"b": "x", "d": "e"})[1] == ("# one", "# three")


def test_an_entry_by_itself() -> None:
    fields = {"destination": "slack", "settings": {"a": "b"}, "calls": ["track"]}
    assert entry_text("shop", fields) == ("shop:\n  destination: slack\n  settings:\n    a: b\n  calls: [track]\n")


def mutated(value: Any, choose: random.Random) -> Any:
    if isinstance(value, dict) and value and choose.random() < 0.8:
        kept = {key: each for key, each in value.items() if choose.random() > 0.2}
        table = {key: mutated(each, choose) if choose.random() < 0.4 else each for key, each in kept.items()}
        return table | {choose.choice(KEYS): choose.choice(VALUES) for _ in range(choose.randrange(3))}
    if isinstance(value, list) and value and choose.random() < 0.8:
        items = [mutated(each, choose) if choose.random() < 0.4 else each for each in value if choose.random() > 0.2]
        for _ in range(choose.randrange(3)):
            items.insert(choose.randrange(len(items) + 1), choose.choice(VALUES))
        return items
    return value if choose.random() < 0.3 else choose.choice(VALUES)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_any_change_is_made_and_nothing_else(line_end: str) -> None:
    text = (Path(__file__).parent / "every_layout.yaml").read_text().replace("\n", line_end)
    before = parse(text, "connections.yaml").value
    assert isinstance(before, dict)
    for seed in range(12):
        choose = random.Random(seed)
        name = choose.choice([*before, "fresh"])
        fields = mutated(before.get(name, {"destination": "x", "settings": {"a": "b"}}), choose)
        if not isinstance(fields, dict):
            continue
        after, _ = changed(text, name, fields)
        document = parse(after, "connections.yaml")
        assert not document.problems
        assert json.dumps(document.value, sort_keys=True) == json.dumps({**before, name: fields}, sort_keys=True)
        start = text.find(f"{line_end}{name}:") + 1 or len(text)
        following = text.find(f"{line_end}# after", start)
        assert after.startswith(text[:start].rstrip())
        assert following < 0 or after.endswith(text[following:])
