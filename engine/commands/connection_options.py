"""Mappings and settings as a command line gives them -> connections."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from engine.errors import UsageError
from engine.language.suggest import closest
from engine.mapping.load import Library
from engine.mapping.settings import Written
from engine.mapping.yaml import reader
from engine.plan import Connection, Destination, destination
from engine.records import Json, JsonObject


class NamedConnection(NamedTuple):
    """A connection and the name it goes by in the output."""

    name: str
    connection: Connection


def connect(
    mappings: Sequence[str],
    directories: Sequence[Path],
    settings_file: Path | None,
    assignments: Sequence[str],
    *,
    example_settings: bool,
) -> list[NamedConnection]:
    """Load every mapping and connect it; raises UsageError, SettingsError or MappingError."""
    library = Library(directories or None)
    destinations = [destination(library.load(name)) for name in dict.fromkeys(mappings)]
    given = _from_file(settings_file, destinations) if settings_file is not None else {}
    assigned = _assigned(assignments, destinations)
    result = []
    for target in destinations:
        settings: JsonObject = {**given.get(target.name, {}), **assigned[target.name]}
        if example_settings:
            settings = {**target.example_settings(), **settings}
        result.append(NamedConnection(target.name, target.connect(settings, os.environ)))
    return result


def _from_file(path: Path, destinations: Sequence[Destination]) -> dict[str, JsonObject]:
    document = reader.read(path)
    if any(problem.level == "error" for problem in document.problems):
        raise UsageError("\n".join(str(problem) for problem in document.problems))
    value = document.value
    if not isinstance(value, dict) or not all(isinstance(member, dict) for member in value.values()):
        example = f"{destinations[0].name}:\n  api_key: ..."
        raise UsageError(f"{path}: a settings file holds destination -> settings, for example\n{example}")
    if not any(target.name in value for target in destinations):
        names = ", ".join(target.name for target in destinations)
        raise UsageError(f"{path} has settings for {', '.join(value) or 'nothing'}, and none for {names}.")
    return cast("dict[str, JsonObject]", value)


def _assigned(assignments: Sequence[str], destinations: Sequence[Destination]) -> dict[str, JsonObject]:
    result: dict[str, JsonObject] = {target.name: {} for target in destinations}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set takes KEY=VALUE; there is no = in it: {key}")
        name, dot, setting = key.rpartition(".")
        targets = [target for target in destinations if not dot or target.name == name]
        if not targets:
            raise UsageError(f"--set {key}: {name} is none of the mappings given.")
        _assign(result, targets, setting, Written(value))
    return result


def _assign(result: dict[str, JsonObject], targets: Sequence[Destination], setting: str, value: Json) -> None:
    known = [target for target in targets if setting in target.mapping.settings]
    if not known:
        names = list(dict.fromkeys(name for target in targets for name in target.mapping.settings))
        guess = closest(setting, names)
        advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(names)}."
        raise UsageError(f'--set: there is no setting "{setting}". {advice}')
    for target in known:
        result[target.name][setting] = value
