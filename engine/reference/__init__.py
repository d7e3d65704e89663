"""What is made from the code: reference pages and a part of a schema.  `make docs` writes it, and tests compare it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def generated() -> dict[Path, Callable[[], str]]:
    """Return the files of a checkout that are made from the code, each with what makes its text."""
    from engine.reference import commands, functions, problems, schema, settings

    return {
        ROOT / "docs" / "commands.md": commands.commands_markdown,
        ROOT / "docs" / "functions.md": functions.functions_markdown,
        ROOT / "docs" / "problems.md": problems.problems_markdown,
        ROOT / "docs" / "settings.md": settings.settings_markdown,
        ROOT / "schemas" / "mapping.schema.json": schema.schema_text,
    }
