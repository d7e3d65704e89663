"""What is wrong with lines of a file: some are told, all are counted, so that a wrong file does not fill a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from engine.commands.output.text import visible

if TYPE_CHECKING:
    from engine.events.reading import Line

SHOWN = 50
UNREADABLE = "More lines of {file} could not be read; they are counted, not shown."
DISCARDED = "More events of {file} are discarded; they are counted, not shown."


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)


class ReadErrors:
    """Tells the first complaints about each file, and then once that there are more; counts them all."""

    def __init__(self, more: str = UNREADABLE, say: Callable[[str], None] = _to_stderr) -> None:
        self._more, self._say = more, say
        self._told = Counter[str]()

    @property
    def count(self) -> int:
        """How many there were."""
        return self._told.total()

    def sifted(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Return the lines that could be read, and tell of the others."""
        for line in lines:
            if line.error is None:
                yield line
            else:
                self.tell(line.file, line.error)

    def tell(self, file: str, text: str) -> None:
        """Tell one, or that there are more."""
        self._told[file] += 1
        if self._told[file] <= SHOWN:
            self._say(visible(text))
        elif self._told[file] == SHOWN + 1:
            self._say(visible(self._more.format(file=file)))
