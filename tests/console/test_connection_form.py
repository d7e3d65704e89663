"""The form of a connection without HTTP: each shipped mapping there and back, secrets, conflicts, files left alone."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine.console.connection_editor import (
    CHANGED,
    OTHERS_CHANGED,
    READ_ONLY,
    ConnectionPage,
    disabled_advice,
    literal_remarks,
    open_connection,
    open_new,
    sent_form,
    shown_page,
)
from engine.console.connections_file import UNUSUAL, not_writable, read_connections
from engine.console.settings_form import LITERAL, NO_CALLS, NO_NAME, RESERVED, proposed_variable
from engine.console.site import Site
from engine.errors import MappingNotFound, UsageError
from engine.mapping.load import Library
from engine.mapping.settings import examples
from engine.records import JsonObject
from tests.console.connections import CONNECTIONS, SECRETS

ENVIRONMENT = {"SLACK_URL": "https://hooks.slack.com/services/T0/B0/X", "HOOK_URL": "https://hooks.example.com/a"}
SHIPPED = Library([]).names()


def site_with(path: Path, text: str = CONNECTIONS) -> Site:
    path.write_text(text)
    return Site(connections_file=path)


def typed_into(page: ConnectionPage, **changes: str | None) -> dict[str, str]:
    """Return what a browser sends for a page, with some controls changed; None leaves a control out."""
    typed = {each.key: each.value.replace("\n", "\r\n") for each in page.fields}
    typed |= {"when": page.when, "rate_limit": page.rate_limit, "digest": page.digest}
    typed |= {"enabled": "on"} if page.enabled else {}
    given = {key.replace("__", "."): value for key, value in changes.items()}
    return {key: value for key, value in {**typed, **given}.items() if value is not None}


def sent(
    site: Site, name: str, only_yaml: bool = False, calls: list[str] | None = None, **changes: Any
) -> ConnectionPage:
    opened = open_connection(site, name)
    page = shown_page(opened, ENVIRONMENT, ())
    chosen = page.chosen if calls is None else calls
    return sent_form(opened, typed_into(page, **changes), chosen, ENVIRONMENT, (), only_yaml=only_yaml)


def sent_new(site: Site, destination: str, only_yaml: bool = False, **changes: Any) -> ConnectionPage:
    opened = open_new(site, destination)
    page = shown_page(opened, ENVIRONMENT, ())
    return sent_form(opened, typed_into(page, **changes), page.chosen, ENVIRONMENT, (), only_yaml=only_yaml)


def errors(page: ConnectionPage) -> dict[str, list[str]]:
    return {key: [*texts] for key, texts in page.errors.items()}


# There and back.


@pytest.mark.parametrize("name", SHIPPED)
def test_a_form_that_nobody_changed_changes_nothing(name: str, tmp_path: Path) -> None:
    mapping = Library([]).load(name).mapping
    given = {**{key: each.default for key, each in mapping.settings.items() if each.default is not None}}
    given |= {key: each.example for key, each in mapping.settings.items() if each.example is not None}
    fields: JsonObject = {"destination": name, "settings": given, "when": "type != 'x'\n&& `true`\n"}
    path = tmp_path / "connections.yaml"
    site = site_with(path, f"shop: {__import__('json').dumps(fields)}\n")
    before = path.read_bytes()
    page = sent(site, "shop")
    assert (errors(page), page.saved, page.lost) == ({}, True, 0)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", SHIPPED)
def test_a_new_connection_of_a_shipped_mapping(name: str, tmp_path: Path) -> None:
    site = site_with(tmp_path / "connections.yaml")
    mapping = Library([]).load(name).mapping
    plain = {key: value for key, value in examples(mapping).items() if not mapping.settings[key].secret}
    page = shown_page(open_new(site, name), ENVIRONMENT, ())
    shown = {f"setting__{each.setting.name}": each.placeholder for each in page.fields if each.setting.name in plain}
    page = sent_new(site, name, name="shop", enabled=None, **shown)
    assert (errors(page), page.saved) == ({}, True)
    secrets = {
        key: f"${{env:{proposed_variable('shop', key)}}}"
        for key, each in mapping.settings.items()
        if each.secret and not each.optional
    }
    text = (tmp_path / "connections.yaml").read_text()
    assert text.startswith(CONNECTIONS)
    saved = read_connections(tmp_path / "connections.yaml").fields("shop")
    assert saved == {"destination": name, "enabled": False, "settings": {**plain, **secrets}}


def test_a_change_keeps_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    site = site_with(path)
    rows = '[{"event": "Order Completed", "text": ":tada: *${userId}*"}, {"event": "Refunded", "text": "Oh"}]'
    page = sent(site, "orders", calls=["track", "page"], setting__messages=rows, when="properties.total > `1`")
    assert (errors(page), page.saved) == ({}, True)
    expected = CONNECTIONS.replace("text: 'Oh no'", "text: Oh").replace(
        "calls: [track]", 'calls: [track, page]\n  when: "properties.total > `1`"'
    )
    assert path.read_text() == expected


def test_values_become_what_their_settings_hold(tmp_path: Path) -> None:
    site = site_with(tmp_path / "connections.yaml")
    page = sent(site, "hook", setting__fields='["type"]', setting__body='{"a": "${userId}"}', setting__method="")
    assert page.saved
    settings = read_connections(tmp_path / "connections.yaml").fields("hook")["settings"]
    assert settings == {
        "url": "https://hooks.example.com/very-secret-path",
        "headers": {"A": "top-secret"},
        "fields": ["type"],
        "body": '{"a": "${userId}"}',
    }


# What is wrong is said at its field.

WRONG: dict[str, tuple[dict[str, str | None], dict[str, list[str]]]] = {
    "JSON": (
        {"setting__fields": '["a",\n "b"'},
        {"setting.fields": ["Fields (fields): this is not JSON: expecting ',' delimiter (line 2, column 5)."]},
    ),
    "a key twice": (
        {"setting__fields": '{"a": 1, "a": 2}'},
        {"setting.fields": ['Fields (fields): this JSON has the key "a" twice.']},
    ),
    "no JSON number": ({"setting__fields": "[NaN]"}, {"setting.fields": ["Fields (fields): NaN is not JSON."]}),
    "too deep": (
        {"setting__fields": "[" * 100_000},
        {"setting.fields": ["Fields (fields): the value is nested too deeply."]},
    ),
    "a type": (
        {"setting__fields": "[1]"},
        {"setting.fields": ["Fields (fields): [0] (1) is not text"]},
    ),
    "a choice": (
        {"setting__method": "DELETE"},
        {"setting.method": ['Method (method): "DELETE" is not one of "POST", "PUT", "PATCH"']},
    ),
    "a secret that is missing": (
        {"setting__url": "NOT_SET"},
        {"setting.url": ["URL (url): the environment variable NOT_SET is not set."]},
    ),
    "a path": (
        {"when": "properties."},
        {"when": ['Invalid path: Something must follow ".". (column 12 of the text)']},
    ),
    "a rate": (
        {"rate_limit": "fast"},
        {"rate_limit": ["rate_limit must be a number of requests per s, m or h, such as 100/s or 5000/h, or none."]},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_at_its_field(case: str, tmp_path: Path) -> None:
    changes, expected = WRONG[case]
    path = tmp_path / "connections.yaml"
    page = sent(site_with(path), "hook", **changes)
    assert errors(page) == expected
    assert not page.saved
    assert path.read_text() == CONNECTIONS


def test_no_calls_are_no_choice(tmp_path: Path) -> None:
    page = sent(site_with(tmp_path / "connections.yaml"), "hook", calls=[])
    assert errors(page) == {"calls": [NO_CALLS]}


BAD_NAME = "A connection's name must be 1 to 64 letters, digits, _, . and -, and start with a letter or digit."
NAMES = {
    "": NO_NAME,
    "sources": RESERVED,
    "hook": 'There is a connection "hook" already. Choose another name, or change that one.',
    "a\nb: {}": BAD_NAME,
    "<<": BAD_NAME,
    "*a": BAD_NAME,
    "!!python/object:os.system": BAD_NAME,
    "../x": BAD_NAME,
    "é": BAD_NAME,
    "a" * 65: BAD_NAME,
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_connection_may_have(name: str, tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    page = sent_new(site_with(path), "user_com", name=name, enabled=None, setting__app_url="https://a.user.com")
    assert errors(page) == {"name": [NAMES[name]]}
    assert path.read_text() == CONNECTIONS


@pytest.mark.parametrize(
    "name", ["true", "new", *(pytest.param(n, marks=pytest.mark.slow) for n in ("null", "123", "1e3"))]
)
def test_names_that_yaml_could_take_for_something_else(name: str, tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    page = sent_new(site_with(path), "user_com", name=name, enabled=None, setting__app_url="https://a.user.com")
    assert page.saved
    assert list(read_connections(path).connections) == ["orders", "hook", name]


HOSTILE = [
    *("a\nother: {}", "!!python/object:os.system", "*alias", "<<", "&a b", "# no", "a: b", "- a", "\u202e\u0007\u2028"),
    *(
        '"',
        "'",
        "{",
        "]",
        "|",
        ">",
        "%TAG ! x",
        "---",
        "...",
        "\\",
        "`",
        "@",
        "null",
        "${userId}",
        "</textarea><script>",
    ),
]


def test_hostile_values_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    rows = [{"event": value, "text": f"x {value}".replace("${userId}", "")} for value in HOSTILE]
    page = sent(site_with(path), "orders", setting__messages=json.dumps(rows), when="type == '\n*a: {}#'")
    assert page.saved, page.errors
    file = read_connections(path)
    assert file.fields("orders")["settings"]["messages"] == rows  # type: ignore[index,call-overload]
    assert list(file.connections) == ["orders", "hook"]


# Secrets.


def test_a_secret_of_the_file_is_kept_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    site = site_with(path)
    page = sent(site, "hook", setting__method="PATCH")
    assert page.saved
    assert path.read_text() == CONNECTIONS.replace("method: PUT", "method: PATCH")
    shown = sent(site, "hook", only_yaml=True)
    assert not any(secret in str(each) for secret in SECRETS for each in (shown.yaml, shown.fields, shown.errors))
    assert shown.yaml == (
        "hook:\n  destination: webhook\n  settings:\n    url: ${env:HOOK_URL}\n    headers: ${env:HOOK_HEADERS}\n"
        "    method: PATCH\n"
    )
    assert shown.held == ("url", "headers")


def test_a_secret_is_moved_to_a_variable_or_removed(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    page = sent(site_with(path), "hook", setting__url="HOOK_URL", remove__headers="on")
    assert page.saved
    settings = read_connections(path).fields("hook")["settings"]
    assert settings == {"url": "${env:HOOK_URL}", "method": "PUT"}


@pytest.mark.parametrize(
    "literal", ["sk-live-1234", "https://hooks.example.com/abc", "AKIA4XQ7", "hunter2", "a ${env:X}"]
)
def test_a_secret_that_is_typed_is_not_kept(literal: str, tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    page = sent_new(
        site_with(path),
        "user_com",
        name="people",
        enabled=None,
        setting__app_url="https://a.user.com",
        setting__api_key=literal,
    )
    assert page.saved
    assert literal not in path.read_text()
    assert literal not in str(page)
    assert literal_remarks(page, page.literals) == [LITERAL.format(name="PEOPLE_API_KEY")]


VARIABLES = {name: f"${{env:{name}}}" for name in ("HOOK_URL", "OTHER_KEY", "KEY")}
VARIABLES["${env:lower_case}"] = "${env:lower_case}"


@pytest.mark.parametrize("name", VARIABLES)
def test_the_name_of_a_variable_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    page = sent(site_with(path), "hook", enabled=None, setting__url=name)
    assert (page.saved, page.literals) == (True, ())
    settings = read_connections(path).fields("hook")["settings"]
    assert isinstance(settings, dict)
    assert settings["url"] == VARIABLES[name]


def test_a_variable_that_is_not_set_is_no_reason_against_a_disabled_connection(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    site = site_with(path)
    page = sent(site, "hook", setting__url="NOT_SET")
    assert disabled_advice(page) == (
        "NOT_SET is not set in this process. Set it where the service starts, and start it again. To save now, save the "
        "connection disabled: a disabled one needs no variables."
    )
    assert sent(site, "hook", setting__url="NOT_SET", **{"as": "disabled"}).saved
    assert read_connections(path).fields("hook")["enabled"] is False


# Two people, and files that are left alone.


def test_two_people_at_once_see_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    site = site_with(path)
    opened = open_connection(site, "hook")
    page = shown_page(opened, ENVIRONMENT, ())
    assert sent(site, "hook", rate_limit="5/s", setting__url="HOOK_URL").saved
    typed = typed_into(page, rate_limit="7/m")
    mine = sent_form(open_connection(site, "hook"), typed, page.chosen, ENVIRONMENT, (), only_yaml=False)
    assert (mine.saved, mine.conflict) == (False, CHANGED)
    assert [tuple(each) for each in mine.theirs] == [
        ("rate_limit", "5/s", "7/m"),
        ("url", "${env:HOOK_URL}", "not set"),
    ]
    assert "rate_limit: 5/s" in path.read_text()
    again = sent_form(
        open_connection(site, "hook"),
        {**typed, "digest": mine.digest, "setting.url": "HOOK_URL"},
        page.chosen,
        ENVIRONMENT,
        (),
        only_yaml=False,
    )
    assert again.saved
    assert "rate_limit: 7/m" in path.read_text()


def test_a_change_elsewhere_is_a_conflict_too(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    site = site_with(path)
    page = shown_page(open_connection(site, "hook"), ENVIRONMENT, ())
    path.write_text(f"# new\n{CONNECTIONS}")
    mine = sent_form(open_connection(site, "hook"), typed_into(page), page.chosen, ENVIRONMENT, (), only_yaml=False)
    assert (mine.saved, mine.conflict, mine.theirs) == (False, OTHERS_CHANGED, [])


def test_the_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "connections.yaml"
    real.write_text(CONNECTIONS)
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 12345, 54321)
    link.symlink_to(real)
    assert sent(Site(connections_file=link), "hook", rate_limit="5/s").saved
    assert link.is_symlink()
    found = real.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert os.geteuid() != 0 or (found.st_uid, found.st_gid) == (12345, 54321)
    assert "rate_limit: 5/s" in real.read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["connections.yaml", "real.yaml"]


@pytest.fixture
def foreign_file() -> Iterator[Path]:
    """Provide a file that this user may read and not write; a root does without its rights meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "connections.yaml"
        path.write_text(CONNECTIONS)
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield path
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)


