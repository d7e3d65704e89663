"""The lock files say exactly what is installed, and nothing about where from."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.package.tree import ROOT

ENTRY = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
JAVASCRIPT = ("tests/collector/clients_js", "benchmarks/peers")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("requirements.lock", "requirements-spark.lock")
LINES = [line for lock in LOCKS for line in (ROOT / lock).read_text().splitlines() if "#" not in line]


def locked() -> dict[str, str]:
    return {entry["name"]: entry["version"] for line in LINES if (entry := ENTRY.fullmatch(line))}


def test_every_line_is_a_version_or_a_hash() -> None:
    assert [line for line in LINES if not ENTRY.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert [
        line for line, after in zip(LINES, [*LINES[1:], ""], strict=True) if "==" in line and "hash" not in after
    ] == []


def test_it_holds_what_the_project_asks_for() -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    asked = chain(project["dependencies"], *project["optional-dependencies"].values(), *groups.values())
    versions = locked()
    missing = [
        f"{text}: locked is {version or 'nothing'}; run `make lock`"
        for text in asked
        if (requirement := Requirement(text))
        and not ((version := versions.get(canonicalize_name(requirement.name))) and version in requirement.specifier)
    ]
    assert missing == []


@pytest.mark.parametrize("folder", JAVASCRIPT)
def test_the_javascript_packages_are_locked_too(folder: str) -> None:
    """With an `npm install` elsewhere than in that folder, its `.npmrc` is not read and addresses come in."""
    asked = json.loads((ROOT / folder / "package.json").read_text())["devDependencies"]
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []
    assert asked == {name: packages[f"node_modules/{name}"]["version"] for name in asked}
