"""What pytest runs of a file of audiences: `checks`, which fails with its problems, and a test for each example."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.commands.output.text import shortened
from engine.language.texts import visible
from engine.records import Json
from engine.testing.items import LONGEST_NAME, ChecksItem, Mismatch, near, shown_failure
from engine.testing.side_by_side import lines_of

if TYPE_CHECKING:
    from engine.audiences.model import Definition, DefinitionExample

NO_DUCKDB = 'Examples of audiences run in DuckDB, which is missing. Run pip install "waybill[audiences]"'


class DefinitionsFile(pytest.File):
    """A file of audiences."""

    def collect(self) -> Iterator[pytest.Item]:
        """Check the file; yield its tests."""
        from engine.audiences.checking import CONNECTIONS, connection_names
        from engine.audiences.definitions import DefinitionsError, load

        path = near(self.path)
        checks: ChecksItem = ChecksItem.from_parent(self, name="checks")
        try:
            found = load(path, connections=connection_names(path.parent / CONNECTIONS))
        except DefinitionsError as error:
            checks.problems = list(error.faults)
            yield checks
            return
        checks.problems = list(found.warnings)
        yield checks
        for definition in found:
            for number, example in enumerate(definition.examples, 1):
                title = f"{definition.name} {number}" if len(definition.examples) > 1 else definition.name
                name = shortened(visible(title), LONGEST_NAME)
                item: DefinitionItem = DefinitionItem.from_parent(self, name=name)
                item.definition, item.example = definition, example
                yield item


class DefinitionItem(pytest.Item):
    """One example: its members or values, computed from its events at its moment."""

    definition: Definition
    example: DefinitionExample

    def runtest(self) -> None:
        """Run the example; compare who is in, or the values, with what it expects."""
        place = visible(f"{self.example.place}  {self.example.path}")
        if find_spec("duckdb") is None:
            raise Mismatch("DuckDB is missing", [], None, (place, NO_DUCKDB))
        from engine.audiences.checking import problems_of
        from engine.audiences.examples import try_definition

        tried = try_definition(self.definition, self.example)
        if tried.differences:
            rows = (self._lines(tried.expected), self._lines(tried.actual))
            found = problems_of(self.definition, self.example, tried)
            summary = shortened(visible(tried.differences[0].message), LONGEST_NAME)
            raise Mismatch(summary, found, rows if rows[0] != rows[1] else None)

    def _lines(self, found: dict[str, Json]) -> list[str]:
        ordered = {user: found[user] for user in sorted(found)}
        return lines_of(list(ordered) if self.example.members is not None else ordered)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> object:  # type: ignore[override]  # noqa: ARG002
        """Show who is missing and who is unexpected, with the reasons, and both side by side."""
        return shown_failure(self, excinfo) or super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the example stands."""
        return self.path, self.example.place.line - 1, self.name
