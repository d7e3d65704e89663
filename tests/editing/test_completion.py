"""What is proposed at a cursor (§), as data: the mapping is complete but for the line that is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.editing.completion import complete
from engine.editing.positions import TextLines
from engine.editing.workspace import Workspace

MAPPING = """\
mapping: 1
name: shop
title: Shop
about: A mapping of a test.
docs: https://example.com
settings:
  api_key: { title: API Key, type: string, secret: true, example: k3y }
http: { base_url: "https://api.example.com", headers: { X-Key: "${settings.api_key}" } }
requests: { send: { path: /send }, find: { path: "/find/${userId}" } }
parts:
  who: [userId, anonymousId]
calls:
  track:
    - request: find
      save: { found: body.id }
    - request: send
      for_each: properties.products
      fields: { id: parts.who, sku: item.sku, found: saved.found }
  page: track
examples:
  - title: An order
    event:
      { type: track, event: Bought, userId: u1, properties: { "Feed Type": x, products: [{ sku: a }, { price: 2 }] } }
    expect: []
"""
CASES = {
    # what is typed in place of what: labels that must be first, or all that begin so
    "fields of events": ("id: parts.who", "id: properties.§", ["Feed Type", "products"]),
    "fields of the items of a loop": ("sku: item.sku", "sku: item.§", ["sku", "price"]),
    "fields of items by hand": ("for_each: properties.products", "when: properties.products[0].§", ["sku", "price"]),
    "parts": ("id: parts.who", "id: parts.w§", ["who"]),
    "settings": ("id: parts.who", "id: settings.§", ["api_key"]),
    "saved by steps before": ("id: parts.who", "id: saved.§", ["found"]),
    "in a text": ("${userId}", "${settings.§", ["api_key"]),
    "in a header": ("${settings.api_key}", "${settings.a§}", ["api_key"]),
    "a request": ("request: send", "request: §", ["send", "find"]),
    "functions": ("id: parts.who", "id: { from: userId, as: §", ["abs", "add", "average"]),
    "functions of a list": ("id: parts.who", "id: { from: userId, as: [trim, §", ["abs", "add", "average"]),
    "parameters": ("id: parts.who", "id: { from: userId, as: { replace: { §", ["find", "with"]),
    "keys of an instruction": ("id: parts.who", "id: { §", ["from", "const", "text"]),
    "keys of a step": ("    - request: send\n", "    - §\n    - request: send\n", ["request", "when", "unless"]),
    "keys of a file": ("parts:\n", "§\nparts:\n", ["mapping", "name", "title"]),
    "types": ("type: string", "type: §", ["string", "url", "boolean"]),
    "what is expected": ("expect: []", "expect: [{ §", ["send", "find"]),
    "an include": ("parts:\n", "include: [§]\nparts:\n", ["common"]),
    "a base": ("parts:\n", "extends: §\nparts:\n", ["base"]),
    "a condition": ("for_each: properties.products", "when: context.os.§", ["name", "version"]),
    "the calls that share": ("for_each: properties.products", "when: na§", ["type", "messageId", "userId"]),
    "an answer": ("save: { found: body.id }", "save: { found: §", ["body", "headers", "settings"]),
    "nothing in an event": ("userId: u1", "userId: §", []),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mappings")
    (folder / "parts").mkdir()
    (folder / "parts" / "common.yaml").write_text("about: Parts.\nparts: { other: userId }\n")
    (folder / "base.yaml").write_text("mapping: 1\nname: base\n")
    return folder


@pytest.mark.parametrize("name", CASES)
def test_what_is_proposed(name: str, folder: Path) -> None:
    old, new, expected = CASES[name]
    assert old in MAPPING
    typed = MAPPING.replace(old, new, 1)
    index = typed.index("§")
    workspace, path = Workspace([]), folder / "shop.yaml"
    workspace.open(path, MAPPING)
    known = workspace.understood(path)
    assert known is not None
    text = typed.replace("§", "")
    workspace.open(path, text)
    lines = TextLines(text)
    found = complete(workspace, lines, lines.position(index), workspace.understood(path), "mapping")
    assert [item.label for item in found][: len(expected)] == expected
    assert bool(found) == bool(expected)


def test_a_name_that_is_no_plain_one_is_written_in_quotes(folder: Path) -> None:
    text = MAPPING.replace("id: parts.who", "id: properties.Fe§")
    index = text.index("§")
    workspace, path = Workspace([]), folder / "shop.yaml"
    workspace.open(path, MAPPING)
    workspace.understood(path)
    lines = TextLines(text.replace("§", ""))
    first = complete(workspace, lines, lines.position(index), workspace.understood(path), "mapping")[0]
    start, end = first.edit.range
    assert (first.edit.text, end.unit - start.unit) == ('"Feed Type"', 2)


def test_fields_of_a_file_of_samples(folder: Path) -> None:
    samples = folder / "events.ndjson"
    samples.write_text('{"type": "track", "event": "E", "userId": "u", "properties": {"coupon": "C1"}}\nnot json\n')
    workspace, path = Workspace([], [samples]), folder / "shop.yaml"
    workspace.open(path, MAPPING)
    known = workspace.understood(path)
    assert known is not None
    assert [field.name for field in known.seen.members(["track"], ["properties"])][-1] == "coupon"
