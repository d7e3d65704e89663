"""`engine run` masks as if it copied everything, although it copies only where a secret is or may be."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.commands.connection_options import NamedConnection
from engine.commands.output.ndjson import LineWriter
from engine.commands.output.text import WIDTH, Display
from engine.delivery.sending.outgoing import DryRun, Outgoing
from engine.language.regex import compile_pattern
from engine.language.texts import visible, visible_json
from engine.plan import Connection
from engine.records import Json, Outcome, Plan, PlannedRequest, Secret, Secrets, masked
from engine.secret_forms import MOST_TRACED, plain_traces, traces_pattern
from engine.showing.masking import Masking
from tests.runners import destination

KEYS = [
    "sk_live_4eC39HqLyjWD",
    "p\"a/s's&w+ö d<\\>=%",
    "+/=&?#key",
    "漢字é😀漢字",
    "123456",
    "1",
    "abcde",
    'a"b',
    "a/b",
]
KEYS += [
    "------",
    "é",
    "1e-07",
    "1e+16",
    "1.5e-07",
    "0.00001",
    "12345.75",
    "-5",
    "key\\",
    "ab\ncd\tef",
    "...…ab",
    "url",
]
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "a path": lambda text: quote(text, safe=""),
    "a query, encoded twice": lambda text: quote_plus(quote_plus(text)),
    "HTML": lambda text: "".join(each if each.isalnum() else f"&#x{ord(each):X};" for each in text),
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Basic": lambda text: base64.urlsafe_b64encode(f"u:{text}".encode()).decode(),
    "Basic, longer": lambda text: base64.b64encode(f"us:{text}:é".encode()).decode(),
    "Basic of a query": lambda text: base64.b64encode(f"usr:{quote_plus(text)}".encode()).decode(),
    "a digest": lambda text: hashlib.sha256(text.encode()).hexdigest().upper(),
    "cut": lambda text: text[:7] + "…",
    "cut by dots": lambda text: text[:6] + "...",
}
MAPPING = """
mapping: 1
name: case
title: Made
settings:
  key: {{ title: Key, type: string, secret: true{sent_in} }}
http: {{ base_url: "https://vendor.example", headers: {{ X-Key: "k ${{settings.key}}" }} }}
requests:
  send: {{ path: / }}
calls:
  track:
    - request: send
      fields:
        made: {made}
"""


def values(secret: str) -> Iterator[Json]:
    for form in FORMS.values():
        text = form(secret)
        yield from (text, f"a {text} b", f'"\\{text}é', {text: 1}, {f"x{text}": [text]})
    for number in (int, float):
        with suppress(ValueError):
            yield from (number(secret), [number(secret) + 1], {"n": number(secret)})


def never_missed(secret: str, value: Json) -> None:
    """Whatever masking would change must be found in the bytes."""
    secrets = Secrets([secret])
    pattern = traces_pattern(tuple(secrets))
    if pattern is not None and masked(value, secrets) != value:
        assert compile_pattern(pattern).search(orjson.dumps(value)), (secret, value)
    plain = plain_traces(secret)
    if plain is not None and masked(value, secrets) != value:
        assert any(trace in orjson.dumps(value).decode().lower() for trace in plain), (secret, value)


@pytest.mark.parametrize("secret", KEYS)
def test_every_form_leaves_a_trace_in_json(secret: str) -> None:
    for value in values(secret):
        never_missed(secret, value)


SECRET_TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
SECRET_TEXTS |= st.text("aB3/+\"\\'%& é-_", min_size=1, max_size=9)


@given(SECRET_TEXTS | st.integers(-99, 10**12).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(str))
def test_every_form_of_any_secret_leaves_a_trace_in_json(secret: str) -> None:
    for value in values(secret):
        never_missed(secret, value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_without_an_exponent_are_the_same_in_python_and_json(number: float) -> None:
    if "e" not in str(number):
        assert orjson.dumps(number).decode() == str(number)


@pytest.fixture(scope="module")
def connections() -> list[Connection]:
    """Return two: one that may send its secret in bodies, and one that may not."""
    mappings = [
        MAPPING.format(sent_in=", sent_in: body", made="settings.key"),
        MAPPING.format(sent_in="", made="event"),
    ]
    return [destination(mapping).connect({"key": "another-key"}, {}) for mapping in mappings]


def reference(event: dict[str, Json], run: DryRun, secrets: Secrets) -> bytes:
    """Return the line of a plan with a single request in a batch, by copying all of it."""

    def shown(request: PlannedRequest, title: str) -> dict[str, Json]:
        parts = {name: getattr(request, name) for name in ("method", "url", "headers", "query", "body")}
        return {title: request.request, **parts}

    [planned], [sent] = run.plan.requests, run.outgoing
    requests = {**masked_values(shown(planned, "request"), secrets)}
    requests["batch"] = masked_values(shown(sent.request, "name"), secrets)
    record = {
        "messageId": masked(event["messageId"], secrets),
        "type": masked(event["type"], secrets),
        "destination": "made",
        "outcome": "planned",
        "reason": "1 request",
        "requests": [requests],
        "reports": [],
    }
    return visible(orjson.dumps(record).decode()).encode() + b"\n"


def masked_values(record: dict[str, Json], secrets: Secrets) -> dict[str, Json]:
    """Mask the values; the keys are the format's own."""
    return {key: masked(value, secrets) for key, value in record.items()}


