"""`engine run`: what it prints in each format, what it counts, and how it ends."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Done, event

TEXT = """\
track "Viewed" of u1  events.ndjson:1
  shop  planned  1 request
    add_event: POST https://api.shop.example/events?token=***&tag=a&tag=b%20c
      Content-Type: application/json
      Authorization: Bearer ***
      {
        "name": "Viewed",
        "price": 19.9,
        "strict": false,
        "lines": [
          {"sku": "one of a very long name", "quantity": 1},
          {"sku": "another of a very long name", "quantity": 2}
        ]
      }

identify of u1  events.ndjson:2
  shop  planned  1 request
    add_customer: PUT https://api.shop.example/customers/u1
      Content-Type: application/x-www-form-urlencoded
      Authorization: Bearer ***
      {"email": "ann@example.com", "vip": true, "tags": ["a", "b"]}

page "Cart" of u1  events.ndjson:3
  shop  planned  2 requests
    find_order: GET https://api.shop.example/orders
      Authorization: Bearer ***
    add_note: POST https://api.shop.example/orders/<saved.order>/notes
      Content-Type: application/json
      Authorization: Bearer ***
      {"text": "Cart", "order": "<saved.order>"}

track "Viewed" of u1  events.ndjson:4
  shop  planned  1 request
    add_event: POST https://api.shop.example/events?token=***
      Content-Type: application/json
      Authorization: Bearer ***
      {"name": "Viewed", "strict": false}
    ! calls.track[0].fields.price: "much" was left out: not a number
      [not-converted]

identify of 1  events.ndjson:5
  ! userId is the number 1; it was converted to text [id-converted]
  shop  invalid  email is required but missing; tried traits.email
                 (calls.identify[0].fields.email)

group "g" of u1  events.ndjson:6
  shop  ignored  shop does not map group calls
"""

COUNTS = """
destination  outcome  events  reason
shop         planned       4
             ignored       1  1 x shop does not map group calls
             invalid       1  1 x email is required but missing; tried
                                  traits.email (calls.identify[0].fields.email)
! 1 x not-converted at calls.track[0].fields.price (shop)
! 1 x id-converted at userId
6 events.
"""

LINES = [{"sku": "one of a very long name", "quantity": 1}, {"sku": "another of a very long name", "quantity": 2}]
SIX = [
    event(properties={"price": "19.9", "tags": ["a", "b c"], "lines": LINES}),
    event("identify", traits={"email": "ann@example.com", "vip": True, "tags": ["a", "b"]}),
    event("page", name="Cart"),
    event(properties={"price": "much"}),
    event("identify", userId=1, traits={}),
    event("group", groupId="g"),
]


def run(engine: Callable[..., Done], *words: str, **options: bytes) -> Done:
    return engine("run", "shop", "--example-settings", *words, **options)


def test_text(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    done = run(engine, "--events", events(*SIX))
    assert done.out == TEXT
    assert done.err == COUNTS
    assert done.code == 1


def test_ndjson(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    done = run(engine, "--format", "ndjson", "--events", events(*SIX[:2], "7"))
    first, second, third = map(json.loads, done.out.splitlines())
    assert first == {
        "messageId": "m1",
        "type": "track",
        "destination": "shop",
        "outcome": "planned",
        "reason": "1 request",
        "requests": [
            {
                "request": "add_event",
                "method": "POST",
                "url": "https://api.shop.example/events",
                "headers": {"Content-Type": "application/json", "Authorization": "Bearer ***"},
                "query": {"token": "***", "tag": ["a", "b c"]},
                "body": {"name": "Viewed", "price": 19.9, "strict": False, "lines": LINES},
            }
        ],
        "reports": [],
    }
    assert second["requests"][0]["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert third == {
        "messageId": None,
        "type": None,
        "destination": "shop",
        "outcome": "invalid",
        "reason": "an event must be a JSON object; this is a number",
        "requests": [],
        "reports": [],
    }


CURL = """\
curl -X POST 'https://api.shop.example/events?token=***&tag=a&tag=b+c' -H 'Content-Type: application/json' \
-H 'Authorization: Bearer ***' -H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' \
--data-raw '{"name":"Viewed","price":19.9,"strict":false,"lines":[{"sku":"one of a very \
long name","quantity":1},{"sku":"another of a very long name","quantity":2}]}'

