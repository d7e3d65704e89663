"""A problem shows the line of the file with a caret under its place, however the line is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.commands.output.excerpts import Excerpts
from engine.mapping.problems import Problem

CASES = {
    "a short line": ("  plan: evnt\n", 1, 9, ("  1 |   plan: evnt", "    |         ^")),
    "the end of a line": ("a:\nb:\n", 2, 3, ("  2 | b:", "    |   ^")),
    "a tab counts as one": ("a:\t@b\n", 1, 4, ("  1 | a: @b", "    |    ^")),
    "wide characters": ("日本: evnt\n", 1, 5, ("  1 | 日本: evnt", "    |       ^")),
    "an accent is no column": ("e\u0301: x\n", 1, 5, ("  1 | e\u0301: x", "    |    ^")),
    "a byte order mark": ("\ufeffa: x\n", 1, 4, ("  1 | a: x", "    |    ^")),
    "carriage returns": ("a: 1\r\nb: x\r\n", 2, 4, ("  2 | b: x", "    |    ^")),
    "what steers a terminal": ("a: \x1b[31m x\n", 1, 10, ("  1 | a: \\u001b[31m x", "    |               ^")),
    "a long line": (
        f"{'k' * 50}: x, {'v' * 50}\n",
        1,
        53,
        ("  1 | …kkkkkkkkkkkkkkkkkkk: x, vvvvvvvv…", f"    | {' ' * 22}^"),
    ),
    "an empty line": ("\n", 1, 1, ()),
    "a line that is not there": ("a: 1\n", 7, 1, ()),
    "no text": ("", 1, 1, ()),
}


@pytest.mark.parametrize("name", CASES)
def test_an_excerpt(name: str, folder: Path) -> None:
    text, line, column, expected = CASES[name]
    (folder / "shop.yaml").write_bytes(text.encode())
    problem = Problem("shop.yaml", line, column, "", "unknown-field", "No such field.")
    assert Excerpts([problem]).of(problem, 40) == expected


@pytest.mark.parametrize("data", [None, b"a: \xff\n", b"# \n" * 400_000], ids=["missing", "not UTF-8", "too large"])
def test_a_file_that_cannot_be_shown(data: bytes | None, folder: Path) -> None:
    if data is not None:
        (folder / "shop.yaml").write_bytes(data)
    problem = Problem("shop.yaml", 1, 1, "", "not-utf-8", "The file is not UTF-8.")
    assert Excerpts([problem]).of(problem, 40) == ()


def test_a_line_with_a_credential_is_shown_for_none_of_its_problems(folder: Path) -> None:
    (folder / "shop.yaml").write_text("a: hunter2\nb: fine\n", encoding="utf-8")
    secret = Problem("shop.yaml", 1, 4, "", "secret-in-file", "This file contains a password.")
    same, other = (Problem("shop.yaml", line, 1, "", "unknown-key", "No such key.") for line in (1, 2))
    excerpts = Excerpts([secret, same, other])
    assert [excerpts.of(problem, 40) for problem in (secret, same, other)] == [(), (), ("  2 | b: fine", "    | ^")]
