"""Secrets are found in every form in which they come back, and whatever a mapping makes of one is one."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest

from engine.delivery.configured_connection import ConfiguredConnection
from engine.events.normalizing import normalize
from engine.language.functions import FUNCTIONS
from engine.language.texts import kind_of, visible
from engine.plan import Connection, load
from engine.records import Json, Outcome, Secret, Secrets, masked
from engine.responses import error_text
from tests.tables import each

KEYS = ["sk_live_4eC39HqLyjWD", "p\"a/s's&w+ö d<\\>=%", "+/=&?#key", "漢字é😀漢字", "123456"]
OTHER_WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON with upper-case escapes": lambda text: json.dumps(text).replace("\\u00f6", "\\u00F6"),
    "a path": quote,
    "a path in lower case": lambda text: "".join(f"%{byte:02x}" if byte > 127 else chr(byte) for byte in text.encode()),
    "a segment": lambda text: quote(text, safe=""),
    "a query": quote_plus,
    "a query, encoded twice": lambda text: quote_plus(quote_plus(text)),
    "a form": lambda text: urlencode({"key": text}),
    "HTML": html.escape,
    "HTML by numbers": lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    "HTML by hexadecimal numbers": lambda text: "".join(
        each if each.isalnum() else f"&#x{ord(each):X};" for each in text
    ),
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Base64 in a query": lambda text: quote_plus(base64.b64encode(text.encode()).decode()),
    "Base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "Base64 of a query": lambda text: base64.b64encode(quote_plus(text).encode()).decode(),
    "URL-safe Base64": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@each("way", OTHER_WAYS)
@each("key", KEYS)
def test_a_secret_is_masked_in_every_form(key: str, way: str) -> None:
    shown = Secrets([key, "another-key"]).mask(f"bad key <{OTHER_WAYS[way](key)}>!")
    before, mask, after = shown.partition("***")
    assert mask
    assert before.removeprefix("bad key <") in {"", '"', '"\\"', "key="}
    assert after.removesuffix(">!") in {"", '"', '\\""'}


@each("encode", [base64.b64encode, base64.urlsafe_b64encode])
@each("key", KEYS)
@each("user", ["", "u", "us", "use", "key-id"])
def test_a_secret_is_masked_in_the_base64_of_basic(user: str, key: str, encode: Callable[[bytes], bytes]) -> None:
    raw = f"{user}:{key}".encode()
    shown = Secrets([key]).mask(f"no access for Basic {encode(raw).decode()}")
    known = encode(f"{user}:".encode()).decode().rstrip("=")
    kept = shown.removeprefix("no access for Basic ").removesuffix("***")
    assert known.startswith(kept)
    assert len(kept) >= len(known) - 2
    assert shown.endswith("***")


def test_a_short_secret_masks_whole_values_only() -> None:
    secrets = Secrets(["1", "abcde"])
    value: Json = {"a": "1", "b": "10", "c": 1, "d": [1.5, "abcde", "abcdef", True], "abcde": None, "e": "%31"}
    assert masked(value, secrets) == {
        "a": "***",
        "b": "10",
        "c": "***",
        "d": [1.5, "***", "abcdef", True],
        "***": None,
        "e": "%31",
    }


@each("before", range(470, 505))
def test_no_piece_of_a_secret_is_left_where_an_error_is_cut(before: int) -> None:
    error = "x" * before + "%2B/secret-key-of-a-vendor=" + "y" * 5000
    shown = error_text(error, Secrets(["+/secret-key-of-a-vendor="]))
    assert shown == ("x" * before + "***" + "y" * 5000)[:500]


def test_a_long_answer_without_secrets_is_read_as_before() -> None:
    assert error_text("a  b\n" * 400, Secrets(["secret-key"])) == ("a b " * 400)[:500]


MAPPING = """
mapping: 1
name: made
title: Made
settings:
  key: {{ title: Key, type: {type}, secret: true, sent_in: body }}
http: {{ base_url: "https://vendor.example" }}
requests:
  send: {{ path: / }}
calls:
  track:
    - request: send
      fields:
        made: {made}
