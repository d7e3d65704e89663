"""Shipped mappings with their text damaged at random: the result is problems with lines, within bounded time.

What people and editors do to a file: lines deleted, doubled, swapped and indented, words misspelled, characters that
look like others, other line ends, a byte order mark, tabs.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.mapping.load import Library
from engine.mapping.problems import Problem
from engine.testing.examples import validate
from tests.checks.harness import DOCS, printed

MAPPINGS = sorted((Path(__file__).parents[2] / "mappings").glob("*.yaml"))
LONGEST = 2.0
"""Seconds of the processor for one file; asserted only in the slow test: an ordinary one takes a few hundredths."""
ODD = ("\u00a0", "\u200b", "\u2028", "\u201c", "\u2019", "\uff1a", "\u0430", "é", "🛒", "\x07", "\ufeff", "\u202e", "٣")
Change = Callable[[list[str], random.Random], None]


def at(lines: list[str], rnd: random.Random) -> int:
    return rnd.randrange(len(lines))


def delete(lines: list[str], rnd: random.Random) -> None:
    del lines[at(lines, rnd)]


def duplicate(lines: list[str], rnd: random.Random) -> None:
    number = at(lines, rnd)
    lines.insert(number, lines[number])


def swap(lines: list[str], rnd: random.Random) -> None:
    one, other = at(lines, rnd), at(lines, rnd)
    lines[one], lines[other] = lines[other], lines[one]


def indent(lines: list[str], rnd: random.Random) -> None:
    number = at(lines, rnd)
    lines[number] = rnd.choice([" ", "  ", "\t"]) + lines[number]


def outdent(lines: list[str], rnd: random.Random) -> None:
    number = at(lines, rnd)
    lines[number] = lines[number].removeprefix("  ")


def rename(lines: list[str], rnd: random.Random) -> None:
    """Swap, drop or double a letter of a word."""
    number = at(lines, rnd)
    line = lines[number]
    letters = [place for place in range(len(line) - 1) if line[place].isalpha()]
    if letters:
        place = rnd.choice(letters)
        new = rnd.choice(["", line[place] * 2, line[place + 1] + line[place]])
        lines[number] = line[:place] + new + line[place + 1 + (len(new) > 1 and new[0] == line[place + 1]) :]


def odd(lines: list[str], rnd: random.Random) -> None:
    number = at(lines, rnd)
    place = rnd.randrange(len(lines[number]) + 1)
    lines[number] = lines[number][:place] + rnd.choice(ODD) + lines[number][place:]


def punctuation(lines: list[str], rnd: random.Random) -> None:
    """Drop a character that means something to YAML or to a path, or put one anywhere."""
    number = at(lines, rnd)
    line = lines[number]
    places = [place for place, character in enumerate(line) if character in "{}[]:,'\"`|.$-#"]
    if places and rnd.random() < 0.5:
        place = rnd.choice(places)
        lines[number] = line[:place] + line[place + 1 :]
    else:
        place = rnd.randrange(len(line) + 1)
        lines[number] = line[:place] + rnd.choice("{}[]:,'\"`|.$-#!&*%@?") + line[place:]


CHANGES: tuple[Change, ...] = (delete, duplicate, swap, indent, outdent, rename, odd, punctuation)


def mutant(text: str, rnd: random.Random) -> str:
    lines = text.splitlines()
    for _ in range(rnd.choice([1, 1, 1, 2, 3])):
        rnd.choice(CHANGES)(lines, rnd)
    ends = rnd.choice(["\n"] * 8 + ["\r\n", "\r"])
    return rnd.choice([""] * 9 + ["\ufeff"]) + ends.join(lines) + ends


def problems_of(text: str, name: str) -> list[Problem]:
    Path(name).write_bytes(text.encode("utf-8"))
    return validate(Library([]).read(Path(name)))


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 20), *(pytest.param(n, 600, marks=pytest.mark.slow) for n in range(2, 7))]
)
def test_a_damaged_file_has_problems_with_lines(seed: int, count: int, folder: Path) -> None:
    shutil.copytree(MAPPINGS[0].parent / "parts", folder / "parts", dirs_exist_ok=True)
    for path in MAPPINGS:
        shutil.copy(path, folder)
    texts = {path.name: path.read_text(encoding="utf-8") for path in MAPPINGS}
    rnd, slowest = random.Random(seed), 0.0
    for _ in range(count):
        name = rnd.choice(sorted(texts))
        begun = time.process_time()
        problems = problems_of(mutant(texts[name], rnd), name)
        slowest = max(slowest, time.process_time() - begun)
        shutil.copy(MAPPINGS[0].parent / name, folder)
        told = printed(problems)
        assert {problem.code for problem in problems} <= set(DOCS), told
        assert "cannot-be-checked" not in {problem.code for problem in problems}, told
        assert all(problem.line >= 1 and problem.column >= 1 for problem in problems), told
        assert all(problem.message.rstrip().endswith((".", "?", "!")) for problem in problems), told
    if count > 100:
        assert slowest < LONGEST
