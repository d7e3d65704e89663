"""The pages that are made from the code are what the code makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.mapping.load import Library, bundled
from engine.reference.commands import PAGE as COMMANDS_PAGE
from engine.reference.commands import commands_markdown
from engine.reference.pages import FUNCTIONS_PAGE, functions_markdown
from engine.reference.settings import SETTINGS_PAGE, settings_markdown

MADE: list[tuple[Path, Callable[[], str], str]] = [
    (FUNCTIONS_PAGE, functions_markdown, "python -m engine.reference.pages"),
    (SETTINGS_PAGE, settings_markdown, "python -m engine.reference.pages"),
    (COMMANDS_PAGE, commands_markdown, "python -m engine.reference.commands"),
]


@pytest.mark.parametrize(("page", "make", "how"), MADE, ids=[page.name for page, _, _ in MADE])
def test_a_made_page_is_up_to_date(page: Path, make: Callable[[], str], how: str) -> None:
    assert page.read_text(encoding="utf-8") == make(), f"run: {how}"


def test_every_setting_of_every_mapping_is_on_the_page() -> None:
    page = settings_markdown()
    for path in bundled("mappings").glob("*.yaml"):
        section = page.partition(f"## {path.stem}\n")[2].partition("\n## ")[0]
        for name, setting in Library([]).load(path.stem).mapping.settings.items():
            assert f"| `{name}` | {setting.title} |" in section
            assert setting.secret == (f"| `{name}` | {setting.title} | text, **secret** |" in section)
