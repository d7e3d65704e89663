"""Files of audiences: what is read, and every error with its line and column, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.audiences.definitions import DefinitionsError, load, load_document
from engine.audiences.model import Definition
from engine.audiences.rules import AllOf, Computation, Did, HasTraits, NoneOf, Times
from engine.mapping.yaml.reader import parse

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("name", ["wrong", "wrong_limits", "wrong_sql", "wrong_words"])
def test_all_errors_are_reported_at_once(name: str, request: pytest.FixtureRequest) -> None:
    document = parse((FILES / f"{name}.yaml").read_bytes(), "audiences.yaml")
    with pytest.raises(DefinitionsError) as caught:
        load_document(document, connections=["shop", "mail"])
    expected = FILES / f"{name}.txt"
    if request.config.getoption("update_snapshots"):
        expected.write_text(f"{caught.value}\n", encoding="utf-8")
    assert f"{caught.value}\n" == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "audiences.yaml:1:1\n  A file of audiences has the lists audiences and computed_traits, for example"),
        (
            "audiences: {a: 1}",
            "audiences.yaml:1:12  audiences\n  audiences must be a list: each entry begins with - name:",
        ),
        ("audiences: [", "audiences.yaml:1:12\n  The [ that opens here is not closed."),
        ("", "audiences.yaml:1:1\n"),
    ],
)
def test_files_of_another_shape(text: str, message: str) -> None:
    with pytest.raises(DefinitionsError) as caught:
        load_document(parse(text, "audiences.yaml"))
    assert str(caught.value).startswith(message)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DefinitionsError, match=r"audiences\.yaml:1:1\n  .*"):
        load(tmp_path / "audiences.yaml")


def test_more_definitions_than_a_file_has() -> None:
    text = "audiences:\n" + "".join(f"  - {{ name: A{number}, did: X }}\n" for number in range(502))
    with pytest.raises(DefinitionsError) as caught:
        load_document(parse(text, "audiences.yaml"))
    assert caught.value.problems == ("audiences.yaml:502:5  audiences[500]\n  A file has at most 500 audiences.",)


def test_a_query_that_is_too_long() -> None:
    text = f"audiences: [{{ name: A, sql: 'SELECT {'x' * 20_000}' }}]"
    with pytest.raises(DefinitionsError) as caught:
        load_document(parse(text, "audiences.yaml"))
    limit = "This query has 20,007 bytes; the limit is 20,000."
    assert caught.value.problems == (f"audiences.yaml:1:29  audiences[0].sql\n  {limit}",)


def one(text: str) -> Definition:
    (found,) = load_document(parse(text, "audiences.yaml"))
    return found


def test_everything_that_a_definition_has() -> None:
    found = one(
        "audiences:\n"
        "  - name: Big Spenders\n    title: Spenders\n    about: For sales.\n    connections: [shop]\n    every: 1h\n"
        "    id: [userId, anonymousId]\n    guard: 20%\n"
        "    all:\n"
        "      - { did: Order Completed, times: 3, within: 30d }\n"
        "      - not: { traits: { plan: [free, null] } }\n"
    )
    assert (found.kind, found.key, found.title, found.about) == ("audience", "big_spenders", "Spenders", "For sales.")
    assert (found.connections, found.every, found.id, found.guard) == (("shop",), 3600, "userId or anonymousId", 0.2)
    many, free = Did("Order Completed", Times("=", 3), 30 * 86400), HasTraits((("plan", ("free", None)),))
    assert found.rule == AllOf((many, NoneOf(free)))
    assert str(found.place) == "audiences.yaml:2:5"


def test_what_is_not_written_has_a_default() -> None:
    found = one("computed_traits: [{ name: Orders, count: true, did: Order Completed }]")
    assert found.rule == Computation("count", None, Did("Order Completed", Times(">=", 1)))
    assert (found.connections, found.every, found.id, found.guard) == ((), None, "userId", 0.5)


def test_the_digest_changes_with_what_decides_who_is_in() -> None:
    digests = [
        one(f"audiences: [{{ {text} }}]").digest
        for text in (
            "name: A, did: X",
            "name: B, did: X, every: 1h, guard: 1%, about: another",
            "name: A, did: X, within: 1d",
            "name: A, did: Y",
            "name: A, sql: SELECT person_id FROM events",
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    assert {len(digest) for digest in digests} == {40}
