"""Everything one sandbox is: its configuration, the vendors with their state, the faults that stand, the journal."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from engine.errors import UsageError
from engine.records import MASK, NO_SECRETS, Json, JsonObject, Secrets, masked
from engine.sandbox.emulator import Emulator, Surroundings, TimeSource
from engine.sandbox.faults import Fault, FaultError, Faults
from engine.sandbox.forgetting import FORGOTTEN, is_about, without_person
from engine.sandbox.http_messages import VendorRequest, segments_of
from engine.sandbox.state import State, to_iso
from engine.sandbox.vendors import VENDORS

if TYPE_CHECKING:
    from engine.sandbox.generic.vendor import Description

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


class World:
    """The contents of one sandbox; call `close` when done."""

    def __init__(
        self, config: Config, database: str, clock: TimeSource, descriptions: Sequence[Description] = ()
    ) -> None:
        self.clock = clock
        self._descriptions = {each.name: each for each in descriptions}
        self.state = State(database, [*(vendor.schema for vendor in VENDORS), *(each.schema for each in descriptions)])
        self.request_log = RequestLog()
        self._config = config
        self._start_vendors()
        self.faults = Faults([*self.vendors])
        try:
            self.faults.inject([*config.faults], clock())
        except FaultError as error:  # one that names a vendor which is not here
            self.state.close()
            raise UsageError(f"faults of the sandbox's configuration: {error}.") from error

    def _start_vendors(self) -> None:
        """Create the vendors, with fresh random numbers and rate limits."""
        self.vendors: dict[str, Emulator] = {}
        for kind in VENDORS:
            self.vendors[kind.name] = kind(self._surroundings(), self._config.settings_of(kind))
        for name, description in self._descriptions.items():
            self.vendors[name] = description.vendor(self._surroundings())

    def _surroundings(self) -> Surroundings:
        random = Random(self._config.seed)  # noqa: S311  repeatable on purpose
        return Surroundings(state=self.state, clock=self.clock, random=random)

    def replace(self, descriptions: Sequence[Description]) -> None:
        """Have these vendors made from mappings, in place of those so far; what they keep stays, by name.

        A vendor whose connection is the same goes on, with the tokens it has issued.
        """
        for each in descriptions:
            self.state.add(each.schema)
        before, self._descriptions = self._descriptions, {each.name: each for each in descriptions}
        vendors = {name: vendor for name, vendor in self.vendors.items() if name not in before}
        for name, each in self._descriptions.items():
            same = name in before and before[name].is_like(each)
            vendors[name] = self.vendors[name] if same else each.vendor(self._surroundings())
        self.vendors = vendors
        self.faults.vendors = [*vendors]

    def locate(self, path: str) -> tuple[Emulator | None, str]:
        """Return the vendor of a raw path, and the vendor's own part of it."""
        first, slash, rest = path.lstrip("/").partition("/")
        if first in self._descriptions:
            return self.vendors[first], slash + rest
        kind, own = locate(path)
        return None if kind is None else self.vendors[kind.name], own

    def state_of(self, vendor: str, limit: int) -> JsonObject:
        """Return the state of one vendor in readable form."""
        with self.state.transaction():
            return self.vendors[vendor].snapshot(limit)

    def counts(self) -> JsonObject:
        """Return counts by vendor."""
        with self.state.transaction():
            return {
                name: {**vendor.counts(), "requests": {**self.request_log.statuses(name)}}
                for name, vendor in self.vendors.items()
            }

    def reset(self) -> None:
        """Clear the vendors' state and the log; faults stay active."""
        self.state.reset()
        self.request_log.clear()
        self._start_vendors()

    def close(self) -> None:
        """Close the database."""
        self.state.close()


_NAMES: dict[str, type[Emulator]] = {vendor.name: vendor for vendor in VENDORS}
_ROOTS: dict[str, type[Emulator]] = {root: vendor for vendor in VENDORS for root in vendor.roots}


