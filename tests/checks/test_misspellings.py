"""Copies of the shipped mappings with one word misspelt: one problem, at its line, that names the word that was meant.

Each row: the text to find (with what makes it unique), what it becomes, the code, and the word the problem must name.
A row may say the line (counted from where the text begins) and that several problems belong to it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.checks.harness import printed, problems_of

MAPPINGS = Path(__file__).parents[2] / "mappings"


class Slip(NamedTuple):
    """One misspelling and what must be reported."""

    mapping: str
    old: str
    new: str
    code: str
    meant: str
    line: int = 0
    """Lines from the beginning of `old` to the misspelled word."""
    at: str = ""
    """A text in the reported line if that is another one: the only use of the misspelled name."""


EXTOLE = [
    Slip("extole", "\nsettings:", "\nsetings:", "unknown-key", '"settings"', 1),
    Slip("extole", "about: Access token", "abuot: Access token", "unknown-key", '"about"'),
    Slip("extole", "type: string\n    choices", "type: strnig\n    choices", "not-allowed", '"string"'),
    Slip("extole", "choices: [v6, v5]", "choises: [v6, v5]", "unknown-key", '"choices"'),
    Slip("extole", "default: v6", "default: v7", "setting-value", '"v6", "v5"'),
    Slip("extole", "base_url: https", "base_ulr: https", "unknown-key", '"base_url"'),
    Slip("extole", "Bearer ${settings.api_key}", "Bearer ${settings.api_kye}", "unknown-setting", "settings.api_key"),
    Slip("extole", "Bearer ${settings.api_key}", "Bearer ${setings.api_key}", "unknown-field", "settings.api_key"),
    Slip("extole", "rate_limit: 100/m", "rate_limit: 100/min", "pattern", "100/m"),
    Slip("extole", "\n  send_event:\n", "\n  sned_event:\n", "unknown-request", "send_event", 1),
    Slip("extole", "\n  erase_person:\n", "\n  erase_persn:\n", "unknown-request", "erase_person", 1),
    Slip("extole", "- request: erase_person", "- request: erase_persno", "unknown-request", "erase_person"),
    Slip("extole", "- request: erase_person", "- requset: erase_person", "unknown-key", '"request"'),
    Slip("extole", "path: /v4/erasures", "paht: /v4/erasures", "unknown-key", '"path"'),
    Slip(
        "extole", "/${settings.api_version}/events", "/${settings.api_versoin}/events", "unknown-setting", "api_version"
    ),
    Slip("extole", "then: stop\n    hint: Extole", "then: stopp\n    hint: Extole", "not-allowed", '"stop"'),
    Slip("extole", "hint: Check", "hnit: Check", "unknown-key", '"hint"'),
    Slip("extole", "unless: status ==", "unless: statsu ==", "unknown-field", "status"),
    Slip("extole", "first_wait: 1s", "frist_wait: 1s", "unknown-key", '"first_wait"'),
    Slip("extole", "include: [segment]", "include: [segmnt]", "unknown-include", "segment"),
    Slip("extole", "\n  identify:\n", "\n  indentify:\n", "unknown-key", '"identify"', 1),
    Slip(
        "extole",
        "as: iso8601 }\n        data:\n          merge:\n            #",
        "as: iso8610 }\n        data:\n          merge:\n            #",
        "unknown-function",
        '"iso8601"',
    ),
    Slip("extole", "- from: traits\n", "- from: trait\n", "unknown-field", "traits"),
    Slip("extole", "except: [email", "excpet: [email", "unknown-key", '"except"'),
    Slip(
        "extole",
        "first_name: { from: parts.first_name",
        "first_name: { from: parts.frist_name",
        "unknown-part",
        "parts.first_name",
    ),
    Slip("extole", "email: { from: parts.email", "email: { from: part.email", "unknown-field", "parts.email"),
    Slip("extole", "event_name: event", "event_name: evnet", "unknown-field", "event"),
    Slip(
        "extole",
        "[properties.partner_user_id, userId]",
        "[properties.partner_user_id, userid]",
        "unknown-field",
        "userId",
    ),
    Slip("extole", "required: true", "requierd: true", "unknown-key", '"required"'),
    Slip("extole", "settings: { api_version: v5 }", "settings: { api_versino: v5 }", "unknown-setting", "api_version"),
    Slip("extole", "settings: { api_version: v5 }", "settings: { api_version: v55 }", "setting-value", '"v6", "v5"'),
    Slip("extole", "- erase_person: {", "- erase_preson: {", "unknown-request", "erase_person"),
    Slip(
        "extole",
        "type: delete\n      messageId: delete-reg",
        "type: delet\n      messageId: delete-reg",
        "unknown-call",
        "delete",
    ),
    Slip("extole", "event_name: conversion", "event_nmae: conversion", "example-fails", "event_name"),
    Slip(
        "extole",
        'cart_value: "99.99"\n            partner',
        'cart_vlaue: "99.99"\n            partner',
        "example-fails",
        "cart_value",
    ),
]
USER_COM = [
    Slip("user_com", "\nrequests:", "\nreqeusts:", "unknown-key", '"requests"', 1),
    Slip("user_com", "title: App URL", "titel: App URL", "unknown-key", '"title"'),
    Slip("user_com", "${settings.app_url}/api", "${settings.app_ulr}/api", "unknown-setting", "settings.app_url"),
    Slip(
        "user_com",
        "\n  app_url:\n",
        "\n  app_ulr:\n",
        "unknown-setting",
        "settings.app_ulr (line ",
        at="${settings.app_url}",
    ),
    Slip("user_com", "\n  upsert_user:\n", "\n  upsret_user:\n", "unknown-request", "upsert_user", 1),
    Slip("user_com", "- request: get_user", "- request: get_usr", "unknown-request", "get_user"),
    Slip("user_com", "if_missing: create_company", "if_missing: creat_company", "unknown-request", "create_company"),
    Slip("user_com", "if_missing: create_company", "if_mising: create_company", "unknown-key", '"if_missing"'),
    Slip(
        "user_com",
        "/users-by-id/${parts.user_id}/\n",
        "/users-by-id/${parts.usr_id}/\n",
        "unknown-part",
        "parts.user_id",
    ),
    Slip("user_com", "\n  user_id: [", "\n  user_di: [", "unknown-part", "user_id", 1),
    Slip("user_com", "/${groupId}/", "/${groupid}/", "unknown-field", "groupId"),
    Slip("user_com", "/${saved.company_id}/", "/${saved.compny_id}/", "unknown-saved", "saved.company_id"),
    Slip(
        "user_com",
        "save: { company_id:",
        "save: { comapny_id:",
        "unknown-saved",
        "saved.comapny_id",
        at="${saved.company_id}",
    ),
    Slip("user_com", "save: { user_key: body", "save: { user_key: boyd", "unknown-field", "body"),
    Slip("user_com", "save: { user_key:", "svae: { user_key:", "unknown-key", '"save"'),
    Slip("user_com", "as: first_word", "as: frist_word", "unknown-function", '"first_word"'),
    Slip("user_com", "ignore_case: true", "ignore_caes: true", "unknown-key", '"ignore_case"'),
    Slip("user_com", "map: { male: 2", "mpa: { male: 2", "unknown-key", '"map"'),
    Slip("user_com", "os: [context.os.name", "os: [contxet.os.name", "unknown-field", "context"),
    Slip("user_com", "\n  group:\n", "\n  gruop:\n", "unknown-key", '"group"', 1),
    Slip("user_com", "require: { groupId:", "require: { groupID:", "unknown-field", "groupId"),
    Slip("user_com", "include: [segment]", "include: [segments]", "unknown-include", "segment"),
    Slip("user_com", "unless: status", "unles: status", "unknown-key", '"unless"'),
    Slip("user_com", "current_url: parts.url", "current_url: parts.ulr", "unknown-part", "parts.url"),
    Slip("user_com", "${settings.app_url}/api", "settings.app_url/api", "bad-base-url", "${settings.app_url}"),
    Slip("user_com", "/${groupId}/", "/{groupId}/", "path-placeholder", "${groupId}"),
    Slip("user_com", "/${groupId}/", "/:groupId/", "path-placeholder", "${groupId}"),
    Slip("user_com", "path: /site-views/", "path: https://app.user.com/site-views/", "address-in-path", "base_url"),
    Slip("user_com", "as: first_word", "as: firstName", "unknown-function", "engine docs functions"),
    Slip("user_com", "as: unix_seconds", "as: epoch", "unknown-function", '"unix_seconds"'),
]
EXPONEA = [
    Slip("exponea", "\nbatches:", "\nbtaches:", "unknown-key", '"batches"', 1),
    Slip("exponea", "title: Project token", "tilte: Project token", "unknown-key", '"title"'),
    Slip("exponea", "\n  project_token:\n", "\n  project_tokne:\n", "unknown-setting", "project_token", 1),
    Slip("exponea", "Token ${settings.api_key}", "Token ${settings.apikey}", "unknown-setting", "settings.api_key"),
    Slip("exponea", "\n  add_event:\n", "\n  ad_event:\n", "unknown-request", "add_event", 1),
    Slip("exponea", "check: system_time", "check: sytem_time", "unknown-request", "system_time"),
    Slip(
        "exponea",
        "batch: commands\n    item:\n      fields: { name: { const: customers },",
        "batch: comands\n    item:\n      fields: { name: { const: customers },",
        "unknown-batch",
        "commands",
    ),
    Slip("exponea", "\n  commands:\n", "\n  comamnds:\n", "unknown-batch", "commands", 1),
    Slip("exponea", "fields: { commands: items }", "fields: { commands: itmes }", "unknown-field", "items"),
    Slip("exponea", "{ const: customers }, data: body", "{ const: customers }, data: bdoy", "unknown-field", "body"),
    Slip("exponea", "list: body.results", "lits: body.results", "unknown-key", '"list"'),
    Slip("exponea", "ok: item.success", "ok: itm.success", "unknown-field", "item"),
    Slip(
        "exponea", "${settings.hard_id}: userId", "${settings.hard_di}: userId", "unknown-setting", "settings.hard_id"
    ),
    Slip(
        "exponea", "${settings.soft_id}: anonymousId", "${settings.soft_id}: anonymusId", "unknown-field", "anonymousId"
    ),
    Slip("exponea", "\n  common_fields:\n", "\n  comon_fields:\n", "unknown-part", "common_fields", 1),
    Slip(
        "exponea",
        "settings.track_session_ping &&",
        "settings.track_sesion_ping &&",
        "unknown-setting",
        "settings.track_session_ping",
    ),
    Slip(
        "exponea",
        "rename: { userAgent: user_agent }",
        "rename: { userAgnet: user_agent }",
        "key-never-there",
        "userAgent",
    ),
    Slip(
        "exponea", "rename: { userAgent: user_agent }", "renmae: { userAgent: user_agent }", "unknown-key", '"rename"'
    ),
    Slip(
        "exponea",
        "time: { from: timestamp, as: unix }",
        "time: { from: timestamp, as: unxi }",
        "unknown-function",
        '"unix"',
    ),
    Slip(
        "exponea",
        "merge: [parts.journey_step, traits]",
        "merge: [parts.journey_stop, traits]",
        "unknown-part",
        "parts.journey_step",
    ),
    Slip("exponea", "\n  track:\n", "\n  trakc:\n", "unknown-key", '"track"', 1),
    Slip(
        "exponea",
        "merge: [parts.common_fields, properties]",
        "merge: [parts.common_fields, propertys]",
        "unknown-field",
        "properties",
    ),
]


@pytest.mark.parametrize(
    "slip", [*EXTOLE, *USER_COM, *EXPONEA], ids=lambda slip: f"{slip.mapping}: {slip.new.strip()[:40]}"
)
def test_one_slip_gives_one_problem_at_its_line(slip: Slip, folder: Path) -> None:
    shutil.copytree(MAPPINGS / "parts", folder / "parts", dirs_exist_ok=True)
    text = (MAPPINGS / f"{slip.mapping}.yaml").read_text(encoding="utf-8")
    before, found, after = text.partition(slip.old)
    assert found, f"{slip.mapping}.yaml holds no {slip.old!r}"
    problems = problems_of(before + slip.new + after, f"{slip.mapping}.yaml")
    assert len(problems) == 1, printed(problems)
    line = text.partition(slip.at)[0].count("\n") if slip.at else before.count("\n") + slip.line
    assert problems[0].line == line + 1, printed(problems)
    assert problems[0].code == slip.code, printed(problems)
    assert slip.meant in f"{problems[0].message} {problems[0].advice}", printed(problems)
    assert problems[0].file == f"{slip.mapping}.yaml"


def test_there_are_ten_and_more_of_each() -> None:
    assert all(len(slips) >= 10 for slips in (EXTOLE, USER_COM, EXPONEA))
