"""Settings of type rows and template: what is wrong in them, with its place, and how much there may be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine.errors import SettingsError
from engine.mapping import settings, templates
from engine.mapping.settings import Written
from engine.plan import Connection, Destination
from engine.records import JsonObject, Outcome
from tests.language.cases import DEFAULT_EVENT, DEFAULT_MAPPING
from tests.runners import destination

FIELDS = {
    "event": {"title": "Event", "type": "string", "optional": True},
    "size": {"title": "Size", "type": "integer", "default": 3},
    "text": {"title": "Text", "type": "template", "optional": True},
    "inner": {
        "title": "Inner",
        "type": "rows",
        "optional": True,
        "fields": {"a": {"title": "A", "type": "string"}, "on": {"title": "On", "type": "boolean", "default": False}},
    },
}
SETTINGS: JsonObject = {
    "rows": {"title": "Rows", "type": "rows", "optional": True, "fields": FIELDS},
    "text": {"title": "Text", "type": "template", "optional": True},
    "body": {"title": "Body", "type": "template", "format": "json", "optional": True},
    "key": {"title": "Key", "type": "string", "secret": True, "optional": True},
}
FIELDS_SENT = {name: f"settings.{name}" for name in ("rows", "text", "body")}


def target() -> Destination:
    """A mapping that sends every setting."""
    mapping = {
        **DEFAULT_MAPPING,
        "settings": SETTINGS,
        "http": {"base_url": "https://api.example.com", "headers": {"X-Key": "${settings.key}"}},
        "calls": {"track": [{"request": "send", "fields": FIELDS_SENT}]},
    }
    return destination(json.dumps(mapping))


def connected(given: JsonObject, environment: Mapping[str, str] | None = None) -> Connection:
    return target().connect(given, environment or {})


def problems(given: JsonObject, environment: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        connected(given, environment)
    return list(caught.value.problems)


def sent(connection: Connection, **event: Any) -> Any:
    plan = connection.plan({**DEFAULT_EVENT, "event": "A", "properties": {}, **event})
    assert plan.outcome is Outcome.PLANNED, plan.reason
    return plan.requests[0].body


def test_defaults_and_environment_variables_of_rows() -> None:
    rows = [{"event": "${env:EVENT}", "size": "${env:SIZE}"}, {"inner": [{"a": "x", "on": "${env:ON}"}, {"a": "y"}]}]
    connection = connected({"rows": rows}, {"EVENT": "A", "SIZE": "7", "ON": "true"})
    inner = [{"a": "x", "on": True}, {"a": "y", "on": False}]
    assert connection.settings["rows"] == [{"event": "A", "size": 7}, {"size": 3, "inner": inner}]


def test_rows_and_json_templates_as_text() -> None:
    connection = connected({"rows": Written('[{"size": 5}]'), "body": Written('{"a": "${userId}", "b": [1]}')})
    assert sent(connection) == {"rows": [{"size": 5}], "body": {"a": "u1", "b": [1]}}


FAULTS: dict[str, tuple[JsonObject, list[str]]] = {
    "no list": ({"rows": {"event": "A"}}, ["Rows (rows): this must be a list of rows, not an object."]),
    "text that is no JSON": ({"rows": Written("[")}, ['Rows (rows): "[" is not a JSON list, such as [{"a": "b"}].']),
    "every fault of every row": (
        {"rows": [5, {"evnt": "A", "size": "x", "text": "${userId"}, {"inner": [{"a": "b"}, {"on": 1}]}]},
        [
            "Rows (rows): row 1: this must be an object with event, size, text, inner, not a number.",
            'Rows (rows): row 2: there is no field "evnt"; did you mean event?',
            'Rows (rows): row 2, Size (size): "x" is not a whole number',
            "Rows (rows): row 2, Text (text): line 1, column 1: `${` has no closing `}`; write $${ for a literal ${.",
            "Rows (rows): row 3, Inner (inner): row 2, A (a) is not set.",
            "Rows (rows): row 3, Inner (inner): row 2, On (on): 1 is not true or false",
        ],
    ),
    "a variable in a row": (
        {"rows": [{"event": "${env:NO_ONE}"}]},
        ["Rows (rows): the environment variable NO_ONE is not set."],
    ),
    "too many rows": ({"rows": [{}] * 1001}, ["Rows (rows): there are 1,001 rows; at most 1,000 are allowed."]),
    "too many rows inside rows": (
        {"rows": [{"inner": [{"a": "x"}] * 500}] * 2},
        ["Rows (rows): there are 1,002 rows, with those inside rows; at most 1,000 are allowed."],
    ),
    "rows that are too large": (
        {"rows": [{"event": "x" * 262_144}]},
        ["Rows (rows): the rows have more than 262,144 characters."],
    ),
    "too many paths in the templates of rows": (
        {"rows": [{"text": "${userId}" * 500}] * 11},
        ["Rows (rows): the templates in the rows have more than 5,000 ${}."],
    ),
    "a template that does not end": (
        {"text": "Hello\n  ${userId"},
        ["Text (text): line 2, column 3: `${` has no closing `}`; write $${ for a literal ${."],
    ),
    "unknown names, each with its place": (
        {"text": "${propertis.a} and\n${nothing.at.all} ${settings.txt} ${settings}"},
        [
            'Text (text): line 1, column 3: events have no field "propertis"; did you mean properties?',
            (
                'Text (text): line 2, column 3: events have no field "nothing"; they have userId, event, properties, '
                "traits, context and others."
            ),
            'Text (text): line 2, column 21: there is no setting "txt"; did you mean settings.text?',
            "Text (text): line 2, column 37: name a setting after `settings.`.",
        ],
    ),
    "names of the mapping, secrets and templates": (
        {"key": "k3y", "text": "${parts.a}${item}${settings.key}${settings.body}${settings.rows}"},
        [
            (
                'Text (text): line 1, column 3: events have no field "parts"; they have userId, event, properties, '
                "traits, context and others."
            ),
            (
                'Text (text): line 1, column 13: events have no field "item"; they have userId, event, properties, '
                "traits, context and others."
            ),
            (
                'Text (text): line 1, column 20: the setting "key" is secret, and a template may be sent anywhere; '
                "remove it."
            ),
            'Text (text): line 1, column 35: the setting "body" contains a template itself.',
            'Text (text): line 1, column 51: the setting "rows" contains a template itself.',
        ],
    ),
    "the whole scope": (
        {"text": "${@}"},
        ["Text (text): line 1, column 3: `@` is not defined at the top level; for the whole event, write message."],
    ),
    "a template that is too long": (
        {"text": "x" * 1_000_000},
        ["Text (text): the template has 1,000,000 characters; at most 65,536 are allowed."],
    ),
    "too many paths": ({"text": "${userId}" * 501}, ["Text (text): the template has more than 500 ${}."]),
    "JSON that is none": (
        {"body": '{\n  "a": ${userId}\n}'},
        ["Body (body): the template is not JSON: unexpected character, expected a JSON value (line 2, column 8)."],
    ),
    "JSON that is one text": (
        {"body": '"${userId}"'},
        ["Body (body): the template is JSON, but neither an object nor a list."],
    ),
    "a path inside JSON": (
        {"body": {"blocks": [{"text": "Hi ${propertis.a}"}], "$${": "x", "${userId}": "y"}},
        ['Body (body): the key ["${userId}"]: keys are not filled in; write $${ for a literal ${.'],
    ),
    "JSON with a key twice": (
        {"body": '{"a": {"b": 1, "b": "${userId}"}}'},
        ['Body (body): the template has the key "b" twice in one object.'],
    ),
    "JSON with a number that JSON readers change": (
        {"body": '{"a": 123456789012345678901234567890}'},
        ["Body (body): the number 12345678901234567890... of the template does not fit into 64 bits."],
    ),
    "JSON that is nested too deeply": (
        {"body": json.loads("[" * 40 + "]" * 40)},
        ["Body (body): the template is nested more than 32 levels deep."],
    ),
    "JSON that is nested endlessly": (
        {"body": "[" * 30_000},
        ["Body (body): the template is not JSON: depth limit exceeded (line 1, column 1026)."],
    ),
    "JSON that is too large": (
        {"body": ["x" * 70_000]},
        ["Body (body): the template has 70,004 characters; at most 65,536 are allowed."],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    given, wanted = FAULTS[name]
    assert problems(given) == wanted


def test_faults_of_one_setting_are_bounded() -> None:
    assert len(problems({"rows": [5] * 1000})) == settings.MOST_FAULTS
    assert len(problems({"text": "${x}" * 100})) == templates.MOST_FAULTS


def test_a_secret_is_never_shown() -> None:
    shown = problems({"key": "k3y-s3cret", "text": "${settings.key} ${settings.key", "rows": [{"event": 5}]})
    assert "k3y-s3cret" not in str(shown)


def test_the_largest_template_fills() -> None:
    text = "${properties.a}" * templates.MOST_HOLES
    assert sent(connected({"text": text}), properties={"a": "x"}) == {"text": "x" * templates.MOST_HOLES}


def test_a_template_that_copies_too_much_makes_the_event_invalid() -> None:
    plan = connected({"text": "${properties.a}" * 500}).plan(
        {**DEFAULT_EVENT, "event": "A", "properties": {"a": "x" * 5000}}
    )
    reason = "the mapping would copy more than 2,000,000 characters and values of this event (settings.text)"
    assert (plan.outcome, plan.reason) == (Outcome.INVALID, reason)


def test_a_body_that_a_template_makes_too_large_is_invalid() -> None:
    plan = connected({"text": "${properties.a}" * 300}).plan(
        {**DEFAULT_EVENT, "event": "A", "properties": {"a": "x" * 4000}}
    )
    reason = "the body has more than 1,048,576 bytes; max_bytes allows no more (requests.send)"
    assert (plan.outcome, plan.reason) == (Outcome.INVALID, reason)


def test_connections_of_one_mapping_keep_their_own_templates() -> None:
    shared = target()
    first, second = shared.connect({"text": "1 ${userId}"}, {}), shared.connect({"text": "2 ${event}"}, {})
    assert [sent(each)["text"] for each in (first, second, first)] == ["1 u1", "2 A", "1 u1"]
