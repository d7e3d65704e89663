"""The vendored CodeMirror is what its recipe makes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.node import program, wheel

RECIPE = Path(__file__).parent / "codemirror"
VENDORED = Path("engine/console/static/vendored/codemirror.js")


def test_it_names_the_versions_of_the_recipe() -> None:
    listed = re.findall(r'"(@codemirror/[a-z-]+)": "([0-9.]+)"', (RECIPE / "package.json").read_text())
    head = VENDORED.read_text(encoding="utf-8").partition("*/")[0]
    assert listed
    assert [f"{name} {version}" for name, version in listed if f"{name} {version}\n" not in head] == []
    assert "Permission is hereby granted" in head


@pytest.mark.slow
def test_the_recipe_makes_the_same_bytes(tmp_path: Path) -> None:
    """It takes the packages from npm."""
    folder = tmp_path / "codemirror"
    shutil.copytree(RECIPE, folder, ignore=shutil.ignore_patterns("node_modules"))
    npm = str(wheel() / "lib/node_modules/npm/bin/npm-cli.js")
    subprocess.run([program(), npm, "ci", "--prefix", str(folder)], check=True, capture_output=True)
    made = tmp_path / "codemirror.js"
    subprocess.run([program(), str(folder / "bundle.mjs"), str(made)], check=True)
    assert made.read_bytes() == VENDORED.read_bytes()
