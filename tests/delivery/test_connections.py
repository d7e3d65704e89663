"""`connections.yaml`: what is read from it, and its error messages."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from engine.delivery.configured_connection import base_url
from engine.delivery.connections import ConnectionsError, load
from engine.mapping.schema import check_schema, validator
from tests.delivery.vendor import BATCHES, MAPPING

ENVIRONMENT = {"SHOP_KEY": "from-the-environment", "SHOP_URL": "https://eu.example"}
HERE = Path(__file__).parent


def loaded(directory: Path, text: str):
    (directory / "shop.yaml").write_text(MAPPING.format(more=BATCHES.format(max_items=5, give_up="24h")))
    (directory / "connections.yaml").write_text(text)
    return load(directory / "connections.yaml", ENVIRONMENT, [directory])


def test_everything_a_connection_can_say(tmp_path) -> None:
    text = """
eu:
  destination: shop
  settings: { url: "https://eu.example/api/", key: "${env:SHOP_KEY}" }
  calls: [track, page]
  when: properties.vip
  base_url: ${env:SHOP_URL}/v2/
  rate_limit: 5/m
  ordered_batches: true
shop:
  settings: { url: "https://us.example", key: k }
off: { destination: shop.yaml, enabled: false, settings: { url: "https://off.example", key: k } }
free: { destination: ./shop.yaml, settings: { url: "https://free.example", key: k }, rate_limit: none }
"""
    file = loaded(tmp_path, text)
    eu, shop, free = file.connections
    assert file.disabled == ["off"]
    assert (eu.name, eu.calls, eu.when, eu.rate, eu.ordered_batches) == (
        "eu",
        {"track", "page"},
        "properties.vip",
        "5/m",
        True,
    )
    assert list(eu.connection.secrets) == ["from-the-environment"]
    assert base_url(eu.connection) == "https://eu.example/v2"
    [planned] = eu.connection.plan({"type": "identify", "userId": "u", "traits": {"a": 1}}).requests
    assert planned.url == "https://eu.example/v2/single"
    assert (shop.name, shop.calls, shop.rate, base_url(shop.connection)) == ("shop", None, "", "https://us.example")
    assert free.rate == ""


CASES = sorted((HERE / "connections").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_is_wrong_is_reported_with_its_place(tmp_path, monkeypatch, case) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConnectionsError) as raised:
        loaded(Path(), case.read_text())
    assert str(raised.value) + "\n" == case.with_suffix(".txt").read_text()


ADS = """\
mapping: 1
name: ads
title: Ads
http: { base_url: https://api.ads.example }
requests: { match: { path: /match } }
settings: { fields: { title: Fields, type: list, optional: true } }
calls:
  identify: [{ request: match, fields: { mail: traits.email } }]
  track: [{ request: match, from: message, only: settings.fields }]
"""
PROMISES = """\
ads:
  destination: ads.yaml
  settings: { fields: [event, userId] }
  privacy: { email: hashed, ip: never }
"""


def test_a_promise_about_personal_data_is_proved_for_the_calls_and_settings_of_a_connection(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ads.yaml").write_text(ADS)
    assert loaded(Path(), PROMISES + "  calls: [track]\n").connections
    with pytest.raises(ConnectionsError) as raised:
        loaded(Path(), PROMISES)
    assert str(raised.value) == (
        "connections.yaml:4:21  ads.privacy.email\n"
        "  ads.yaml:8:48: traits.email would be sent in the clear in match; `privacy` says that email is only sent "
        "hashed.\n"
        "  Hash it where it is read: `as: sha256`, or leave it out."
    )


def test_there_are_cases() -> None:
    assert len(CASES) >= 16


def test_no_password_of_an_address_is_reported() -> None:
    assert not [case for case in CASES if "hunter2secret" in case.with_suffix(".txt").read_text()]


def test_a_file_of_events_is_reported_by_its_name(tmp_path) -> None:
    file = tmp_path / "things.ndjson"
    file.write_text('{"a": 1}\n{"a": 2}\n')
    with pytest.raises(ConnectionsError) as raised:
        load(file, {}, [])
    assert str(raised.value) == (
        f"{file}:1:1\n  This is JSON, like a file of events. A connections file maps names to connections, for example\n"
        "  shop:\n    destination: my_vendor\n    settings: {...}"
    )


def test_a_disabled_connection_needs_no_environment(tmp_path) -> None:
    text = """
shop: { settings: { url: "https://us.example", key: k } }
off:
  destination: shop
  enabled: false
  base_url: "${env:OFF_URL}"
  settings: { url: "${env:OFF_URL}", key: "${env:OFF_KEY}-${env:OFF_TOKEN}-${env:SHOP_KEY}" }
other: { destination: shop, enabled: false, settings: { url: "https://off.example", key: k } }
"""
    file = loaded(tmp_path, text)
    assert [each.name for each in file.connections] == ["shop"]
    assert file.disabled == ["off", "other"]
    assert file.unset == {"off": ("OFF_URL", "OFF_KEY", "OFF_TOKEN"), "other": ()}


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(ConnectionsError, match="The file does not exist"):
        load(tmp_path / "connections.yaml", {}, [])


def test_the_page_shows_a_file_that_loads(tmp_path) -> None:
    page = (HERE.parents[1] / "docs" / "connections.md").read_text()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "connections.yaml").write_text(text)
    file = load(tmp_path / "connections.yaml", {"EXPONEA_KEY": "k"})
    assert file.unset == {"user_com": ("USER_COM_KEY",)}
    assert ([each.name for each in file.connections], file.disabled) == (["eu_shop"], ["user_com"])
    keys = schema()["additionalProperties"]["properties"]
    assert all(f"| `{key}` |" in page for key in keys), "the page explains every key"
    assert all(rule["description"] for rule in keys.values())


def test_the_schema_is_one_and_takes_what_the_page_shows() -> None:
    assert check_schema(schema()) is None
    assert validator(schema())({"a": {"destination": "b", "calls": ["track"]}}) is None
    assert validator(schema())({"a": {"destinaton": "b"}}) is not None


def schema():
    return orjson.loads((HERE.parents[1] / "schemas" / "connections.schema.json").read_bytes())
