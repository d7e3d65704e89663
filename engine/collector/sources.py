"""Sources: who may send events, with which write keys, and which connections get them.

They are `sources:` of a connections file:

    sources:
      web:
        write_keys: ["${env:WEB_WRITE_KEY}"]
        connections: [shop]
        partition_by: userId  # on a stream, the id by which the order of events is kept; default: anonymousId

A source without `connections` feeds every connection of the file.  All errors are reported at once, each with its
line.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Table
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import NamedTuple

from engine.delivery.connections import ConnectionsError, FaultCollector, File, fault_texts, read
from engine.delivery.outbox.base import OWN_SOURCES
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document
from engine.records import Json, JsonObject, Place
from engine.stream.partitions import CHOICES

SOURCES = "sources"
KEYS = ("write_keys", "connections", "enabled", "partition_by")
MAX_KEY_LENGTH = 512
NO_SOURCES = """{path} has no sources, which say who may send events and with which write keys. For example:
sources:
  web:
    write_keys: ["${{env:WEB_WRITE_KEY}}"]
    connections: [{example}]"""
INVALID_KEY = f"A write key must have 1 to {MAX_KEY_LENGTH} printable ASCII characters, without spaces and colons."


class EventSource(NamedTuple):
    """A sender of events: its name, its write keys, and the connections its events go to.

    `partition_by` is the id that the partition of its events is chosen by first, on a stream; '' is the default.
    """

    name: str
    write_keys: tuple[str, ...]
    connections: tuple[str, ...]
    enabled: bool = True
    partition_by: str = ""


class WriteKeys:
    """Finds the source that a write key belongs to.

    Keys are looked up by a digest with a secret of this process: the time a look-up takes says nothing about how much
    of a guessed key was right, and it is one look-up for any number of keys.
    """

    def __init__(self, sources: Sequence[EventSource]) -> None:
        self._secret = os.urandom(32)
        self._sources = {self._digest(key): (key, source) for source in sources for key in source.write_keys}

    def source(self, key: str) -> EventSource | None:
        """Return the source of a key, enabled or not."""
        found = self._sources.get(self._digest(key[:MAX_KEY_LENGTH]))
        if found is None or not compare_digest(found[0].encode(), key.encode(errors="replace")):
            return None
        return found[1]

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode(errors="replace"), key=self._secret, digest_size=16).digest()


def basic_key(authorization: bytes | None) -> str | None:
    """Return the user name of Basic authorization, with or without a colon; None if there is no such header.

    Some clients leave out the padding of Base64; with more than it needs, the decoder reads both.
    """
    if authorization is None:
        return None
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        text = binascii.a2b_base64(value.strip() + b"==").decode()
    except ValueError:
        return ""
    return text.partition(":")[0]


def write_key_error(key: str) -> str | None:
    """Return why a text cannot be a write key, or None."""
    plain = key.isascii() and key.isprintable() and ":" not in key and " " not in key
    return None if plain and 0 < len(key) <= MAX_KEY_LENGTH else INVALID_KEY


class ConnectionsAndSources(NamedTuple):
    """Who receives events and who sends them, as a connections file says."""

    file: File
    sources: list[EventSource]


def load(
    path: Path,
    environment: Table[str, str],
    directories: Sequence[Path] = (),
    read_mapping: Callable[[Path], Document] = reader.read,
    *,
    required: bool = True,
) -> ConnectionsAndSources:
    """Return connections and sources of a file; raise ConnectionsError with everything that is wrong in either.

    If sources are not `required`, a file may have none.
    """
    reading = read(path, environment, directories, read_mapping=read_mapping)
    assert isinstance(reading.document.value, dict)
    raw = reading.document.value.get(SOURCES)
    reader = _SourcesReader(environment, reading.enabled, reading.file.disabled)
    found = reader.sources(raw) if raw is not None else []
    problems = fault_texts(reading.document, [*reading.faults, *reader.faults])
    if raw is None and required:
        example = next(iter([*reading.enabled, *reading.file.disabled]), "shop")
        problems.append(NO_SOURCES.format(path=path, example=example))
    if problems:
        raise ConnectionsError(problems)
    return ConnectionsAndSources(reading.file, found)


def partition_choices(sources: Sequence[EventSource]) -> dict[str, str]:
    """Return `partition_by` of the sources that have one."""
    return {source.name: source.partition_by for source in sources if source.partition_by}


class _SourcesReader(FaultCollector):
    """Reads the sources of one file."""

    def __init__(self, environment: Table[str, str], enabled: list[str], disabled: list[str]) -> None:
        super().__init__(environment)
        self._enabled, self._disabled = enabled, disabled
        self._owners: dict[str, str] = {}

    def sources(self, raw: Json) -> list[EventSource]:
        if not isinstance(raw, dict) or not raw:
            self._fault((SOURCES,), "sources must be a mapping of names to write_keys and connections.")
            return []
        return [self._source(name, each) for name, each in raw.items()]

    def _source(self, name: str, raw: Json) -> EventSource:
        if name in OWN_SOURCES:
            self._fault((SOURCES, name), f"The name {name} is reserved for the engine's own events; choose another.")
        if not isinstance(raw, dict):
            self._fault((SOURCES, name), "A source must be a mapping with write_keys, connections, enabled.")
            return EventSource(name, (), ())
        for key in raw:
            if key not in KEYS:
                self._unknown_key((SOURCES, name, key), "A source", KEYS)
        enabled = raw.get("enabled", True)
        if not isinstance(enabled, bool):
            self._fault((SOURCES, name, "enabled"), "enabled must be true or false.")
        by = raw.get("partition_by", "")
        if "partition_by" in raw and by not in CHOICES:
            self._fault((SOURCES, name, "partition_by"), f"partition_by must be {' or '.join(CHOICES)}.")
        keys, connections = self._write_keys(name, raw), self._connections(name, raw)
        return EventSource(name, keys, connections, enabled is True, str(by))

    def _write_keys(self, name: str, raw: JsonObject) -> tuple[str, ...]:
        given = raw.get("write_keys")
        place: Place = (SOURCES, name, "write_keys") if "write_keys" in raw else (SOURCES, name)
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts:
            self._fault(place, "A source needs write_keys: one write key or a list of them.")
            return ()
        places = [(*place, number) if texts is given else place for number in range(len(texts))]
        return tuple(key for at, text in zip(places, texts, strict=True) if (key := self._write_key(name, at, text)))

    def _write_key(self, name: str, place: Place, text: Json) -> str:
        key = self._filled(place, text) if isinstance(text, str) else ""
        if key is None:
            return ""
        if invalid := write_key_error(key):
            self._fault(place, invalid)
        elif self._owners.setdefault(key, name) != name:
            self._fault(place, f"The source {self._owners[key]} has this write key too; a key belongs to one source.")
        return key

    def _connections(self, name: str, raw: JsonObject) -> tuple[str, ...]:
        given = raw.get("connections")
        if given is None:
            return tuple(self._enabled)
        place: Place = (SOURCES, name, "connections")
        if not isinstance(given, list) or not given:
            self._fault(place, "connections must be a list of connections of this file.")
            return ()
        for each in given:
            if each not in self._enabled and each not in self._disabled:
                known = ", ".join([*self._enabled, *self._disabled])
                self._fault(place, f'This file has no connection "{each}". Available: {known}.')
        return tuple(dict.fromkeys(each for each in self._enabled if each in given))
