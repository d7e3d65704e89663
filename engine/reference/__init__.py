"""What is made from the code: reference pages and a part of a schema.  `make docs` writes it, and tests compare it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]


def generated() -> dict[Path, Callable[[], str]]:
    """Return the files of a checkout that are made from the code, each with what makes its text."""
    from engine.mapping import bundled
    from engine.mapping.load import Library
    from engine.pages.folder import INDEX, index_page
    from engine.pages.page import destination_page
    from engine.reference import commands, functions, problems, schema, settings

    library, folder = Library([]), ROOT / "docs" / "destinations"
    found = [library.load(path.stem) for path in sorted(bundled("mappings").glob("*.yaml"))]
    return {
        ROOT / "docs" / "commands.md": commands.commands_markdown,
        ROOT / "docs" / "functions.md": functions.functions_markdown,
        ROOT / "docs" / "problems.md": problems.problems_markdown,
        ROOT / "docs" / "settings.md": settings.settings_markdown,
        ROOT / "schemas" / "mapping.schema.json": schema.schema_text,
        folder / INDEX: lambda: index_page([loaded.mapping for loaded in found]),
        **{folder / f"{loaded.mapping.name}.md": partial(destination_page, loaded) for loaded in found},
    }
