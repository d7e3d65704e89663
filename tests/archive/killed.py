"""A writer in its own process that dies between two steps: `python -m tests.archive.killed ARCHIVE STEP`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.archive.catalog import Catalog
from engine.archive.writing import write
from tests.archive.made import NOW, row


def main(directory: str, wanted: str) -> None:
    def reached(step: str) -> None:
        if step == wanted:
            os._exit(9)

    catalog = Catalog.open(Path(directory), create=True)
    write(catalog, [row(1), row(2)], "test", 2, erasures_seen=0, now=NOW, since=0, reached=reached)


if __name__ == "__main__":
    main(*sys.argv[1:])
