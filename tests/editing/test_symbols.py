"""Definitions, uses and new names, over a mapping, a base that it extends and parts that it includes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.editing.positions import Position, TextLines
from engine.editing.symbols import Navigation
from engine.editing.workspace import RefusedError, Workspace

HEAD = "mapping: 1\ntitle: T\nabout: A mapping of a test.\ndocs: https://example.com\n"
BASE = f"""\
{HEAD}name: base
settings:
  region: {{ title: Region, type: string, choices: [eu, us], default: eu, example: eu }}
http: {{ base_url: "https://${{settings.region}}.example.com" }}
requests:
  send: {{ path: "/send/${{parts.who}}", if_missing: make }}
  make: {{ path: /make, batch: many }}
batches: {{ many: {{ path: /many, fields: {{ all: items }} }} }}
include: [common]
calls:
  track:
    - request: send
      when: parts.who && settings.region
      fields: {{ id: [parts.who, settings.region] }}
examples:
  - title: One
    settings: {{ region: us }}
    event: {{ type: track, event: E, userId: u }}
    replies: [{{ request: send, status: 404 }}]
    expect: [send: {{}}]
"""
CHILD = """\
mapping: 1
name: child
title: Child
extends: base
calls:
  identify: [{ request: send, fields: { é: "parts.who", r: "settings.region" } }]
"""
PARTS = "about: Parts.\nparts:\n  who: [userId, anonymousId]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "common.yaml").write_text(PARTS)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)
    return tmp_path


def opened(folder: Path, name: str) -> tuple[Navigation, Path, TextLines]:
    path = folder / name
    workspace = Workspace([])
    workspace.open(path, path.read_text())
    return Navigation(workspace), path, TextLines(path.read_text())


def at(lines: TextLines, needle: str) -> Position:
    return lines.position(lines.text.index(needle.replace("§", "")) + needle.index("§"))


def renamed(folder: Path, name: str, needle: str, better: str) -> dict[str, str]:
    navigation, path, lines = opened(folder, name)
    texts = {}
    for file, edits in navigation.rename(path, at(lines, needle), better).items():
        text = file.read_text()
        place = TextLines(text)
        for edit in sorted(edits, reverse=True):
            start, end = (place.offset(position) for position in edit.range)
            text = text[:start] + edit.text + text[end:]
        texts[file.relative_to(folder).as_posix()] = text
    return texts


@pytest.mark.parametrize(
    ("file", "needle", "target"),
    [
        ("child.yaml", "extends: ba§se", ("base.yaml", 0)),
        ("base.yaml", "include: [com§mon", ("parts/common.yaml", 0)),
        ("child.yaml", "request: se§nd", ("base.yaml", 9)),
        ("child.yaml", 'é: "parts.w§ho', ("parts/common.yaml", 2)),
        ("child.yaml", 'r: "settings.reg§ion', ("base.yaml", 6)),
        ("base.yaml", "if_missing: ma§ke", ("base.yaml", 10)),
        ("base.yaml", "batch: ma§ny", ("base.yaml", 11)),
        ("base.yaml", "settings: { reg§ion: us", ("base.yaml", 6)),
        ("base.yaml", "${settings.reg§ion}", ("base.yaml", 6)),
    ],
)
def test_the_definition(folder: Path, file: str, needle: str, target: tuple[str, int]) -> None:
    navigation, path, lines = opened(folder, file)
    found = navigation.definition(path, at(lines, needle))
    assert found is not None
    assert (found.path.relative_to(folder).as_posix(), found.range.start.line) == target


@pytest.mark.parametrize("needle", ["title: Ch§ild", "mapp§ing: 1"])
def test_no_definition(folder: Path, needle: str) -> None:
    navigation, path, lines = opened(folder, "child.yaml")
    assert navigation.definition(path, at(lines, needle)) is None


@pytest.mark.parametrize(
    ("file", "needle"), [("parts/common.yaml", "  w§ho:"), ("child.yaml", "parts.§who"), ("base.yaml", "${parts.who§}")]
)
def test_a_part_has_its_new_name_in_all_files(folder: Path, file: str, needle: str) -> None:
    assert renamed(folder, file, needle, "person") == {
        "parts/common.yaml": PARTS.replace("who", "person"),
        "base.yaml": BASE.replace("parts.who", "parts.person"),
        "child.yaml": CHILD.replace("parts.who", "parts.person"),
    }


def test_a_setting_a_request_and_a_batch(folder: Path) -> None:
    assert renamed(folder, "child.yaml", "settings.§region", "zone") == {
        "base.yaml": BASE.replace("region:", "zone:").replace("settings.region", "settings.zone"),
        "child.yaml": CHILD.replace("settings.region", "settings.zone"),
    }
    assert renamed(folder, "base.yaml", "request: §send", "post") == {
        "base.yaml": BASE.replace("send:", "post:").replace("request: send", "request: post"),
        "child.yaml": CHILD.replace("request: send", "request: post"),
    }
    assert renamed(folder, "base.yaml", "batch: §many", "all_of_them") == {
        "base.yaml": BASE.replace("batch: many", "batch: all_of_them").replace("{ many:", "{ all_of_them:")
    }


def test_all_uses(folder: Path) -> None:
    navigation, path, lines = opened(folder, "parts/common.yaml")
    found = navigation.references(path, at(lines, "  w§ho:"))
    assert sorted(each.path.name for each in found) == ["base.yaml"] * 3 + ["child.yaml", "common.yaml"]


@pytest.mark.parametrize(
    ("needle", "better", "message"),
    [
        ("title: Ch§ild", "x", "There is no name of a part, setting, request or batch here."),
        (
            "request: se§nd",
            "Send It",
            '"Send It" is no name: write lowercase letters, digits and _, beginning with a letter.',
        ),
        ("request: se§nd", "make", "This mapping already has a request named make."),
    ],
)
def test_names_that_are_refused(folder: Path, needle: str, better: str, message: str) -> None:
    with pytest.raises(RefusedError) as refused:
        renamed(folder, "child.yaml", needle, better)
    assert str(refused.value) == message


def test_half_a_rename_is_refused(folder: Path) -> None:
    (folder / "child.yaml").write_text(CHILD.replace('"parts.who"', '"part\\u0073.who"'))
    with pytest.raises(
        RefusedError, match=r"child.yaml:6:44: who is not written plainly here; change this use by hand"
    ):
        renamed(folder, "base.yaml", "${parts.w§ho}", "person")
    (folder / "child.yaml").write_text(CHILD + "  x: [")
    with pytest.raises(
        RefusedError, match=r"child.yaml uses this name too, or may, and cannot be read; correct it first"
    ):
        renamed(folder, "base.yaml", "${parts.w§ho}", "person")


def test_a_file_that_is_broken_now_is_not_renamed_by_its_text_of_before(folder: Path) -> None:
    navigation, path, lines = opened(folder, "child.yaml")
    where = at(lines, "request: se§nd")
    workspace = navigation._workspace
    workspace.understood(path)
    workspace.open(path, CHILD + "\nx: [")
    with pytest.raises(RefusedError, match="This file cannot be read as it is now; correct its problems first"):
        navigation.rename(path, where, "post")


def test_a_part_that_ships_is_not_renamed_from_elsewhere(folder: Path) -> None:
    text = BASE.replace("[common]", "[segment]").replace("parts.who", "parts.email")
    (folder / "base.yaml").write_text(text)
    with pytest.raises(RefusedError, match=r"parts/segment.yaml, which is not beside this file; rename it there"):
        renamed(folder, "base.yaml", "${parts.em§ail}", "mail")
