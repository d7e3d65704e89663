"""What an example in the documentation would not show: hostile values, secrets, user agents, speed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from functools import reduce
from time import process_time

import pytest

from engine.language.functions import FUNCTIONS, CannotConvert, Noted, bind, camel_case, snake_case, web
from engine.records import Json, Secret

HALF = "it contains a lone surrogate (half a character)"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 9; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/76.0.3809.132 {}Safari/537.36"
)
TABLET = ANDROID.format("SM-T820", "")
PHONE = ANDROID.format("Pixel 3", "Mobile ")


@pytest.mark.parametrize("name", ["sha256", "sha1", "md5", "url_encode", "base64", "parse_json", "user_agent"])
def test_half_a_character_cannot_become_bytes(name: str) -> None:
    with pytest.raises(CannotConvert) as caught:
        bind(name, {})("a\ud800")
    assert str(caught.value) == HALF


def test_half_a_character_cannot_be_searched() -> None:
    with pytest.raises(CannotConvert) as caught:
        bind("pattern_replace", {"pattern": "a"})("a\ud800")
    assert str(caught.value) == HALF


@pytest.mark.parametrize(
    ("name", "parameters", "secret", "result"),
    [
        ("trim", {}, "key", "key"),
        ("string", {}, "key", "key"),
        ("uppercase", {}, "key", "KEY"),
        ("base64", {}, "user:", "dXNlcjo="),
        ("capitalize", {}, "key", "Key"),
        ("replace", {"find": "k", "with": "c"}, "key", "cey"),
        ("pattern_replace", {"pattern": "^k", "with": "c"}, "key", "cey"),
        ("sha256", {"normalize": "email"}, "KEY", bind("sha256", {})("key")),
        ("number", {}, "12", 12),
        ("iso8601", {}, "2019-09-01", "2019-09-01T00:00:00Z"),
        ("boolean", {}, "yes", True),
        ("url_path", {}, "/a/key", "/a/key"),
        ("parse_json", {}, '{"a":"key"}', {"a": "key"}),
        ("json", {}, "key", '"key"'),
        ("split", {"by": "e"}, "key", ["k", "y"]),
    ],
)
def test_a_secret_is_converted_by_its_real_text(
    name: str, parameters: dict[str, Json], secret: str, result: Json
) -> None:
    converted = bind(name, parameters)(Secret(secret))
    assert converted == result
    assert not isinstance(converted, Secret)  # the compiler makes it one again; functions need not know


def test_a_joined_secret_is_its_real_text() -> None:
    assert bind("join", {"by": "-"})(["a", Secret("key")]) == "a-key"


def test_no_reason_holds_the_value() -> None:
    for name, function in FUNCTIONS.items():
        for example in function.examples:
            if example.reason and isinstance(example.given, str) and len(example.given) > 3:
                assert example.given not in example.reason, name


def test_a_note_says_what_was_done() -> None:
    noted: object = bind("unix", {})("1567339200123")
    assert type(noted) is Noted
    assert (noted.value, noted.code) == (1567339200.123, "milliseconds")
    assert noted.message == "the number is too large for seconds and was read as milliseconds"


@pytest.mark.parametrize(
    ("text", "snake", "camel"),
    [
        ("Product Added", "product_added", "productAdded"),
        ("productID", "product_id", "productId"),
        ("parseHTTPRequest2Go", "parse_http_request2_go", "parseHttpRequest2Go"),
        ("A", "a", "a"),
        ("  --Feed  Type!! ", "feed_type", "feedType"),
        ("it's", "it_s", "itS"),
        ("ÉtéÀParis", "été_à_paris", "étéÀParis"),
        ("e\u0301te\u0301", "e\u0301te\u0301", "e\u0301te\u0301"),
        ("製品 追加", "製品_追加", "製品追加"),
        ("\ud800a", "a", "a"),
        ("", "", ""),
    ],
)
def test_words(text: str, snake: str, camel: str) -> None:
    assert snake_case(text) == snake
    assert camel_case(text) == camel
    assert snake_case(text + " " * 200) == snake  # too long for the cache


def device_type(text: str) -> object:
    parts = bind("user_agent", {})(text)
    assert isinstance(parts, dict)
    assert isinstance(parts["device"], dict)
    return parts["device"]["type"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:69.0) Gecko/20100101 Firefox/69.0", "desktop"),
        ("Mozilla/5.0 (X11; CrOS x86_64 12239.92.0) AppleWebKit/537.36 (KHTML) Chrome/76.0.3809.136 Safari", "desktop"),
        (PHONE, "mobile"),
        ("Dalvik/2.1.0 (Linux; U; Android 9; Pixel 3 Build/PQ3A)", "mobile"),
        (TABLET, "tablet"),
        ("Mozilla/5.0 (iPad; CPU OS 12_4 like Mac OS X) AppleWebKit/605.1.15 Version/12.1.2 Mobile/15E148", "tablet"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/538.1 (KHTML) Version/5.0 TV Safari/538.1", "other"),
        ("python-requests/2.22", "other"),
    ],
)
def test_types_of_devices(text: str, kind: str) -> None:
    assert device_type(text) == kind


def test_what_a_mapping_does_to_a_user_agent_stays_out_of_the_cache() -> None:
    read = bind("user_agent", {})
    first = read(PHONE)
    assert isinstance(first, dict)
    first.clear()
    again = read(PHONE)
    assert isinstance(again, dict)
    assert again["browser"] == {"family": "Chrome Mobile", "version": "76.0.3809.132"}


def test_user_agents_that_differ_late_are_one() -> None:
    before = web.parts_of.cache_info().misses
    for number in range(5):
        bind("user_agent", {})(PHONE + " " * web.LONGEST + str(number))
    assert web.parts_of.cache_info().misses == before + 1


def test_heavy_libraries_wait_until_they_are_needed() -> None:
    code = "import sys, engine.language.functions; print([n for n in ('ua_parser', 're2', 'jmespath') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


HOSTILE: list[tuple[str, dict[str, Json], Json]] = [
    ("pattern_replace", {"pattern": "(a+)+$", "with": "b"}, "a" * 20_000 + "!"),
    ("number", {}, "9" * 1_000_000),
    ("integer", {}, "1e308"),
    ("fixed", {"digits": 20}, 1.7976931348623157e308),
    ("round", {"digits": 20}, "1e308"),
    ("product", {}, [10**18] * 20_000),
    ("sum", {}, ["1e308"] * 20_000),
    ("snake_case", {}, "aB" * 100_000),
    ("parse_json", {}, "[" * 500_000),
    ("parse_json", {}, "[" + "[]," * 100_000 + "[]]"),
    ("url_query", {}, "?" + "a=1&" * 200_000),
    ("url_host", {}, "https://" + "[" * 100_000),
    ("user_agent", {}, "Mozilla/5.0 (" * 100_000),
    ("unix", {}, "2019-09-01T12:00:00." + "9" * 1_000_000),
    ("sha256", {"normalize": "phone"}, "x" * 1_000_000),
    ("unique", {}, [[n] for n in range(50_000)]),
]


@pytest.mark.parametrize(("name", "parameters", "value"), HOSTILE, ids=[name for name, _, _ in HOSTILE])
def test_hostile_values_take_no_long_time(name: str, parameters: dict[str, Json], value: Json) -> None:
    convert = bind(name, parameters)
    started = process_time()
    with suppress(CannotConvert):
        convert(value)
    assert process_time() - started < 2


@pytest.mark.parametrize("name", ["json", "base64"])
def test_a_chain_of_encodings_stops_growing(name) -> None:
    """Thirty times JSON would be a gigabyte: each doubles the backslashes of the one before."""
    convert = bind(name, {})
    with pytest.raises(CannotConvert, match=r"^the text would have [\d,]+ characters; at most 1,000,000 are allowed$"):
        reduce(lambda value, _: convert(value), range(100), '"')
