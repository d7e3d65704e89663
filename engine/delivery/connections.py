"""`connections.yaml` -> connections: every word checked, everything wrong told at once, each with its line.

    shop:
      destination: my_vendor
      settings: { api_key: "${env:MY_VENDOR_KEY}" }
      calls: [identify, track]

What a word may hold is said by `schemas/connections.schema.json`, which editors use too.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from engine.delivery.config import Configured, rebased
from engine.errors import MappingError, MappingNotFound, PathError, SettingsError, UsageError
from engine.language import paths
from engine.mapping import schema, schema_files, yamlfile
from engine.mapping.load import Library
from engine.mapping.problems import path_text
from engine.mapping.settings import filled
from engine.mapping.suggest import closest
from engine.mapping.yamlfile import Document
from engine.plan import destination
from engine.records import Json, JsonObject

Place = tuple[str, ...]
NOT_NAMES = (
    "A connections file holds connections by name, for example\nshop:\n  destination: my_vendor\n  settings: {...}"
)

SOURCES = "sources"
"""Not a connection: who may send to the collector, which reads it itself."""

OWN_WORDS = {"rate_limit": "A rate limit is a number of requests and s, m or h: 100/s, 5000/h; or none."}


class ConnectionsError(UsageError):
    """A connections file that does not fit; `problems` holds one text each, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class Fault(Exception):  # noqa: N818  collected, not raised to anyone
    """One thing wrong, and where."""

    def __init__(self, place: Place, message: str, *, on_key: bool = False) -> None:
        self.place = place
        self.message = message
        self.on_key = on_key
        super().__init__(message)


class File(NamedTuple):
    """What a connections file holds: the connections that are enabled, and the names of those that are not."""

    connections: list[Configured]
    disabled: list[str]


def load(path: Path, environment: Table[str, str], directories: Sequence[Path] = ()) -> File:
    """Read a connections file; raises ConnectionsError with everything that is wrong with it."""
    document = yamlfile.read(path)
    if document.problems:
        raise ConnectionsError([str(problem) for problem in document.problems])
    if not isinstance(document.value, dict) or not document.value:
        raise ConnectionsError([_told(document, Fault((), NOT_NAMES))])
    reader = _Reader(path, Library(directories or None), environment)
    found: list[Configured] = []
    disabled: list[str] = []
    for name, raw in document.value.items():
        if name == SOURCES:
            continue
        configured = reader.connection(name, raw)
        if configured is not None:
            (found if cast("JsonObject", raw).get("enabled", True) else disabled).append(configured)  # type: ignore[arg-type]
    if reader.faults:
        raise ConnectionsError([_told(document, fault) for fault in reader.faults])
    return File(found, [cast("Configured", each).name for each in disabled])


def _told(document: Document, fault: Fault) -> str:
    mark = document.key_mark(fault.place) if fault.on_key else document.mark(fault.place)
    place = f"{mark.file}:{mark.line}:{mark.column}  {path_text(fault.place)}".rstrip()
    text = fault.message.replace("\n", "\n  ")
    return f"{place}\n  {text}"


class _Reader:
    """Reads one file's connections and collects what is wrong."""

    def __init__(self, path: Path, library: Library, environment: Table[str, str]) -> None:
        self.faults: list[Fault] = []
        self._path = path
        self._library = library
        self._environment = environment

    def connection(self, name: str, raw: Json) -> Configured | None:
        """Read one connection; None where something is wrong with it."""
        before = len(self.faults)
        self._shape(name, raw)
        if len(self.faults) > before:
            return None
        assert isinstance(raw, dict)
        try:
            return self._configured(name, raw)
        except Fault as fault:
            self.faults.append(fault)
            return None

    def _shape(self, name: str, raw: Json) -> None:
        problem = _checks()["name"](name)
        if problem is not None:
            message = (
                "A connection's name has letters, digits, _, . and -, at most 64, and begins with a letter or digit."
            )
            self.faults.append(Fault((name,), message, on_key=True))
        if not isinstance(raw, dict):
            self.faults.append(Fault((name,), "A connection is a mapping: destination, settings, ..."))
            return
        for word, value in raw.items():
            check = _checks().get(f".{word}")
            if check is None:
                known = [each[1:] for each in _checks() if each.startswith(".")]
                guess = closest(word, known)
                advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(known)}."
                self.faults.append(Fault((name, word), f'A connection has no "{word}". {advice}', on_key=True))
            elif (problem := check(value)) is not None:
                self.faults.append(Fault((name, word), OWN_WORDS.get(word) or f"{problem[:1].upper()}{problem[1:]}."))

    def _configured(self, name: str, raw: JsonObject) -> Configured:
        target = self._destination(name, raw)
        settings = cast("JsonObject", raw.get("settings") or {})
        try:
            connection = target.connect(settings, self._environment)
        except SettingsError as error:
            raise Fault((name, "settings") if "settings" in raw else (name,), "\n".join(error.problems)) from error
        configured = Configured(
            name=name,
            connection=connection,
            calls=frozenset(cast("list[str]", raw["calls"])) if "calls" in raw else None,
            when=self._when(name, raw),
            rate_limit=None if "rate_limit" not in raw else cast("str", raw["rate_limit"]).replace("none", ""),
            ordered_batches=bool(raw.get("ordered_batches", False)),
        )
        if "base_url" in raw:
            return replace(configured, connection=rebased(connection, self._base_url(name, raw)))
        return configured

    def _destination(self, name: str, raw: JsonObject) -> Any:
        wanted = cast("str", raw.get("destination", name))
        if "/" in wanted or wanted.endswith((".yaml", ".yml")):
            wanted = str(self._path.parent / wanted)
        place: Place = (name, "destination") if "destination" in raw else (name,)
        try:
            return destination(self._library.load(wanted))
        except (MappingNotFound, MappingError) as error:
            raise Fault(place, str(error)) from error

    def _when(self, name: str, raw: JsonObject) -> str | None:
        when = cast("str | None", raw.get("when"))
        if when is not None:
            try:
                paths.parse(when)
            except PathError as error:
                raise Fault((name, "when"), f"This is no path: {error} (column {error.column} of the text)") from error
        return when

    def _base_url(self, name: str, raw: JsonObject) -> str:
        place: Place = (name, "base_url")
        try:
            url = str.__str__(cast("str", filled(raw["base_url"], self._environment)))
            parts = urlsplit(url)
        except ValueError as error:
            raise Fault(place, str(error)) from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise Fault(place, "This is not an http:// or https:// address without ? and #.")
        return url.rstrip("/")


@cache
def _checks() -> dict[str, Any]:
    """Give a check for the name of a connection and one for each of its words (`.calls`)."""
    import orjson

    whole = orjson.loads((schema_files.folder() / "connections.schema.json").read_bytes())
    words = whole["additionalProperties"]["properties"]
    checks = {"name": schema.validator(whole["propertyNames"])}
    return checks | {f".{word}": schema.validator(rule) for word, rule in words.items()}
