"""Which connections a replay means, and what judges their events: a file of connections, a mapping, or both.

An outbox knows only the names of connections.  So a mapping alone is for the connection that has its name, which is
what `engine send MAPPING` and `engine serve MAPPING` call it, or for the one that a person names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.commands.connection_options import connect
from engine.commands.options import SettingsOptions, check_connection
from engine.commands.shared import did_you_mean
from engine.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.connections import File
    from engine.delivery.outbox.base import Outbox
    from engine.plan import Destination

SETTINGS_TWICE = (
    "--connections cannot be combined with --settings, --set and --example-settings; the file has the settings."
)
SETTINGS_OF_NOTHING = (
    "Settings and --mappings are about a mapping: add --mapping MAPPING, or --connections FILE, which has its own."
)
GIVE_SETTINGS = "Give them with --settings, --set or --example-settings, or name the --connections FILE that has them."


class ReplayOptions(NamedTuple):
    """The options that say which connections are meant."""

    connection: str | None
    mapping: str | None
    file: Path | None
    settings: SettingsOptions


class Judges(NamedTuple):
    """What judges the events of each connection that is meant; `by_name` is None if nothing does.

    `only` is the one connection that is meant, None for several. Events of a connection that `by_name` lacks are left
    out for the reason `missing` has, or are not meant where it has none. `notes` say what judges instead of the file.
    """

    by_name: Mapping[str, ConfiguredConnection] | None = None
    only: str | None = None
    missing: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()

    def means(self, connection: str) -> bool:
        """Whether the events of a connection are meant, even if only to say why they are left out."""
        if self.only is not None:
            return connection == self.only
        return self.by_name is None or connection in self.by_name or connection in self.missing


def judges_of(outbox: Outbox, options: ReplayOptions) -> Judges:
    """Return what judges; raises UsageError where it is not clear which connections are meant."""
    if options.connection is not None:
        check_connection(outbox, options.connection)
    if options.file is not None:
        return _of_file(outbox, options, options.file)
    if options.mapping is not None:
        return _of_mapping(outbox, options, options.mapping)
    if options.settings != SettingsOptions():
        raise UsageError(SETTINGS_OF_NOTHING)
    return Judges(only=options.connection)


def _of_mapping(outbox: Outbox, options: ReplayOptions, mapping: str) -> Judges:
    from engine.delivery.configured_connection import ConfiguredConnection

    target = _destination(mapping, options.settings)
    name = options.connection or _named_like(outbox, target, mapping)
    try:
        [named] = connect([mapping], options.settings)
    except SettingsError as error:
        raise UsageError(f"{error}\n{GIVE_SETTINGS}") from error
    judge = ConfiguredConnection(name=name, connection=named.connection)
    return Judges({name: judge}, name, notes=(f"{name} is judged by the mapping {_shown(mapping, target)}.",))


def _destination(mapping: str, settings: SettingsOptions) -> Destination:
    from engine.mapping.load import Library
    from engine.plan import destination

    return destination(Library(settings.directories or None).load(mapping))


def _shown(mapping: str, target: Destination) -> str:
    return mapping if mapping == target.name else f"{mapping} ({target.name})"


def _named_like(outbox: Outbox, target: Destination, mapping: str) -> str:
    known = [row.name for row in outbox.connections()]
    if target.name in known:
        return target.name
    raise UsageError(
        f"Which connection is {mapping} for? This outbox has none with its name, {target.name}; it has "
        f"{', '.join(known) or 'none at all'}. Add --connection NAME, or --connections FILE with the file that says so."
    )


def _of_file(outbox: Outbox, options: ReplayOptions, path: Path) -> Judges:
    from engine.delivery.connections import CorrectedMapping, load

    settings = options.settings
    if settings.file or settings.assignments or settings.examples:
        raise UsageError(SETTINGS_TWICE)
    corrected = None
    if options.mapping is not None:
        corrected = CorrectedMapping(_destination(options.mapping, settings), options.connection)
    file = load(path, os.environ, settings.directories, corrected)
    if options.connection is not None:
        _check_in_file(options.connection, file, path)
    known = [row.name for row in outbox.connections()]
    judges = {each.name: each for each in file.connections if options.connection in (None, each.name)}
    if corrected is None or options.mapping is None:
        return Judges(judges, options.connection, _missing(known, file, path))
    meant = {name: each for name, each in judges.items() if each.connection.destination is corrected.destination}
    if not meant:
        raise UsageError(_of_none(options.mapping, corrected.destination, file, path))
    return Judges(meant, options.connection, notes=tuple(_notes(meant, options.mapping, corrected.destination, path)))


def _check_in_file(connection: str, file: File, path: Path) -> None:
    if connection in file.disabled:
        raise UsageError(f"{connection} is disabled in {path}, so nothing delivers to it; enable it there first.")
    names = [each.name for each in file.connections]
    if connection not in names:
        raise UsageError(f"{path} has no connection {connection}. {did_you_mean(connection, names)}")


def _missing(known: Iterable[str], file: File, path: Path) -> dict[str, str]:
    """Return why the events of connections of the outbox cannot be judged by the file."""
    there = {each.name for each in file.connections}
    return {
        name: f"{name} is disabled in {path}" if name in file.disabled else f"{path} has no connection {name}"
        for name in known
        if name not in there
    }


def _of_none(mapping: str, target: Destination, file: File, path: Path) -> str:
    pairs = [f"{each.name} ({each.connection.destination.name})" for each in file.connections]
    return (
        f"Which connection is {mapping} for? {path} has none with its mapping, {target.name}; it has "
        f"{', '.join(pairs) or 'none that is enabled'}. Add --connection NAME."
    )


def _notes(meant: Iterable[str], mapping: str, target: Destination, path: Path) -> Iterable[str]:
    for name in meant:
        yield f"{name} is judged by the mapping {_shown(mapping, target)} instead of its own in {path}."
