"""What is shown at a cursor (§), whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.editing.hover import hover
from engine.editing.positions import TextLines
from engine.editing.workspace import Workspace

MAPPING = """\
mapping: 1
name: shop
title: Shop
about: A mapping of a test.
docs: https://example.com
settings:
  api_key: { title: API Key, about: "Found ![in](http://x/y) the *app*.", type: string, secret: true, sent_in: body, example: k3y-of-shop }
http: { base_url: "https://api.example.com" }
requests:
  send: { about: Sends it., path: "/send" }
parts:
  who: [userId, anonymousId]
calls:
  track:
    - request: send
      when: properties.total || (event == 'x')
      fields:
        key: settings.api_key
        id: parts.who
        total: { from: properties.total, as: [number, { round: 1 }] }
        note: { text: "note: ${properties.note}" }
examples:
  - title: An order with `backquotes`
    event: { type: track, event: Bought, anonymousId: a1, properties: { total: "1.55" } }
    expect: [send: { id: a1, total: 1.6 }]
  - title: A key in a note
    event: { type: track, event: Bought, userId: u1, properties: { total: "1", note: "has ``` and k3y-of-shop" } }
    expect: [send: { id: u1 }]
"""
ORDER = "in the example “An order with \\`backquotes\\`”"
NOTE = "in the example “A key in a note”"
CASES = {
    "a path": ("total: { from: properties.to§tal", [f'properties\\.total {ORDER}:\n```\n"1.55"\n```']),
    "a condition, the first name": ("when: prop§erties.total", [f'properties\\.total {ORDER}:\n```\n"1.55"\n```']),
    "a condition, the second name": ("|| (eve§nt ==", [f'event {ORDER}:\n```\n"Bought"\n```']),
    "a part": ("id: parts.w§ho", ["part **who**, shop\\.yaml\\:12", f'parts\\.who {ORDER}:\n```\n"a1"\n```']),
    "a setting that is secret": (
        "key: settings.api§_key",
        [
            "setting **api\\_key** (string, secret), shop\\.yaml\\:7",
            "Found \\!\\[in\\]\\(http\\:\\/\\/x\\/y\\) the \\*app\\*\\.".replace("\\/", "/"),
            f'settings\\.api\\_key {ORDER}:\n```\n"***"\n```',
        ],
    ),
    "a field of the body": ("        tot§al: {", [f"value {ORDER}:\n```\n1.6\n```"]),
    "a field that is absent first": (
        "        no§te: {",
        [f"value is absent {ORDER}", f'value {NOTE}:\n````\n"note: has ``` and ***"\n````'],
    ),
    "a request": ("request: se§nd", ["request **send**, shop\\.yaml\\:10", "```\nPOST /send\n```", "Sends it\\."]),
    "a key": ("    - requ§est", ["**request**: Name of the request to send, from `requests`."]),
    "a path in a text": (
        "${properties.no§te}",
        [f"properties\\.note is absent {ORDER}", f'properties\\.note {NOTE}:\n````\n"has ``` and ***"\n````'],
    ),
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    workspace, path = Workspace([]), tmp_path_factory.mktemp("mappings") / "shop.yaml"
    workspace.open(path, MAPPING)
    assert workspace.problems(path) == []
    return workspace, path


def shown(opened: tuple[Workspace, Path], needle: str) -> str | None:
    workspace, path = opened
    assert MAPPING.count(needle.replace("§", "")) == 1
    index = MAPPING.index(needle.replace("§", "")) + needle.index("§")
    lines = TextLines(MAPPING)
    found = hover(lines, lines.position(index), workspace.understood(path), "mapping")
    return None if found is None else found.markdown


@pytest.mark.parametrize("name", CASES)
def test_what_is_shown(name: str, opened: tuple[Workspace, Path]) -> None:
    needle, sections = CASES[name]
    assert shown(opened, needle) == "\n\n".join(sections)


BREAKS = {
    "above": ("title: Shop\n", "title: [Shop\nbroken\n\n"),
    "below": ("examples:\n", "examples: {\n"),
    "above, fewer lines": ("docs: https://example.com\nsettings:\n", "settings: {{\n"),
    "the first line": ("mapping: 1\n", "{ mapping: 1\n"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_text_that_is_broken_elsewhere(name: str, tmp_path: Path) -> None:
    workspace, path = Workspace([]), tmp_path / "shop.yaml"
    workspace.open(path, MAPPING)
    workspace.understood(path)
    broken = MAPPING.replace(*BREAKS[name], 1)
    workspace.open(path, broken)
    known = workspace.understood(path)
    assert known is not None
    assert not known.is_of(broken)
    for needle in ("properties.tot§al, as:", "parts.w§ho"):
        now = broken.index(needle.replace("§", "")) + needle.index("§")
        lines = TextLines(broken)
        found, good = hover(lines, lines.position(now), known, "mapping"), shown((workspace, path), needle)
        assert found is not None
        assert found.markdown == good
        assert found.range.start.line == lines.position(now).line


def test_a_line_that_was_changed_is_not_looked_up(tmp_path: Path) -> None:
    workspace, path = Workspace([]), tmp_path / "shop.yaml"
    workspace.open(path, MAPPING)
    workspace.understood(path)
    broken = MAPPING.replace("id: parts.who", "id: [parts.whom")
    workspace.open(path, broken)
    lines = TextLines(broken)
    assert hover(lines, lines.position(broken.index("parts.whom") + 8), workspace.understood(path), "mapping") is None


def test_a_function(opened: tuple[Workspace, Path]) -> None:
    assert shown(opened, "{ rou§nd: 1 }") == (
        "**round**: number or text -> number\n\n"
        "The number rounded to that many decimals; halves are rounded away from zero.\n\n"
        "- `digits` (optional): The number of decimals to keep.\n\n"
        '```\n2.5 | round -> 3\n-2.5 | round -> -3\n2.675 | round {"digits":2} -> 2.68\n```'
    )


@pytest.mark.parametrize("needle", ["title: Sh§op", "anonymousId: a§1"])
def test_nothing(needle: str, opened: tuple[Workspace, Path]) -> None:
    assert shown(opened, needle) is None
