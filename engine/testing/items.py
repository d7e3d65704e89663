"""What pytest runs of a mapping file: `checks`, which fails with its problems, and a test for each example.

A mapping with errors has only `checks`: it cannot run, so its examples would say the same again. Imported by the
plugin when the first mapping is found.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from engine.commands.output.events import problem_texts
from engine.commands.output.text import Display, shortened
from engine.commands.shared import counted
from engine.language.texts import visible, visible_lines
from engine.mapping.checks import check, check_parts
from engine.mapping.checks.context import UNUSED_CODES
from engine.mapping.example import MappingExample
from engine.mapping.load import Library
from engine.mapping.problems import WIDTH, Problem, place_text
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Plan, Secrets, masked
from engine.testing.examples import Tried, connector, same, too_much, try_example
from engine.testing.kinds import Kind
from engine.testing.meter import Meter
from engine.testing.pins import folder_of, pinned, slugs
from engine.testing.side_by_side import TwoColumns, lines_of, side_by_side
from engine.testing.stash import NOT_COMPARED, UNPINNED

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

LONGEST_NAME = 200


class MappingWarning(UserWarning):
    """A warning of the checks; `-W error::engine.testing.items.MappingWarning` makes it fail."""


class Mismatch(Exception):  # noqa: N818  pytest catches it and shows it; nobody else sees it
    """What a test says when it fails: problems, then what was expected beside what there is."""

    def __init__(
        self,
        summary: str,
        problems: list[Problem],
        rows: tuple[list[str], list[str]] | None = None,
        placed: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(summary)
        self.problems = problems
        self.rows = rows
        self.placed = placed
        """Instead of problems: a place, and what is wrong there."""


class MismatchText:
    """A failure as pytest writes it; `reprcrash.message` is its line in pytest's summary and in JUnit XML."""

    def __init__(self, failure: Mismatch, width: int) -> None:
        self.message = str(failure)
        self.reprcrash = self
        display = Display(io.StringIO())
        display.width = width
        self._lines: list[str | TwoColumns] = [
            line for text in problem_texts(failure.problems, display) for line in text.split("\n")
        ]
        if failure.placed is not None:
            place, text = failure.placed
            self._lines += [place, display.wrap(text, "  ", 2)]
        if failure.rows is not None:
            self._lines += ["", *side_by_side(*failure.rows, width)]
        self._width = width

    def toterminal(self, writer: TerminalWriter) -> None:
        """Write it; rows that differ are colored."""
        for line in self._lines:
            if isinstance(line, TwoColumns):
                writer.line(line.text(self._width), bold=line.mark != " ", red=line.mark != " ")
            else:
                writer.line(line)

    def __str__(self) -> str:
        """Return what other processes are sent: the reason first, since pytest takes their summary from line 1."""
        lines = [line.text(self._width) if isinstance(line, TwoColumns) else line for line in self._lines]
        return "\n".join([self.message, "", *lines])


class MappingFile(pytest.File):
    """A mapping file, or a file of shared parts."""

    kind: Kind

    def collect(self) -> Iterator[pytest.Item]:
        """Check the file; yield its tests."""
        path = near(self.path)
        try:
            problems, destination = _checked(path, self.kind)
        except (MemoryError, RecursionError, SyntaxError):
            problems, destination = [too_much(path)], None
        checks: ChecksItem = ChecksItem.from_parent(self, name="checks")
        checks.problems = problems
        yield checks
        if destination is not None:
            yield from self._examples(destination)

    def _examples(self, destination: Destination) -> Iterator[pytest.Item]:
        examples, meter, connect = destination.mapping.examples, Meter(), connector(destination)
        titles = [example.title for example in examples]
        files = list(slugs(titles))
        known_secrets: dict[tuple[str, ...], Secrets] = {}
        for slug, example in zip(files, examples, strict=True):
            name = shortened(visible(example.title), LONGEST_NAME)
            item: ExampleItem = ExampleItem.from_parent(self, name=name, callobj=_example)
            item.destination, item.example, item.slug = destination, example, slug
            item.meter, item.connect, item.known_secrets, item.slugs = meter, connect, known_secrets, frozenset(files)
            yield item


