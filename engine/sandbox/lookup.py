"""Which vendor a path belongs to: `/VENDOR/some/path` and `/some/path` are the same place."""

from __future__ import annotations

from engine.sandbox.emulator import Emulator
from engine.sandbox.exchange import segments_of
from engine.sandbox.vendors import VENDORS

_NAMES: dict[str, type[Emulator]] = {vendor.name: vendor for vendor in VENDORS}
_ROOTS: dict[str, type[Emulator]] = {root: vendor for vendor in VENDORS for root in vendor.roots}


def locate(path: str) -> tuple[type[Emulator] | None, str]:
    """Give the vendor a raw path belongs to, and the vendor's own part of it."""
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
