"""Connections from a command line: from mappings and settings, or from a file of connections."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from engine.commands.options import SettingsOptions
from engine.commands.shared import did_you_mean
from engine.errors import UsageError
from engine.mapping.load import Library
from engine.mapping.settings import Written
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document
from engine.mapping.yaml.without_text import without_text
from engine.plan import Connection, Destination, destination
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    from engine.delivery.configured_connection import ConfiguredConnection


KEY = re.compile(r"[a-z][a-z_]{0,39}[0-9]{0,2}")
"""A name of a setting as people write them."""


class NamedConnection(NamedTuple):
    """A connection and its name in the output."""

    name: str
    connection: Connection


def connections_of(
    mappings: Sequence[str],
    connections_file: Path | None,
    settings: SettingsOptions,
    read_mapping: Callable[[Path], Document] = reader.read,
) -> list[ConfiguredConnection]:
    """Return the connections a command line names, for delivery: a file of them, or one for each mapping."""
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.connections import load

    if connections_file is not None:
        if mappings or settings.file or settings.assignments:
            raise UsageError("--connections cannot be combined with mappings or settings; the file names them.")
        return load(connections_file, os.environ, settings.directories, read_mapping=read_mapping).connections
    if not mappings:
        here = " There is one here: --connections connections.yaml." if Path("connections.yaml").is_file() else ""
        raise UsageError(f"Name at least one mapping, or a file of connections with --connections.{here}")
    connected = connect(mappings, settings, read_mapping)
    return [ConfiguredConnection(name=each.name, connection=each.connection) for each in connected]


def connect(
    mappings: Sequence[str], settings: SettingsOptions, read_mapping: Callable[[Path], Document] = reader.read
) -> list[NamedConnection]:
    """Load every mapping and connect it; raises UsageError, SettingsError or MappingError."""
    library = Library(settings.directories or None, read_mapping)
    destinations = [destination(library.load(name)) for name in dict.fromkeys(mappings)]
    written = written_settings(destinations, settings)
    return [NamedConnection(each.name, each.connect(written[each.name], os.environ)) for each in destinations]


def written_settings(destinations: Sequence[Destination], settings: SettingsOptions) -> dict[str, JsonObject]:
    """Return the settings of each destination as they are written, `${env:NAME}` too; with examples where asked for."""
    given = given_settings(destinations, settings)
    if not settings.examples:
        return given
    return {each.name: {**each.example_settings(), **given[each.name]} for each in destinations}


def given_settings(destinations: Sequence[Destination], settings: SettingsOptions) -> dict[str, JsonObject]:
    """Return the settings that the command line gives each destination, without examples."""
    from_file = _read(settings.file, destinations) if settings.file is not None else {}
    assigned = _assigned(settings.assignments, destinations)
    return {target.name: {**from_file.get(target.name, {}), **assigned[target.name]} for target in destinations}


def connect_versions(versions: Sequence[Destination], settings: SettingsOptions) -> list[NamedConnection]:
    """Connect versions of one mapping with the same settings: each gets those it knows; raises as `connect` does.

    A setting that no version knows is refused as ever. The section of a settings file may have the name of any. Of two
    examples for one setting, the last version's counts.
    """
    sections = _read(settings.file, versions) if settings.file is not None else {}
    given: JsonObject = {}
    for target in versions if settings.examples else ():
        given |= target.example_settings()
    for target in versions:
        given |= sections.get(target.name, {})
    for values in _assigned(settings.assignments, versions).values():
        given |= values
    known = {name for target in versions for name in target.mapping.settings}
    result = []
    for target in versions:
        own = {name: value for name, value in given.items() if name in target.mapping.settings or name not in known}
        result.append(NamedConnection(target.name, target.connect(own, os.environ)))
    return result


def _read(path: Path, destinations: Sequence[Destination]) -> dict[str, JsonObject]:
    document = reader.read(path)
    if any(problem.level == "error" for problem in document.problems):
        raise UsageError("\n".join(str(without_text(problem)) for problem in document.problems))
    value = document.value
    if not isinstance(value, dict) or not all(isinstance(member, dict) for member in value.values()):
        example = f"{destinations[0].name}:\n  api_key: ..."
        raise UsageError(f"{path}: a settings file holds settings by destination, for example\n{example}")
    if not any(target.name in value for target in destinations):
        names = ", ".join(target.name for target in destinations)
        raise UsageError(f"{path} has settings for {', '.join(value) or 'nothing'}, but none for {names}.")
    return cast("dict[str, JsonObject]", value)


def _assigned(assignments: Sequence[str], destinations: Sequence[Destination]) -> dict[str, JsonObject]:
    result: dict[str, JsonObject] = {target.name: {} for target in destinations}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError("--set expects KEY=VALUE, such as --set api_key=...; there is no = sign in it.")
        name, dot, setting = key.rpartition(".")
        targets = [target for target in destinations if not dot or target.name == name]
        if not targets:
            known = ", ".join(target.name for target in destinations)
            raise UsageError(f"--set: what is before the dot is not one of the mappings given: {known}.")
        _assign(result, targets, setting, Written(value))
    return result


def _shown(key: str) -> str:
    """Return a key as messages show it: only what looks like a name, because the rest may be a part of a secret."""
    return f'"{key}"' if KEY.fullmatch(key) else "of this name"


def _assign(result: dict[str, JsonObject], targets: Sequence[Destination], setting: str, value: Json) -> None:
    known = [target for target in targets if setting in target.mapping.settings]
    if not known:
        names = dict.fromkeys(name for target in targets for name in target.mapping.settings)
        raise UsageError(f"--set: there is no setting {_shown(setting)}. {did_you_mean(setting, names)}")
    for target in known:
        result[target.name][setting] = value
