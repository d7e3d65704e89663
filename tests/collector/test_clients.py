"""Real libraries against the real server: all their calls arrive, and stand with the vendors as the documents say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.collector.clients import ALL, CLIENTS, MOBILE, WHEN, Client, Story, run_node, said_by
from tests.collector.relay import Heard, relayed
from tests.collector.running import Server, serving

LIKE_OTHERS = ("browser-batch",)
"""Another browser costs two seconds: pages are shown by `browser`, and batches by the libraries on servers."""
SHOWN = "/browser.html"
SEARCH = "?utm_source=letter&utm_campaign=spring"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


class Told(NamedTuple):
    """What a client told, with what is only known afterwards."""

    client: Client
    story: Story
    device: str
    page: dict[str, str]
    shown_by: dict[str, str]
    """The browser, as its own header says it."""

    def has(self, call: str) -> bool:
        return call in self.client.calls


@pytest.mark.filterwarnings("default")  # the libraries' own
@pytest.mark.parametrize(
    "client",
    [
        pytest.param(client, id=client.who, marks=[pytest.mark.slow] if client.who in LIKE_OTHERS else [])
        for client in CLIENTS
    ],
)
def test_a_client(server: Server, client: Client, tmp_path: Path) -> None:
    story = Story(client.who, server.admin)
    with relayed(server.port) as relay:
        client.tell(relay.url, story, tmp_path)
        heard = relay.heard()
    assert_spoken(client, heard)
    told = what_was_told(client, story, heard)
    for held, expected in (
        (customer_at_exponea, as_exponea_says),
        (person_at_extole, as_extole_says),
        (user_at_user_com, as_user_com_says),
    ):
        settles(partial(held, server, told), expected(told))


def assert_spoken(client: Client, heard: list[Heard]) -> None:
    """It is this client that spoke, in its own way of speaking."""
    posts = [request for request in heard if request.method == "POST"]
    assert sorted({request.path for request in posts}) == list(client.paths)
    for request in posts:
        assert {name: request.headers.get(name) for name in client.headers} == client.headers
        assert {event["context"]["library"]["name"] for event in request.events} == {client.library}
        assert ("origin" in request.headers) == client.browser
    asked = {
        (request.path, request.headers["access-control-request-headers"])
        for request in heard
        if request.method == "OPTIONS"
    }
    assert asked == ({(path, "authorization") for path in client.paths} if client.browser else set())
    assert {event["type"] for request in posts for event in request.events} == client.calls


def what_was_told(client: Client, story: Story, heard: list[Heard]) -> Told:
    posts = [request for request in heard if request.method == "POST"]
    # An app's id is made by its library.
    device = posts[0].events[0]["anonymousId"] if client.calls == MOBILE else story.device
    if not client.browser:
        return Told(client, story, device, {"url": story.page, "path": "/start"}, {})
    headers = posts[0].headers
    page = {"url": f"{headers['origin']}{SHOWN}{SEARCH}", "path": SHOWN, "search": SEARCH, "title": "A page of a shop"}
    return Told(client, story, device, page, {"user_agent": headers["user-agent"]})


def settles(look: Callable[[], object], expected: object) -> None:
    """Wait until something looks as expected; fails when it does not within 20 seconds."""
    end = time.monotonic() + 20
    while (seen := look()) != expected and time.monotonic() < end:
        time.sleep(0.05)
    assert seen == expected


def only(found: dict, expected: dict) -> dict:
    """Return what is found under the keys that are expected."""
    return {key: found.get(key) for key in expected}


def as_exponea_says(told: Told) -> dict:
    story, common = told.story, told.client.event | told.shown_by
    events = {story.visited: common, story.ordered: common | story.order}
    if told.has("page"):
        shown = told.page if told.client.browser else {"url": story.page}
        events["page_visit"] = common | shown | {"page_name": "Start"}
    if told.has("screen"):
        events["screen_visit"] = common | {"screen_name": "Home"}
    group = {"group_id": story.company, "group_name": "Analytical Engines"} if told.has("group") else {}
    return {
        "soft ids": sorted([told.device, *([story.before] if told.has("alias") else [])]),
        "properties": story.traits | group,
        "events": events,
        "times": {name: near(told, name) for name in events},
    }


def near(told: Told, name: str) -> object:
    """Return when it happened: Segment's formula takes the error of the client's clock out, and here is none but the way."""
    # The order is of the past, but for apps: their library takes no time.
    dated = name == told.story.ordered and told.client.calls != MOBILE
    return pytest.approx(WHEN.timestamp(), abs=10) if dated else pytest.approx(time.time(), abs=60)


def customer_at_exponea(server: Server, told: Told) -> dict:
    """Return the customer with the events of both ids; two profiles that met leave an event `merge`, in its own time."""
    expected, state = as_exponea_says(told), server.state("exponea")
    named = [each for each in state["customers"] if each["ids"].get("registered") == told.story.user]
    happened = {
        each["type"]: each
        for each in state["events"]
        if each["customer"].get("registered") == told.story.user and each["type"] != "merge"
    }
    return {
        "soft ids": sorted(soft for each in named for soft in each["ids"].get("cookie", [])),
        "properties": named[0]["properties"] if named else {},
        "events": {name: only(each["properties"], expected["events"].get(name, {})) for name, each in happened.items()},
        "times": {name: each["timestamp"] for name, each in happened.items()},
    }


def as_extole_says(told: Told) -> dict:
    story = told.story
    person = {"email": story.traits["email"], "first_name": "Ada", "last_name": "Lovelace"}
    known = {"partner_user_id": story.user}
    # Mobile libraries send what they know of the user in the context of every call.
    email = {"email": story.traits["email"]} if told.client.calls == MOBILE else {}
    return {
        "person": person,
        "events": {"identify": known | person, story.ordered: known | story.order | email, story.visited: {}},
    }


def person_at_extole(server: Server, told: Told) -> dict:
    state, user = server.state("extole"), told.story.user
    persons = [each for each in state["persons"] if each["partner_user_id"] == user]
    return {
        "person": only(persons[0], as_extole_says(told)["person"]) if persons else {},
        "events": {
            each["event_name"]: each["data"]
            for each in state["events"]
            if each["data"].get("partner_user_id") == user or each["event_name"] == told.story.visited
        },
    }


def as_user_com_says(told: Told) -> dict:
    story = told.story
    shown = told.shown_by | ({"current_url": told.page["url"]} if told.client.browser else {})
    group, views = told.has("group"), told.has("page")
    return {
        "user": {"email": story.traits["email"], "first_name": "Ada", "last_name": "Lovelace", "page_views": int(views)}
        | told.client.user
        | shown,
        "events": {
            (told.device, story.visited): {},
            # Attributes that User.com does not know yet are made as strings.
            (story.user, story.ordered): {"total": "12.5", "products": '[{"sku":"a"}]'},
        },
        "views": [(story.user, told.page["url"], told.page["path"])] if views else [],
        "companies": [("Analytical Engines", [story.user])] if group else [],
    }


def user_at_user_com(server: Server, told: Told) -> dict:
    state, story = server.state("user_com"), told.story
    ids = {each["id"]: each["custom_id"] for each in state["users"]}
    ours = {told.device, story.user}
    users = [each for each in state["users"] if each["custom_id"] == story.user]
    return {
        "user": only(users[0], as_user_com_says(told)["user"]) if users else {},
        "events": {
            (ids[each["user"]], each["name"]): each["data"] for each in state["events"] if ids[each["user"]] in ours
        },
        "views": [
            (ids[each["user"]], each["page_domain"], each["page_path"])
            for each in state["site_views"]
            if ids[each["user"]] in ours
        ],
        "companies": [
            (each["name"], [ids[member] for member in each["employees"]])
            for each in state["companies"]
            if each["custom_id"] == story.company
        ],
    }


def test_every_call_is_made_by_some_client() -> None:
    assert set().union(*(client.calls for client in CLIENTS)) == ALL


@pytest.mark.parametrize(
    ("code", "host"),
    [
        ("fetch('http://example.invalid/')", "example.invalid:80"),
        ("require('net').connect(443, '203.0.113.9')", "203.0.113.9:443"),
        ("require('dns').lookup('example.invalid', () => {})", "example.invalid"),
        ("require('dns/promises').resolve4('example.invalid')", "example.invalid"),
    ],
)
def test_the_guard_lets_nothing_leave_this_machine(code: str, host: str) -> None:
    """Even where what is refused is swallowed."""
    swallow = "process.on('uncaughtException', () => {}); process.on('unhandledRejection', () => {});"
    done = run_node("-e", f"{swallow} {code}")
    said = f"guard: {host} is not on this machine; the tests talk to loopback only\n"
    assert (done.returncode, done.stderr.decode()) == (1, said), said_by(done)