class ChecksItem(pytest.Item):
    """All problems of a file but those of its examples."""

    problems: list[Problem]

    def runtest(self) -> None:
        """Fail if there are errors; else pass warnings on to pytest."""
        errors = sum(problem.level == "error" for problem in self.problems)
        if errors:
            raise Mismatch(counted(errors, "problem"), self.problems)
        for problem in self.problems:
            text = visible_lines(f"{problem.path}\n{problem.text(WIDTH)}")
            # The column stands where Python has the line, whose text it would print, credentials too.
            warnings.warn_explicit(MappingWarning(text), None, f"{problem.file}:{problem.line}", problem.column)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> object:  # type: ignore[override]  # noqa: ARG002
        """Show problems as `validate-mappings` does."""
        return shown_failure(self, excinfo) or super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the test stands."""
        return self.path, None, self.name


class ExampleItem(pytest.Function):
    """One example: what it expects, and its whole requests as a snapshot keeps them.

    A function, although it has none of its own, because syrupy looks at no other tests.
    """

    destination: Destination
    example: MappingExample
    meter: Meter
    connect: Callable[[MappingExample], Connection]
    slug: str
    slugs: frozenset[str]
    known_secrets: dict[tuple[str, ...], Secrets]

    def runtest(self) -> None:
        """Run the example; compare its requests with `expect`, then with the snapshot."""
        tried = try_example(self.destination, self.example, self.meter, self.connect)
        # Secrets know the forms in which each can come back; finding these once for all examples saves half the time.
        secrets = self.known_secrets.setdefault(tuple(tried.secrets), tried.secrets)
        if tried.plan is None or tried.problems:
            raise _difference(tried, self.example, secrets)
        if self.config.pluginmanager.hasplugin("syrupy"):
            self._compare(pinned(tried.plan, secrets))
        elif folder_of(self.path).is_dir():
            self.user_properties.append(NOT_COMPARED)

    def _compare(self, requests: JsonObject) -> None:
        """Compare with the snapshot, if the mapping has any, or write it."""
        from engine.testing import snapshots

        update = bool(self.config.option.update_snapshots)
        folder = folder_of(self.path)
        if link := snapshots.link_in(self.path, self.slug):
            text = f"{near(link)} is a symbolic link. Snapshots are files beside the mapping: remove the link."
            raise self._failure("symbolic link", visible(text))
        if not update and not folder.is_dir():
            self.user_properties.append(UNPINNED)
            return
        file = visible(f"{near(folder / self.slug)}.json")
        try:
            differ = snapshots.compare(self, requests, update=update)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self._failure("broken snapshot", visible(f"{file} cannot be used: {reason}.")) from error
        if differ is not None:
            was, now = differ
            if not was:
                raise self._failure("no snapshot", f"There is no {file} yet. --snapshot-update writes it.")
            text = f"The requests are not those of {file}. If that is intended: --snapshot-update"
            raise self._failure("not its snapshot", text, (_lines(was), _lines(now)))

    def _failure(self, summary: str, text: str, rows: tuple[list[str], list[str]] | None = None) -> Mismatch:
        mark = self.destination.loaded.mark(self.example.place)
        place = f"{mark.file}:{mark.line}:{mark.column}  {place_text(self.example.place)}"
        return Mismatch(summary, [], rows, (visible(place), text))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> object:  # type: ignore[override]
        """Show the problems, and expected and actual side by side."""
        return shown_failure(self, excinfo) or super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the example stands."""
        mark = self.destination.loaded.mark(self.example.place)
        return self.path, mark.line - 1, self.name


def _example() -> None:
    """Stand for an example where pytest wants a function."""


def _checked(path: Path, kind: Kind) -> tuple[list[Problem], Destination | None]:
    if kind == "parts":
        return check_parts(path), None
    loaded = Library().read(path)
    problems = sorted(check(loaded))
    if any(problem.level == "error" and problem.code not in UNUSED_CODES for problem in problems):
        return problems, None
    return problems, Destination(loaded)


def shown_failure(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> MismatchText | None:
    if not isinstance(excinfo.value, Mismatch):
        return None
    return MismatchText(excinfo.value, item.config.get_terminal_writer().fullwidth)


def near(path: Path) -> Path:
    """Return a path relative to the current directory, if it is inside, as commands show it."""
    return Path(os.path.relpath(path)) if path.is_relative_to(Path.cwd()) else path


def _lines(text: str) -> list[str]:
    return [visible(line).removesuffix(",") for line in text.split("\n")]


def _difference(tried: Tried, example: MappingExample, secrets: Secrets) -> Mismatch:
    """Return the failure of an example: its problems, and what it expects beside what there is."""
    summary = shortened(visible(tried.problems[0].message), LONGEST_NAME)
    if tried.plan is None:
        return Mismatch(summary, tried.problems)
    actual = _like(_actual(tried.plan, example.expect), example.expect)
    if same(actual, example.expect):  # the fault is elsewhere: a schema, a reply
        return Mismatch(summary, tried.problems)
    both = (lines_of(masked(value, secrets)) for value in (example.expect, actual))
    return Mismatch(summary, tried.problems, (next(both), next(both)))


def _actual(plan: Plan, expect: Json) -> Json:
    """Return what there is in the form of `expect`: of each body the keys that the example names."""
    if isinstance(expect, dict) or plan.outcome.value == "invalid":
        return {plan.outcome.value: plan.reason}
    entries = cast("list[JsonObject]", expect)
    wanted = [(name, body) for entry in entries for name, body in entry.items()]
    requests = plan.requests
    if [name for name, _ in wanted] != [request.request for request in requests]:
        return [{request.request: request.body} for request in requests]
    return [{request.request: _named(request.body, body)} for request, (_, body) in zip(requests, wanted, strict=True)]


def _named(body: Json, wanted: Json) -> Json:
    if not isinstance(wanted, dict) or not isinstance(body, dict):
        return wanted if not wanted else body
    return {key: body[key] for key in wanted if key in body}


def _like(given: Json, wanted: Json) -> Json:
    """Return a value in the order and spelling of another, so that only what differs looks different."""
    if same(given, wanted):
        return wanted
    if isinstance(given, dict) and isinstance(wanted, dict):
        keys = [*(key for key in wanted if key in given), *(key for key in given if key not in wanted)]
        return {key: _like(given[key], wanted[key]) if key in wanted else given[key] for key in keys}
    if isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted):
        return [_like(*pair) for pair in zip(given, wanted, strict=True)]
    return given
