"""The benchmarks fit the code they measure: each finds what it measures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.package.tree import ROOT

FILES = sorted(path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py"))


@pytest.mark.parametrize("name", FILES)
def test_what_it_measures_is_there(name: str) -> None:
    command = [sys.executable, "-c", f"import benchmarks.{name}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
