"""`sources:` of a connections file: who may send, with which write keys, and where their events go.

    sources:
      web:
        write_keys: ["${env:WEB_WRITE_KEY}"]
        connections: [shop]

Without `connections` a source feeds all of the file's.  Everything wrong is told at once, each with its line.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Table
from pathlib import Path
from typing import Any, cast

from engine.collector.keys import LONGEST, Source
from engine.delivery.connections import ConnectionsError
from engine.errors import UsageError
from engine.mapping import yamlfile
from engine.mapping.problems import path_text
from engine.mapping.settings import filled
from engine.records import Json, JsonObject

WORD = "sources"
WORDS = ("write_keys", "connections", "enabled")
NO_SOURCES = """{path} has no sources: who may send, and with which write keys. For example
sources:
  web:
    write_keys: ["${{env:WEB_WRITE_KEY}}"]
    connections: [{example}]"""

Place = tuple[Any, ...]


def load(path: Path, environment: Table[str, str], enabled: Collection[str], disabled: Collection[str]) -> list[Source]:
    """Read the sources of a connections file that `delivery.connections` has read; raises ConnectionsError."""
    document = yamlfile.read(path)
    value = document.value if isinstance(document.value, dict) else {}
    raw = value.get(WORD)
    if raw is None:
        raise UsageError(NO_SOURCES.format(path=path, example=next(iter([*enabled, *disabled]), "shop")))
    reader = _Reader(environment, list(enabled), list(disabled))
    found = reader.sources(raw)
    if reader.faults:
        raise ConnectionsError([_told(document, *fault) for fault in reader.faults])
    return found


def _told(document: yamlfile.Document, place: Place, message: str, on_key: bool) -> str:
    mark = document.key_mark(place) if on_key else document.mark(place)
    return f"{mark.file}:{mark.line}:{mark.column}  {path_text(place)}\n  {message}"


class _Reader:
    """Reads sources and collects what is wrong."""

    def __init__(self, environment: Table[str, str], enabled: list[str], disabled: list[str]) -> None:
        self.faults: list[tuple[Place, str, bool]] = []
        self._environment = environment
        self._enabled, self._disabled = enabled, disabled
        self._owners: dict[str, str] = {}

    def sources(self, raw: Json) -> list[Source]:
        if not isinstance(raw, dict) or not raw:
            self._fault((WORD,), "Sources are a mapping: name -> write_keys, connections.")
            return []
        return [self._source(name, each) for name, each in raw.items()]

    def _source(self, name: str, raw: Json) -> Source:
        if not isinstance(raw, dict):
            self._fault((WORD, name), "A source is a mapping: write_keys, connections, enabled.")
            return Source(name, (), ())
        for word in raw:
            if word not in WORDS:
                message = f'A source has no "{word}". There are: {", ".join(WORDS)}.'
                self._fault((WORD, name, word), message, on_key=True)
        enabled = raw.get("enabled", True)
        if not isinstance(enabled, bool):
            self._fault((WORD, name, "enabled"), "This is true or false.")
        return Source(name, self._write_keys(name, raw), self._connections(name, raw), enabled is True)

    def _write_keys(self, name: str, raw: JsonObject) -> tuple[str, ...]:
        given = raw.get("write_keys")
        place: Place = (WORD, name, "write_keys") if "write_keys" in raw else (WORD, name)
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts:
            self._fault(place, "A source needs write_keys: a text or a list of texts.")
            return ()
        return tuple(key for text in texts if (key := self._write_key(name, place, text)))

    def _write_key(self, name: str, place: Place, text: Json) -> str:
        try:
            key = str.__str__(cast("str", filled(text, self._environment))) if isinstance(text, str) else ""
        except ValueError as error:
            self._fault(place, str(error))
            return ""
        if not key or len(key) > LONGEST or not key.isascii() or not key.isprintable() or ":" in key or " " in key:
            self._fault(place, f"A write key is a text of 1 to {LONGEST} plain characters without space and colon.")
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
        self.faults.append((place, message, on_key))
