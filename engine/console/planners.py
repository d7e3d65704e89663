"""By what a stored event is planned again: the version of the mapping that planned it, wherever that can be had.

A version's files are in the outbox, its settings are not: those of the connection as it is now stand for them, or the
mapping's examples where this console does not know the connection.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import NamedTuple

from engine.compiler.recording import Recorder
from engine.console.playground.trying import UnresolvedEnvironment
from engine.delivery.configured_connection import ConfiguredConnection, digest_of, rebased_like
from engine.delivery.mapping_versions import unpack
from engine.errors import SettingsError
from engine.language.texts import visible
from engine.mapping.load import Loaded
from engine.mapping.settings import revealed
from engine.plan import Connection, Destination
from engine.records import unmasked

REMEMBERED = 8
"""Mappings that are kept compiled for explaining."""
CURRENT = "Planned by version {digest} of the mapping, which is the current one."
OLDER = "Planned by version {digest} of the mapping, whose text is in the outbox. The current version is {current}."
EXAMPLES = (
    "Planned by version {digest} of the mapping, with its example settings: this console does not know the connection "
    "{name}. Start it with --connections FILE to see the real ones."
)
NOT_PLANNED = "It was not planned yet. This is what the current mapping, version {digest}, makes of it."
OTHER = (
    "It was planned by version {old} of the mapping, which {why}. This is what the current one, version {digest}, "
    "makes of it, so what was sent may differ."
)
NO_MAPPING = (
    "This console does not know the connection {name}, and the mapping that planned it is not in the outbox. "
    "Start it with --connections FILE to see what its requests are made of."
)
NOT_KEPT = "is not in the outbox"
NOT_READABLE = "cannot be read any more"
NOT_CONNECTED = "does not connect with the settings of today"


class Planner(NamedTuple):
    """A connection whose mapping records what it does; `exact` is whether it is the version that planned the event.

    `note` says so for people. Without a connection, there is nothing to plan with.
    """

    configured: ConfiguredConnection | None
    exact: bool
    note: str


class Planners:
    """Finds planners; compiled mappings are remembered."""

    def __init__(self) -> None:
        self._recording: OrderedDict[int, tuple[Connection, Connection]] = OrderedDict()
        self._older: OrderedDict[tuple[str, int], ConfiguredConnection] = OrderedDict()

    def find(
        self, name: str, digest: str | None, configured: ConfiguredConnection | None, files: bytes | None
    ) -> Planner:
        """Return what plans an event of a connection; `digest` is of the version that planned it, `files` its files."""
        if configured is not None and digest in (None, configured.digest()):
            note = (NOT_PLANNED if digest is None else CURRENT).format(digest=configured.digest())
            return Planner(self._recorded(configured), digest is not None, note)
        older = NOT_KEPT if files is None or digest is None else self._of_files(name, digest, configured, files)
        if not isinstance(older, str):
            current = EXAMPLES if configured is None else OLDER
            shown = "" if configured is None else configured.digest()
            return Planner(older, True, current.format(digest=digest, current=shown, name=visible(name)))
        if configured is None:
            return Planner(None, False, NO_MAPPING.format(name=visible(name)))
        note = OTHER.format(old=visible(digest or ""), why=older, digest=configured.digest())
        return Planner(self._recorded(configured), False, note)

    def _recorded(self, configured: ConfiguredConnection) -> ConfiguredConnection:
        """Return a connection like this one that records; it is compiled anew for that."""
        connection = configured.connection
        known = self._recording.get(id(connection))
        if known is None:
            recording = Connection(Destination(connection.destination.loaded, Recorder()), connection.settings)
            known = self._recording[id(connection)] = (connection, recording)  # keeps the first, so its id is its own
        self._recording.move_to_end(id(connection))
        while len(self._recording) > REMEMBERED:
            self._recording.popitem(last=False)
        return replace(configured, connection=known[1])

    def _of_files(
        self, name: str, digest: str, configured: ConfiguredConnection | None, files: bytes
    ) -> ConfiguredConnection | str:
        """Return a connection under an older version of its mapping, or why that cannot be."""
        key = (digest, 0 if configured is None else id(configured.connection))
        if key not in self._older:
            try:
                loaded = unpack(files)
                if not loaded.readable or digest_of(loaded) != digest:
                    return NOT_READABLE
                connection = _connected(loaded, configured)
            except ValueError:
                return NOT_READABLE
            except SettingsError:
                return NOT_CONNECTED
            made = ConfiguredConnection(name=name, connection=connection)
            self._older[key] = made if configured is None else replace(configured, connection=connection)
            while len(self._older) > REMEMBERED:
                self._older.popitem(last=False)
        return self._older[key]


def _connected(loaded: Loaded, configured: ConfiguredConnection | None) -> Connection:
    """Connect a version with the settings of today that it knows, or with its examples."""
    older = Destination(loaded, Recorder())
    if configured is None:
        return older.connect(older.example_settings(), UnresolvedEnvironment())
    current = configured.connection
    if names := revealed(current.mapping, older.mapping):
        raise SettingsError(older.mapping.title, [f"{name} is a secret now." for name in names])
    known = {name: unmasked(each) for name, each in current.settings.items() if name in older.mapping.settings}
    connected = rebased_like(current, older.connect(known, {}))
    return Connection(Destination(connected.destination.loaded, Recorder()), connected.settings)
