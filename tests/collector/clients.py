"""Real clients of the collector: each tells the same story by its own means. Another client is another entry."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import orjson
import pytest

from engine.expo import Segment
from tests.node import program

FOLDER = Path(__file__).parent / "clients_js"
KEY = "sandbox"
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MOBILE = frozenset({"track", "identify"})
ALL = MOBILE | {"page", "screen", "group", "alias"}


class Story:
    """What a client tells of one user: a visit before the user is known, who it is, and one call of each kind."""

    def __init__(self, who: str, admin: str) -> None:
        self.admin = admin
        self.user = f"{who}-1"
        self.device = f"{who}-device"
        self.before = f"{who}-before"
        self.visited = f"Visited {who}"
        self.ordered = f"Ordered {who}"
        self.order = {"total": 12.5, "products": [{"sku": "a"}]}
        self.traits = {"email": f"{who}@example.com", "firstName": "Ada", "lastName": "Lovelace"}
        self.page = "https://example.com/start"
        self.company = f"{who}-company"
        self.company_traits = {"name": "Analytical Engines"}

    def json(self, url: str) -> bytes:
        """Write it for a script in `clients_js/`."""
        named = {**vars(self), "companyTraits": self.company_traits, "when": WHEN.isoformat(), "url": url}
        return orjson.dumps(named)


Tell = Callable[[str, Story, Path], None]
"""Tell a story to the collector at an address; with a folder to keep things in. Fails where the client says so."""


class Client(NamedTuple):
    """A client: what it calls itself, how it tells the story, and what is its own in the requests it makes.

    `event` and `user` are what Exponea's events and User.com's user hold besides the story, from the context.
    """

    who: str
    library: str
    tell: Tell
    headers: dict[str, str | None]
    paths: tuple[str, ...] = ("/v1/batch",)
    calls: frozenset[str] = ALL
    event: Mapping[str, str] = MappingProxyType({})
    user: Mapping[str, str | None] = MappingProxyType({"ip_address": None, "os": None})

    @property
    def browser(self) -> bool:
        """Whether it runs in a page, which adds where it is and what shows it."""
        return self.headers == PAGE


def python(module: str, **options: object) -> Tell:
    """Tell with a library for Python that has the methods of Segment's."""

    def tell(url: str, story: Story, _folder: Path) -> None:
        failures: list[object] = []
        made = importlib.import_module(module).Client
        client = made(KEY, host=url, on_error=lambda error, _items: failures.append(error), **options)
        client.track(anonymous_id=story.device, event=story.visited)
        client.identify(story.user, story.traits, anonymous_id=story.device)
        client.track(story.user, story.ordered, story.order, timestamp=WHEN)
        client.page(story.user, "Docs", "Start", {"url": story.page})
        client.screen(story.user, "App", "Home")
        client.group(story.user, story.company, story.company_traits)
        client.alias(story.before, story.user)
        client.shutdown()
        assert failures == []

    return tell


def expo(url: str, story: Story, folder: Path) -> None:
    """Tell with our own client of Expo's module."""
    app = Segment("ios", url, folder, start=False)
    app.initialize_android("another key")
    app.initialize_ios(KEY)
    app.track(story.visited)
    app.identify_with_traits(story.user, story.traits)
    app.track_with_properties(story.ordered, story.order)
    app.identify(story.user)
    flushed = app.flush()
    app.close()
    assert (flushed.sent, flushed.dropped, flushed.waiting) == (4, 0, 0)


def node(script: str, *words: str) -> Tell:
    """Tell with a script of `clients_js/`, under Node.js that reaches nothing but this machine."""

    def tell(url: str, story: Story, _folder: Path) -> None:
        done = run_node(f"{script}.mjs", *words, given=story.json(url))
        assert done.returncode == 0, said_by(done)

    return tell


def run_node(*words: str, given: bytes = b"", timeout: float = 60) -> subprocess.CompletedProcess[bytes]:
    """Run Node.js with the guard, in the folder of the scripts."""
    if not (FOLDER / "node_modules/chosen-browser").exists():
        pytest.fail("The JavaScript libraries or the browser are missing: `make node` installs them.")
    command = [program(), "--import", "./guard.mjs", *words]
    return subprocess.run(command, cwd=FOLDER, input=given, capture_output=True, timeout=timeout, check=False)


def said_by(done: subprocess.CompletedProcess[bytes]) -> str:
    return f"exit code {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}"


BASIC = {"authorization": "Basic c2FuZGJveDo="}
PLAIN = BASIC | {"content-type": "application/json", "content-encoding": None}
PACKED = BASIC | {"content-type": "application/json", "content-encoding": "gzip"}
FORM = PACKED | {"content-type": "application/x-www-form-urlencoded"}
PAGE = BASIC | {"content-type": "text/plain", "content-encoding": None}
SINGLE = ("/v1/a", "/v1/g", "/v1/i", "/v1/p", "/v1/s", "/v1/t")
CAMPAIGN = {"campaign_source": "letter", "campaign_name": "spring"}
LINUX = {
    "ip_address": "127.0.0.1",
    "os": "Linux",
    "device_type": "desktop",
    "language": "en-GB",
    "timezone": "Europe/Prague",
    "browser_family": "HeadlessChrome",
}
IOS = {"ip_address": "127.0.0.1", "os": "iOS", "device_type": "ios"}
ANDROID = {"ip_address": "127.0.0.1", "os": "Android", "device_type": "android"}
# Two batches by their size, and the last event when the page is left.
BATCHING = '{"strategy": "batching", "config": {"size": 3, "timeout": 60000}}'

CLIENTS = [
    Client("segment-python", "analytics-python", python("segment.analytics.client", gzip=False), PLAIN),
    Client("segment-python-gzip", "analytics-python", python("segment.analytics.client", gzip=True), PACKED),
    Client("rudder-python", "analytics-python", python("rudderstack.analytics.client", gzip=True), PACKED),
    Client(
        "expo-python", "waybill-expo-segment-python", expo, PACKED, calls=MOBILE, event={"os_name": "iOS"}, user=IOS
    ),
    Client("segment-node", "@segment/analytics-node", node("analytics-node"), PLAIN),
    Client("rudder-node", "analytics-node", node("rudder-node"), FORM),
    Client(
        "expo-node",
        "waybill-expo-segment",
        node("expo-segment"),
        PLAIN,
        calls=MOBILE,
        event={"os_name": "Android"},
        user=ANDROID,
    ),
    Client(
        "browser", "analytics.js", node("browser", '{"strategy": "single"}'), PAGE, SINGLE, event=CAMPAIGN, user=LINUX
    ),
    Client("browser-batch", "analytics.js", node("browser", BATCHING), PAGE, ("/v1/b",), event=CAMPAIGN, user=LINUX),
]
