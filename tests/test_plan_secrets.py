"""What `plan` returns holds no secret: whatever Python makes of it shows the mask."""

from __future__ import annotations

import base64
import copy
import csv
import gc
import hashlib
import html
import io
import json
import logging
import marshal
import pickle
import pprint
import re
import string
import textwrap
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import quote, urlencode

import httpx
import orjson
import pytest
import yaml

from engine import Connection, Plan, load
from tests.tables import each

KEY = "sk-live-4eC39HqLyjWD"
PIN = 8675309123
MAPPING = """
mapping: 1
name: shop
title: Shop
settings:
  key: { title: Key, type: string, secret: true, sent_in: body }
  token: { title: Token, type: string, secret: true, sent_in: url }
  pin: { title: PIN, type: integer, secret: true, sent_in: body }
  address: { title: Address, type: url }
http:
  base_url: "${settings.address}/${settings.token}"
  headers: { Authorization: "Token ${settings.key}", X-Pin: { from: settings.pin } }
requests:
  find: { path: "/find/${settings.token}", query: { token: "${settings.token}", tokens: { list: [settings.token] } } }
  update: { path: "/update", if_missing: create }
  create: { path: "/create" }
calls:
  track:
    - request: find
      fields:
        key: settings.key
        list: { list: [settings.key, { text: "key ${settings.key}" }] }
        table: { fields: { upper: { from: settings.key, as: uppercase } } }
        pin: settings.pin
        pins: { list: [settings.pin, { text: "PIN ${settings.pin}" }, { from: settings.pin, as: string }] }
        names: { merge: [{ fields: { plain: userId } }] }
    - request: update
      fields: { hash: { from: settings.key, as: sha256 }, encoded: { from: settings.key, as: base64 } }
  page:
    - request: update
      fields:
        pin: { from: settings.pin, as: { date: "%Y" } }
        wrong: { from: settings.key, as: number }
        needed: { from: settings.key, as: unix, required: true }
"""
EVENT = {"type": "track", "event": "e", "userId": "u1", "messageId": "m1", "timestamp": "2024-03-05T10:15:30Z"}
EVENTS = [EVENT, {**EVENT, "type": "page"}]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Connection:
    path = tmp_path_factory.mktemp("plan") / "shop.yaml"
    path.write_text(MAPPING, encoding="utf-8")
    return load(path).connect({"key": KEY, "token": KEY, "pin": PIN, "address": "https://vendor.example"}, {})


@pytest.fixture(scope="module")
def plans(connection: Connection) -> list[Plan]:
    found = [connection.plan(event) for event in EVENTS]
    return [*found, *(connection.plan_json(orjson.dumps(event)) for event in EVENTS)]


def texts(value: object) -> Iterator[str]:
    """Yield every text that can be reached from a value, also what only the garbage collector sees."""
    seen: set[int] = set()
    left = [value]
    while left:
        found = left.pop()
        if id(found) in seen or isinstance(found, type):
            continue
        seen.add(id(found))
        if isinstance(found, str):
            yield found
            left += vars(found).values() if hasattr(found, "__dict__") else []
            left += [getattr(found, name) for name in getattr(type(found), "__slots__", ()) if hasattr(found, name)]
        else:
            left += gc.get_referents(found)


FORMS = [
    KEY.lower(),
    str(PIN),
    base64.b64encode(KEY.encode()).decode().rstrip("=").lower(),
    hashlib.sha256(KEY.encode()).hexdigest(),
]


def leaked(text: str) -> list[str]:
    whole = text.lower()
    return [form for form in (*FORMS, KEY[::-1].lower()) if form in whole]


def test_no_text_of_a_plan_holds_a_secret(plans: list[Plan]) -> None:
    found = [text for plan in plans for text in texts(plan)]
    assert [text for text in found if "***" in text]
    assert [text for text in found if leaked(str.__str__(text))] == []
    assert {type(text) for text in found if "***" in text} == {str}


def chained(text: str) -> str:
    stream = io.StringIO()
    print(text, file=stream)
    csv.writer(stream).writerow([text])
    handler = logging.StreamHandler(stream)
    handler.emit(logging.makeLogRecord({"msg": "sent %s", "args": (text,)}))
    traceback.print_exception(ValueError(text), file=stream)
    return stream.getvalue()