def locate(path: str) -> tuple[type[Emulator] | None, str]:
    """Return the vendor of a raw path, and the vendor's own part of it."""
    first, slash, rest = path.lstrip("/").partition("/")
    if first in _NAMES:
        return _NAMES[first], slash + rest
    return _ROOTS.get(first), path


def emulated(path: str) -> bool:
    """Whether a vendor has a route for a path, with any method."""
    vendor, own = locate(path)
    return vendor is not None and vendor.routes.find(segments_of(own)) is not None


def reserved() -> set[str]:
    """Return the first path segments that belong to emulated vendors: no other vendor can have them as its name."""
    return {*_NAMES, *_ROOTS}


MOST_LOGGED = 1000
MOST_CHARACTERS = 2000  # of a body
SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie")
SECRET_QUERY = ("access_token",)


class LoggedRequest(NamedTuple):
    """One request and its response; `status` 0 means that no whole response was sent."""

    vendor: str
    request: VendorRequest
    status: int
    response: bytes
    seconds: float
    fault: str
    secrets: Secrets = NO_SECRETS
    secret_names: frozenset[str] = frozenset()


class RequestLog:
    """The last requests, without credentials, and the number of all requests by status."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, LoggedRequest]] = deque(maxlen=MOST_LOGGED)
        self._number = 0
        self._statuses: Counter[tuple[str, int]] = Counter()

    def add(self, logged: LoggedRequest) -> None:
        """Log a request. Bodies are cut: a thousand of 64 KB each would take much memory."""
        self._number += 1
        self._statuses[logged.vendor, logged.status] += 1
        logged.request.body = logged.request.body[:MOST_CHARACTERS]
        self._entries.append((self._number, logged._replace(response=logged.response[:MOST_CHARACTERS])))
        if logged.request.erased:
            self._forget(logged.request.erased)

    def _forget(self, texts: Collection[str]) -> None:
        """Keep of the requests that have one of these texts only that there was one; texts are IDs and emails."""
        for place, (number, logged) in enumerate(self._entries):
            if is_about(logged.request, logged.response, texts):
                request = without_person(logged.request, texts)
                self._entries[place] = (number, logged._replace(request=request, response=FORGOTTEN))

    def statuses(self, vendor: str) -> dict[str, int]:
        """Return the number of a vendor's requests by status; 0 is a cut connection."""
        return {str(status): count for (name, status), count in sorted(self._statuses.items()) if name == vendor}

    def newest(self, limit: int, vendor: str = "") -> list[JsonObject]:
        """Return the newest requests, oldest first."""
        chosen = [(number, logged) for number, logged in [*self._entries] if vendor in ("", logged.vendor)]
        return [_readable(number, logged) for number, logged in chosen[-limit:]]

    def clear(self) -> None:
        """Forget all requests."""
        self._entries.clear()
        self._statuses.clear()
        self._number = 0


def _readable(number: int, logged: LoggedRequest) -> JsonObject:
    request, hidden = logged.request, logged.secret_names.union(SECRET_QUERY)
    found: JsonObject = {
        "number": number,
        "time": to_iso(request.now),
        "vendor": logged.vendor,
        "method": request.method,
        "path": request.path,
        "query": {name: MASK if name in hidden else value for name, value in request.query.items()},
        "headers": {
            name: MASK if name in logged.secret_names else _masked(name, value)
            for name, value in request.headers.items()
        },
        "body": _readable_body(request.body),
        "status": logged.status,
        "response": _readable_body(logged.response),
        "milliseconds": round(logged.seconds * 1000, 1),
        "fault": logged.fault,
    }
    return cast("JsonObject", masked(found, logged.secrets)) if logged.secrets is not NO_SECRETS else found


def _masked(name: str, value: str) -> str:
    if name not in SECRET_HEADERS:
        return value
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and name != "cookie" else MASK


def _readable_body(body: bytes) -> Json:
    try:
        parsed: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
    return parsed
