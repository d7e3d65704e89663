"""The file of `--config`: the settings of each vendor, a seed, and faults that are active from the start.

    seed: 7
    VENDOR:
      public_keys: [my-key]
      hard_ids: [registered, email_id]
    OTHER_VENDOR:
      attributes: { custom_integer: integer }
    faults:
      - { kind: status, status: 429, rate: 0.05 }

Each vendor declares its settings in its `access.py`; only their types are checked here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.records import Json, JsonObject
from engine.sandbox.emulator import Emulator
from engine.sandbox.faults import Fault
from engine.sandbox.vendors import VENDORS

OWN = ("seed", "faults")
KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", str: "text", dict: "a mapping"}


class ConfigError(ValueError):
    """An invalid configuration; `path` is the place in it."""

    def __init__(self, message: str, *path: str | int) -> None:
        self.path = path
        super().__init__(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The configuration of a sandbox; `settings` has only the vendors that the file names."""

    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[JsonObject, ...] = ()

    def settings_of(self, vendor: type[Emulator]) -> Any:
        """Return a vendor's settings, or its defaults."""
        return self.settings.get(vendor.name) or vendor.settings_type()


def load_config(path: Path) -> Config:
    """Read a configuration file; raises `UsageError` with the place and the problem."""
    from engine.mapping.yaml import reader

    document = reader.read(path)
    if document.problems:
        raise UsageError("\n".join(str(problem) for problem in document.problems))
    try:
        return read_config(document.value)
    except ConfigError as error:
        mark = document.mark(error.path)
        raise UsageError(f"{mark.file}:{mark.line}:{mark.column}  {error}") from error


def read_config(raw: Json) -> Config:
    """Read a configuration; raises `ConfigError`."""
    if raw is None:
        return Config()
    if not isinstance(raw, dict):
        raise ConfigError("A sandbox configuration must be a mapping of vendors to their settings.")
    vendors = {vendor.name: vendor for vendor in VENDORS}
    for name in raw:
        if name not in vendors and name not in OWN:
            raise ConfigError(f"Unknown key {name}. Allowed: {', '.join((*vendors, *OWN))}.", name)
    seed = raw.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ConfigError("seed must be a whole number.", "seed")
    settings = {name: _settings(vendors[name], value) for name, value in raw.items() if name in vendors}
    return Config(seed=seed, settings=settings, faults=_faults(raw.get("faults", [])))


def _faults(given: Json) -> tuple[JsonObject, ...]:
    if not isinstance(given, list):
        raise ConfigError("faults must be a list.", "faults")
    read = []
    for number, fault in enumerate(given):
        try:
            Fault.read(fault, 0, 0.0)
        except ValueError as error:
            raise ConfigError(f"{error}.", "faults", number) from error
        assert isinstance(fault, dict)
        read.append(fault)
    return tuple(read)


def _settings(vendor: type[Emulator], given: Json) -> Any:
    if not isinstance(given, dict):
        raise ConfigError(f"{vendor.name} must be a mapping of settings.", vendor.name)
    defaults = vendor.settings_type()
    known = [one.name for one in dataclasses.fields(defaults)]
    values = {}
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"{vendor.name} has no setting {name}. Allowed: {', '.join(known)}.", vendor.name, name)
        values[name] = _fitting(getattr(defaults, name), value, vendor.name, name)
    try:
        return vendor.settings_type(**values)
    except ValueError as error:
        raise ConfigError(f"{error}.", vendor.name) from error


def _fitting(default: object, value: Json, *path: str) -> object:
    """Return the value, which must have the type of the setting's default."""
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(f"{path[-1]} must be a list of text.", *path)
        return tuple(value)
    if type(value) is not type(default):
        raise ConfigError(f"{path[-1]} must be {KINDS[type(default)]}.", *path)
    return value
