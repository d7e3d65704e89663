"""Encodings: url_encode, base64, json, parse_json."""

from __future__ import annotations

import base64 as rfc4648
from urllib.parse import quote

import orjson

from engine.language.functions.arguments import bytes_from, check_length, wrong_kind
from engine.language.functions.model import (
    ANYTHING,
    LIST,
    NUMBER,
    OBJECT,
    TEXT,
    CannotConvert,
    Example,
    Function,
)
from engine.language.texts import LONE_SURROGATE, compact_json
from engine.records import Json

_DEEPEST = 100


def url_encode(value: Json) -> Json:
    return _within_limit(quote(bytes_from(value), safe=""))


def base64(value: Json) -> Json:
    return _within_limit(rfc4648.b64encode(bytes_from(value)).decode())


def json(value: Json) -> Json:
    try:
        return _within_limit(compact_json(value))
    except ValueError as error:
        raise CannotConvert(str(error)) from None


def _within_limit(text: str) -> str:
    """Refuse what is too long to go on with: each encoding makes a text longer, and a chain can have many."""
    check_length(len(text))
    return text


def parse_json(value: Json) -> Json:
    if not isinstance(value, str):
        raise wrong_kind(value, "text")
    try:
        parsed: Json = orjson.loads(value.encode())
    except UnicodeEncodeError:
        raise CannotConvert(LONE_SURROGATE) from None
    except orjson.JSONDecodeError:
        raise CannotConvert("not JSON") from None
    if not isinstance(parsed, dict | list):
        raise CannotConvert("JSON, but not an object or a list")
    if value.count("[") + value.count("{") > _DEEPEST and _is_deep(parsed):
        raise CannotConvert(f"nested deeper than {_DEEPEST} levels")
    return parsed


def _is_deep(value: Json) -> bool:
    """Go down level by level instead of recursing, so that any depth can be checked."""
    level: list[Json] = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
    return bool(level)


FUNCTIONS = (
    Function(
        name="url_encode",
        group="encodings",
        about="Percent-encoded for a URL, including `/`. Values that `${}` puts into a URL are encoded already.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(
            Example("a b/c", "a%20b%2Fc"),
            Example("ü?&=", "%C3%BC%3F%26%3D"),
            Example("safe-._~", "safe-._~"),
            Example("\ud83d", reason=LONE_SURROGATE),
            Example([], reason="a list is not text"),
        ),
        growth=3,
        call=url_encode,
        source="https://www.rfc-editor.org/rfc/rfc3986#section-2.1",
    ),
    Function(
        name="base64",
        group="encodings",
        about="The text as UTF-8 in Base64, with the standard alphabet and `=` padding.",
        takes=TEXT | NUMBER,
        gives=TEXT,
        examples=(
            Example("user:secret", "dXNlcjpzZWNyZXQ="),
            Example("ü", "w7w="),
            Example("", ""),
            Example("\ud83d", reason=LONE_SURROGATE),
            Example(True, reason="a boolean is not text"),
        ),
        growth=2,
        call=base64,
        source="https://www.rfc-editor.org/rfc/rfc4648#section-4",
    ),
    Function(
        name="json",
        group="encodings",
        about="Any value as JSON text, without spaces.",
        takes=ANYTHING,
        gives=TEXT,
        examples=(
            Example({"a": [1, None, "ü"]}, '{"a":[1,null,"ü"]}'),
            Example("text", '"text"'),
            Example(0.1, "0.1"),
            Example([], "[]"),
        ),
        growth=2,
        call=json,
        source="https://www.rfc-editor.org/rfc/rfc8259",
    ),
    Function(
        name="parse_json",
        group="encodings",
        about="The object or list in a JSON text, nested at most 100 levels deep.",
        takes=TEXT,
        gives=OBJECT | LIST,
        examples=(
            Example('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
            Example(" [] ", []),
            Example("{'a': 1}", reason="not JSON"),
            Example("[NaN]", reason="not JSON"),
            Example("", reason="not JSON"),
            Example("12", reason="JSON, but not an object or a list"),
            Example("[" * 101 + "]" * 101, reason="nested deeper than 100 levels"),
            Example({"a": 1}, reason="an object is not text"),
        ),
        call=parse_json,
        source="https://www.rfc-editor.org/rfc/rfc8259",
    ),
)
