"""The coverage of several mappings by the files they are written in, with a draft for each thing that is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import floor
from pathlib import Path
from typing import NamedTuple, TypeAlias

from engine.mapping.load import Loaded
from engine.mapping.problems import Mark
from engine.records import JsonObject
from engine.testing.coverage import Coverage, Exercise, FileCoverage, Item, Thing, What, by_file
from engine.testing.drafts import Drafter


class Missing(NamedTuple):
    """Something that no example uses, and the draft of one that does, to be added to the examples of `mapping`.

    `again`: the same draft stands before, for something else. Without a draft, `reason` says why there is none.
    """

    item: Item
    mapping: str
    draft: JsonObject | None
    again: bool = False
    reason: str = ""


class FileReport(NamedTuple):
    """A file's coverage and what is missing in it."""

    coverage: FileCoverage
    missing: tuple[Missing, ...]


class CoverageReport(NamedTuple):
    """The coverage of all files that were named; `others` are files that were not, with the number of their items."""

    files: tuple[FileReport, ...]
    others: dict[str, int]

    @property
    def items(self) -> list[Item]:
        """What there is to use in all files."""
        return [item for file in self.files for item in file.coverage.items]


def report_on(mappings: Iterable[Loaded], named: Iterable[Path]) -> CoverageReport:
    """Run the examples of mappings without problems; report on the files that are `named`."""
    exercises = [Exercise(loaded) for loaded in mappings]
    coverages = [exercise.coverage() for exercise in exercises]
    files, others = by_file(coverages, list(named))
    drafters = [(Drafter(exercise), _things(coverage)) for exercise, coverage in zip(exercises, coverages, strict=True)]
    reports = [FileReport(file, tuple(_missing(item, drafters) for item in file.missed)) for file in files]
    return CoverageReport(tuple(reports), others)


def percent(items: Iterable[Item]) -> float:
    """Return how much is used, in percent with one decimal; rounded down, so that 100 is all of it."""
    counts = Counter(item.used for item in items)
    total = counts.total()
    return floor(1000 * counts[True] / total) / 10 if total else 100.0


def counts_by_kind(items: Iterable[Item]) -> dict[What, tuple[int, int]]:
    """Return how many of each kind are used, and how many there are, for the kinds that occur."""
    found: dict[What, tuple[int, int]] = {}
    for item in items:
        used, total = found.get(item.thing.what, (0, 0))
        found[item.thing.what] = used + item.used, total + 1
    return {what: found[what] for what in What if what in found}


Key: TypeAlias = tuple[Mark, What, str]
"""What a thing of a file is the same by, in all mappings that have it."""


def _things(coverage: Coverage) -> dict[Key, Thing]:
    return {(item.mark, item.thing.what, item.thing.case): item.thing for item in coverage.items}


def _missing(item: Item, drafters: list[tuple[Drafter, dict[Key, Thing]]]) -> Missing:
    """Find a draft for an item, in the mapping whose file it stands in, else in the first one that has any."""
    own_first = sorted(drafters, key=lambda each: each[0].exercise.loaded.path.as_posix() != item.mark.file)
    key = item.mark, item.thing.what, item.thing.case
    having = [(drafter, things[key]) for drafter, things in own_first if key in things]
    for drafter, thing in having:
        known = len(drafter.made)
        draft = drafter.draft(thing)
        if draft is not None:
            return Missing(item, drafter.exercise.loaded.path.as_posix(), draft, again=len(drafter.made) == known)
    drafter = having[0][0]
    return Missing(item, drafter.exercise.loaded.path.as_posix(), None, reason=drafter.why_not())
