"""Configuration files: what they set, and what a wrong one is told, with its place."""

from __future__ import annotations

import dataclasses

import pytest

from engine.errors import UsageError
from engine.sandbox.config import Config, load_config
from engine.sandbox.vendors import VENDORS
from engine.sandbox.vendors.exponea.routes import Exponea
from engine.sandbox.vendors.extole import access as extole
from engine.sandbox.vendors.user_com.access import TYPES

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
    ("text", "words"),
    [
        ("[]", "1:1  A sandbox configuration is a mapping of vendor to settings."),
        ("segment: {}", "1:10  segment is no vendor; there are exponea, extole, user_com, and seed, faults."),
        ("seed: one", "1:7  seed must be a whole number."),
        ("exponea: 5", "1:10  exponea must be a mapping of settings."),
        (
            "extole:\n  tokens: [a]",
            f"2:11  extole has no setting tokens; it has {', '.join(EXTOLE)}.",
        ),
        ("extole:\n  access_tokens: a", "2:18  access_tokens must be a list of texts."),
        ("extole: { wrong_host: 1 }", "1:23  wrong_host must be true or false."),
        ("extole: { unique_keys: [a] }", "1:24  unique_keys must be a mapping."),
        ("exponea: { customer_attributes: a }", "1:33  customer_attributes must be a whole number."),
        ("exponea: { project_token: 5 }", "1:27  project_token must be a text."),
        (
            "exponea: { rate_limit: fast }",
            '1:10  "fast" is no rate; write `100/s`, `100/m` or `100/h`, or `""` for no limit.',
        ),
        (
            "exponea: { hard_ids: [a], soft_ids: [a] }",
            "1:10  hard_ids and soft_ids both name a; an id name is one or the other.",
        ),
        (
            "exponea: { soft_ids: [] }",
            "1:10  soft_ids needs at least one name: an anonymised customer gets a new id of the first.",
        ),
        (
            "user_com: { attributes: { a: text } }",
            f"1:11  attribute a has no type that exists; it is one of {', '.join(TYPES)}.",
        ),
        (
            "user_com: { event_attributes: { a: text } }",
            "1:11  event_attributes must be event name: {attribute: type}.",
        ),
        ("user_com: { new_attributes: maybe }", "1:11  new_attributes must be create or ignore."),
        ("faults: {}", "1:9  faults must be a list."),
        (
            "faults:\n  - { kind: fire }",
            "2:5  kind takes one of latency, status, reset, half, wrong_json, items, not 'fire'.",
        ),
    ],
)
def test_what_a_wrong_file_is_told(tmp_path, text, words):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{(tmp_path / 'sandbox.yaml').as_posix()}:{words}"


def test_a_file_that_is_no_yaml(tmp_path):
    with pytest.raises(UsageError, match=r"sandbox\.yaml:1:"):
        read(tmp_path, "exponea: {")
