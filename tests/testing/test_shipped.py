"""The examples of the shipped mappings, beside what pytest makes of `mappings/` itself."""

from __future__ import annotations

import pytest

from engine.mapping import bundled
from engine.mapping.load import Library
from engine.plan import destination
from engine.testing.examples import connector, run
from engine.testing.pins import FOLDER, slugs

NAMES = sorted(path.stem for path in bundled("mappings").glob("*.yaml"))


def test_no_snapshot_is_left_over() -> None:
    """Where tests are left out, as slow ones are, syrupy does not find a file that is nobody's."""
    folder = bundled("mappings")
    expected = [
        f"{name}/{slug}.json"
        for name in NAMES
        for slug in slugs([example.title for example in Library([]).load(name).mapping.examples])
    ]
    there = [path.relative_to(folder / FOLDER).as_posix() for path in (folder / FOLDER).glob("*/*")]
    assert sorted(there) == sorted(expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_shared_connection_changes_no_plan(name: str) -> None:
    shipped = destination(Library([]).load(name))
    connect = connector(shipped)
    for example in shipped.mapping.examples:
        alone = run(connector(shipped)(example), example)
        assert run(connect(example), example) == alone
