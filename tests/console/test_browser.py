"""The frame of the console in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.console.site import Site
from tests.console.harness import served, tell


@pytest.mark.slow  # overview.mjs begins with the same, in one browser
def test_the_frame(tmp_path: Path) -> None:
    site = Site(outbox_file=tmp_path / "outbox.db", read_only=True)
    with served(site) as running:
        tell("frame.mjs", url=running.url, link=running.console.link, first="/")
