"""What the commands of `engine audiences` share: their options, the definitions, the state, and a time for a person."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from engine.commands.archive.shared import DEFAULT_ARCHIVE
from engine.commands.options import FILE, mappings_option
from engine.commands.shared import did_you_mean
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.audiences.model import Definition, Definitions
    from engine.audiences.state import AudienceState

REMOVED = (
    '{file} no longer has "{name}". To tell vendors that all its users left: engine audiences sync {key} --exit-all.'
)
ARCHIVE_DIRECTORY = click.Path(path_type=Path, file_okay=False)

R = TypeVar("R")


class AudienceFiles(NamedTuple):
    """The files that the commands work with; `now` is the clock in Unix seconds, `at` what was given for it."""

    audiences: Path
    archive: Path
    connections: Path
    directories: tuple[Path, ...]
    at: float | None

    @property
    def now(self) -> float:
        """The moment that members are computed for."""
        return time.time() if self.at is None else self.at

    def definitions(self) -> Definitions:
        """Read the definitions; raises DefinitionsError."""
        from engine.audiences.definitions import load

        names = None
        if self.connections.exists():
            from engine.mapping.yaml.reader import read

            # Only the names: what else is wrong with the file is said when it is used.
            found = read(self.connections).value
            names = [name for name in found if name != "sources"] if isinstance(found, dict) else []
        return load(self.audiences, connections=names)

    def integrations(self) -> dict[str, str]:
        """Return the enabled connections with the name of their mapping's integration; raises ConnectionsError."""
        from engine.delivery import connections

        if not self.connections.exists():
            raise UsageError(f"There is no connections file {self.connections}; name one with --connections.")
        found = connections.load(self.connections, os.environ, self.directories)
        return {each.name: next(iter(each.mapping.integrations), each.mapping.name) for each in found.connections}


def audience_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options of all commands, which receive them as `files`."""

    @click.option("--audiences", type=FILE, default=Path("audiences.yaml"), show_default=True, help="The definitions.")
    @click.option(
        "--archive",
        type=ARCHIVE_DIRECTORY,
        metavar="DIR",
        default=DEFAULT_ARCHIVE,
        show_default=True,
        help="The archive, as `engine serve --archive` keeps it.",
    )
    @click.option("--connections", type=FILE, default=Path("connections.yaml"), show_default=True)
    @mappings_option
    @click.option("--at", metavar="TIME", help="Compute for this moment instead of now: 2026-11-29T12:00:00Z.")
    @wraps(command)
    def with_files(
        *,
        audiences: Path,
        archive: Path,
        connections: Path,
        directories: tuple[Path, ...],
        at: str | None,
        **others: object,
    ) -> R:
        files = AudienceFiles(audiences, archive, connections, directories, None if at is None else _moment(at))
        return command(files=files, **others)

    return with_files


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def _moment(text: str) -> float:
    from engine.commands.options import parse_time

    return parse_time(text, time.time())


def no_definition(name: str, definitions: Definitions, file: Path) -> UsageError:
    """Return the error for a name that no definition has."""
    from engine.language.texts import visible

    names = [each.name for each in definitions]
    return UsageError(f'{file} has no definition "{visible(name)}". {did_you_mean(name, names)}')


def chosen(definitions: Definitions, name: str, file: Path, state: AudienceState | None = None) -> Definition:
    """Return the definition with a name or a key; raises UsageError, which says so of one that `state` has seen."""
    found = definitions.named(name)
    if found is not None:
        return found
    for seen in state.definitions() if state is not None else ():
        if name in (seen.key, seen.name):
            from engine.language.texts import visible

            raise UsageError(REMOVED.format(name=visible(seen.name), file=file, key=seen.key))
    raise no_definition(name, definitions, file)


@contextmanager
def opened_state(archive: Path) -> Iterator[AudienceState]:
    """Open the state of an archive's audiences; raises UsageError if there is no archive."""
    from engine.audiences.state import FOLDER, AudienceState

    if not archive.is_dir():
        raise UsageError(
            f"There is no archive {archive}; name one with --archive, or make one: engine serve --archive."
        )
    state = AudienceState(archive / FOLDER)
    try:
        yield state
    finally:
        state.close()


def utc(moment: float | None) -> str:
    """Write a time for people, in UTC, as definitions have their times; '' for None."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def iso_or_none(moment: float | None) -> str | None:
    """Write a time for programs."""
    from engine.delivery.intake import iso

    return None if moment is None else iso(moment)
