"""Everything one sandbox is: the vendors with their state, the faults that stand, the journal."""

from __future__ import annotations

from random import Random

from engine.records import JsonObject
from engine.sandbox.config import Config
from engine.sandbox.emulator import Emulator, Surroundings, TimeSource
from engine.sandbox.faults import Faults
from engine.sandbox.http_messages import VendorResponse, segments_of
from engine.sandbox.journal import Journal
from engine.sandbox.state import State
from engine.sandbox.vendors import VENDORS

# What answers where no vendor is.
NOBODY = VendorResponse(404, {"error": "No vendor lives at this path. See /_sandbox/ for the vendors and their paths."})


class World:
    """One sandbox; `close` it in the end."""

    def __init__(self, config: Config, database: str, clock: TimeSource) -> None:
        self.clock = clock
        self.state = State(database, [vendor.schema for vendor in VENDORS])
        self.faults = Faults()
        self.journal = Journal()
        self._config = config
        self._found()
        self.faults.order([*config.faults], clock())

    def _found(self) -> None:
        """Set the vendors up; their random numbers and rate limits begin anew."""
        self.vendors: dict[str, Emulator] = {}
        for kind in VENDORS:
            random = Random(self._config.seed)  # noqa: S311  repeatable on purpose
            around = Surroundings(state=self.state, clock=self.clock, random=random)
            vendor = kind(around, self._config.settings_of(kind))
            self.vendors[vendor.name] = vendor

    def locate(self, path: str) -> tuple[Emulator | None, str]:
        """Return the vendor a raw path belongs to, and the vendor's own part of it."""
        kind, own = locate(path)
        return None if kind is None else self.vendors[kind.name], own

    def state_of(self, vendor: str, limit: int) -> JsonObject:
        """Show what one vendor holds."""
        with self.state.transaction():
            return self.vendors[vendor].snapshot(limit)

    def counts(self) -> JsonObject:
        """Return numbers, by vendor."""
        with self.state.transaction():
            return {
                name: {**vendor.counts(), "requests": {**self.journal.statuses(name)}}
                for name, vendor in self.vendors.items()
            }

    def reset(self) -> None:
        """Forget what the vendors hold and what was asked; faults stay until they are taken back."""
        self.state.reset()
        self.journal.clear()
        self._found()

    def close(self) -> None:
        """Close the database."""
        self.state.close()


_NAMES: dict[str, type[Emulator]] = {vendor.name: vendor for vendor in VENDORS}
_ROOTS: dict[str, type[Emulator]] = {root: vendor for vendor in VENDORS for root in vendor.roots}


def locate(path: str) -> tuple[type[Emulator] | None, str]:
    """Return the vendor a raw path belongs to, and the vendor's own part of it."""
    first, slash, rest = path.lstrip("/").partition("/")
    if first in _NAMES:
        return _NAMES[first], slash + rest
    return _ROOTS.get(first), path


def emulated(path: str) -> bool:
    """Whether something answers at a path, whatever the method."""
    vendor, own = locate(path)
    return vendor is not None and vendor.routes.find(segments_of(own)) is not None


def titles() -> list[str]:
    """Name the vendors."""
    return [vendor.title for vendor in VENDORS]
