"""What a mapping may write in `as`, and the sentences it gets where it does not fit."""

from __future__ import annotations

import pytest

from engine.language.functions import bind, parameters_of
from engine.records import Json

DATE = (
    '"format" of date does not support "{}". Supported: %Y, %y, %m, %d, %j, %H, %M, %S, %L, %f, %u, %G, %V,'
    " %-d, %-m, %-j, %-H, %-M, %-S, %%."
    " Names of days and months depend on a language."
)
GROUPS = 'In "with" of pattern_replace, a backslash must be followed by {} or another backslash.'
DEEP = "(" * 2000


@pytest.mark.parametrize(
    ("name", "written", "parameters"),
    [
        ("trim", None, {}),
        ("round", None, {}),
        ("round", 2, {"digits": 2}),
        ("round", {"digits": 0}, {"digits": 0}),
        ("join", ", ", {"by": ", "}),
        ("replace", "-", {"find": "-"}),
        ("replace", {"find": "a", "with": "b"}, {"find": "a", "with": "b"}),
        ("sha256", "email", {"normalize": "email"}),
        ("get", "os.family", {"path": "os.family"}),
    ],
)
def test_forms(name: str, written: Json, parameters: dict[str, Json]) -> None:
    assert parameters_of(name, written) == parameters


@pytest.mark.parametrize(
    ("name", "written", "sentence"),
    [
        ("trimm", None, 'There is no function "trimm". Did you mean "trim"?'),
        ("json_parse", None, 'There is no function "json_parse". Did you mean "parse_json"?'),
        ("frobnicate", None, 'There is no function "frobnicate".'),
        ("trim", 1, "trim takes no parameters: as: trim."),
        ("trim", {"side": "left"}, "trim takes no parameters: as: trim."),
        ("fixed", None, 'fixed requires "digits": as: { fixed: { digits: ... } }.'),
        ("replace", {"with": "b"}, 'replace requires "find": as: { replace: { find: ..., with: ... } }.'),
        ("replace", {"find": None}, 'replace requires "find": as: { replace: { find: ..., with: ... } }.'),
        (
            "replace",
            {"find": "a", "wit": "b"},
            'replace has no parameter "wit". Did you mean "with"? It takes find and with.',
        ),
        ("round", {"zzz": 1}, 'round has no parameter "zzz". It takes digits.'),
        ("round", [2], "round takes one value or its parameters by name: as: { round: { digits: ... } }."),
        ("round", "2", '"digits" of round must be a whole number from 0 to 20, not "2".'),
        ("round", 21, '"digits" of round must be a whole number from 0 to 20, not 21.'),
        ("round", True, '"digits" of round must be a whole number from 0 to 20, not true.'),
        ("truncate", 0, '"length" of truncate must be a whole number of at least 1, not 0.'),
        ("replace", 1, '"find" of replace must be text, not a number (1: put it in quotes).'),
        ("join", {"by": ["-"]}, '"by" of join must be text, not a list.'),
        ("split", "", '"by" of split must be at least one character.'),
        ("replace", "", '"find" of replace must be at least one character.'),
        ("sha256", "mail", '"normalize" of sha256 must be none or email or phone, not "mail".'),
    ],
)
def test_what_does_not_fit(name: str, written: Json, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        parameters_of(name, written)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("trimm", {}, 'There is no function "trimm". Did you mean "trim"?'),
        ("split", {}, 'split requires "by": as: { split: { by: ... } }.'),
        ("date", {"format": "%d %B %Y"}, DATE.format("%B")),
        ("date", {"format": "100%"}, DATE.format("%")),
        ("date", {"format": "%-Y"}, DATE.format("%-Y")),
        ("date", {"format": "%\n"}, DATE.format("%\n")),
        (
            "pattern_replace",
            {"pattern": "(a"},
            '"pattern" of pattern_replace is not a valid RE2 pattern: missing ) (in "(a").',
        ),
        (
            "pattern_replace",
            {"pattern": "(?=a)"},
            '"pattern" of pattern_replace is not a valid RE2 pattern: invalid perl operator: (?= (in "(?=a)").',
        ),
        (
            "pattern_replace",
            {"pattern": "\ud800"},
            '"pattern" of pattern_replace is not a valid RE2 pattern: it contains a lone surrogate (half a character) (in "\\ud800").',
        ),
        ("pattern_replace", {"pattern": "a", "with": r"\1"}, GROUPS.format("0, for the whole match,")),
        ("pattern_replace", {"pattern": "(a)", "with": r"\n"}, GROUPS.format("a group number (0 to 1)")),
        ("pattern_replace", {"pattern": "(a)", "with": "x\\"}, GROUPS.format("a group number (0 to 1)")),
        ("pairs", {"key": "k", "value": "k"}, '"key" and "value" of pairs must be different names.'),
    ],
)
def test_what_binding_refuses(name: str, parameters: dict[str, Json], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        bind(name, parameters)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("path", ["a..b", "a[", "nothing(", "sum()"])
def test_a_path_that_is_none_is_refused_in_the_words_of_paths(path: str) -> None:
    with pytest.raises(ValueError) as caught:
        bind("get", {"path": path})
    assert str(caught.value).startswith('"path" of get is not a valid path: ')


def test_a_pattern_of_any_depth_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError) as caught:
        bind("pattern_replace", {"pattern": DEEP})
    assert len(str(caught.value)) < 2300
