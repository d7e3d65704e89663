"""A folder with a mapping, for tests of the pytest plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.folder import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Folder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("CI", raising=False)
    return Folder(tmp_path, capsys)
