"""A real client talks to `engine lsp` over pipes: each feature once, as an editor uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.editing.sessions")


def test_a_session(tmp_path: Path) -> None:
    from tests.editing import sessions

    sessions.each_feature(tmp_path)


@pytest.mark.slow  # a process of its own, which takes a second to start
def test_files_that_belong_together_and_files_that_are_none(tmp_path: Path) -> None:
    from tests.editing import sessions

    sessions.files_that_belong_together_and_files_that_are_none(tmp_path)


@pytest.mark.slow  # a process of its own, which takes a second to start
def test_a_client_that_dies_or_sends_rubbish() -> None:
    command = [sys.executable, "-m", "engine", "lsp", "--stdio"]
    rubbish = b"Content-Length: 7\r\n\r\n{broken" + b'Content-Length: 2\r\n\r\n[]Content-Length: 900\r\n\r\n{"'
    done = subprocess.run(command, input=rubbish, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0
    assert b"Traceback" not in done.stdout + done.stderr
