"""The vendors' documented payloads and errors: every scenario of `cases/*.yaml`."""

from __future__ import annotations

import pytest

from tests.sandbox import harness

SCENARIOS = list(harness.scenarios())


@pytest.mark.parametrize(
    ("file", "scenario"),
    [(file, scenario) for file, _, scenario in SCENARIOS],
    ids=[f"{file}: {title}" for file, title, _ in SCENARIOS],
)
def test_scenario(file, scenario):
    vendor = next((name for name in harness.HEADERS if file.startswith(name)), "")
    harness.play(vendor, scenario)
