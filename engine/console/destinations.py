"""What the page of destinations lists: the mappings that ship and one's own, and the connections that use them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.console.connections_file import read_connections
from engine.errors import MappingNotFound, UsageError
from engine.mapping import bundled
from engine.mapping.load import Library, Loaded
from engine.mapping.problems import Problem
from engine.records import Json, JsonObject

if TYPE_CHECKING:
    from engine.console.site import Site

LONGEST_NAME = 100
MOST_MAPPINGS = 300
"""Mappings that are listed; each is read for its title."""
MOST_CHECKED = 50
"""Of one's own mappings that are checked whole for the list; a check takes some 30 ms."""
MOST_PROBLEMS = 20
"""Problems of a mapping that are shown."""


class ConnectionUse(NamedTuple):
    """A connection: the mapping it names, whether it is enabled, and whether this process has loaded it.

    `path` is the file of a mapping that is named by its path.
    """

    name: str
    destination: str
    enabled: bool
    loaded: bool
    path: Path | None = None

    def uses(self, name: str, path: Path) -> bool:
        """Whether its mapping is the one of this name, at this path."""
        return self.destination == name if self.path is None else self.path.resolve() == path.resolve()


class DestinationRow(NamedTuple):
    """A mapping: where it is from, and who uses it; `problems` if it does not load, and then it may have no title."""

    name: str
    title: str
    shipped: bool
    path: Path
    calls: Sequence[str]
    used_by: Sequence[ConnectionUse]
    problems: int = 0


class DestinationList(NamedTuple):
    """The page: connections, mappings, what is wrong with the connections file, and mappings that are not listed."""

    connections: Sequence[ConnectionUse]
    mappings: Sequence[DestinationRow]
    problem: str = ""
    more: int = 0


def destination_list(site: Site) -> DestinationList:
    """Return what the page lists: one's own mappings first."""
    connections, problem = _connections(site)
    library = Library(site.directories or None)
    names = sorted(library.names(), key=lambda name: _is_shipped(library.find(name)))
    more, names = len(names) - MOST_MAPPINGS, names[:MOST_MAPPINGS]
    rows = [_row(library, name, connections, check=number < MOST_CHECKED) for number, name in enumerate(names)]
    rows.sort(key=lambda each: (each.shipped, each.title.lower() or each.name))
    return DestinationList(connections, rows, problem, max(0, more))


def named_mapping(site: Site, name: str) -> Loaded:
    """Load a mapping by its name, never by a path; raises MappingNotFound."""
    if len(name) > LONGEST_NAME or "/" in name or name.endswith((".yaml", ".yml")):
        raise MappingNotFound(f'"{name[:LONGEST_NAME]}" is not the name of a mapping.')
    return Library(site.directories or None).load(name)


def users(site: Site, name: str, path: Path) -> list[ConnectionUse]:
    """Return the connections that use a mapping."""
    return [each for each in _connections(site)[0] if each.uses(name, path)]


def _connections(site: Site) -> tuple[list[ConnectionUse], str]:
    """Return the connections of the file, those that are disabled too, and what is wrong with the file.

    Without a file, or with a wrong one, they are those of this process.
    """
    if site.connections_file is None:
        return _loaded_connections(site), ""
    loaded = {each.name for each in site.connections()}
    try:
        raws = read_connections(site.connections_file).connections
    except UsageError as error:
        return _loaded_connections(site), str(error)
    folder = site.connections_file.parent
    return [_connection_use(folder, name, raw, loaded=name in loaded) for name, raw in raws.items()], ""


def _connection_use(folder: Path, name: str, raw: Json, *, loaded: bool) -> ConnectionUse:
    fields: JsonObject = raw if isinstance(raw, dict) else {}
    enabled, wanted = fields.get("enabled") is not False, str(fields.get("destination", name))
    is_path = "/" in wanted or wanted.endswith((".yaml", ".yml"))
    return ConnectionUse(name, wanted, enabled, enabled and loaded, folder / wanted if is_path else None)


def _loaded_connections(site: Site) -> list[ConnectionUse]:
    return [ConnectionUse(each.name, each.mapping.name, enabled=True, loaded=True) for each in site.connections()]


def _is_shipped(path: Path) -> bool:
    return path.resolve().parent == bundled("mappings").resolve()


def _row(library: Library, name: str, connections: Sequence[ConnectionUse], *, check: bool) -> DestinationRow:
    """Return the row of a mapping; one's own are checked whole if `check`, else only for their shape."""
    path = library.find(name)
    loaded, shipped = library.read(path), _is_shipped(path)
    problems = mapping_errors(loaded) if check and not shipped else loaded.problems
    errors = sum(problem.level == "error" for problem in problems)
    used_by = [each for each in connections if each.uses(name, path)]
    if not loaded.readable:
        return DestinationRow(name, "", shipped, path, (), used_by, errors)
    mapping = loaded.mapping
    return DestinationRow(name, mapping.title, shipped, path, [*mapping.calls, *mapping.shared], used_by, errors)


def mapping_errors(loaded: Loaded) -> list[Problem]:
    """Return what keeps a mapping from being used."""
    from engine.mapping.checks import check

    return [problem for problem in check(loaded) if problem.level == "error"]


def problem_texts(loaded: Loaded) -> list[str]:
    """Return the errors of a mapping with their places; empty if its page can be made."""
    errors = [str(problem) for problem in mapping_errors(loaded)]
    more = [f"... and {len(errors) - MOST_PROBLEMS} more."] if len(errors) > MOST_PROBLEMS else []
    return [*errors[:MOST_PROBLEMS], *more]