curl -X PUT https://api.shop.example/customers/u1 -H 'Content-Type: application/x-www-form-urlencoded' -H \
'Authorization: Bearer ***' -H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' \
--data-raw 'email=ann%40example.com&vip=true&tags=a&tags=b'

curl -X GET https://api.shop.example/orders -H 'Authorization: Bearer ***' -H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill'
curl -X POST 'https://api.shop.example/orders/<saved.order>/notes' -H 'Content-Type: application/json' \
-H 'Authorization: Bearer ***' -H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' \
--data-raw '{"text":"Cart","order":"<saved.order>"}'

curl -X POST 'https://api.shop.example/events?token=***' -H 'Content-Type: application/json' \
-H 'Authorization: Bearer ***' -H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' \
--data-raw '{"name":"Viewed","strict":false}'
"""


def test_curl(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    """Nothing but commands, with an empty line between events; test_curl.py runs such commands."""
    assert run(engine, "--format", "curl", "--events", events(*SIX)).out == CURL.replace("\\\n", "")


HOSTILE = "\u001b[31mRed\u0007\n$(touch pwned); 'x'\u202e"


@pytest.mark.parametrize("style", ["text", "ndjson", "curl"])
def test_an_event_cannot_steer_a_terminal_or_a_shell(
    engine: Callable[..., Done], events: Callable[..., str], style: str
) -> None:
    file = events(event(event=HOSTILE, messageId=HOSTILE, properties={HOSTILE: HOSTILE, "note": HOSTILE}))
    done = run(engine, "--format", style, "--events", file)
    assert all(line.isprintable() for line in done.out.splitlines())
    assert all(line.isprintable() for line in done.err.splitlines())
    if style == "text":
        title = r"""track "\u001b[31mRed\u0007\u000a$(touch pwned); 'x'\u202e" of u1  events.ndjson:1"""
        assert done.out.splitlines()[0] == title
    if style == "ndjson":
        assert json.loads(done.out)["messageId"] == HOSTILE
    if style == "curl":
        assert done.out.startswith("printf '{")


SECRETS = ("key-of-the-example", "token/of the example", "token%2Fof%20the%20example")


@pytest.mark.parametrize("style", ["text", "ndjson", "curl"])
def test_secrets_are_masked(engine: Callable[..., Done], events: Callable[..., str], style: str) -> None:
    key = "key-of-the-example"
    file = events(
        event(properties={"note": f"my key is {key}"}),
        event("page", name="Cart", messageId=f"m-{key}", userId=f"u-{key}", timestamp=key),
        event("identify", userId=f"u {key}", traits={"email": f"{key}%2540example.com"}),
        event("x" * 50 + key),
    )
    done = run(engine, "--format", style, "--events", file)
    shown = done.out + done.err
    assert [shown[shown.index(secret[:8]) - 200 :][:300] for secret in SECRETS if secret[:8] in shown] == []
    assert "my key is ***" in done.out


@pytest.mark.parametrize(
    ("style", "shown"),
    [("text", SECRETS[2:]), ("ndjson", SECRETS[:2]), ("curl", (SECRETS[0], "token%2Fof+the+example"))],
)
def test_secrets_are_shown_when_asked_for(
    engine: Callable[..., Done], events: Callable[..., str], style: str, shown: tuple[str, ...]
) -> None:
    done = run(engine, "--format", style, "--show-secrets", "--events", events(event()))
    assert [secret for secret in shown if secret not in done.out] == []


def test_several_destinations_stand_under_one_event(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    done = engine("run", "shop", "extole", "--example-settings", "--events", events(event("page", name="Cart")))
    assert done.out.splitlines()[0] == 'page "Cart" of u1  events.ndjson:1'
    assert [line for line in done.out.splitlines() if line.startswith("  ") and line[2] != " "] == [
        "  shop    planned  2 requests",
        "  extole  ignored  extole does not map page calls",
    ]


def test_what_cannot_be_read_is_named_and_counted_and_stops_nothing(
    engine: Callable[..., Done], events: Callable[..., str]
) -> None:
    file = events(event("group"), "{broken", event("group"), '{"type": NaN}', event("group"))
    done = run(engine, "--events", file)
    assert done.code == 1
    assert [line.partition("  ")[2] for line in done.out.splitlines() if line.startswith("group")] == [
        "events.ndjson:1",
        "events.ndjson:3",
        "events.ndjson:5",
    ]
    first, second = [line for line in done.err.splitlines() if line.startswith("events.ndjson:")]
    assert first.startswith("events.ndjson:2:2: not JSON")
    assert second.startswith("events.ndjson:4:10: not JSON")
    assert done.err.splitlines()[-1] == "3 events, and 2 lines that could not be read."


ONE = json.dumps(event("group")).encode()


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        ("one.json", ONE, 1),
        ("pretty.json", json.dumps(event("group"), indent=2).encode(), 1),
        ("list.json", b"[" + ONE + b", " + ONE + b"]", 2),
        ("lines.ndjson", ONE + b"\n\n" + ONE + b"\r\n" + ONE, 3),
        ("packed.ndjson.gz", gzip.compress(ONE + b"\n" + ONE, mtime=0), 2),
        ("empty.ndjson", b"", 0),
    ],
)
def test_forms_of_input(engine: Callable[..., Done], tmp_path: Path, name: str, content: bytes, count: int) -> None:
    (tmp_path / name).write_bytes(content)
    done = run(engine, "--events", name)
    piped = run(engine, "--events", "-", stdin=content)
    assert (done.code, piped.code) == (0, 0)
    assert done.out.count("group of u1") == piped.out.count("group of u1") == count
    assert done.err == piped.err
    assert done.err.splitlines()[-1] == f"{count} event{'' if count == 1 else 's'}."


def test_several_files_are_read_in_order(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    files = [events(event("group", userId=user), name=f"{user}.ndjson") for user in ("b", "a")]
    done = run(engine, "--events", files[0], "--events", files[1])
    titles = [line for line in done.out.splitlines() if line.startswith("group")]
    assert titles == ["group of b  b.ndjson:1", "group of a  a.ndjson:1"]


def test_received_at_is_the_time_of_events_without_one(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    file = events(event(timestamp=None))
    with_it = run(engine, "--received-at", "2024-03-05T12:00:00Z", "--events", file)
    assert "no-timestamp" not in with_it.out
    assert "[no-timestamp]" in run(engine, "--events", file).out.replace("\n      ", " ")
    assert run(engine, "--received-at", "noon", "--events", file) == Done(
        2, "", '--received-at: "noon" is not a time such as 2024-03-05T10:15:30Z.\n'
    )


def test_reasons_beyond_the_commonest_are_counted(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    others = [{}, event("identify", traits={}), event("unknown")]
    done = run(engine, "--events", events("null", "true", "7", '"text"', *others))
    assert done.err.splitlines()[-2].strip() == "and 2 more reasons"


UNKNOWN = 'unknown type "call_0"; it must be one of identify, track, page, screen, group, alias, delete'


def test_reasons_that_differ_only_in_a_value_are_one(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    file = events(*[event(f"call_{number % 7}") for number in range(9)], *[event("identify", traits={})] * 2)
    assert reasons(run(engine, "--events", file)) == [
        f"9 x {UNKNOWN} (+6 other values)",
        "2 x email is required but missing; tried traits.email (calls.identify[0].fields.email)",
    ]


def test_values_are_counted_up_to_a_bound(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    done = run(engine, "--events", events(*[event(f"call_{number}") for number in range(150)]))
    assert reasons(done) == [f"150 x {UNKNOWN} (+99 or more other values)"]


def reasons(done: Done) -> list[str]:
    """Return the reasons of invalid events, unwrapped."""
    table = done.err.partition("reason\n")[2].rpartition("\n")[0].rpartition("\n")[0]
    text = " ".join(table.split()).partition(" invalid ")[2] or " ".join(table.split())
    return [f"{count} x {reason.strip()}" for count, reason in re.findall(r"(\d+) x (.*?)(?= \d+ x |$)", text)]


def test_colours_are_for_terminals_only(engine: Callable[..., Done], events: Callable[..., str]) -> None:
    done = run(engine, "--events", events(*SIX))
    assert "\x1b" not in done.out + done.err
