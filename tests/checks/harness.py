"""Checks a piece of a mapping as the command does: completed to a whole file, beside a base and shared parts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.mapping.load import Library
from engine.mapping.problems import Problem
from engine.testing.examples import validate
from tests.mapping.whole import whole

BESIDE = {
    "base.yaml": whole("name: base"),
    "child.yaml": "mapping: 1\nname: child\nextends: base\n",
    "parts/common.yaml": "parts:\n  email: [traits.email, properties.email]\n",
}
"""What stands beside the file in every case and every documented example."""


def furnish(folder: Path) -> None:
    """Write what stands beside a file."""
    for name, text in BESIDE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def problems_of(text: str, name: str = "shop.yaml") -> list[Problem]:
    """Return the problems of a whole file, in the current folder."""
    Path(name).write_text(text, encoding="utf-8")
    return validate(Library([]).read(Path(name)))


def printed(problems: Iterable[Problem]) -> str:
    """Return what the command prints."""
    return "".join(f"{problem}\n" for problem in problems)
