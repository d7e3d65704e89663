"""`engine explain` and `engine run --unread`: what they print, whole, and what they say when they cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.delivery.outbox.base import Change, NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.records import Outcome
from tests.commands.conftest import Engine, event

TEXT = """\
track "Viewed" of u1  events.ndjson:1
shop  planned  1 request
settings  api_key, token: from the mapping's examples

add_event  POST https://api.shop.example/events                     shop.yaml:36
├─ query.tag[0]  ← properties.tags[0]
├─ query.tag[1]  ← properties.tags[1]
├─ name  "Viewed"  ← event                                          shop.yaml:38
├─ price  19.9                                                      shop.yaml:39
│    properties.price  "19.9"                                       shop.yaml:39
│    number  19.9                                                   shop.yaml:39
├─ limit  3  ← settings.limit                                       shop.yaml:41
├─ strict  false  ← settings.strict                                 shop.yaml:42
├─ lines[0].sku  "a"  ← properties.lines[0].sku                     shop.yaml:44
├─ lines[1].sku  "b"                                                shop.yaml:44
│    ← properties.lines[1].sku (and 2 items like it)
└─ absent
   ├─ level                                                         shop.yaml:40
   │    properties.level: not there                                 shop.yaml:40
   └─ note                                                          shop.yaml:43
        properties.note: null                                       shop.yaml:43

reached no request
├─ userId  "u1"  read in identify (shop.yaml:25)
├─ timestamp  "2024-03-05T10:15:30Z"
├─ properties["extra\\u001b"]  "\\u202e***"
├─ traits.a  1
└─ traits.b  2
"""
LINES = [{"sku": letter} for letter in "abcd"]
ODD = {"extra\x1b": "\u202ekey-of-the-example"}


def test_one_event(engine: Engine, events: Callable[..., str]) -> None:
    properties: dict[str, Any] = {"price": "19.9", "tags": ["x", "y"], "lines": LINES, "note": None, **ODD}
    file = events(event(properties=properties, traits={"a": 1, "b": 2}))
    done = engine("explain", "shop", file, "--set", "limit=3")
    assert (done.code, done.err) == (0, "")
    assert done.out == TEXT


MISTAKES = {
    "no event": (
        ("shop",),
        2,
        "Name one event: a file, FILE:LINE, - for standard input, or --message-id ID --outbox FILE.",
    ),
    "no file": (
        ("shop", "gone.json"),
        2,
        "File gone.json does not exist; name a file of events, or - for standard input.",
    ),
    "no line": (
        ("shop", "two.ndjson:7"),
        2,
        "No event begins in line 7 of two.ndjson; the last one before it is in line 2.",
    ),
    "empty": (("shop", "empty.ndjson"), 2, "empty.ndjson has no event."),
    "no JSON": (("shop", "broken.ndjson"), 1, "broken.ndjson:1:9: not JSON: unexpected end of data"),
    "no mapping": (("shp", "two.ndjson:1"), 2, "Unknown mapping shp; did you mean shop?"),
    "no output": (
        ("shop", "two.ndjson:1", "--output", "pric"),
        2,
        'No request has an output field "pric". Did you mean price?',
    ),
    "no field": (
        ("shop", "two.ndjson:1", "--field", "evnt"),
        2,
        'The event has no field "evnt". Did you mean event?',
    ),
    "no field of a mapping": (
        ("shop", "two.ndjson:1", "--field", "messageId"),
        2,
        'The event has no field "messageId". What says how an event travels, such as messageId, is not explained.',
    ),
    "both": (
        ("shop", "two.ndjson:1", "--field", "event", "--output", "name"),
        2,
        "--field is about the event and --output about the requests; give one of them.",
    ),
    "no message": (
        ("shop", "two.ndjson:1", "--outbox", "outbox.db"),
        2,
        "--outbox needs --message-id ID; without it the event is in a file.",
    ),
    "no outbox": (
        ("shop", "--message-id", "m1", "--outbox", "gone.db"),
        2,
        "There is no outbox gone.db; name one with --outbox.",
    ),
    "settings": (
        ("shop", "two.ndjson:1", "--set", "limit=much"),
        2,
        """Invalid settings for Shop:
  Limit (limit): "much" is not a whole number.
