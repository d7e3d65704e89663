"""docs/scale.md: every computed figure follows from what was measured, and the picture is one."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks._sizing import MEASURED, ScaleLoad, figures, fill_of, moving, plan
from benchmarks.page import BLOCK, filled
from tests.docs.blocks import ROOT
from tests.docs.pages import text_of

PAGE = "docs/scale.md"


def test_the_figures_are_those_of_the_formulas() -> None:
    page = text_of(PAGE)
    assert [name for _, name, _ in BLOCK.findall(page)] == sorted(
        figures(), key=lambda name: page.index(f"figures: {name} -->")
    )
    assert filled(page, figures()) == page, "python -m benchmarks.scale --page"


def test_packs_are_as_full_as_what_comes_at_once() -> None:
    assert [fill_of(events, 16) for events in (1, 10_000)] == [1.0, 50.0]
    assert fill_of(32, 16) == pytest.approx(2.29, abs=0.01)


def test_twice_the_events_take_twice_the_workers() -> None:
    one, two = plan(ScaleLoad(20_000)), plan(ScaleLoad(40_000))
    assert (one.outboxes, two.outboxes) == (1, 2)
    assert two.workers == pytest.approx(2 * one.workers, abs=2)
    assert two.disk == pytest.approx(2 * one.disk)
    assert plan(ScaleLoad(20_000, connections=4)).workers > 1.8 * one.workers


def test_half_a_core_of_deliveries_is_the_time_to_move() -> None:
    assert moving(MEASURED._replace(file_small=100)) == 5_000


def test_the_picture_says_what_it_shows() -> None:
    picture = ET.parse(ROOT / "docs/scale.svg").getroot()
    named = [each.tag.rpartition("}")[2] for each in picture][:2]
    assert named == ["title", "desc"]
    assert "prefers-color-scheme: dark" in (ROOT / "docs/scale.svg").read_text(encoding="utf-8")
