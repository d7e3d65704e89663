"""Mappings with values swapped at random: the result is always problems with known codes, never a crash."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.mapping.yaml import reader
from tests.checks.harness import DOCS, WRONG, printed, problems_of
from tests.mapping.whole import whole

MAPPINGS = sorted((Path(__file__).parents[2] / "mappings").glob("*.yaml"))


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inner:
        yield from walk(member, (*path, key))


def word(path: tuple[Any, ...]) -> str:
    """Return the key a value stands under, lists aside."""
    return next((key for key in reversed(path) if isinstance(key, str)), "")


@pytest.fixture
def documents(folder: Path) -> list[Any]:
    shutil.copytree(MAPPINGS[0].parent / "parts", folder / "parts", dirs_exist_ok=True)
    texts = [path.read_text(encoding="utf-8") for path in MAPPINGS]
    texts += [whole(text) for text in WRONG.values()]
    values = [reader.parse(text, "shop.yaml").value for text in texts]
    return [{**value, "name": "shop"} for value in values if isinstance(value, dict)]


def mutated(document: Any, pool: dict[str, list[Any]], rnd: random.Random) -> Any:
    """Replace some values by values of the same key, or of the same type, from elsewhere."""
    result = copy.deepcopy(document)
    for _ in range(rnd.choice([1, 1, 2, 4])):
        paths = [path for path, _ in walk(result) if path]
        if not paths:  # the last key was deleted
            break
        path = rnd.choice(paths)
        holder = result
        for key in path[:-1]:
            holder = holder[key]
        if rnd.random() < 0.1:
            del holder[path[-1]]
            continue
        name = word(path) if rnd.random() < 0.6 else type(holder[path[-1]]).__name__
        holder[path[-1]] = copy.deepcopy(rnd.choice(pool[name]))
    return {**result, "mapping": 1, "name": "shop"}


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 60), *(pytest.param(seed, 1000, marks=pytest.mark.slow) for seed in range(2, 6))]
)
def test_the_checks_never_crash(documents: list[Any], seed: int, count: int) -> None:
    pool: dict[str, list[Any]] = defaultdict(list)
    for path, value in (found for document in documents for found in walk(document)):
        pool[word(path)].append(value)
        pool[type(value).__name__].append(value)
    rnd = random.Random(seed)
    for _ in range(count):
        text = json.dumps(mutated(rnd.choice(documents), pool, rnd), ensure_ascii=False)
        problems = problems_of(text)
        assert {problem.code for problem in problems} <= set(DOCS), printed(problems)
        assert all(problem.message.rstrip().endswith((".", "?", "!")) for problem in problems), printed(problems)
        assert all(problem.advice == problem.advice.strip() for problem in problems)
