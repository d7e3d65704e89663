"""The pytest plugin: `pytest mappings/` runs the checks of each mapping file there, and each of its examples as a test.

Only what is named is collected: a mapping file, or the files that stand directly in a folder and in its `parts`, on
the command line or in `testpaths`. That is what `validate-mappings` does too; a repository keeps mappings that are
wrong on purpose among its tests, and installing waybill must change nobody's run. So this module imports nothing
heavy, and reads no file elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.testing.kinds import PARTS, kind_of
from engine.testing.stash import EXPLICIT, NAMED, NOT_COMPARED, UNPINNED

if TYPE_CHECKING:
    from engine.testing.definition_items import DefinitionsFile
    from engine.testing.items import MappingFile

SUFFIXES = frozenset({".yaml", ".yml"})
MOST_UNUSED = 20
"""Snapshots of no example that are named."""
NOTES = {
    UNPINNED: "No snapshots yet: {}. --snapshot-update writes them.",
    NOT_COMPARED: "Not compared with their snapshots, because syrupy is not loaded: {}.",
}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> MappingFile | DefinitionsFile | None:
    """Collect a mapping file, a file of shared parts or of audiences, if it was named; leave every other YAML alone."""
    if file_path.suffix not in SUFFIXES or not _is_named(file_path, parent.config):
        return None
    kind = kind_of(file_path)
    if kind is None and str(file_path) in parent.config.stash.get(EXPLICIT, frozenset()):
        kind = "mapping"
    if kind is None:
        return None
    if kind == "audiences":
        from engine.testing.definition_items import DefinitionsFile

        definitions: DefinitionsFile = DefinitionsFile.from_parent(parent, path=file_path)
        return definitions
    from engine.testing.items import MappingFile

    made: MappingFile = MappingFile.from_parent(parent, path=file_path)
    made.kind = kind
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which mappings were not compared with snapshots, but with the `expect` of their examples alone."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for found, line in NOTES.items():
        files = {report.nodeid.partition("::")[0] for report in reports if found in report.user_properties}
        if files:
            terminalreporter.write_line(line.format(", ".join(sorted(Path(each).stem for each in files))))
    if unused := _unused(terminalreporter.config):
        more = f" and {len(unused) - MOST_UNUSED} more" if len(unused) > MOST_UNUSED else ""
        names = ", ".join(unused[:MOST_UNUSED])
        terminalreporter.write_line(f"Snapshots of no example: {names}{more}. --snapshot-update deletes them.")


def _unused(config: pytest.Config) -> list[str]:
    """Return the snapshots beside mappings that no example has, unless `engine test` names them itself.

    syrupy fails the run for them, but by itself it only counts them.
    """
    if EXPLICIT in config.stash:
        return []
    report, options = getattr(getattr(config, "_syrupy", None), "report", None), config.option
    if report is None or report.disable_unused_snapshots or options.update_snapshots:
        return []
    from engine.language.texts import visible
    from engine.testing.pins import is_snapshot

    paths = [Path(each.location) for each in report.unused]
    return sorted(visible(os.path.relpath(path, config.invocation_params.dir)) for path in paths if is_snapshot(path))


def _is_named(path: Path, config: pytest.Config) -> bool:
    if NAMED not in config.stash:
        here = config.invocation_params.dir
        # As pytest does: symbolic links stay, `..` goes.
        config.stash[NAMED] = frozenset(os.path.abspath(here / each.partition("::")[0]) for each in config.args)  # noqa: PTH100
    named = config.stash[NAMED]
    folder = path.parent
    return str(path) in named or str(folder) in named or (folder.name == PARTS and str(folder.parent) in named)
