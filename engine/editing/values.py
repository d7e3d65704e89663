"""What paths and values of a mapping are in its examples, as generated code recorded it."""

from __future__ import annotations

from typing import NamedTuple

from engine.compiler.recording import Kind, Recorder
from engine.errors import SettingsError
from engine.mapping.checks import check
from engine.mapping.checks.context import UNUSED_CODES
from engine.mapping.load import Loaded
from engine.plan import Destination
from engine.records import Json, Place, masked
from engine.testing.examples import connector, run
from engine.testing.meter import Meter

MOST_EXAMPLES = 50
ABSENT = None


class Shown(NamedTuple):
    """A value in an example; None where it is absent there."""

    example: str
    value: Json


class ExampleValues:
    """The first example that gets to each path and value, and the first in which it is not absent."""

    def __init__(self, loaded: Loaded) -> None:
        self._reads: dict[tuple[Place, str], list[Shown]] = {}
        self._values: dict[Place, list[Shown]] = {}
        faults = (each for each in check(loaded) if each.level == "error" and each.code not in UNUSED_CODES)
        if next(faults, None) is None:
            self._run(loaded)

    def of_path(self, place: Place, path: str) -> list[Shown]:
        """Return what a path that is written at a place reads."""
        return self._reads.get((place, path), [])

    def of_value(self, place: Place) -> list[Shown]:
        """Return what the value at a place is in the end."""
        return self._values.get(place, [])

    def _run(self, loaded: Loaded) -> None:
        recorder, meter = Recorder(), Meter()
        connect = connector(Destination(loaded, recorder))
        for example in loaded.mapping.examples[:MOST_EXAMPLES]:
            if meter.used_up:
                return
            try:
                connection = connect(example)
            except SettingsError:
                continue
            run(connection, example, meter)
            for site, value in recorder.taken():
                if site.kind is Kind.READ:
                    found = self._reads.setdefault((site.place, site.detail), [])
                elif site.kind is Kind.VALUE:
                    found = self._values.setdefault(site.place, [])
                else:
                    continue
                if not found or (found[-1].value is ABSENT and value is not ABSENT):
                    found.append(Shown(example.title, masked(value, connection.secrets)))
