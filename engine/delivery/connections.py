"""Reads `connections.yaml`: checks every key, and reports all errors at once, each with its line.

    shop:
      destination: my_vendor
      settings: { api_key: "${env:MY_VENDOR_KEY}" }
      calls: [identify, track]

`schemas/connections.schema.json`, which editors use too, defines the values of each key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Table
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from engine.delivery.configured_connection import ConfiguredConnection, rebased_destination
from engine.errors import MappingError, MappingNotFound, PathError, SettingsError, UsageError
from engine.language import paths
from engine.language.suggest import closest
from engine.mapping import schema
from engine.mapping.load import Library, Loaded
from engine.mapping.personal import KINDS, no_kind
from engine.mapping.problems import Mark, place_text
from engine.mapping.schema import files
from engine.mapping.settings import NotSet, address_fault, complete, filled
from engine.mapping.yaml.reader import Document
from engine.mapping.yaml.reader import read as read_yaml
from engine.mapping.yaml.without_text import without_text
from engine.plan import Connection, Destination, destination
from engine.records import Json, JsonObject, Place

if TYPE_CHECKING:
    from engine.mapping.privacy import Breach

T = TypeVar("T")
NOT_CONNECTIONS = (
    "A connections file maps names to connections, for example\nshop:\n  destination: my_vendor\n  settings: {...}"
)
LIKE_EVENTS = "This is JSON, like a file of events."
EVENT_FIELDS = ("type", "messageId", "userId", "anonymousId")
BAD_NAME = "A connection's name must be 1 to 64 letters, digits, _, . and -, and start with a letter or digit."
MOST_BREACHES = 20
"""Of one connection's `privacy` that are reported."""
MESSAGES = {"rate_limit": "rate_limit must be a number of requests per s, m or h, such as 100/s or 5000/h, or none."}
"""Messages for keys whose schema would explain less."""

SOURCES = "sources"
"""The one key that is not a connection: who may send to the collector, which reads it itself."""


