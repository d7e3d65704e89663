"""docs/problems.md is what engine/reference/pages.py makes of the table of codes."""

from __future__ import annotations

import re

from engine.mapping.codes import CODES
from engine.reference import ROOT
from engine.reference.pages import problems_markdown
from tests.mapping.whole import BASE


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "problems.md").read_text(encoding="utf-8") == problems_markdown(), "run: make docs"


def test_every_code_has_a_heading_to_link_to() -> None:
    assert re.findall(r"^### (.+)$", problems_markdown(), re.MULTILINE) == list(CODES)


def test_the_mapping_that_examples_are_completed_with_is_the_one_that_is_shown() -> None:
    shown = re.search(r"```yaml\n(mapping: 1\n.*?)```", problems_markdown(), re.DOTALL)
    assert shown is not None
    assert shown[1].splitlines() == list(BASE.values())
