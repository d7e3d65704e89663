"""`validate-mappings` as people and machines call it: order, formats and exit codes over many files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks.harness import DOCS, WRONG
from tests.mapping.whole import whole
from tests.operating import said

ROOT = Path(__file__).parents[2]


def validate(*words: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "cli.py"), "validate-mappings", *words]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def printed(*words: str) -> str:
    """Return what the command prints, without a process of its own."""
    return said("validate-mappings", *words)[1]


@pytest.fixture
def many(folder: Path) -> list[str]:
    """Every fifth wrong mapping as a file of its own name."""
    names = []
    for name, text in list(WRONG.items())[::5]:
        if not text.startswith(("name:", "extends:")):
            (folder / f"{name}.yaml").write_text(whole(f"{text}name: {name}\n"), encoding="utf-8")
            names.append(f"{name}.yaml")
    return names


def test_many_problems_are_sorted_and_always_the_same(many: list[str]) -> None:
    first = validate("--format", "json", *many, seed="1")
    second = validate("--format", "json", *reversed(many), seed="2")
    assert (first.returncode, first.stderr) == (1, "")
    assert first.stdout == second.stdout
    problems = json.loads(first.stdout)
    assert len(problems) > 100
    places = [(problem["file"], problem["line"], problem["column"]) for problem in problems]
    assert places == sorted(places)
    assert {problem["code"] for problem in problems} <= set(DOCS)
    keys = ["file", "line", "column", "path", "code", "message", "advice", "level"]
    assert all(list(problem) == keys for problem in problems)


def test_the_formats_tell_the_same_problems(many: list[str]) -> None:
    problems = json.loads(printed("--format", "json", *many))
    errors = sum(problem["level"] == "error" for problem in problems)
    text, github = printed(*many), printed("--format", "github", *many)
    count = f"{errors} problems, {len(problems) - errors} warnings in {len(many)} files."
    assert text.splitlines()[-1] == count
    assert github.splitlines()[-1] == count
    assert len(github.splitlines()) == len(problems) + 1
    assert all(f"{each['file']}:{each['line']}:{each['column']}" in text for each in problems)


def test_nothing_wrong_is_exit_code_0() -> None:
    done = validate("base.yaml", "child.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 problems in 2 files.\n", "")


def test_only_warnings_are_exit_code_0(folder: Path) -> None:
    (folder / "shop.yaml").write_text(whole(DOCS["falsy-or"].wrong), encoding="utf-8")
    done = validate("shop.yaml")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "0 problems, 1 warning in 1 file.")


@pytest.mark.parametrize("words", [("--format", "xml"), ("--nonsense",), ("--mappings", "nowhere")])
def test_wrong_usage_is_exit_code_2(words: tuple[str, ...]) -> None:
    done = validate(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_two_files_with_one_name(folder: Path) -> None:
    (folder / "old").mkdir()
    (folder / "old" / "base.yaml").write_text((folder / "base.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    done = validate("--format", "json", "base.yaml", "old/base.yaml")
    assert [(each["file"], each["code"]) for each in json.loads(done.stdout)] == [("old/base.yaml", "duplicate-name")]
