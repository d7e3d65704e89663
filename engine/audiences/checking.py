"""All problems of a file of audiences: of its definitions, and of their examples."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from engine.audiences.definitions import DefinitionsError, load
from engine.audiences.model import Definition, DefinitionExample, Definitions
from engine.language.texts import visible
from engine.mapping.problems import Message, Problem
from engine.mapping.yaml.reader import read as read_yaml

if TYPE_CHECKING:
    from engine.audiences.examples import TriedDefinition

CONNECTIONS = "connections.yaml"
SOURCES = "sources"
"""The one key of a connections file that is no connection."""
NOT_RUN = Message(
    "sql-not-checked", "Examples were not run: DuckDB is missing.", 'Run pip install "waybill[audiences]"', "warning"
)


def check_definitions(path: Path) -> list[Problem]:
    """Return every problem of a file; its connections are checked if there is a connections.yaml beside it."""
    try:
        found = load(path, connections=connection_names(path.parent / CONNECTIONS))
    except DefinitionsError as error:
        return list(error.faults)
    return [*found.warnings, *_check_examples(found)]


def connection_names(path: Path) -> list[str] | None:
    """Return the names in a connections file, None where there is none that can be read."""
    if not path.is_file():
        return None
    value = read_yaml(path).value
    return [name for name in value if name != SOURCES] if isinstance(value, dict) else None


def _check_examples(definitions: Definitions) -> Iterator[Problem]:
    examples = [(each, example) for each in definitions for example in each.examples]
    if examples and find_spec("duckdb") is None:
        yield _problem(*examples[0], NOT_RUN)
        return
    from engine.audiences.examples import try_definition

    for definition, example in examples:
        yield from problems_of(definition, example, try_definition(definition, example))


def problems_of(definition: Definition, example: DefinitionExample, tried: TriedDefinition) -> list[Problem]:
    """Return the differences of an example that was run as problems of the file."""
    found = (Message("example-fails", each.message, "\n".join(each.reasons)) for each in tried.differences)
    return [_problem(definition, example, message) for message in found]


def _problem(definition: Definition, example: DefinitionExample, message: Message) -> Problem:
    text = f"{visible(definition.name)}: {message.message}"
    return Problem(*example.place, example.path, message.code, text, message.advice, message.level)