"""
EVENT = {"type": "track", "event": "e", "userId": "u1", "messageId": "m1", "timestamp": "2024-03-05T10:15:30Z"}


def connected(folder: Path, made: str, key: Json) -> Connection:
    kinds = {str: "string", list: "list", dict: "table", int: "integer", float: "number", bool: "boolean"}
    (folder / "made.yaml").write_text(MAPPING.format(type=kinds[type(key)], made=made), encoding="utf-8")
    return load(folder / "made.yaml").connect({"key": key}, {})


def texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for member in value.values() if isinstance(value, dict) else value:
            yield from texts(member)


def fits(given: Json) -> bool:
    """Whether a setting can have this value."""
    if isinstance(given, str):
        return given.isprintable() and given != ""
    members = list(given.values()) if isinstance(given, dict) else given
    return isinstance(members, list) and members != [] and all(isinstance(member, str) for member in members)


# One example of each function: loading a mapping takes a while.
CASES: list[tuple[str, Mapping[str, Json], Json]] = []
for name, function in FUNCTIONS.items():
    for example in function.examples:
        if fits(example.given) and kind_of(example.given).rpartition(" ")[2] in function.takes:
            CASES.append((name, example.parameters, example.given))
            break
CASES += [
    ("compact", {}, ["secret-key"]),
    ("count", {}, ["secret-key", "other-key"]),
    ("get", {"path": "a"}, {"a": "secret-key"}),
    ("limit", {"items": 1}, ["secret-key", "other-key"]),
    ("pairs", {}, {"a": "secret-key"}),
    *((name, {}, ["12345", "23456"]) for name in ("average", "max", "min", "product", "sum")),
]


@pytest.mark.parametrize(("name", "parameters", "given"), CASES)
def test_a_function_of_a_secret_gives_secrets(
    tmp_path: Path, name: str, parameters: Mapping[str, Json], given: Json
) -> None:
    use = json.dumps({name: parameters}) if parameters else name
    plan = connected(tmp_path, f"{{ from: settings.key, as: {use} }}", given).plan_normalized(normalize(EVENT))
    assert plan.outcome is Outcome.PLANNED
    body = plan.requests[0].body
    assert isinstance(body, dict)
    assert [text for text in texts(body.get("made")) if not isinstance(text, Secret)] == []
    for report in plan.reports:
        assert all(text not in report.message for text in texts(given) if len(text) > 1)


def test_every_function_is_among_them() -> None:
    assert {case[0] for case in CASES} == set(FUNCTIONS)


MADE = {
    "a chain that stops": ("{ from: settings.key, as: [trim, uppercase, number] }", "secret-key"),
    "a note": ("{ from: settings.key, as: unix }", "1709633730123"),
    "a path": ("{ from: \"join('-', [settings.key, userId])\" }", "secret-key"),
    "a path with a type error": ('{ from: "abs(settings.key)" }', "secret-key"),
    "a path, backwards": ('{ from: "reverse(settings.key)" }', "secret-key"),
    "a path over a list": ('{ from: "map(&to_string(@), settings.key)" }', ["secret-key", "other"]),
    "a text": ('{ text: "key ${settings.key}" }', "secret-key"),
    "a text with a number": ('{ text: "key ${settings.key}" }', 12345),
    "a choice": ("[context.x, settings.key]", "secret-key"),
    "a list": ("{ list: [settings.key, { from: settings.key, as: lowercase }] }", "Secret-Key"),
    "an object": ("{ fields: { a: settings.key, b: { fields: { c: settings.key } } }, as: json }", "secret-key"),
    "a merge": ("{ merge: [settings.key] }", {"a": "secret-key"}),
    "each": ("{ each: settings.key, value: { from: item, as: uppercase } }", ["secret-key"]),
    "each, as text": ('{ each: settings.key, value: { text: "${item}!" } }', ["secret-key"]),
    "entries": ("{ entries: settings.key, value: { from: item, as: base64 } }", {"a": "secret-key"}),
    "a lookup": ("{ from: event, map: settings.key }", {"e": "secret-key"}),
}


@pytest.mark.parametrize("case", MADE)
def test_what_is_made_of_a_secret_is_secret(tmp_path: Path, case: str) -> None:
    made, key = MADE[case]
    plan = connected(tmp_path, made, key).plan_normalized(normalize(EVENT))
    assert plan.outcome is Outcome.PLANNED, plan.reason
    body = plan.requests[0].body
    assert isinstance(body, dict)
    assert [text for text in texts(body) if not isinstance(text, Secret)] == []
    whole = f"{masked(body)!r} {plan!r}".lower()
    assert [text for text in (*texts(key), "yek-terces") if text.lower() in whole] == []


def test_nothing_of_a_connection_prints_its_secrets(tmp_path: Path) -> None:
    connection = connected(tmp_path, "settings.key", "secret-key")
    configured = ConfiguredConnection(name="made", connection=connection)
    printed = [repr(each) for each in (connection, connection.settings, connection.secrets, configured)]
    assert [text for text in printed if "secret-key" in text] == []
    assert list(connection.secrets) == ["secret-key"]


UNSEEN = "\x00\x1b\x7f\x85\x9b\xa0\xad\u034f\u061c\u115f\u200b\u200e\u200f\u2028\u202a\u202e\u2066\u2069\u2800\u3164\ufe0f\ufeff\U000e0041"


@pytest.mark.parametrize("character", UNSEEN, ids=lambda each: f"U+{ord(each):04X}")
def test_what_cannot_be_seen_is_written_as_an_escape(character: str) -> None:
    shown = visible(f"é{character}漢")
    assert shown.isascii() is False
    assert json.loads(f'"{shown}"') == f"é{character}漢"
    assert character not in shown


@pytest.mark.parametrize(
    ("path", "shown"), [("/services/T0/B0/x", "***"), ("/services/T0/B0/x/", "***/"), ("/e", "/e")]
)
def test_the_path_of_a_secret_url_is_secret(path: str, shown: str) -> None:
    connection = load("slack").connect({"webhook_url": f"https://hooks.example.com{path}", "messages": []}, {})
    assert connection.secrets.mask(f"Cannot POST {path}") == f"Cannot POST {shown}"
