"""Formatting in an editor: the smallest change that gives what `engine fmt` gives."""

from __future__ import annotations

import pytest

from engine.editing.layout import layout
from engine.editing.positions import TextLines
from engine.editing.workspace import RefusedError
from engine.formatting.layout import formatted
from tests.editing.mapping import MAPPING

LOOSE = MAPPING.replace("title: Shop", "title:    Shop").replace("  who: [", "    who:   [")


@pytest.mark.parametrize("text", [LOOSE, MAPPING, LOOSE.replace("\n", "\r\n"), "\ufeff" + LOOSE, LOOSE + "\n\n"])
def test_the_change_gives_what_the_command_gives(text: str) -> None:
    lines = TextLines(text)
    result = text
    for change in layout(lines, "shop.yaml"):
        start, end = (lines.offset(position) for position in change.range)
        result = text[:start] + change.text + text[end:]
    assert result.replace("\r\n", "\n") == formatted(MAPPING, "shop.yaml")


def test_what_has_the_layout_is_left_alone() -> None:
    text = formatted(MAPPING, "shop.yaml")
    assert layout(TextLines(text), "shop.yaml") == []
    assert layout(TextLines(text.replace("\n", "\r\n")), "shop.yaml") == []


def test_what_is_broken_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        layout(TextLines(MAPPING + "x: ["), "shop.yaml")
    assert str(refused.value).endswith("The layout is changed once this is correct.")