Set them with --settings FILE or --set KEY=VALUE.""",
    ),
    "time": (
        ("shop", "two.ndjson:1", "--received-at", "noon"),
        2,
        '--received-at: "noon" is not a time such as 2024-03-05T10:15:30Z.',
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, engine: Engine, events: Callable[..., str]) -> None:
    events(event(), event(), name="two.ndjson")
    events('{"type":', name="broken.ndjson")
    events(name="empty.ndjson")
    words, code, message = MISTAKES[name]
    done = engine("explain", *words)
    assert (done.code, done.out, done.err.rstrip("\n")) == (code, "", message)


def test_a_mapping_with_problems_shows_them(engine: Engine, events: Callable[..., str], tmp_path: Path) -> None:
    text = (tmp_path / "shop.yaml").read_text(encoding="utf-8").replace("name: event", "name: evnt")
    (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
    done = engine("explain", "shop", events(event()))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("shop.yaml:38:15  calls.track[0].fields.name\n")


@pytest.mark.parametrize("option", ["--output", "--field"])
def test_an_invalid_event_has_no_fields_to_choose(option: str, engine: Engine, events: Callable[..., str]) -> None:
    done = engine("explain", "shop", events(event(userId=None)), option, "name")
    assert (done.code, done.err) == (1, "")
    assert done.out == (
        'track "Viewed"  events.ndjson:1\n'
        "shop  invalid  neither userId nor anonymousId (no_user_anon_id)\n"
        "settings  api_key, token: from the mapping's examples\n"
        "  decided by the event itself\n"
    )


MOVED = """\
├─ email  "e@example.com"  ← context.traits.email                   shop.yaml:48
"""


def test_a_value_is_from_where_the_event_has_it(engine: Engine, events: Callable[..., str]) -> None:
    file = events(event("identify", context={"traits": {"email": "e@example.com"}}))
    done = engine("explain", "shop", file)
    assert (done.code, done.err) == (0, "")
    assert MOVED in done.out


def test_more_events_are_announced(engine: Engine, events: Callable[..., str]) -> None:
    done = engine("explain", "shop", events(event(), event()), "--output", "name", "--format", "json")
    assert done.err == "events.ndjson has more events; this is its first. events.ndjson:LINE explains another one.\n"
    [field] = json.loads(done.out)["steps"][0]["requests"][0]["fields"]
    assert (field["output"], field["value"], field["from"]) == ("name", "Viewed", ["event"])


@pytest.mark.parametrize("value", [7, None, "text", [[]], {}, {"type": "nap"}, {"type": "track", "event": [1]}])
def test_what_is_no_event_is_invalid(value: Any, engine: Engine) -> None:
    done = engine("explain", "shop", "-", "--format", "json", stdin=json.dumps(value).encode() + b"\n")
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)
    assert (found["outcome"], [each["text"] for each in found["decided_by"]]) == ("invalid", ["the event itself"])


def test_an_event_of_the_outbox(engine: Engine, tmp_path: Path) -> None:
    raw = json.dumps({key: each for key, each in event().items() if key != "timestamp"}).encode()
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        outbox.take_in([NewEvent("web", "m1", "2024-03-05T10:15:30Z", raw)], ["shop"], 1000.0)
    done = engine("explain", "shop", "--message-id", "m1", "--outbox", "outbox.db", "--output", "name")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        'track "Viewed" of u1  event 1 of the outbox\n'
        "shop  planned  1 request\n"
        "settings  api_key, token: from the mapping's examples\n"
        "\n"
        "add_event  POST https://api.shop.example/events                     shop.yaml:36\n"
        '└─ name  "Viewed"  ← event                                          shop.yaml:38\n'
        '     event  "Viewed"                                                shop.yaml:38\n'
    )
    with closing(SqliteOutbox(tmp_path / "outbox.db")) as outbox:
        outbox.take_in([NewEvent("app", "m1", "2024-03-05T10:15:31Z", raw)], ["shop"], 1001.0)
    done = engine("explain", "shop", "--message-id", "m1", "--output", "name", "--format", "json")
    assert (done.code, json.loads(done.out)["event"]) == (0, {"source": "event 2 of the outbox"})
    assert (
        done.err == "2 events have this ID; this is the newest. Its number instead of m1 explains another one: 1, 2.\n"
    )
    done = engine("explain", "shop", "--message-id", "m2", "--outbox", "outbox.db")
    assert (done.code, done.out, done.err) == (
        2,
        "",
        "There is no event m2 in this outbox; engine outbox list shows the events.\n",
    )
    done = engine("explain", "--message-id", "m1", "--outbox", "outbox.db")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "For which connection? Add --connection NAME (engine outbox show ID lists those of an event), or name a "
        "mapping.\n"
    )


def test_a_version_that_was_not_kept(engine: Engine, tmp_path: Path) -> None:
    with closing(SqliteOutbox(tmp_path / "old.db")) as outbox:
        outbox.take_in([NewEvent("web", "m1", "2024-03-05T10:15:30Z", json.dumps(event()).encode())], ["shop"], 1000.0)
        fence = outbox.lease("shop", "w", 1000.0, 10)
        outbox.write("shop", fence, [Change(1, Outcome.DELIVERED, "1 request accepted", digest="abc")], 1001.0)
    done = engine("explain", "--message-id", "m1", "--connection", "shop", "--outbox", "old.db")
    assert done.code == 2
    assert done.err == (
        "Version abc of the mapping of shop is not kept in this outbox; name a mapping: "
        "engine explain MAPPING --outbox old.db --message-id 1\n"
    )
    shown = engine("outbox", "show", "m1", "--outbox", "old.db")
    assert shown.out.endswith("  why: engine explain MAPPING --outbox old.db --message-id 1\n")


UNREAD = """\
shop: 3 fields reached no request, in 2 planned events
  events  share  field  and its first value
       2  100 %  timestamp  "2024-03-05T10:15:30Z"
       1  100 %  properties.plan  "***"
       1   50 %  userId  "u1"
"""


def test_an_empty_file_stays_empty(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "z.db").touch()
    assert engine("explain", "shop", "--message-id", "m1", "--outbox", "z.db") == (
        2,
        "",
        "z.db is empty, so it is no outbox; name one with --outbox.\n",
    )
    assert [(path.name, path.stat().st_size) for path in tmp_path.glob("z.db*")] == [("z.db", 0)]


def test_fields_that_reach_no_request(engine: Engine, events: Callable[..., str]) -> None:
    file = events(
        event(properties={"plan": "key-of-the-example"}), event("identify", traits={"email": "e"}), event("group")
    )
    done = engine("run", "shop", "--events", file, "--example-settings", "--unread")
    assert (done.code, done.out) == (0, UNREAD)
    done = engine("run", "shop", "--events", file, "--example-settings", "--unread", "--format", "ndjson")
    assert [json.loads(line) for line in done.out.splitlines()][1] == {
        "destination": "shop",
        "field": "properties.plan",
        "events": 1,
        "unread": 1,
        "sample": "***",
    }
    done = engine("run", "shop", "--events", file, "--example-settings", "--unread", "--format", "curl")
    assert (done.code, done.err) == (2, "--unread shows no requests; use --format text or ndjson.\n")