@pytest.mark.parametrize("secret", KEYS)
def test_output_is_the_same_as_if_all_of_it_was_copied(secret: str, connections: list[Connection]) -> None:
    secrets = Secrets([secret, "another-key"])
    headers = {"X-Key": Secret("k another-key", "k ***"), "X-Other": secret}
    for connection in connections:
        masking, writer = Masking(connection, secrets), LineWriter(NamedConnection("made", connection), secrets)
        for value in [*values(secret), "harmless\u202e\x7f", None]:
            request = PlannedRequest("send", "POST", "https://vendor.example/", headers, {"q": "v"}, value, batch="all")
            batch = request._replace(request="all", body={"items": [{"n": 1, "data": value}]}, batch=None)
            run = DryRun(Plan(Outcome.PLANNED, "1 request", (request,)), (Outgoing(batch, "json", 1, "all"),))
            event: dict[str, Json] = {"messageId": value if isinstance(value, str | int) else "m", "type": "track"}
            assert writer.line(event, run) == reference(event, run, secrets)
            assert masking.body(value) == masked(value, secrets)


def test_what_a_function_makes_of_a_secret_is_masked_by_its_type(connections: list[Connection]) -> None:
    body: Json = {"made": Secret("ANOTHER-KEY"), "b": 1}
    masking = Masking(connections[0], Secrets(["another-key"]))
    assert masking.body(body) == {"made": "***", "b": 1}
    assert masking.json([body]) == [b'{"made":"***","b":1}']


BODY: Json = {"a": 1}
KNOWN: Json = {"items": [{"name": "n", "data": BODY}]}


@pytest.mark.parametrize(
    "batch",
    [
        {"items": [{"name": "n", "data": {"a": 1}}]},  # equal, and not the same object: a copy may be written otherwise
        {"items": [{"name": "n", "data": {"a": True}}]},
        {"items": [{"data": BODY, "name": "n"}]},
        {"items": [{"name": "n", "data": BODY, "more": 1}]},
        {"items": [{"name": 'three """ quotes', "data": BODY}]},
        {"items": [{"name": "sk_other", "data": BODY}]},
        {"items": [{"name": "n", "data": BODY}, BODY]},
        {"items": [[[[[BODY]]]]]},
        {"items": []},
        BODY,
        "text",
    ],
)
def test_what_is_around_the_body_of_an_item_is_used_for_the_same_alone(
    batch: Json, connections: list[Connection]
) -> None:
    writer = LineWriter(NamedConnection("made", connections[1]), Secrets(["sk_other"]))
    request = PlannedRequest("send", "POST", "https://vendor.example/", {}, {}, BODY, batch="all")
    for made in (KNOWN, batch, KNOWN):
        sent = request._replace(request="all", body=made, batch=None)
        run = DryRun(Plan(Outcome.PLANNED, "1 request", (request,)), (Outgoing(sent, "json", 1, "all"),))
        event: dict[str, Json] = {"messageId": 'm"""', "type": "track"}
        assert writer.line(event, run) == reference(event, run, Secrets(["sk_other"]))


def test_an_address_with_something_of_an_event_in_it_is_not_kept(connections: list[Connection]) -> None:
    masking = Masking(connections[1], Secrets(["secret-of-one"]))
    urls = [f"https://vendor.example/{name}" for name in ("a", "secret-of-one", "b")]
    shown = [masking.address(PlannedRequest("send", "GET", url, {}, {}, None)).shown["url"] for url in urls]
    assert shown == ["https://vendor.example/a", "https://vendor.example/***", "https://vendor.example/b"]


def test_more_secrets_than_one_pattern_holds_are_masked(connections: list[Connection]) -> None:
    secrets = Secrets(f"secret-number-{number}" for number in range(MOST_TRACED + 1))
    assert traces_pattern(tuple(secrets)) is None
    assert Masking(connections[1], secrets).body({"a": "of secret-number-100"}) == {"a": "of ***"}
    most = tuple("x" * 1000 + str(number) for number in range(MOST_TRACED))
    assert compile_pattern(str(traces_pattern(most))).search(most[-1].encode())


@given(st.text())
def test_json_is_made_visible_as_text_is(text: str) -> None:
    raw = orjson.dumps([text, "\x7f"[: len(text) % 2]])
    assert visible_json(raw) == visible(raw.decode()).encode()


PIECES = st.text(st.characters(codec="utf-8"), max_size=30) | st.integers() | st.floats() | st.none() | st.booleans()


@given(
    st.recursive(
        PIECES,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
        max_leaves=20,
    ),
    st.integers(0, 12),
)
def test_json_is_folded_as_if_every_part_was_written_first(value: Any, indent: int) -> None:
    assert Display(io.StringIO()).fold(value, indent) == list(folded(value, " " * indent, "", ""))


def folded(value: Any, indent: str, before: str, after: str) -> Iterator[str]:
    text = visible(json.dumps(value, ensure_ascii=False))
    if len(indent + before + text + after) <= WIDTH or not value or not isinstance(value, dict | list):
        yield f"{indent}{before}{text}{after}"
        return
    yield f"{indent}{before}{text[0]}"
    keys = [visible(json.dumps(key, ensure_ascii=False)) + ": " for key in value] if isinstance(value, dict) else None
    members = list(value.values()) if isinstance(value, dict) else value
    for number, member in enumerate(members):
        yield from folded(member, indent + "  ", keys[number] if keys else "", "," if number + 1 < len(members) else "")
    yield f"{indent}{text[-1]}{after}"


def test_a_live_pipe_shows_each_event_at_once() -> None:
    words = [
        sys.executable,
        "-m",
        "engine",
        "run",
        "webhook",
        "--example-settings",
        "--format",
        "ndjson",
        "--events",
        "-",
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for number in range(3):
            running.stdin.write(b'{"type": "track", "event": "E", "userId": "u", "messageId": "m%d"}\n' % number)
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["messageId"] == f"m{number}"
        running.stdin.close()
        assert running.stdout.read() == b""
