"""Checks a piece of a mapping as the command does: completed to a whole file, beside a base and shared parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from engine.commands.output.events import problem_texts
from engine.commands.output.text import Display
from engine.mapping.load import Library
from engine.mapping.problems import Problem
from engine.reference.problems import problem_docs
from engine.testing.examples import validate
from tests.mapping.whole import whole

DOCS = problem_docs()
"""What docs/problems/*.yaml say, by code."""
WRONG = {
    re.sub(r"\W+", "_", f"{code}_{name}").lower(): text
    for code, doc in DOCS.items()
    for name, text in [("example", doc.wrong), *((case.name, case.mapping) for case in doc.cases)]
    if not text.startswith("#")
}
"""Every mapping there that has problems, by a name it could have as a file."""
BESIDE = {
    "base.yaml": whole("name: base"),
    "child.yaml": "mapping: 1\nname: child\nextends: base\n",
    "parts/common.yaml": "parts:\n  email: [traits.email, properties.email]\n",
}
"""The files in the same folder, in every case and every documented example."""


def write_companions(folder: Path) -> None:
    """Write the files that cases and examples expect in the folder."""
    for name, text in BESIDE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def problems_of(text: str, name: str = "shop.yaml") -> list[Problem]:
    """Return the problems of a whole file, in the current folder."""
    Path(name).write_text(text, encoding="utf-8")
    return validate(Library([]).read(Path(name)))


def printed(problems: Iterable[Problem]) -> str:
    """Return what the command prints."""
    return "".join(f"{line}\n" for line in problem_texts(list(problems), Display(StringIO())))
