"""Real libraries against the real server: all their calls arrive, and stand with the vendors."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.sources.expo import Segment
from tests.collector.running import Server, serving, until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


LIBRARIES = [
    ("segment.analytics.client", {"gzip": False}, "se"),
    ("segment.analytics.client", {"gzip": True}, "sz"),
    ("rudderstack.analytics.client", {"gzip": True}, "ru"),
]


@pytest.mark.filterwarnings("default")  # the libraries' own
@pytest.mark.parametrize(("module", "options", "who"), LIBRARIES, ids=[who for *_, who in LIBRARIES])
def test_python_libraries(server: Server, module: str, options: dict, who: str) -> None:
    failures: list[object] = []
    made = importlib.import_module(module).Client
    client = made("sandbox", host=server.url, on_error=lambda error, _items: failures.append(error), **options)
    user = f"{who}-1"
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    client.identify(user, {"email": f"{who}@example.com", "firstName": "Ada"})
    client.track(user, f"Ordered {who}", {"total": 12.5, "products": [{"sku": "a"}]}, timestamp=when)
    client.page(user, "Docs", "Start", {"url": "https://example.com/start"})
    client.screen(user, "App", "Home")
    client.group(user, f"{who}-company", {"name": "Analytical Engines"})
    client.alias(f"{who}-anonymous", user)
    client.shutdown()
    assert failures == []

    until(lambda: who in texts(server, "exponea", "cookie"))
    [ordered] = named(server, f"Ordered {who}")
    assert ordered["customer"] == {"registered": user, "cookie": [f"{who}-anonymous"]}
    # Segment's formula takes the error of the client's clock out, and here there is none but the way.
    assert ordered["timestamp"] == pytest.approx(when.timestamp(), abs=10)
    assert ordered["properties"]["total"] == 12.5
    customers = {customer["ids"].get("registered"): customer for customer in server.state("exponea")["customers"]}
    assert customers[user]["properties"]["email"] == f"{who}@example.com"
    assert customers[user]["events"] == 3
    until(lambda: f"{who}@example.com" in texts(server, "extole", "email"))
    until(lambda: user in texts(server, "user_com", "custom_id"))
    until(lambda: f"{who}-company" in texts(server, "user_com", "custom_id"))


def named(server: Server, name: str) -> list[dict]:
    """Wait until a vendor has an event of a name; gives all that it has."""
    until(lambda: name in [event["type"] for event in server.state("exponea")["events"]])
    return [event for event in server.state("exponea")["events"] if event["type"] == name]


def texts(server: Server, vendor: str, key: str) -> str:
    """Give all that a vendor holds under a key, as one text."""
    found: list[object] = []

    def look(value: object) -> None:
        if isinstance(value, dict):
            found.extend(member for name, member in value.items() if name == key)
            value = list(value.values())
        if isinstance(value, list):
            for member in value:
                look(member)

    look(server.state(vendor))
    return repr(found)


def test_the_expo_client(server: Server, tmp_path: Path) -> None:
    app = Segment("ios", server.url, tmp_path, start=False)
    app.initialize_android("another key")
    app.initialize_ios("sandbox")
    app.identify_with_traits("ex-1", {"email": "ex@example.com"})
    app.track("Opened ex")
    app.track_with_properties("Bought ex", {"n": 3})
    app.identify("ex-2")
    flushed = app.flush()
    app.close()
    assert (flushed.sent, flushed.dropped, flushed.waiting) == (4, 0, 0)
    [bought] = named(server, "Bought ex")
    assert bought["customer"]["registered"] == "ex-1"
    assert bought["properties"]["n"] == 3
    assert len(named(server, "Opened ex")) == 1
