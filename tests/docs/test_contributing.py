"""The table of CONTRIBUTING.md about new words: its examples are words that exist, in the files that it names."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import ROOT
from tests.docs.pages import text_of

TABLE = text_of("CONTRIBUTING.md").partition("## A word of the mapping language")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| ([\w `]+), e\.g\. `(\w+)` \| (.*) \|$", TABLE, flags=re.MULTILINE)
FILES = re.compile(r"`([\w/]+/[\w./]+\.\w+)`")
BESIDE = {"tests/oracle/requests.py"}
"""Named for words of other kinds than the example."""


def test_every_kind_of_word_has_a_row() -> None:
    assert [kind for kind, _, _ in ROWS] == ["function of `as`", "modifier", "source", "key of `http`"]


@pytest.mark.parametrize(("word", "files"), [row[1:] for row in ROWS], ids=[row[1] for row in ROWS])
def test_a_word_is_in_the_files_of_its_row(word: str, files: str) -> None:
    spoken = re.compile(rf"(?<![A-Za-z]){word}")
    named = set(FILES.findall(files)) - BESIDE
    assert len(named) >= 3
    assert [file for file in sorted(named) if not spoken.search((ROOT / file).read_text(encoding="utf-8"))] == []


def test_a_function_is_written_in_one_file_of_the_engine() -> None:
    word = ROWS[0][1]
    found = [path for path in (ROOT / "engine").rglob("*.py") if f'"{word}"' in path.read_text(encoding="utf-8")]
    assert [path.relative_to(ROOT).as_posix() for path in found] == FILES.findall(ROWS[0][2])[:1]


@pytest.mark.parametrize("word", [row[1] for row in ROWS[1:3]])
def test_a_word_has_one_emitter(word: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "engine" / "compiler").rglob("*.py")]
    assert len([text for text in sources if re.search(rf"^def (emit)?_{word}\(writer", text, re.MULTILINE)]) == 1
