"""At saturation nothing is lost, and memory stays as it is: sixteen clients that send as fast as they are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._load import Load, run

GROWTH = 40
"""MB between a third of the run and its end.  Requests in flight are bounded (16 of 180 KB); what else moves is the
allocator, and the outbox's cache of pages."""


@pytest.mark.slow
def test_a_short_load(tmp_path: Path) -> None:
    assert_nothing_lost(run(tmp_path, 1, 16, 20, backlog=0))


@pytest.mark.slow
def test_half_a_minute(tmp_path: Path) -> None:
    load = run(tmp_path, 30, 16, 100, backlog=20_000)
    assert_nothing_lost(load)
    assert load.statuses[429] > 0, "it was no saturation"
    assert max(load.memory) < load.memory[len(load.memory) // 3] + GROWTH


def assert_nothing_lost(load: Load) -> None:
    assert set(load.statuses) <= {200, 429}
    assert load.events > 100
    assert (load.missing, load.twice, load.unasked) == (0, 0, 0)
