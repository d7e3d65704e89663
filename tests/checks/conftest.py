"""Every test here runs in a folder of its own, with a base and shared parts in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.harness import write_companions


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_companions(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
