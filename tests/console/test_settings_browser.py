"""The destinations and the form of a connection in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.mapping.yaml.reader import read
from tests.console.connections import CONNECTIONS, site_of
from tests.console.harness import served, tell


@pytest.mark.slow  # overview.mjs looks at the page, too
def test_the_form_of_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_URL", "https://hooks.slack.com/services/T0/B0/X")
    path = tmp_path / "connections.yaml"
    path.write_text(CONNECTIONS)
    with served(site_of(path)) as running:
        tell("settings.mjs", url=running.url)
    text = path.read_text()
    assert text.startswith(CONNECTIONS.partition("\n\nhook:")[0].replace("  rate_limit: 5/s", ""))
    assert read(path).value["eu_shop"] == {
        "destination": "exponea",
        "settings": {
            "api_key": "${env:EU_SHOP_API_KEY}",
            "project_token": "<b>tok</b>",
            "hard_id": "registered",
            "soft_id": "cookie",
        },
        "enabled": False,
    }
    assert read(path).value["orders"]["rate_limit"] == "7/m"
