"""The generated code of the shipped mappings is pinned, so that a change to an emitter is seen for what it does."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from engine.mapping import bundled
from engine.mapping.load import Library
from engine.plan import destination

NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))


class PythonFile(SingleFileSnapshotExtension):
    """One Python file a mapping."""

    _write_mode = WriteMode.TEXT
    file_extension = "py.txt"


@pytest.mark.parametrize("name", NAMES)
def test_generated_code(name: str, snapshot: SnapshotAssertion) -> None:
    assert destination(Library([]).load(name)).compiled.code == snapshot(extension_class=PythonFile)