def test_a_file_that_cannot_be_written_gives_the_yaml(foreign_file: Path) -> None:
    path = foreign_file.resolve()
    opened = open_connection(Site(connections_file=foreign_file), "hook")
    assert opened.only_yaml == not_writable(foreign_file) == f"{path} is not writable for this process."


def test_a_console_that_changes_nothing_gives_the_yaml(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    path.write_text(CONNECTIONS)
    site = Site(connections_file=path, read_only=True)
    assert open_connection(site, "orders").only_yaml == READ_ONLY
    page = sent(site, "orders", only_yaml=True, rate_limit="5/s")
    assert "rate_limit: 5/s" in page.yaml
    assert path.read_text() == CONNECTIONS


UNUSUAL_LAYOUTS = {
    "the end of the document": "hook: { destination: webhook, settings: { url: https://example.com/x } }\n...\n",
    "line ends that count": "hook:\n  settings: { url: https://example.com/x }\n  destination: |+\n    webhook\n\n",
    "keys after ?": "? hook\n: destination: webhook\n  settings: { url: https://example.com/x }\n",
}


@pytest.mark.parametrize("layout", UNUSUAL_LAYOUTS)
def test_a_file_of_unusual_layout_is_left_alone(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    text = UNUSUAL_LAYOUTS[layout]
    page = sent_new(
        site_with(path, text), "user_com", name="people", enabled=None, setting__app_url="https://a.user.com"
    )
    assert not page.saved
    assert page.general_errors == [UNUSUAL.format(path=path)]
    assert page.yaml.startswith("people:\n  destination: user_com\n  enabled: false\n")
    assert path.read_text() == text


def test_other_problems_of_the_file_are_known_and_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    site = site_with(path, f"{CONNECTIONS}broken: {{ destination: nowhere, color: red }}\n")
    page = sent(site, "hook", rate_limit="5/s")
    assert page.saved
    assert [text.partition("\n")[2] for text in page.other_problems] == [
        "  Unknown mapping nowhere; available: bloomreach_engagement, exponea, extole, slack, user_com, webhook",
        '  A connection has no key "color". Available: destination, enabled, settings, calls, when, base_url, rate_limit, privacy, ordered_batches.',
    ]


def test_a_file_that_is_damaged_or_gone(tmp_path: Path) -> None:
    path = tmp_path / "connections.yaml"
    with pytest.raises(UsageError, match="does not exist"):
        open_connection(Site(connections_file=path), "hook")
    path.write_text("hook: {\n")
    with pytest.raises(UsageError, match=r"connections.yaml:1:7"):
        open_connection(Site(connections_file=path), "hook")
    path.write_text("x: y\n" * 100_000)
    with pytest.raises(UsageError, match="has more than 262,144 bytes"):
        open_connection(Site(connections_file=path), "hook")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "nope", "x" * 5000, "a\0b", "slack.yaml"])
def test_only_names_of_mappings_make_a_form(name: str, tmp_path: Path) -> None:
    with pytest.raises(MappingNotFound):
        open_new(site_with(tmp_path / "connections.yaml"), name)


EXPONEA = """\
shop:
  destination: exponea
  settings: { api_key: "${env:KEY}", project_token: p, hard_id: r, soft_id: s }
"""


def test_no_message_repeats_what_a_variable_holds(tmp_path: Path) -> None:
    opened = open_connection(site_with(tmp_path / "connections.yaml", EXPONEA), "shop")
    shown = shown_page(opened, {"KEY": "k", "OTHER": ""}, ())
    for text, value in product(["${env:OTHER}", "x${env:OTHER}"], ["env-secret", "y", "x" * 100, "1"]):
        typed = typed_into(shown, setting__flatten_nested_objects=text)
        page = sent_form(opened, typed, ["track"], {"KEY": "k", "OTHER": value}, (), only_yaml=True)
        named = text.replace("${env:OTHER}", "<env:OTHER>")
        message = f'Flatten nested objects (flatten_nested_objects): "{named}" is neither true nor false.'
        assert page.errors == {"setting.flatten_nested_objects": (message,)}, (text, value)
