"""The hook of .pre-commit-hooks.yaml, run by the real pre-commit on a repository of somebody else's mappings.

The ordinary way lets pip fetch what the engine needs, as on anybody's machine; the quick one lends it this
environment's libraries, and proves that all the rest works without a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.package.tree import ROOT, files

RIGHT = """\
mapping: 1
name: shop
extends: exponea
settings:
  hard_id: { example: shop_id }
"""
WRONG = RIGHT.replace("exponea", "exponae")
MESSAGE = """\
- exit code: 1

mappings/shop.yaml:3:10  extends
  3 | extends: exponae
    |          ^
  Unknown mapping "exponae" in `extends`.
  Did you mean exponea?                                        [unknown-mapping]
1 problem in 1 file.
"""
CONFIG = """\
repos:
  - repo: {repository}
    rev: {revision}
    hooks:
      - id: validate-mappings
"""
LENT = {"PYTHONPATH": sysconfig.get_path("purelib"), "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}
WAYS = [pytest.param(LENT, id="quick"), pytest.param({}, id="ordinary")]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment without this user's settings for git, and with a new home for pre-commit."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
    author = {
        f"GIT_{role}_{what}": "test@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return {
        **kept,
        **author,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_hook_finds_a_mistake(tmp_path: Path, environment: dict[str, str], way: dict[str, str]) -> None:
    ours, theirs = tmp_path / "waybill", tmp_path / "theirs"
    for path in files():
        (ours / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, ours / path)
    revision = committed(ours, environment)
    mapping = theirs / "mappings/shop.yaml"
    mapping.parent.mkdir(parents=True)
    (theirs / ".pre-commit-config.yaml").write_text(CONFIG.format(repository=ours, revision=revision))
    mapping.write_text(WRONG)
    committed(theirs, environment)

    failed = hooks(theirs, environment | way)
    assert failed.returncode == 1
    assert MESSAGE in failed.stdout, failed.stdout
    mapping.write_text(RIGHT)
    passed = hooks(theirs, environment | way)
    assert (passed.returncode, passed.stdout.split(".")[-1]) == (0, "Passed\n"), passed.stdout


def hooks(repository: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def committed(repository: Path, environment: dict[str, str]) -> str:
    """Make a repository of a folder, with all of it in one commit; gives the commit."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=repository, env=environment, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "All of it")
    return git("rev-parse", "HEAD")
