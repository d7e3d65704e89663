"""Configuration files: what they set, and the errors of invalid ones, with their place."""

from __future__ import annotations

import dataclasses

import pytest

from engine.errors import UsageError
from engine.sandbox.vendors import VENDORS
from engine.sandbox.vendors.exponea.routes import Exponea
from engine.sandbox.vendors.extole import access as extole
from engine.sandbox.vendors.user_com.access import TYPES
from engine.sandbox.world import Config, load_config

EXTOLE = [field.name for field in dataclasses.fields(extole.ExtoleSettings)]


def read(tmp_path, text):
    path = tmp_path / "sandbox.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_everything_has_a_default(tmp_path):
    assert read(tmp_path, "{}") == Config()
    for vendor in VENDORS:
        assert Config().settings_of(vendor) == vendor.settings_type()


def test_what_a_file_sets(tmp_path):
    config = read(
        tmp_path,
        """
        seed: 7
        exponea:
          public_keys: [mine]
          private_keys: { id: secret }
          customer_attributes: 1024
          rate_limit: 100/s
        extole: { wrong_host: true }
        user_com:
          attributes: { plan: { type: fixed, choices: [a, b] }, custom_integer: number }
          event_attributes: { Purchase: { price: float } }
        faults:
          - { kind: status, status: 429, rate: 0.05 }
        """,
    )
    assert (config.seed, config.faults) == (7, ({"kind": "status", "status": 429, "rate": 0.05},))
    assert config.settings_of(Exponea).public_keys == ("mine",)
    assert config.settings_of(Exponea).hard_ids == ("registered",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "1:1  A sandbox configuration must be a mapping of vendors to their settings."),
        ("segment: {}", "1:10  Unknown key segment. Allowed: exponea, extole, user_com, seed, faults."),
        ("seed: one", "1:7  seed must be a whole number."),
        ("exponea: 5", "1:10  exponea must be a mapping of settings."),
        (
            "extole:\n  tokens: [a]",
            f"2:11  extole has no setting tokens. Allowed: {', '.join(EXTOLE)}.",
        ),
        ("extole:\n  access_tokens: a", "2:18  access_tokens must be a list of text."),
        ("extole: { wrong_host: 1 }", "1:23  wrong_host must be true or false."),
        ("extole: { unique_keys: [a] }", "1:24  unique_keys must be a mapping."),
        ("exponea: { customer_attributes: a }", "1:33  customer_attributes must be a whole number."),
        ("exponea: { project_token: 5 }", "1:27  project_token must be text."),
        (
            "exponea: { rate_limit: fast }",
            '1:10  "fast" is not a rate; write `100/s`, `100/m` or `100/h`, or `""` for no limit.',
        ),
        (
            "exponea: { hard_ids: [a], soft_ids: [a] }",
            "1:10  a is in hard_ids and in soft_ids; an ID is one or the other.",
        ),
        (
            "exponea: { soft_ids: [] }",
            "1:10  soft_ids needs at least one name: an anonymized customer gets a new ID of the first.",
        ),
        (
            "user_com: { attributes: { a: text } }",
            f"1:11  attribute a has an unknown type; allowed: {', '.join(TYPES)}.",
        ),
        (
            "user_com: { event_attributes: { a: text } }",
            "1:11  event_attributes must map event names to {attribute: type}.",
        ),
        ("user_com: { new_attributes: maybe }", "1:11  new_attributes must be create or ignore."),
        ("faults: {}", "1:9  faults must be a list."),
        (
            "faults:\n  - { kind: fire }",
            "2:5  kind must be one of latency, status, reset, half, wrong_json, items, not 'fire'.",
        ),
    ],
)
def test_errors_of_an_invalid_file(tmp_path, text, message):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{(tmp_path / 'sandbox.yaml').as_posix()}:{message}"


def test_a_file_that_is_not_yaml(tmp_path):
    with pytest.raises(UsageError, match=r"sandbox\.yaml:1:"):
        read(tmp_path, "exponea: {")
