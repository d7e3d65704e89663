"""The public face: a few names, and a start that loads next to nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import engine
from tests.package.tree import ROOT, parsed

LOADED = """
import sys
before = set(sys.modules)
try:
    {statement}
except SystemExit as end:
    assert not end.code, end.code
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print("loaded:", *sorted(loaded - set(sys.stdlib_module_names) - {{"engine"}}))
"""

STARTS = {
    "the engine by itself": ("import engine", ""),
    "the version": ("from engine.commands import main; main(['--version'])", "click"),
    "the list of commands": ("from engine.commands import main; main(['--help'])", "click"),
}

NOT_FOR_CHECKING = {"httpx", "prometheus_client", "starlette", "uvicorn"}


def loaded_by(statement: str) -> str:
    """Return the libraries that a statement loads in a new Python."""
    code = LOADED.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.rpartition("loaded:")[2].strip()


def test_the_public_names_are_sorted_and_there() -> None:
    assert sorted(engine.__all__) == engine.__all__
    assert [name for name in engine.__all__ if getattr(engine, name).__module__.split(".")[0] != "engine"] == []


def test_type_checkers_see_the_same_names() -> None:
    names = {
        alias.name
        for node in ast.walk(parsed(Path("engine/__init__.py")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("engine.")
        for alias in node.names
    }
    assert names == set(engine.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=re.escape("module 'engine' has no attribute 'laod'")):
        _ = engine.laod


@pytest.mark.parametrize(("statement", "libraries"), STARTS.values(), ids=STARTS)
def test_starting_loads_little(statement: str, libraries: str) -> None:
    assert loaded_by(statement) == libraries


def test_checking_files_loads_nothing_that_sends_or_serves() -> None:
    loaded = set(
        loaded_by("from engine.commands import main; main(['validate-mappings', 'mappings/webhook.yaml'])").split()
    )
    assert {"click", "yaml"} <= loaded
    assert loaded & NOT_FOR_CHECKING == set()
    assert "jsonschema" not in loaded  # only to find out what is wrong, and for the schemas of authors


def test_loading_a_mapping_compiles_nothing() -> None:
    code = "import sys; from engine import load; load('exponea'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert {"engine.plan", "engine.mapping.checks"} <= loaded
    assert [name for name in loaded if name.startswith(("engine.compiler", "jsonschema"))] == []


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = subprocess.run(
        [sys.executable, "-m", "engine", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert {project["version"], asked.stdout.split()[-1]} == {engine.__version__}
