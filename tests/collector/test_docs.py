"""docs/collector.md describes every path, metric and limit."""

from __future__ import annotations

import re

from engine.collector.background import ADMIN_PATHS
from engine.collector.observers import CollectorObserver
from engine.collector.openapi import CALLS
from engine.collector.responses import CollectorLimits
from tests.collector.running import ROOT

PAGE = (ROOT / "docs" / "collector.md").read_text(encoding="utf-8")


def test_every_metric_is_there() -> None:
    names = re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram)$", CollectorObserver().text().decode(), re.MULTILINE)
    assert names
    assert [name for name in names if not name.endswith("_created") and f"`{name}`" not in PAGE] == []


def test_every_path_is_there() -> None:
    for path in (*CALLS, *ADMIN_PATHS, "/healthz", "/readyz", "/openapi.json"):
        assert f"`{path}`" in PAGE or f"`{path.removeprefix('/v1/')}`" in PAGE, path


def test_numbers_are_those_of_the_code() -> None:
    limits = CollectorLimits()
    assert (limits.event_bytes, limits.batch_bytes, limits.batch_events) == (32 * 1024, 500 * 1024, 2500)
    assert (limits.body_seconds, limits.held_bytes, limits.backlog) == (30, 64 * 1024 * 1024, 1_000_000)
    for text in ("32 KB", "500 KB", "2,500 events", "64 MB", "30 seconds", "more than a million"):
        assert text in PAGE
