"""What the page of destinations lists: the mappings that ship and one's own, and the connections that use them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.console.connections_file import read_connections
from engine.errors import MappingNotFound, UsageError
from engine.mapping import bundled
from engine.mapping.load import Library, Loaded
from engine.records import JsonObject

if TYPE_CHECKING:
    from engine.console.site import Site

LONGEST_NAME = 100
MOST_MAPPINGS = 300
"""Mappings that are listed; each is read for its title."""
MOST_PROBLEMS = 20
"""Problems of a mapping that are shown."""


class ConnectionRow(NamedTuple):
    """A connection: the mapping it names, whether it is enabled, and whether this process has loaded it."""

    name: str
    destination: str
    enabled: bool
    loaded: bool


class DestinationRow(NamedTuple):
    """A mapping: where it is from, and who uses it; `problems` if it does not load, and then it has no title."""

    name: str
    title: str
    shipped: bool
    path: Path
    calls: Sequence[str]
    used_by: Sequence[ConnectionRow]
    problems: int = 0


class DestinationList(NamedTuple):
    """The page: connections, mappings, what is wrong with the connections file, and mappings that are not listed."""

    connections: Sequence[ConnectionRow]
    mappings: Sequence[DestinationRow]
    problem: str = ""
    more: int = 0


def destination_list(site: Site) -> DestinationList:
    """Return what the page lists: one's own mappings first."""
    problem = ""
    try:
        connections = _connections(site)
    except UsageError as error:
        connections, problem = _loaded_connections(site), str(error)
    library = Library(site.directories or None)
    names = library.names()
    rows = [_row(library, name, connections) for name in names[:MOST_MAPPINGS]]
    rows.sort(key=lambda each: (each.shipped, each.title.lower() or each.name))
    return DestinationList(connections, rows, problem, max(0, len(names) - MOST_MAPPINGS))


def named_mapping(site: Site, name: str) -> Loaded:
    """Load a mapping by its name, never by a path; raises MappingNotFound."""
    if len(name) > LONGEST_NAME or "/" in name or name.endswith((".yaml", ".yml")):
        raise MappingNotFound(f'"{name[:LONGEST_NAME]}" is not the name of a mapping.')
    return Library(site.directories or None).load(name)


def _connections(site: Site) -> list[ConnectionRow]:
    """Return the connections of the file, those that are disabled too, or without one those of this process."""
    if site.connections_file is None:
        return _loaded_connections(site)
    loaded = {each.name for each in site.connections()}
    raws = read_connections(site.connections_file).connections
    rows = []
    for name, raw in raws.items():
        fields: JsonObject = raw if isinstance(raw, dict) else {}
        wanted = fields.get("destination", name)
        rows.append(ConnectionRow(name, str(wanted), fields.get("enabled") is not False, name in loaded))
    return rows


def _loaded_connections(site: Site) -> list[ConnectionRow]:
    return [ConnectionRow(each.name, each.mapping.name, enabled=True, loaded=True) for each in site.connections()]


def _row(library: Library, name: str, connections: Sequence[ConnectionRow]) -> DestinationRow:
    path = library.find(name)
    loaded = library.read(path)
    shipped = path.resolve().parent == bundled("mappings").resolve()
    used_by = [each for each in connections if Path(each.destination).stem == name]
    if not loaded.readable:
        errors = sum(problem.level == "error" for problem in loaded.problems)
        return DestinationRow(name, "", shipped, path, (), used_by, errors)
    mapping = loaded.mapping
    return DestinationRow(name, mapping.title, shipped, path, [*mapping.calls, *mapping.shared], used_by)


def problem_texts(loaded: Loaded) -> list[str]:
    """Return the errors of a mapping with their places; empty if its page can be made."""
    from engine.mapping.checks import check

    errors = [str(problem) for problem in check(loaded) if problem.level == "error"]
    more = [f"... and {len(errors) - MOST_PROBLEMS} more."] if len(errors) > MOST_PROBLEMS else []
    return [*errors[:MOST_PROBLEMS], *more]
