"""Settings on the command line: from a file, from the environment, one by one, and the messages where they do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Done, event

HOW = "Set them with --settings FILE or --set KEY=VALUE; --example-settings uses the mapping's examples.\n"
GIVEN = ("--set", "api_key=k", "--set", "token=t")


@pytest.fixture
def sent(engine: Callable[..., Done], events: Callable[..., str]) -> Callable[..., Any]:
    """Return what runs one event and returns its request, or the message instead."""
    file = events(event(properties={"level": "gold"}))

    def run(*words: str) -> Any:
        done = engine("run", "shop", "--format", "ndjson", "--show-secrets", "--events", file, *words)
        return json.loads(done.out)["requests"][0] if done.out else (done.code, done.err)

    return run


def test_a_file_holds_settings_by_destination(sent: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("shop: { api_key: k, token: t, limit: 5 }\nother: { x: y }\n")
    request = sent("--settings", "settings.yaml")
    assert request["headers"]["Authorization"] == "Bearer k"
    assert request["query"]["token"] == "t"
    assert request["body"]["limit"] == 5


def test_the_environment_fills_in(sent: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.yaml").write_text(
        'shop: { api_key: "${env:SHOP_KEY}", token: "a-${env:SHOP_TOKEN}", strict: "${env:SHOP_STRICT}" }\n'
    )
    monkeypatch.setenv("SHOP_KEY", "from outside")
    monkeypatch.setenv("SHOP_TOKEN", "b")
    monkeypatch.setenv("SHOP_STRICT", "true")
    request = sent("--settings", "settings.yaml")
    assert request["headers"]["Authorization"] == "Bearer from outside"
    assert request["query"]["token"] == "a-b"
    assert request["body"]["strict"] is True
    monkeypatch.delenv("SHOP_KEY")
    assert sent("--settings", "settings.yaml") == (
        2,
        "Invalid settings for Shop:\n  API Key (api_key): the environment variable SHOP_KEY is not set.\n" + HOW,
    )


def test_set_wins_over_the_file_and_both_over_examples(sent: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("shop: { api_key: file, limit: 5 }\n")
    request = sent("--settings", "settings.yaml", "--set", "api_key=set", "--example-settings")
    assert request["headers"]["Authorization"] == "Bearer set"
    assert request["query"]["token"] == "token/of the example"
    assert request["body"]["limit"] == 5


@pytest.mark.parametrize(
    ("word", "field", "value"),
    [
        ("strict=true", "strict", True),
        ("shop.strict=true", "strict", True),
        ("limit=7", "limit", 7),
        ('levels={"gold": "vip"}', "level", "vip"),
    ],
)
def test_a_text_is_converted_by_the_type_of_the_setting(
    sent: Callable[..., Any], word: str, field: str, value: object
) -> None:
    assert sent(*GIVEN, "--set", word)["body"][field] == value


DO_NOT_FIT = [
    ([], ["API Key (api_key) is not set.", "Token (token) is not set."]),
    ([*GIVEN, "--set", "strict=yes"], ['Strict mode (strict): "yes" is neither true nor false.']),
    ([*GIVEN, "--set", "limit=1.5"], ['Limit (limit): "1.5" is not a whole number.']),
    ([*GIVEN, "--set", "limit= 5"], ["Limit (limit): the text has white space at its start or end."]),
    ([*GIVEN, "--set", "levels=gold"], ['Levels (levels): "gold" is not a JSON object, such as {"a": "b"}.']),
    (
        [*GIVEN, "--set", "site=api.shop.example"],
        ["Site (site): this is not an http:// or https:// address without ? and #."],
    ),
    (["--set", "token=t", "--set", "api_key="], None),
]


@pytest.mark.parametrize(("words", "problems"), DO_NOT_FIT)
def test_settings_that_do_not_fit(sent: Callable[..., Any], words: list[str], problems: list[str] | None) -> None:
    code, message = sent(*words)
    assert code == 2
    if problems is not None:
        lines = "".join(f"  {problem}\n" for problem in problems)
        assert message == f"Invalid settings for Shop:\n{lines}{HOW}"
    else:
        assert message.startswith("Invalid settings for Shop:\n  API Key (api_key): ")


WRONG = [
    (["--set", "api_keyS3CRET"], "--set expects KEY=VALUE, such as --set api_key=...; there is no = sign in it.\n"),
    (
        ["--set", "S3CRET=="],
        "--set: there is no setting of this name. Available: api_key, token, site, strict, limit, levels.\n",
    ),
    (["--set", "strickt=true"], '--set: there is no setting "strickt". Did you mean strict?\n'),
    (
        ["--set", "colour=red"],
        '--set: there is no setting "colour". Available: api_key, token, site, strict, limit, levels.\n',
    ),
    (
        ["--set", "exponea.api_key=x"],
        "--set: what is before the dot is not one of the mappings given: shop.\n",
    ),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[words[1] for words, _ in WRONG])
def test_set_that_names_nothing(sent: Callable[..., Any], words: list[str], message: str) -> None:
    assert sent(*GIVEN, *words) == (2, message)


FILES = [
    ("- a\n", "settings.yaml: a settings file holds settings by destination, for example\nshop:\n  api_key: ...\n"),
    ("other: { a: b }\n", "settings.yaml has settings for other, but none for shop.\n"),
    (
        "shop: { api_kee: k, token: t }\n",
        "Invalid settings for Shop:\n"
        '  There is no setting "api_kee"; did you mean api_key?\n'
        "  API Key (api_key) is not set.\n" + HOW,
    ),
]


@pytest.mark.parametrize(("content", "message"), FILES, ids=["a list", "others", "misspelt"])
def test_a_file_that_does_not_fit(sent: Callable[..., Any], tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "settings.yaml").write_text(content)
    assert sent("--settings", "settings.yaml") == (2, message)


def test_a_secret_is_not_told_where_it_does_not_fit(sent: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("shop: { api_key: [hush-hush], token: t }\n")
    code, message = sent("--settings", "settings.yaml")
    assert code == 2
    assert "hush" not in message
    assert "API Key (api_key): the value does not fit the type string; it is secret and not shown." in message


UNQUOTED = {
    "api_key: !x S3CRET": ("tag", "A text cannot begin with !.\n  Put the whole text in quotes."),
    "@S3CRET: 1": ("needs-quotes", "This text needs quotes.\n  Put the whole text in quotes."),
    "api_key: &S3CRET x": ("anchor", "A text cannot begin with &.\n  Put the whole text in quotes."),
    "api_key: *S3CRET": ("alias", "A text cannot begin with *.\n  Put the whole text in quotes."),
    "api_key: S3CRET: x": ("needs-quotes", "This text needs quotes.\n  Put the whole text in quotes."),
    "{ S3CRET: 1, S3CRET: 2 }": ("duplicate-key", "This key already appears on line 2.\n  Remove one of them."),
    "{ a: 1, S3CRET }": (
        "key-without-value",
        "This key has no value.\n  Put a text with a comma in it in quotes.",
    ),
    "S3CRET": None,
}


@pytest.mark.parametrize("line", UNQUOTED)
def test_no_hint_on_a_file_of_settings_repeats_it(sent: Callable[..., Any], tmp_path: Path, line: str) -> None:
    (tmp_path / "settings.yaml").write_text(f"shop:\n  {line}\n")
    code, message = sent("--settings", "settings.yaml")
    assert (code, "S3CRET" in message) == (2, False)
    wanted = UNQUOTED[line]
    if wanted is not None:
        assert message.startswith("settings.yaml:2:")
        assert " ".join(message.split()[1:]) == f"{' '.join(wanted[1].split())} [{wanted[0]}]"
