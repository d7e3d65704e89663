"""What `engine test` adds to the plugin: which files are mappings, and that nothing else of a folder is code to run.

It also says in our words what syrupy would say in those of pytest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.testing import plugin
from engine.testing.stash import EXPLICIT

NAME = "waybill"
"""Of the plugin, as pyproject.toml has it."""


class ReportLines(NamedTuple):
    """What syrupy prints of its report: all that its hook reads."""

    lines: Iterator[str]


class Given:
    """The files of one run; `left_over` are, after it, the snapshots of no example, which make it fail."""

    def __init__(self, paths: list[str], *, trust: bool) -> None:
        self._paths = paths
        self._trust = trust
        self.left_over: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        """Load the plugin, unless pytest has found it by itself."""
        if not config.pluginmanager.hasplugin(NAME):
            config.pluginmanager.register(plugin, NAME)
        config.stash[EXPLICIT] = frozenset(self._paths)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Take every folder for a plain one: pytest would import the `__init__.py` of a package."""
        return None if self._trust else pytest.Dir.from_parent(parent, path=path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, config: pytest.Config) -> None:
        """Keep which snapshots are left over, and leave out syrupy's advice, which names another command."""
        session = getattr(config, "_syrupy", None)
        report = getattr(session, "report", None)
        if session is None or report is None or report.update_snapshots or not report.num_unused:
            return
        self.left_over = sorted(os.path.relpath(each.location) for each in report.unused)
        session.report = ReportLines(takewhile(str.strip, report.lines))  # lazy: colors are off only then
