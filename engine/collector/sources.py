"""`sources:` of a connections file: who may send, with which write keys, and where their events go.

    sources:
      web:
        write_keys: ["${env:WEB_WRITE_KEY}"]
        connections: [shop]

Without `connections` a source feeds all of the file's.  Everything wrong is told at once, each with its line.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from engine.collector.write_keys import LONGEST, EventSource
from engine.delivery.connections import ConnectionFault, ConnectionsError, File, fault_texts, read, sentence
from engine.mapping.settings import filled
from engine.records import Json, JsonObject, Place

WORD = "sources"
WORDS = ("write_keys", "connections", "enabled")
NO_SOURCES = """{path} has no sources: who may send, and with which write keys. For example
sources:
  web:
    write_keys: ["${{env:WEB_WRITE_KEY}}"]
    connections: [{example}]"""

WRITE_KEY = f"A write key is a text of 1 to {LONGEST} plain characters without space and colon."


class Parties(NamedTuple):
    """Who receives and who sends, as a connections file says."""

    file: File
    sources: list[EventSource]


def load(path: Path, environment: Table[str, str], directories: Sequence[Path] = (), *, needed: bool = True) -> Parties:
    """Read connections and sources of a file; raises ConnectionsError with everything that is wrong with either.

    Where sources are not `needed`, a file without them has none.
    """
    reading = read(path, environment, directories)
    assert isinstance(reading.document.value, dict)
    raw = reading.document.value.get(WORD)
    reader = _SourcesReader(environment, reading.enabled, reading.file.disabled)
    found = reader.sources(raw) if raw is not None else []
    problems = fault_texts(reading.document, [*reading.faults, *reader.faults])
    if raw is None and needed:
        example = next(iter([*reading.enabled, *reading.file.disabled]), "shop")
        problems.append(NO_SOURCES.format(path=path, example=example))
    if problems:
        raise ConnectionsError(problems)
    return Parties(reading.file, found)


def write_key_fault(key: str) -> str | None:
    """Say why a text cannot be a write key, None where it can."""
    plain = key.isascii() and key.isprintable() and ":" not in key and " " not in key
    return None if plain and 0 < len(key) <= LONGEST else WRITE_KEY


class _SourcesReader:
    """Reads sources and collects what is wrong."""

    def __init__(self, environment: Table[str, str], enabled: list[str], disabled: list[str]) -> None:
        self.faults: list[ConnectionFault] = []
        self._environment = environment
        self._enabled, self._disabled = enabled, disabled
        self._owners: dict[str, str] = {}

    def sources(self, raw: Json) -> list[EventSource]:
        if not isinstance(raw, dict) or not raw:
            self._fault((WORD,), "Sources are a mapping: name -> write_keys, connections.")
            return []
        return [self._source(name, each) for name, each in raw.items()]

    def _source(self, name: str, raw: Json) -> EventSource:
        if not isinstance(raw, dict):
            self._fault((WORD, name), "A source is a mapping: write_keys, connections, enabled.")
            return EventSource(name, (), ())
        for word in raw:
            if word not in WORDS:
                message = f'A source has no "{word}". There are: {", ".join(WORDS)}.'
                self._fault((WORD, name, word), message, on_key=True)
        enabled = raw.get("enabled", True)
        if not isinstance(enabled, bool):
            self._fault((WORD, name, "enabled"), "This is true or false.")
        return EventSource(name, self._write_keys(name, raw), self._connections(name, raw), enabled is True)

    def _write_keys(self, name: str, raw: JsonObject) -> tuple[str, ...]:
        given = raw.get("write_keys")
        place: Place = (WORD, name, "write_keys") if "write_keys" in raw else (WORD, name)
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts:
            self._fault(place, "A source needs write_keys: a text or a list of texts.")
            return ()
        inside = [(*place, number) if texts is given else place for number in range(len(texts))]
        return tuple(key for at, text in zip(inside, texts, strict=True) if (key := self._write_key(name, at, text)))

    def _write_key(self, name: str, place: Place, text: Json) -> str:
        try:
            key = str.__str__(cast("str", filled(text, self._environment))) if isinstance(text, str) else ""
        except ValueError as error:
            self._fault(place, sentence(str(error)))
            return ""
        if fault := write_key_fault(key):
            self._fault(place, fault)
        elif self._owners.setdefault(key, name) != name:
            self._fault(place, f"{self._owners[key]} has the same write key; each belongs to one source.")
        return key

    def _connections(self, name: str, raw: JsonObject) -> tuple[str, ...]:
        given = raw.get("connections")
        if given is None:
            return tuple(self._enabled)
        place: Place = (WORD, name, "connections")
        if not isinstance(given, list) or not given:
            self._fault(place, "This is a list of connections of this file.")
            return ()
        for each in given:
            if each not in self._enabled and each not in self._disabled:
                known = ", ".join([*self._enabled, *self._disabled])
                self._fault(place, f'This file has no connection "{each}". There are: {known}.')
        return tuple(dict.fromkeys(each for each in self._enabled if each in given))

    def _fault(self, place: Place, message: str, *, on_key: bool = False) -> None:
        self.faults.append(ConnectionFault(place, message, on_key=on_key))
