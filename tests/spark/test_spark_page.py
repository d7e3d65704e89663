"""docs/spark.md: its job runs as the page says, and it names every argument and column that there is."""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path

import pytest

from engine.spark.results import NAMES, REQUEST_TYPES
from tests.docs.blocks import blocks
from tests.docs.console import Console
from tests.docs.pages import text_of
from tests.spark.java import java_environment

PAGE = "docs/spark.md"


@pytest.mark.slow
def test_the_job_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in java_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    console = Console(tmp_path)
    for block in blocks(PAGE):
        console.play(block)


@pytest.mark.slow
def test_the_page_names_every_argument() -> None:
    from engine.spark import plan_events

    names = list(inspect.signature(plan_events).parameters)
    [shown] = re.findall(r"^`plan_events\((.*)\)`$", text_of(PAGE), flags=re.MULTILINE)
    assert re.findall(r"(\w+)(?==|,|$)", re.sub(r"=[^,]+", "", shown)) == names
    assert all(f"| `{name}` |" in text_of(PAGE) for name in names)


def test_the_page_names_every_column() -> None:
    section = text_of(PAGE).partition("## What comes out")[2]
    for name in (*NAMES, *(each.partition(":")[0] for each in REQUEST_TYPES), "code", "place", "message"):
        assert f"`{name}`" in section, name
