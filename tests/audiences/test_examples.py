"""Examples of definitions: what each word means, and what is said where an example fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.audiences.checking import check_definitions
from engine.audiences.definitions import load
from engine.audiences.examples import try_definition
from engine.commands import main

RIGHT = Path(__file__).parent / "files" / "right.yaml"
DEFINITIONS = {each.name: each for each in load(RIGHT)}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_word_means_what_its_examples_say(name: str) -> None:
    definition = DEFINITIONS[name]
    assert definition.examples
    for example in definition.examples:
        assert try_definition(definition, example).differences == ()


WRONG = """\
audiences:
  - name: Buyers
    all:
      - { did: Order Completed, within: 30d }
      - not: { traits: { staff: true } }
    examples:
      - events:
          - { userId: u1, event: Order Completed }
          - { userId: u2, event: Order Completed, timestamp: 2026-01-01 }
          - { userId: new, previousId: old, type: alias }
        at: 2026-11-29T12:00:00Z
        members: [u2, old, "\\e[31m"]
computed_traits:
  - name: Total
    sum: properties.total
    did: Order Completed
    examples:
      - { events: [{ userId: u1, event: Order Completed, properties: { total: 5 } }], at: 2026-11-29, values: { u1: 6 } }
"""
SAID = """\
audiences.yaml:7:9  audiences[0].examples[0]
  Buyers: "\\u001b[31m" is not a member, but should be.
  No event has this ID.                                          [example-fails]
audiences.yaml:7:9  audiences[0].examples[0]
  Buyers: "old" is not a member, but should be.
  It was merged into new: expect that.                           [example-fails]
audiences.yaml:7:9  audiences[0].examples[0]
  Buyers: "u1" is a member, but should not be.
  holds: did: Order Completed, times: >= 1, within: 30d: 1 event
  does not hold: traits: {staff: true}                           [example-fails]
audiences.yaml:7:9  audiences[0].examples[0]
  Buyers: "u2" is not a member, but should be.
  does not hold: did: Order Completed, times: >= 1, within: 30d: 0 events
  does not hold: traits: {staff: true}                           [example-fails]
audiences.yaml:18:9  computed_traits[0].examples[0]
  Total: "u1" has 5; expected 6.
  holds: did: Order Completed, times: >= 1: 1 event              [example-fails]"""


def test_a_failing_example_says_who_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("audiences.yaml").write_text(WRONG, encoding="utf-8")
    assert "\n".join(map(str, check_definitions(Path("audiences.yaml")))) == SAID


def test_connections_are_those_of_the_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("audiences.yaml").write_text("audiences: [{ name: A, did: X, connections: [shp] }]", encoding="utf-8")
    assert check_definitions(Path("audiences.yaml")) == []
    Path("connections.yaml").write_text("shop: {}\nsources: {}\n", encoding="utf-8")
    (problem,) = check_definitions(Path("audiences.yaml"))
    assert problem.message == 'The connections file has no connection "shp". Did you mean shop?'


def exit_code(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code


def test_engine_test_runs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audiences.yaml").write_text(WRONG, encoding="utf-8")
    assert exit_code("test", str(tmp_path)) == 1
    said = capsys.readouterr().out
    assert "2 failed, 1 passed" in said
    assert "::Buyers - " in said
    assert '  "old"                                <' in said


def test_validate_mappings_finds_them_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audiences.yaml").write_text("audienses: []", encoding="utf-8")
    assert exit_code("validate-mappings", str(tmp_path)) == 1
    assert 'A file of audiences has no key "audienses". Did you mean audiences?' in capsys.readouterr().out
    (tmp_path / "audiences.yaml").write_text("audiences: [{ name: A, did: X }]", encoding="utf-8")
    assert exit_code("validate-mappings", str(tmp_path)) == 0
