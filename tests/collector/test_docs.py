"""docs/collector.md describes every path, metric and limit."""

from __future__ import annotations

import re
from pathlib import Path

from engine.collector import discards, shaping
from engine.collector.background import ADMIN_PATHS
from engine.collector.discard_copies import INTERVAL
from engine.collector.observers import CollectorObserver
from engine.collector.openapi import CALLS
from engine.collector.responses import CollectorLimits
from engine.delivery.outbox.keeping import DISCARDS_A_SECOND, DISCARDS_KEPT, LARGEST_DISCARD, MOST_DISCARDS
from tests.collector.running import ROOT
from tests.yaml_files import read_yaml

PAGE = (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")


def test_every_metric_is_there() -> None:
    names = re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram)$", CollectorObserver().text().decode(), re.MULTILINE)
    assert names
    assert [name for name in names if not name.endswith("_created") and f"`{name}`" not in PAGE] == []


def test_every_path_is_there() -> None:
    for path in (*CALLS, *ADMIN_PATHS, "/healthz", "/readyz", "/openapi.json"):
        assert f"`{path}`" in PAGE or f"`{path.removeprefix('/v1/')}`" in PAGE, path


def test_every_code_of_a_discard_has_a_heading_of_its_own() -> None:
    cases = read_yaml(Path(__file__).parent / "cases" / "discards.yaml")
    codes = {code for case in cases for code, _ in case.get("discarded", ())} | {"event_too_large"}
    written = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in (discards, shaping)]
    literals = {code for text in written for code in re.findall(r'Discard\(\s*"(\w+)"', text)}
    assert literals <= codes
    assert set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == codes


def test_what_is_kept_of_discards_is_said() -> None:
    assert (MOST_DISCARDS, DISCARDS_KEPT, DISCARDS_A_SECOND, LARGEST_DISCARD) == (1000, 7 * 86400, 20, 32 * 1024)
    assert INTERVAL == 1
    kept = PAGE[PAGE.index("### What is kept of discarded events") :]
    for text in ("the last 1,000 are kept for 7 days, at most 20 of a second", "up to 32 KB", "up to a second later"):
        assert text in kept


def test_numbers_are_those_of_the_code() -> None:
    limits = CollectorLimits()
    assert (limits.event_bytes, limits.batch_bytes, limits.batch_events) == (32 * 1024, 500 * 1024, 2500)
    assert (limits.body_seconds, limits.held_bytes, limits.backlog) == (30, 64 * 1024 * 1024, 1_000_000)
    for text in ("32 KB", "500 KB", "2,500 events", "64 MB", "30 seconds", "more than a million"):
        assert text in PAGE
