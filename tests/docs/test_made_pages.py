"""The pages that are made from the code are what the code makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.mapping import bundled
from engine.mapping.load import Library
from engine.reference import generated
from engine.reference.settings import settings_markdown

MADE = generated()


@pytest.mark.parametrize(("path", "make"), MADE.items(), ids=[path.name for path in MADE])
def test_what_is_made_from_the_code_is_up_to_date(path: Path, make: Callable[[], str]) -> None:
    assert path.read_text(encoding="utf-8") == make(), "run: make docs"


def test_every_setting_of_every_mapping_is_on_the_page() -> None:
    page = settings_markdown()
    for path in bundled("mappings").glob("*.yaml"):
        section = page.partition(f"## {path.stem}\n")[2].partition("\n## ")[0]
        for name, setting in Library([]).load(path.stem).mapping.settings.items():
            (row,) = [line for line in section.splitlines() if line.startswith(f"| `{name}` | {setting.title} |")]
            assert setting.secret == (", **secret** |" in row)