WAYS: dict[str, Callable[[str], object]] = {
    "str": str,
    "str.__str__": str.__str__,
    "repr": repr,
    "ascii": ascii,
    "format": format,
    "format with a width": lambda text: f"{text:>80}",
    "an f-string": lambda text: f"{text}{text!r}{text!s}{text!a}",
    "%": lambda text: "%s %r %a" % (text, text, text),  # noqa: UP031
    "% of itself": lambda text: text.replace("*", "%%") % (),
    "str.format": "{0} {0!r}".format,
    "format_map": lambda text: "{a}".format_map({"a": text}),
    "a template": lambda text: string.Template("$a").substitute(a=text),
    "+": lambda text: "" + text + "",
    "*": lambda text: text * 2,
    "join": lambda text: "".join([text, text]),  # noqa: FLY002
    "join by it": lambda text: text.join(["a", "b", "c"]),
    "a slice": lambda text: text[0:] + text[::-1] + text[:-1],
    "its characters": lambda text: "".join(character for character in text),
    "list": lambda text: "".join(list(text)),
    "map": lambda text: "".join(map(chr, map(ord, text))),
    "reversed": lambda text: "".join(reversed(text)),
    "encode": lambda text: text.encode().decode("latin-1"),
    "bytes": lambda text: bytes(text, "utf-16-le").decode("utf-16-le"),
    "bytearray": lambda text: bytearray(text, "utf-8").decode(),
    "memoryview": lambda text: bytes(memoryview(text.encode())).decode(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "json": json.dumps,
    "json as a key": lambda text: json.dumps({text: [text]}),
    "orjson": lambda text: orjson.dumps({"a": text}).decode(),
    "pickle": lambda text: pickle.dumps(text, 0).decode("latin-1") + repr(pickle.loads(pickle.dumps(text))),
    "marshal": lambda text: marshal.dumps(text).decode("latin-1"),
    "yaml": yaml.safe_dump,
    "pprint": pprint.pformat,
    "textwrap": textwrap.fill,
    "html": html.escape,
    "quote": partial(quote, safe=""),
    "urlencode": lambda text: urlencode({"a": text}),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "sha256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "re": lambda text: "".join(re.findall(r"(?s).", text)) + re.sub("x", "y", text),
    "httpx": lambda text: repr(httpx.Headers({"a": text}).raw),
    "print, csv, logging, a traceback": chained,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_make_text_of_it_shows_the_mask(plans: list[Plan], way: str) -> None:
    masked = {text for plan in plans for text in texts(plan) if "***" in text}
    made = [str(WAYS[way](text)) for text in masked]
    assert len(made) >= 4
    assert [text for text in made if leaked(text)] == []
    assert leaked(str(WAYS[way](KEY))), "this way would show it"


@each("name", [name for name in dir(str) if callable(getattr(str, name)) and name != "__class__"])
def test_every_method_of_str_shows_the_mask(plans: list[Plan], name: str) -> None:
    """Methods are called without arguments and with one; those that need others are among the ways above."""
    for text in {text for plan in plans for text in texts(plan) if "***" in text}:
        for arguments in ((), ("a",), (0,), (2,), ({42: "x"},)):
            try:
                made = getattr(text, name)(*arguments)
            except (TypeError, ValueError, IndexError, KeyError, LookupError, AttributeError):
                continue
            assert leaked(repr(list(made) if isinstance(made, Iterator) else made)) == []


WHOLE: dict[str, Callable[[Plan], object]] = {
    "str": str,
    "json": json.dumps,
    "json of the headers": lambda plan: [json.dumps(request.headers) for request in plan.requests],
    "orjson": lambda plan: orjson.dumps([list(plan), [request._asdict() for request in plan.requests]], default=tuple),
    "pickle": lambda plan: pickle.dumps(plan, 0),
    "deepcopy": copy.deepcopy,
    "pprint": pprint.pformat,
}


@pytest.mark.parametrize("way", WHOLE)
def test_every_way_to_make_text_of_a_plan_shows_the_mask(plans: list[Plan], way: str) -> None:
    made = [str(WHOLE[way](plan)) for plan in plans]
    assert [text for text in made if leaked(text)] == []


def test_who_sends_the_requests_asks_for_the_real_texts(connection: Connection) -> None:
    find, update = connection.plan(EVENT, show_secrets=True).requests
    assert connection.plan_json(orjson.dumps(EVENT), show_secrets=True).requests == (find, update)
    assert find.url == f"https://vendor.example/{KEY}/find/{KEY}"
    assert find.query == {"token": KEY, "tokens": [KEY]}
    headers = {"Content-Type": "application/json", "Authorization": f"Token {KEY}", "X-Pin": str(PIN)}
    assert json.dumps(find.headers) == json.dumps(headers)
    assert json.dumps(find.body) == json.dumps(
        {
            "key": KEY,
            "list": [KEY, f"key {KEY}"],
            "table": {"upper": KEY.upper()},
            "pin": PIN,
            "pins": [PIN, f"PIN {PIN}", str(PIN)],
            "names": {"plain": "u1"},
        }
    )
    assert update.if_missing is not None
    assert update.if_missing.headers["Authorization"] == f"Token {KEY}"
    assert {type(text) for request in (find, update) for text in texts(request) if KEY in text} == {str}


def test_the_requests_are_the_same_with_masks_in_the_place_of_secrets(connection: Connection) -> None:
    shown, real = connection.plan(EVENT), connection.plan(EVENT, show_secrets=True)
    assert shown[:2] == real[:2]
    find, update = shown.requests
    assert find[:4] == (
        "find",
        "POST",
        "https://vendor.example/***/find/***",
        {"Content-Type": "application/json", "Authorization": "Token ***", "X-Pin": "***"},
    )
    assert find.query == {"token": "***", "tokens": ["***"]}
    assert find.body == {
        "key": "***",
        "list": ["***", "key ***"],
        "table": {"upper": "***"},
        "pin": "***",
        "pins": ["***", "PIN ***", "***"],
        "names": {"plain": "u1"},
    }
    assert update.body == {"hash": "***", "encoded": "***"}
    assert update.if_missing is not None
    assert update.if_missing.headers == {
        "Content-Type": "application/json",
        "Authorization": "Token ***",
        "X-Pin": "***",
    }


def test_headers_that_all_requests_share_are_changed_in_a_copy() -> None:
    target = load("exponea")
    plan = target.connect(target.example_settings()).plan({"type": "track", "userId": "u", "event": "E"})
    headers = plan.requests[0].headers
    for change in (lambda: headers.update({"X": "1"}), lambda: headers.__setitem__("X", "1"), headers.clear):
        with pytest.raises(TypeError) as error:
            change()
        assert (
            str(error.value) == "these belong to every request of the connection: change a copy, dict(request.headers)"
        )
    for copied in (dict(headers), headers.copy(), copy.deepcopy(plan).requests[0].headers):
        copied["X"] = "1"
    sent = pickle.loads(pickle.dumps(plan))
    assert (sent, type(sent.requests[0].headers)) == (plan, dict)
