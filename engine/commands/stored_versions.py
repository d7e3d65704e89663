"""The version of a mapping under which an event of an outbox was planned, and a connection that plans by it again."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.commands.connection_options import given_settings
from engine.commands.options import SettingsOptions, looked_at
from engine.commands.shared import did_you_mean
from engine.delivery.outbox.base import DEFAULT_FILE, Chosen, outbox_command
from engine.errors import SettingsError, UsageError, WaybillError
from engine.language.texts import visible

if TYPE_CHECKING:
    import sqlite3

    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.outbox.base import Outbox
    from engine.delivery.outbox.location import Location
    from engine.delivery.outbox.looking import Found
    from engine.delivery.sending.versions import Version
    from engine.mapping.load import Loaded

MOST_STATES = 50


class PlannedBy(NamedTuple):
    """The state of an event for a connection, and the files of the mapping's version that planned it."""

    found: Found
    files: bytes | None


def planned_by(outbox: Location, event: str, connection: str) -> tuple[Found, Loaded]:
    """Return an event's state for a connection with the version that planned it; raises UsageError and OutboxError."""
    from engine.delivery.outbox.reading import OutboxFile

    state = OutboxFile(looked_at(outbox)).look(lambda db: _planned_by(db, outbox, event, connection))
    if state.files is None:
        raise UsageError(
            f"Version {state.found.digest} of the mapping of {connection} is not kept in this outbox; name a mapping: "
            f"engine explain MAPPING{_option(outbox)} --message-id {state.found.event}"
        )
    return state.found, loaded_version(state.files, state.found.digest or "")


def _option(outbox: Location) -> str:
    return "" if outbox == DEFAULT_FILE else f" --outbox {shlex.quote(str(outbox))}"


def _planned_by(db: sqlite3.Connection, outbox: Location, event: str, connection: str) -> PlannedBy:
    from engine.delivery.outbox import looking

    rows = looking.newest(db, Chosen(event=event), MOST_STATES)
    if not rows:
        raise UsageError(
            f"There is no event {visible(event)} in this outbox; {outbox_command('list', outbox)} shows the events."
        )
    own = [row for row in rows if row.connection == connection]
    if not own:
        known = sorted({row.connection for row in rows})
        raise UsageError(f"Event {visible(event)} is not for {visible(connection)}. {did_you_mean(connection, known)}")
    found = next((row for row in own if row.digest is not None), None)
    if found is None:
        raise UsageError(
            f"{connection} has not planned event {visible(event)}: it is {own[0].outcome.value} ({own[0].reason}). "
            "Name a mapping to see what it would become."
        )
    version = looking.version_files(db, found.digest or "")
    return PlannedBy(found, None if version is None else version[1])


def loaded_version(files: bytes, digest: str) -> Loaded:
    """Return the mapping of a stored version; raises WaybillError if it is damaged."""
    from engine.delivery.mapping_versions import unpack

    try:
        return unpack(files)
    except ValueError:
        raise WaybillError(
            f"Version {digest} of the mapping is damaged in the outbox; name a mapping instead."
        ) from None


def configured_in(file: Path, name: str, directories: tuple[Path, ...]) -> ConfiguredConnection:
    """Return a connection of a file by its name; raises UsageError."""
    from engine.delivery.connections import load

    connections = {each.name: each for each in load(file, os.environ, directories).connections}
    if name not in connections:
        raise UsageError(f"{file} has no connection {name} that is enabled. {did_you_mean(name, connections)}")
    return connections[name]


def version_of(outbox: Outbox, found: Found, file: Path | None, settings: SettingsOptions) -> Version | str:
    """Return what plans an event as its version did, with the settings of a file or of options; or why nothing can."""
    from engine.delivery.older_versions import OlderVersions
    from engine.delivery.sending.versions import Version

    digest = found.digest or ""
    if file is not None:
        configured = configured_in(file, found.connection, settings.directories)
        if configured.digest() == digest:
            return Version.of(configured, time.time)
        return OlderVersions(configured, outbox, time.time).find(digest)
    stored = outbox.version_files(digest)
    return (
        "was not kept" if stored is None else _connected(found.connection, loaded_version(stored[1], digest), settings)
    )


def _connected(name: str, loaded: Loaded, settings: SettingsOptions) -> Version:
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.sending.versions import Version
    from engine.plan import destination

    target = destination(loaded)
    given = given_settings([target], settings)[target.name]
    examples = target.example_settings() if settings.examples else {}
    try:
        connection = target.connect({**examples, **given}, os.environ)
    except SettingsError as error:
        how = "--connections FILE has them, or --settings FILE, --set KEY=VALUE, or --example-settings."
        raise UsageError(f"--requests plans the event again, which needs settings. {error}\n{how}") from None
    return Version.of(ConfiguredConnection(name=name, connection=connection), time.time)
