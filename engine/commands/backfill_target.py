"""Which connections a backfill feeds, and as whose events: mappings with settings, or those of a connections file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.commands.options import SettingsOptions
from engine.commands.shared import did_you_mean
from engine.errors import MappingNotFound, UsageError

if TYPE_CHECKING:
    from engine.collector.sources import EventSource
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.records import Json

DEFAULT_CONNECTIONS = Path("connections.yaml")
DEFAULT_SOURCE = "backfill"
"""The source of events that are fed to mappings of the command line."""

NO_SOURCE = "--connections needs --source NAME: a source of {file}, which the events then are of."
SETTINGS_TOO = "--source and --connections cannot be combined with settings: {file} has those of its connections."
NO_MAPPING = "Name at least one mapping, or a source of a connections file with --source."
NO_CONNECTION = "{error}\nFor a connection of a connections file, add --source NAME, a source of that file."


class BackfillTarget(NamedTuple):
    """The source that events are of, and the connections they go to, with the settings as they are written.

    Of an archive only the events of `archived_source` are read, None for those of all sources.
    """

    source: EventSource
    connections: list[ConfiguredConnection]
    settings: Mapping[str, Mapping[str, Json]]
    archived_source: str | None = None


def backfill_target(
    names: Sequence[str], source: str | None, connections_file: Path | None, settings: SettingsOptions
) -> BackfillTarget:
    """Return what a command line names: mappings, or with `source` connections of a file.

    Raises UsageError, SettingsError or MappingError.
    """
    if source is None and connections_file is None:
        return _of_mappings(names, settings)
    file = connections_file or DEFAULT_CONNECTIONS
    if source is None:
        raise UsageError(NO_SOURCE.format(file=file))
    if settings.file or settings.assignments or settings.examples:
        raise UsageError(SETTINGS_TOO.format(file=file))
    return _of_source(names, source, file, settings.directories)


def _of_mappings(names: Sequence[str], settings: SettingsOptions) -> BackfillTarget:
    from engine.collector.sources import EventSource
    from engine.commands.connection_options import connections_of, written_settings

    if not names:
        raise UsageError(NO_MAPPING)
    try:
        configured = connections_of(names, None, settings)
    except MappingNotFound as error:
        raise MappingNotFound(NO_CONNECTION.format(error=error)) from None
    written = written_settings([each.connection.destination for each in configured], settings)
    source = EventSource(DEFAULT_SOURCE, (), tuple(each.name for each in configured))
    return BackfillTarget(source, configured, written)


def _of_source(names: Sequence[str], name: str, file: Path, directories: Sequence[Path]) -> BackfillTarget:
    from engine.collector import sources
    from engine.commands.import_events import source_of
    from engine.mapping.yaml import reader

    found = sources.load(file, os.environ, directories)
    source = source_of(name, found, file)
    for each in names:
        if each not in source.connections:
            raise UsageError(
                f"The source {source.name} has no connection {each} in {file}. {did_you_mean(each, source.connections)}"
            )
    wanted = names or source.connections
    value: Any = reader.read(file).value
    settings = {each: value[each].get("settings") or {} for each in wanted}
    return BackfillTarget(source, [each for each in found.file.connections if each.name in wanted], settings, name)
