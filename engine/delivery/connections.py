"""`connections.yaml` -> connections: every word checked, everything wrong told at once, each with its line.

    shop:
      destination: my_vendor
      settings: { api_key: "${env:MY_VENDOR_KEY}" }
      calls: [identify, track]

What a word may hold is said by `schemas/connections.schema.json`, which editors use too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Table
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from engine.delivery.configured import Configured, rebased
from engine.errors import MappingError, MappingNotFound, PathError, SettingsError, UsageError
from engine.language import paths
from engine.mapping import schema
from engine.mapping.load import Library
from engine.mapping.problems import Mark, place_text
from engine.mapping.schema import files
from engine.mapping.settings import NotSet, address_fault, complete, filled
from engine.mapping.suggest import closest
from engine.mapping.yaml.reader import Document
from engine.mapping.yaml.reader import read as read_yaml
from engine.plan import Connection, Destination, destination
from engine.records import Json, JsonObject, Place

T = TypeVar("T")
NOT_NAMES = (
    "A connections file holds connections by name, for example\nshop:\n  destination: my_vendor\n  settings: {...}"
)

JSON = "This is JSON, such as events are."
EVENT_WORDS = ("type", "messageId", "userId", "anonymousId")

BAD_NAME = "A connection's name has letters, digits, _, . and -, at most 64, and begins with a letter or digit."

SOURCES = "sources"
"""Not a connection: who may send to the collector, which reads it itself."""

OWN_WORDS = {"rate_limit": "A rate limit is a number of requests and s, m or h: 100/s, 5000/h; or none."}


class ConnectionsError(UsageError):
    """A connections file that does not fit; `problems` holds one text each, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class ConnectionFault(Exception):  # noqa: N818  collected, not raised to anyone
    """One thing wrong, and where."""

    def __init__(self, place: Place, message: str, *, on_key: bool = False) -> None:
        self.place = place
        self.message = message
        self.on_key = on_key
        super().__init__(message)


class File(NamedTuple):
    """What a connections file holds: the connections that are enabled, and the names of those that are not.

    `unset` holds the environment variables that disabled connections name and that are not set.
    """

    connections: list[Configured]
    disabled: list[str]
    unset: dict[str, tuple[str, ...]]


class CheckedFile(NamedTuple):
    """A connections file with all that is wrong with its connections; `enabled` are named also where wrong."""

    document: Document
    file: File
    enabled: list[str]
    faults: list[ConnectionFault]


def load(path: Path, environment: Table[str, str], directories: Sequence[Path] = ()) -> File:
    """Read a connections file; raises ConnectionsError with everything that is wrong with its connections."""
    reading = read(path, environment, directories)
    if reading.faults:
        raise ConnectionsError(told(reading.document, reading.faults))
    return reading.file


def read(path: Path, environment: Table[str, str], directories: Sequence[Path] = ()) -> CheckedFile:
    """Read a connections file; raises ConnectionsError only where it holds nothing by name."""
    document = read_yaml(path)
    value = document.value
    if _is_json(document):
        raise ConnectionsError(told(document, [ConnectionFault((), f"{JSON} {NOT_NAMES}")]))
    if document.problems:
        raise ConnectionsError([str(problem) for problem in document.problems])
    if not isinstance(value, dict) or not value:
        raise ConnectionsError(told(document, [ConnectionFault((), NOT_NAMES)]))
    reader = _ConnectionsReader(path, Library(directories or None), environment)
    reading = CheckedFile(document, File([], [], {}), [], reader.faults)
    for name, raw in value.items():
        if name == SOURCES:
            continue
        if isinstance(raw, dict) and raw.get("enabled") is False:
            reading.file.disabled.append(name)
            reading.file.unset[name] = reader.disabled(name, raw)
        else:
            reading.enabled.append(name)
            reading.file.connections.extend(reader.connection(name, raw))
    return reading


def _is_json(document: Document) -> bool:
    """Say whether a file holds events, or other JSON that is no connections by name; as YAML it is not explained."""
    value = document.value
    if document.file.endswith((".ndjson", ".jsonl")):
        return document.text != ""
    is_event = isinstance(value, dict) and any(isinstance(value.get(word), str) for word in EVENT_WORDS)
    return document.text.lstrip().startswith(("{", "[")) and (is_event or isinstance(value, list))


def told(document: Document, faults: Iterable[ConnectionFault]) -> list[str]:
    """Return what people read of faults, in the order of the file's lines."""
    marks = [document.key_mark(fault.place) if fault.on_key else document.mark(fault.place) for fault in faults]
    pairs = sorted(zip(marks, faults, strict=True), key=lambda pair: pair[0])
    return [_text(mark, fault) for mark, fault in pairs]


def _text(mark: Mark, fault: ConnectionFault) -> str:
    place = f"{mark.file}:{mark.line}:{mark.column}  {place_text(fault.place)}".rstrip()
    text = fault.message.replace("\n", "\n  ")
    return f"{place}\n  {text}"