class ConnectionsError(UsageError):
    """An invalid connections file; `problems` holds one message for each error, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class ConnectionFault(NamedTuple):
    """One error in the file, and where."""

    place: Place
    message: str
    on_key: bool = False


class File(NamedTuple):
    """The content of a connections file: enabled connections, and the names of disabled ones.

    `unset` holds the environment variables that disabled connections name and that are not set.
    """

    connections: list[ConfiguredConnection]
    disabled: list[str]
    unset: dict[str, tuple[str, ...]]


class CheckedFile(NamedTuple):
    """A connections file with the errors of its connections; `enabled` also names those that have errors."""

    document: Document
    file: File
    enabled: list[str]
    faults: list[ConnectionFault]


class CorrectedMapping(NamedTuple):
    """A mapping in place of the one in the file: for one connection, or for all whose mapping has the same name."""

    destination: Destination
    connection: str | None = None

    def replaces(self, connection: str, mapping: str | None = None) -> bool:
        """Whether it is the mapping of a connection, whose own is called `mapping`."""
        return mapping == self.destination.name if self.connection is None else connection == self.connection


def load(
    path: Path,
    environment: Table[str, str],
    directories: Sequence[Path] = (),
    corrected: CorrectedMapping | None = None,
    read_mapping: Callable[[Path], Document] = read_yaml,
) -> File:
    """Read a connections file; raises ConnectionsError with all errors of its connections."""
    reading = read(path, environment, directories, corrected, read_mapping)
    if reading.faults:
        raise ConnectionsError(fault_texts(reading.document, reading.faults))
    return reading.file


def read(
    path: Path,
    environment: Table[str, str],
    directories: Sequence[Path] = (),
    corrected: CorrectedMapping | None = None,
    read_mapping: Callable[[Path], Document] = read_yaml,
) -> CheckedFile:
    """Read a connections file; raises ConnectionsError only if it does not map names."""
    return read_document(read_yaml(path), path, environment, Library(directories or None, read_mapping), corrected)


def read_document(
    document: Document,
    path: Path,
    environment: Table[str, str],
    library: Library,
    corrected: CorrectedMapping | None = None,
) -> CheckedFile:
    """Read the text that the file at `path` has, or is to have; raises ConnectionsError like `read`."""
    value = document.value
    if _is_json(document):
        raise ConnectionsError(fault_texts(document, [ConnectionFault((), f"{LIKE_EVENTS} {NOT_CONNECTIONS}")]))
    if document.problems:
        raise ConnectionsError([str(without_text(problem)) for problem in document.problems])
    if not isinstance(value, dict) or not value:
        raise ConnectionsError(fault_texts(document, [ConnectionFault((), NOT_CONNECTIONS)]))
    reader = _ConnectionsReader(path, library, environment, corrected)
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
    """Whether a file holds events, or other JSON that does not map names; YAML errors would not explain that."""
    value = document.value
    if document.file.endswith((".ndjson", ".jsonl")):
        return document.text != ""
    is_event = isinstance(value, dict) and any(isinstance(value.get(field), str) for field in EVENT_FIELDS)
    return document.text.lstrip().startswith(("{", "[")) and (is_event or isinstance(value, list))


def fault_texts(document: Document, faults: Iterable[ConnectionFault]) -> list[str]:
    """Return the messages of faults with their places, in the order of the lines."""
    marks = [document.key_mark(fault.place) if fault.on_key else document.mark(fault.place) for fault in faults]
    pairs = sorted(zip(marks, faults, strict=True), key=lambda pair: pair[0])
    return [_text(mark, fault) for mark, fault in pairs]


def _text(mark: Mark, fault: ConnectionFault) -> str:
    place = f"{mark.file}:{mark.line}:{mark.column}  {place_text(fault.place)}".rstrip()
    text = fault.message.replace("\n", "\n  ")
    return f"{place}\n  {text}"


def sentence(clause: str) -> str:
    """Return a clause with a capital first letter."""
    return f"{clause[:1].upper()}{clause[1:]}"


class FaultCollector:
    """Base of the readers of a connections file: collects faults, so that one does not hide another."""

    def __init__(self, environment: Table[str, str]) -> None:
        self.faults: list[ConnectionFault] = []
        self._environment = environment

    def _fault(self, place: Place, message: str, *, on_key: bool = False) -> None:
        self.faults.append(ConnectionFault(place, message, on_key))

    def _unknown_key(self, place: Place, owner: str, known: Sequence[str]) -> None:
        """Report a key that `owner` does not have, with the one that was probably meant."""
        key = str(place[-1])
        guess = closest(key, known)
        advice = f"Did you mean {guess}?" if guess else f"Available: {', '.join(known)}."
        self._fault(place, f'{owner} has no key "{key}". {advice}', on_key=True)

    def _filled(self, place: Place, text: Json, unset: list[str] | None = None) -> str | None:
        """Return a text with `${env:NAME}` filled in; None if that fails, which is reported.

        Variables that are not set are added to `unset` instead, if it is given.
        """
        try:
            return str.__str__(cast("str", filled(text, self._environment)))
        except ValueError as error:
            if unset is not None and isinstance(error, NotSet):
                unset += error.names
            else:
                self._fault(place, sentence(str(error)))
            return None


class _ConnectionsReader(FaultCollector):
    """Reads the connections of one file."""

    def __init__(
        self, path: Path, library: Library, environment: Table[str, str], corrected: CorrectedMapping | None = None
    ) -> None:
        super().__init__(environment)
        self._path = path
        self._library = library
        self._corrected = corrected

    def connection(self, name: str, raw: Json) -> list[ConfiguredConnection]:
        """Read one connection; the list is empty if it has an error."""
        before = len(self.faults)
        fields = self._fields(name, raw)
        target = self._destination(name, fields)
        when, url = self._when(name, fields), self._base_url(name, fields)
        connection: Connection | None = None
        if target is not None:
            # Compiling takes most of the time here, so that it is done for the base URL that is used alone.
            used = target if url is None or len(self.faults) > before else rebased_destination(target, url)
            connection = self._settings(name, fields, lambda given: used.connect(given, self._environment))
            self._privacy(name, fields, target.loaded, connection)
        if len(self.faults) > before:
            return []
        assert connection is not None
        configured = ConfiguredConnection(
            name=name,
            connection=connection,
            calls=frozenset(cast("list[str]", fields["calls"])) if "calls" in fields else None,
            when=when,
            rate_limit=None if "rate_limit" not in fields else cast("str", fields["rate_limit"]).replace("none", ""),
            ordered_batches=bool(fields.get("ordered_batches", False)),
        )
        return [configured]

    def disabled(self, name: str, raw: Json) -> tuple[str, ...]:
        """Check a disabled connection; return the environment variables it names that are not set."""
        unset: list[str] = []
        fields = self._fields(name, raw)
        target = self._destination(name, fields)
        if target is not None:
            self._settings(name, fields, lambda given: complete(target.mapping, given, self._environment, unset))
        self._when(name, fields)
        self._base_url(name, fields, unset)
        return tuple(dict.fromkeys(unset))

    def _fields(self, name: str, raw: Json) -> JsonObject:
        """Return a connection's fields; those that do not match the schema are null."""
        if _validators()["name"](name) is not None:
            self._fault((name,), BAD_NAME, on_key=True)
        if not isinstance(raw, dict):
            self._fault((name,), "A connection must be a mapping with destination, settings, ...")
            return {"destination": None}
        return {key: value if self._is_valid(name, key, value) else None for key, value in raw.items()}

    def _is_valid(self, name: str, key: str, value: Json) -> bool:
        validate = _validators().get(f".{key}")
        if validate is None:
            self._unknown_key((name, key), "A connection", [each[1:] for each in _validators() if each[0] == "."])
            return False
        if key == "privacy" and isinstance(value, dict) and not self._knows_kinds(name, value):
            return False
        if (problem := validate(value)) is not None:
            self._fault((name, key), MESSAGES.get(key) or f"{sentence(problem)}.")
            return False
        return True

    def _knows_kinds(self, name: str, promised: JsonObject) -> bool:
        """Report kinds of personal data that there are not."""
        unknown = [kind for kind in promised if kind not in KINDS]
        for kind in unknown[:MOST_BREACHES]:
            guess = closest(kind, KINDS)
            advice = f"\nDid you mean {guess}?" if guess else ""
            self._fault((name, "privacy", kind), f"{no_kind(kind)}{advice}", on_key=True)
        return not unknown

    def _destination(self, name: str, fields: JsonObject) -> Destination | None:
        """Load the mapping, unless `destination` seems to be misspelled, which is reported already."""
        corrected = self._corrected
        if corrected is not None and corrected.replaces(name):
            return corrected.destination
        wanted = fields.get("destination", None if _is_misspelled("destination", fields) else name)
        if not isinstance(wanted, str):
            return None
        if "/" in wanted or wanted.endswith((".yaml", ".yml")):
            wanted = str(self._path.parent / wanted)
        place: Place = (name, "destination") if "destination" in fields else (name,)
        try:
            found = destination(self._library.load(wanted))
        except (MappingNotFound, MappingError) as error:
            self._fault(place, str(error))
            return None
        return corrected.destination if corrected is not None and corrected.replaces(name, found.name) else found

    def _settings(self, name: str, fields: JsonObject, use: Callable[[JsonObject], T]) -> T | None:
        """Apply `use` to the settings; report each error at the setting it belongs to."""
        given = fields.get("settings", None if _is_misspelled("settings", fields) else {})
        if not isinstance(given, dict):
            return None
        try:
            return use(given)
        except SettingsError as error:
            for setting, problem in zip(error.names, error.problems, strict=True):
                place: Place = (name, "settings", setting) if setting in given else (name, "settings")
                self._fault(place if "settings" in fields else (name,), problem, on_key="no setting" in problem)
            return None

    def _privacy(self, name: str, fields: JsonObject, loaded: Loaded, connection: Connection | None) -> None:
        """Report what breaks the connection's `privacy`; the mapping's own is proved with the mapping."""
        promised, calls = fields.get("privacy"), fields.get("calls")
        if not isinstance(promised, dict) or connection is None:
            return
        from engine.mapping.privacy import breaches

        only = frozenset(map(str, calls)) if isinstance(calls, list) else None
        privacy = cast("dict[str, str]", promised)
        found = breaches(loaded.mapping, privacy, settings=connection.settings, calls=only)
        for fault in dict.fromkeys(self._breach(name, loaded, each) for each in islice(found, MOST_BREACHES)):
            self._fault(*fault)

    @staticmethod
    def _breach(name: str, loaded: Loaded, breach: Breach) -> tuple[Place, str]:
        message = f"{breach.message}\n{breach.advice}"
        if breach.template:
            return (name, "settings", breach.template), message
        file, line, column = loaded.mark(breach.sent.flow.written.place)
        return (name, "privacy", breach.kind), f"{file}:{line}:{column}: {message}"

    def _when(self, name: str, fields: JsonObject) -> str | None:
        when = cast("str | None", fields.get("when"))
        if when is not None:
            try:
                paths.parse(when)
            except PathError as error:
                self._fault((name, "when"), f"Invalid path: {error} (column {error.column} of the text)")
        return when

    def _base_url(self, name: str, fields: JsonObject, unset: list[str] | None = None) -> str | None:
        if fields.get("base_url") is None:
            return None
        place: Place = (name, "base_url")
        url = self._filled(place, fields["base_url"], unset)
        if url is None:
            return None
        if fault := address_fault(url):
            self._fault(place, f"{sentence(fault)}.")
        return url.rstrip("/")


def _is_misspelled(key: str, fields: JsonObject) -> bool:
    """Whether a key seems to be there under a wrong name, which is reported as an unknown key."""
    return any(f".{each}" not in _validators() and closest(each, [key]) for each in fields)


@cache
def _validators() -> dict[str, Any]:
    """Return a validator for the name of a connection and one for each of its keys (`.calls`)."""
    import orjson

    whole = orjson.loads((files.folder() / "connections.schema.json").read_bytes())
    properties = whole["additionalProperties"]["properties"]
    validators = {"name": schema.validator(whole["propertyNames"])}
    return validators | {f".{key}": schema.validator(rule) for key, rule in properties.items()}
