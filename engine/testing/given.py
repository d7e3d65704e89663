"""What `engine test` adds to the plugin: which files are mappings, and that nothing else of a folder is code to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.testing import plugin
from engine.testing.stash import EXPLICIT

NAME = "waybill"
"""Of the plugin, as pyproject.toml has it."""


class Given:
    """The files of one run."""

    def __init__(self, paths: list[str], *, trust: bool) -> None:
        self._paths = paths
        self._trust = trust

    def pytest_configure(self, config: pytest.Config) -> None:
        """Load the plugin, unless pytest has found it by itself."""
        if not config.pluginmanager.hasplugin(NAME):
            config.pluginmanager.register(plugin, NAME)
        config.stash[EXPLICIT] = frozenset(self._paths)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Take every folder for a plain one: pytest would import the `__init__.py` of a package."""
        return None if self._trust else pytest.Dir.from_parent(parent, path=path)
