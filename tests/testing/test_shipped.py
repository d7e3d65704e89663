"""The snapshots of the shipped mappings are those of their examples: syrupy finds no others where tests are left out."""

from __future__ import annotations

from engine.mapping import bundled
from engine.mapping.load import Library
from engine.testing.pins import FOLDER, slugs


def test_no_snapshot_is_left_over() -> None:
    folder = bundled("mappings")
    expected = [
        f"{path.stem}/{slug}.json"
        for path in folder.glob("*.yaml")
        for slug in slugs([example.title for example in Library([]).read(path).mapping.examples])
    ]
    there = [path.relative_to(folder / FOLDER).as_posix() for path in (folder / FOLDER).glob("*/*")]
    assert sorted(there) == sorted(expected)
