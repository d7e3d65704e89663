"""Reading files of events for a person who watches: a progress bar for long input, and messages for unreadable lines.

At most `SHOWN` messages are shown per file and all are counted, so that a wrong file does not fill a screen.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import click

from engine.events.reading import total_size
from engine.events.splitting import Line
from engine.language.texts import visible

SHOWN = 50
UNREADABLE = "More lines of {file} could not be read; they are counted but not shown."
REPAIRED = "More events of {file} were repaired; they are counted but not shown."
DISCARDED = "More events of {file} were discarded; they are counted but not shown."
LONG_INPUT = 4 * 1024 * 1024


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)


class Progress(NamedTuple):
    """How to report progress: `advance` takes bytes that were read, `show` prints a line without breaking the bar."""

    advance: Callable[[int], None]
    show: Callable[[str], None]


@contextmanager
def progress_bar(files: Sequence[str], *, unless_output_is_a_terminal: bool = False) -> Iterator[Progress]:
    """Show a bar on standard error when that is a terminal and the input is long."""
    sizes = [total_size(file) for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    hidden = not sys.stderr.isatty() or (unless_output_is_a_terminal and sys.stdout.isatty())
    if hidden or (total is not None and total < LONG_INPUT):
        yield Progress(lambda _bytes: None, _to_stderr)
        return
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False, emoji=False)
    columns = (bars.BarColumn(), bars.DownloadColumn(), bars.TimeRemainingColumn())
    # Without redirect_...=False rich takes what is meant for a file and writes it to the terminal.
    with bars.Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("events", total=total)
        yield Progress(lambda count: bar.advance(task, count), console.print)


class ReadErrors:
    """Shows the first errors of each file, then one message that there are more; counts them all."""

    def __init__(self, more: str = UNREADABLE, show: Callable[[str], None] = _to_stderr) -> None:
        self._more, self._show = more, show
        self._counts = Counter[str]()
        self._repairs: ReadErrors | None = None

    @property
    def count(self) -> int:
        """How many errors there were."""
        return self._counts.total()

    def readable(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Return the lines that could be read, and show the errors of the others and what was repaired."""
        for line in lines:
            if line.error is not None:
                self.add(line.file, line.error)
                continue
            if line.reports:
                self._repairs = self._repairs or ReadErrors(REPAIRED, self._show)
                what = "; ".join(report.message for report in line.reports)
                self._repairs.add(line.file, f"{line.file}:{line.line}: repaired: {what}")
            yield line

    def add(self, file: str, text: str) -> None:
        """Count one error, and show it unless enough of this file were shown."""
        self._counts[file] += 1
        if self._counts[file] <= SHOWN:
            self._show(visible(text))
        elif self._counts[file] == SHOWN + 1:
            self._show(visible(self._more.format(file=file)))
