"""Whole requests of examples as files: `snapshots/NAME/TITLE.json` beside the mapping, kept by syrupy.

syrupy reads, writes, counts and deletes; here is only where a file stands, and what is refused: a folder of a
stranger may hold symbolic links, and `--snapshot-update` must write and delete nothing that they lead to.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.data import SnapshotCollections
from syrupy.extensions.json import JSONSnapshotExtension
from syrupy.location import PyTestLocation

from engine.records import JsonObject
from engine.testing.pins import FOLDER, folder_of

LARGEST = 16 * 1024 * 1024
"""Bytes of a snapshot that are read; requests are limited to less."""


class HasSlug(Protocol):
    """A test that has a file of its own, named `slug`; `slugs` are those of all examples of its mapping."""

    slug: str
    slugs: frozenset[str]


def link_in(mapping: Path, slug: str) -> Path | None:
    """Return the part of a snapshot's path, below the mapping's folder, that is a symbolic link."""
    folder = folder_of(mapping)
    return next((path for path in (folder.parent, folder, folder / f"{slug}.json") if path.is_symlink()), None)


class ExampleLocation(PyTestLocation):
    """Where an example stands, as syrupy asks: its file is named by the example, not by the test."""

    def matches_snapshot_name(self, snapshot_name: str) -> bool:
        """Whether a snapshot is this example's."""
        return snapshot_name == cast("HasSlug", self.item).slug


class RequestSnapshots(JSONSnapshotExtension):
    """One JSON file for each example."""

    snapshot_dirname = FOLDER

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """Return the folder of a mapping's snapshots."""
        return str(folder_of(Path(test_location.filepath)))

    @classmethod
    def discovery_dirname(cls, *, test_location: PyTestLocation) -> str:
        """Return the folder in which unused snapshots are looked for: no other mapping's."""
        return cls.dirname(test_location=test_location)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:  # noqa: ARG003
        """Return the name of an example's file, without `.json`."""
        return cast("HasSlug", test_location.item).slug

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Whether a file belongs to the mapping of a test."""
        return Path(snapshot_location).parent == folder_of(Path(test_location.filepath))

    def discover_snapshots(self, *, test_location: PyTestLocation, **options: Any) -> SnapshotCollections:
        """Return the snapshots of no example, which are those that syrupy may report and delete.

        The others are used even where they were not: after `-x`, or behind an example that fails. Files of another
        kind, and what is behind a symbolic link, are nobody's snapshots.
        """
        found = SnapshotCollections()
        folder = folder_of(Path(test_location.filepath))
        slugs = getattr(test_location.item, "slugs", None)
        if slugs is None or folder.is_symlink() or folder.parent.is_symlink():
            return found
        for collection in super().discover_snapshots(test_location=test_location, **options):
            path = Path(collection.location)
            if path.parent == folder and path.suffix == ".json" and path.stem not in slugs:
                found.add(collection)
        return found

    def delete_snapshots(self, *, snapshot_location: str, snapshot_names: set[str]) -> None:
        """Delete a file; one that cannot be deleted is a warning, not the end of the run."""
        try:
            super().delete_snapshots(snapshot_location=snapshot_location, snapshot_names=snapshot_names)
        except OSError as error:
            warnings.warn(f"{snapshot_location} cannot be deleted: {error.strerror}.", stacklevel=1)

    def read_snapshot_data_from_location(self, *, snapshot_location: str, **names: Any) -> Any:
        """Return the text of a snapshot, or None if there is none; one that is too large raises OSError."""
        file = Path(snapshot_location)
        if file.exists() and file.stat().st_size > LARGEST:
            raise OSError(f"it is larger than {LARGEST // 1024 // 1024} MB")
        return super().read_snapshot_data_from_location(snapshot_location=snapshot_location, **names)


def compare(item: pytest.Item, requests: JsonObject, *, update: bool) -> tuple[str, str] | None:
    """Compare an example's requests with its snapshot, or write it; return both texts if they differ.

    The first is empty where there is no snapshot. Raises OSError or ValueError for one that cannot be read.
    """
    assertion = SnapshotAssertion(
        update_snapshots=update,
        extension_class=RequestSnapshots,
        test_location=ExampleLocation(item),
        session=item.config._syrupy,  # type: ignore[attr-defined]  # noqa: SLF001  syrupy's own fixture does so
    )
    if assertion == requests:
        return None
    result = assertion.executions[0]
    if result.exception is not None:
        raise result.exception
    return str(result.recalled_data or ""), str(result.asserted_data)
