"""Every test here runs in a folder of its own, with a base and shared parts in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.harness import furnish


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