def sentence(clause: str) -> str:
    """Return a clause as the beginning of a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}"


class _ConnectionsReader:
    """Reads one file's connections and collects what is wrong; a word that is wrong does not hide another."""

    def __init__(self, path: Path, library: Library, environment: Table[str, str]) -> None:
        self.faults: list[ConnectionFault] = []
        self._path = path
        self._library = library
        self._environment = environment

    def connection(self, name: str, raw: Json) -> list[Configured]:
        """Read one connection; none where something is wrong with it."""
        before = len(self.faults)
        words = self._words(name, raw)
        target = self._destination(name, words)
        connection: Connection | None = None
        if target is not None:
            connection = self._settings(name, words, lambda given: target.connect(given, self._environment))
        when, url = self._when(name, words), self._base_url(name, words)
        if len(self.faults) > before:
            return []
        assert connection is not None
        configured = Configured(
            name=name,
            connection=connection if url is None else rebased(connection, url),
            calls=frozenset(cast("list[str]", words["calls"])) if "calls" in words else None,
            when=when,
            rate_limit=None if "rate_limit" not in words else cast("str", words["rate_limit"]).replace("none", ""),
            ordered_batches=bool(words.get("ordered_batches", False)),
        )
        return [configured]

    def disabled(self, name: str, raw: Json) -> tuple[str, ...]:
        """Check a connection that is not used; gives the environment variables that are not set."""
        unset: list[str] = []
        words = self._words(name, raw)
        target = self._destination(name, words)
        if target is not None:
            self._settings(name, words, lambda given: complete(target.mapping, given, self._environment, unset))
        self._when(name, words)
        self._base_url(name, words, unset)
        return tuple(dict.fromkeys(unset))

    def _fault(self, place: Place, message: str, *, on_key: bool = False) -> None:
        self.faults.append(ConnectionFault(place, message, on_key=on_key))

    def _words(self, name: str, raw: Json) -> JsonObject:
        """Return the words that are as the schema wants them; one that is not is null, but for those left out."""
        if _checks()["name"](name) is not None:
            self._fault((name,), BAD_NAME, on_key=True)
        if not isinstance(raw, dict):
            self._fault((name,), "A connection is a mapping: destination, settings, ...")
            return {"destination": None}
        return {word: value if self._fits(name, word, value) else None for word, value in raw.items()}

    def _fits(self, name: str, word: str, value: Json) -> bool:
        check = _checks().get(f".{word}")
        if check is None:
            known = [each[1:] for each in _checks() if each.startswith(".")]
            guess = closest(word, known)
            advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(known)}."
            self._fault((name, word), f'A connection has no "{word}". {advice}', on_key=True)
            return False
        if (problem := check(value)) is not None:
            self._fault((name, word), OWN_WORDS.get(word) or f"{sentence(problem)}.")
            return False
        return True

    def _destination(self, name: str, words: JsonObject) -> Destination | None:
        """Load the mapping; a word that may be a misspelt `destination` is not taken for a missing one."""
        wanted = words.get("destination", None if _is_misspelt("destination", words) else name)
        if not isinstance(wanted, str):
            return None
        if "/" in wanted or wanted.endswith((".yaml", ".yml")):
            wanted = str(self._path.parent / wanted)
        place: Place = (name, "destination") if "destination" in words else (name,)
        try:
            return destination(self._library.load(wanted))
        except (MappingNotFound, MappingError) as error:
            self._fault(place, str(error))
            return None

    def _settings(self, name: str, words: JsonObject, use: Callable[[JsonObject], T]) -> T | None:
        """Do something with the settings; tells what is wrong with each where it stands."""
        given = words.get("settings", None if _is_misspelt("settings", words) else {})
        if not isinstance(given, dict):
            return None
        try:
            return use(given)
        except SettingsError as error:
            for setting, problem in zip(error.names, error.problems, strict=True):
                place: Place = (name, "settings", setting) if setting in given else (name, "settings")
                self._fault(place if "settings" in words else (name,), problem, on_key="no setting" in problem)
            return None

    def _when(self, name: str, words: JsonObject) -> str | None:
        when = cast("str | None", words.get("when"))
        if when is not None:
            try:
                paths.parse(when)
            except PathError as error:
                self._fault((name, "when"), f"This is no path: {error} (column {error.column} of the text)")
        return when

    def _base_url(self, name: str, words: JsonObject, unset: list[str] | None = None) -> str | None:
        if words.get("base_url") is None:
            return None
        place: Place = (name, "base_url")
        try:
            url = str.__str__(cast("str", filled(words["base_url"], self._environment)))
        except NotSet as error:
            if unset is None:
                self._fault(place, sentence(str(error)))
            else:
                unset += error.names
            return None
        except ValueError as error:
            self._fault(place, sentence(str(error)))
            return None
        if fault := address_fault(url):
            self._fault(place, f"{sentence(fault)}.")
        return url.rstrip("/")


def _is_misspelt(word: str, words: JsonObject) -> bool:
    """Say whether a word seems to be there under a wrong name, of which people have been told."""
    return any(f".{each}" not in _checks() and closest(each, [word]) for each in words)


@cache
def _checks() -> dict[str, Any]:
    """Return a check for the name of a connection and one for each of its words (`.calls`)."""
    import orjson

    whole = orjson.loads((files.folder() / "connections.schema.json").read_bytes())
    words = whole["additionalProperties"]["properties"]
    checks = {"name": schema.validator(whole["propertyNames"])}
    return checks | {f".{word}": schema.validator(rule) for word, rule in words.items()}
