"""How a problem is told: to people, as JSON, and to GitHub."""

from __future__ import annotations

import pytest

from engine.language.suggest import closest
from engine.mapping.problems import Mark, Message, Problem, place_text
from engine.reference.problems import problem_docs

MARK = Mark("mappings/exponea.yaml", 119, 21)
PATH = ("calls", "page", 0, "fields", "event_type")


def problem(message="A page call has no field.", advice="", code="unknown-field", path=PATH, level="error"):
    return Problem.at(MARK, path, Message(code, message, advice, level))


TEXTS = [
    (
        problem('A page call has no field "page_visit".', "If you mean the text itself, write { const: page_visit }."),
        (
            "mappings/exponea.yaml:119:21  calls.page[0].fields.event_type\n"
            '  A page call has no field "page_visit".\n'
            "  If you mean the text itself, write { const: page_visit }.      [unknown-field]"
        ),
    ),
    (
        problem("The file is empty.", code="empty-file", path=()),
        (
            "mappings/exponea.yaml:119:21\n"
            "  The file is empty.                                                [empty-file]"
        ),
    ),
    (
        problem("One sentence that is so long that it does not fit into a line of eighty columns at all."),
        (
            "mappings/exponea.yaml:119:21  calls.page[0].fields.event_type\n"
            "  One sentence that is so long that it does not fit into a line of eighty\n"
            "  columns at all.                                                [unknown-field]"
        ),
    ),
    (
        problem("A sentence.", "Advice that leaves no room for the code at the end of its own line, but fits."),
        (
            "mappings/exponea.yaml:119:21  calls.page[0].fields.event_type\n"
            "  A sentence.\n"
            "  Advice that leaves no room for the code at the end of its own line, but fits.\n"
            "                                                                 [unknown-field]"
        ),
    ),
    (
        problem("Two lines:\nthe second.", "x" * 100),
        (
            "mappings/exponea.yaml:119:21  calls.page[0].fields.event_type\n"
            "  Two lines:\n"
            "  the second.\n"
            f"  {'x' * 100}\n"
            "                                                                 [unknown-field]"
        ),
    ),
]


@pytest.mark.parametrize(("told", "expected"), TEXTS)
def test_for_people(told, expected):
    assert str(told) == expected


def test_as_json():
    assert problem(advice="Do it.", level="warning").as_json() == {
        "file": "mappings/exponea.yaml",
        "line": 119,
        "column": 21,
        "path": "calls.page[0].fields.event_type",
        "code": "unknown-field",
        "message": "A page call has no field.",
        "advice": "Do it.",
        "level": "warning",
    }


def test_for_github():
    file = Mark("a,b:c%.yaml", 1, 2)
    told = Problem.at(file, ("a",), Message("tag", "100% wrong:\r\nyes, wrong.", "Do it.", "warning"))
    assert told.github() == (
        "::warning file=a%2Cb%3Ac%25.yaml,line=1,col=2,title=tag::a%0A100%25 wrong:%0D%0Ayes, wrong.%0ADo it."
    )
    assert problem(path=()).github() == (
        "::error file=mappings/exponea.yaml,line=119,col=21,title=unknown-field::A page call has no field."
    )


PATHS = [
    ((), ""),
    (("calls", "track", 0, "fields", "Feed Type"), 'calls.track[0].fields["Feed Type"]'),
    (("parts", "ids", "fields", "${settings.hard_id}"), 'parts.ids.fields["${settings.hard_id}"]'),
    (("a-b", "_c1", "2d", 'e"f', "é", ""), '["a-b"]._c1["2d"]["e\\"f"]["é"][""]'),
    ((0, 1), "[0][1]"),
]


@pytest.mark.parametrize(("path", "expected"), PATHS)
def test_paths(path, expected):
    assert place_text(path) == expected


def test_order_is_that_of_the_lines():
    places = [("b", 1, 1, "a"), ("a", 10, 1, "a"), ("a", 9, 2, "a"), ("a", 9, 1, "b"), ("a", 9, 1, "a")]
    problems = [Problem(file, line, column, "", code, "") for file, line, column, code in places]
    assert sorted(problems) == problems[::-1]


def test_every_code_is_explained():
    for code, doc in problem_docs().items():
        assert code == code.lower()
        assert " " not in code
        assert all(doc[:-1])
        assert doc.about.endswith((".", ")"))


WORDS = ["from", "const", "text", "fields", "merge", "when", "unless", "ignore_case", "for_each", "request", "userId"]
GUESSES = [
    ("cosnt", "const"),
    ("form", "from"),
    ("forEach", "for_each"),
    ("for-each", "for_each"),
    ("ignorecase", "ignore_case"),
    ("requst", "request"),
    ("FIELDS", "fields"),
    ("field", "fields"),
    ("userid", "userId"),
    ("unles", "unless"),
    ("x", None),
    ("", None),
    ("object", None),
    ("something_else", None),
    ("f" * 1000, None),
]


@pytest.mark.parametrize(("word", "expected"), GUESSES)
def test_did_you_mean(word, expected):
    assert closest(word, WORDS) == expected


def test_of_two_equally_near_words_the_first_letter_decides():
    assert closest("bat", ["cat", "bad"]) == "bad"
    assert closest("bat", ["cat", "rat"]) == "cat"
