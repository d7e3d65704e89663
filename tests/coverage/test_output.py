"""Coverage as text, JSON and Cobertura XML, and as `engine test` shows it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from engine.commands import main
from engine.commands.coverage import show_coverage
from engine.commands.options import CoverageOptions
from engine.commands.output.coverage import DOCTYPE, cobertura
from engine.errors import MappingError
from engine.mapping import bundled
from engine.mapping.load import Library
from engine.testing.coverage_report import CoverageReport, report_on
from engine.testing.examples import validate

SHOP = """\
mapping: 1
name: shop
title: Shop
about: Orders of a shop.
docs: https://example.com
include: [shared]
http: { base_url: "https://api.example.com" }
requests: { send: { path: /send } }
calls:
  track:
    - request: send
      fields:
        id: parts.user
        coupon: { from: properties.coupon, when: properties.total }
        size: { from: properties.size, map: { small: S, large: L } }
examples:
  - title: An order
    event: { type: track, messageId: m1, userId: u1, event: Ordered, timestamp: 2024-03-05T10:15:30Z, properties: { size: small } }
    expect: [send: { id: u1, size: S }]
"""
SHARED = """\
parts:
  user: [userId, anonymousId]
"""
PRINTED = """\
File                         Items  Missed   Cover   Missing lines
mappings/parts/shared.yaml       2       1     50%   2
mappings/shop.yaml               9       4   55.5%   14, 15
Total                           11       5   54.5%

steps 1/1, fields 2/3, alternatives 1/2, conditions 1/2, map entries 1/3

No example uses these:
mappings/parts/shared.yaml:2:18  alternative anonymousId
mappings/shop.yaml:14:9  field coupon
mappings/shop.yaml:14:44  when of coupon holds
mappings/shop.yaml:15:40  map of size: a value that is not listed
mappings/shop.yaml:15:57  map of size: large

These examples do. Each was run; read what it expects, and paste all at the end
of `examples:` in mappings/shop.yaml:

  # alternative anonymousId (mappings/parts/shared.yaml)
  - title: Alternative anonymousId
    event:
      type: track
      messageId: alternative-anonymousid
      event: Ordered
      timestamp: 2024-03-05T10:15:30Z
      properties: { size: small }
      anonymousId: "507f191e81"
    expect:
      - send: { id: "507f191e81" }
  # field coupon
  # when of coupon holds
  - title: Field coupon
    event:
      type: track
      messageId: field-coupon
      userId: u1
      event: Ordered
      timestamp: 2024-03-05T10:15:30Z
      properties: { size: small, total: 27.5, coupon: coupon }
    expect:
      - send: { coupon: coupon }
  # map of size: a value that is not listed
  - title: "Map of size: a value that is not listed"
    event:
      type: track
      messageId: map-of-size-a-value-that-is-not-listed
      userId: u1
      event: Ordered
      timestamp: 2024-03-05T10:15:30Z
      properties: { size: something else }
    expect:
      - send:
  # map of size: large
  - title: "Map of size: large"
    event:
      type: track
      messageId: map-of-size-large
      userId: u1
      event: Ordered
      timestamp: 2024-03-05T10:15:30Z
      properties: { size: large }
    expect:
      - send: { size: L }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mappings" / "parts").mkdir(parents=True)
    (tmp_path / "mappings" / "shop.yaml").write_text(SHOP, encoding="utf-8")
    (tmp_path / "mappings" / "parts" / "shared.yaml").write_text(SHARED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Path("mappings")


TEXT = CoverageOptions()


def files(folder: Path) -> list[Path]:
    return [folder / "parts" / "shared.yaml", folder / "shop.yaml"]


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_coverage(files(folder), TEXT) == 0
    assert capsys.readouterr().out == PRINTED


def test_the_printed_block_is_pasted_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_coverage(files(folder), TEXT) == 0
    block = capsys.readouterr().out.partition("mappings/shop.yaml:\n\n")[2]
    (folder / "shop.yaml").write_text(SHOP + block)
    assert [str(problem) for problem in validate(Library([]).read(folder / "shop.yaml"))] == []
    assert show_coverage(files(folder), CoverageOptions(fail_under=100)) == 0


def test_one_file_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_coverage([folder / "shop.yaml"], TEXT) == 0
    assert capsys.readouterr().out.splitlines()[:7] == [
        "File                 Items  Missed   Cover   Missing lines",
        "mappings/shop.yaml       9       4   55.5%   14, 15",
        "Total                    9       4   55.5%",
        "",
        "steps 1/1, fields 2/3, conditions 1/2, map entries 1/3",
        "2 items of mappings/parts/shared.yaml are not counted: name that file too, or",
        "its folder.",
    ]


def test_fail_under(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_coverage(files(folder), CoverageOptions(fail_under=54.5)) == 0
    assert show_coverage(files(folder), CoverageOptions(fail_under=95)) == 1
    error = "The examples use 54.5 % of what is in the mappings; --fail-under asks for 95 %.\n"
    assert capsys.readouterr().err == error


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_coverage(files(folder), CoverageOptions("json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["percent"], found["used"], found["total"]) == (54.5, 6, 11)
    assert found["kinds"]["field"] == {"used": 2, "total": 3}
    assert [file["file"] for file in found["files"]] == ["mappings/parts/shared.yaml", "mappings/shop.yaml"]
    assert found["files"][0]["missing"] == [
        {
            "line": 2,
            "column": 18,
            "path": "parts.user[1]",
            "kind": "alternative",
            "case": "",
            "label": "alternative anonymousId",
            "mapping": "mappings/shop.yaml",
            "draft": {
                "title": "Alternative anonymousId",
                "event": {
                    "type": "track",
                    "messageId": "alternative-anonymousid",
                    "event": "Ordered",
                    "timestamp": "2024-03-05T10:15:30Z",
                    "properties": {"size": "small"},
                    "anonymousId": "507f191e81",
                },
                "expect": [{"send": {"id": "507f191e81"}}],
            },
            "again": False,
            "reason": "",
        }
    ]
    assert found["not_counted"] == []


def report(folder: Path) -> CoverageReport:
    return report_on([Library([]).read(folder / "shop.yaml")], [folder / "shop.yaml", folder / "parts/shared.yaml"])


def test_cobertura(folder: Path) -> None:
    text = cobertura(report(folder), 1_700_000_000)
    assert text.startswith(f'<?xml version="1.0" ?>\n{DOCTYPE}\n<coverage ')
    root = fromstring(text)
    assert faults(root) == []
    assert (root.attrib["lines-covered"], root.attrib["lines-valid"]) == ("5", "5")
    assert root.attrib["timestamp"] == "1700000000"
    assert [found.attrib["filename"] for found in root.iter("class")] == [
        "mappings/shop.yaml",
        "mappings/parts/shared.yaml",
    ]
    lines = {line.attrib["number"]: line.attrib for line in next(root.iter("lines")).iter("line")}
    assert lines == {
        "11": {"number": "11", "hits": "1"},
        "13": {"number": "13", "hits": "1"},
        "14": {"number": "14", "hits": "1", "branch": "true", "condition-coverage": "33% (1/3)"},
        "15": {"number": "15", "hits": "1", "branch": "true", "condition-coverage": "50% (2/4)"},
    }


def test_cobertura_of_the_shipped_mappings() -> None:
    paths = [bundled("mappings") / "exponea.yaml", bundled("mappings") / "webhook.yaml"]
    root = fromstring(cobertura(report_on([Library([]).read(path) for path in paths], paths), 0))
    assert faults(root) == []
    assert root.attrib["branch-rate"] != "1"  # exponea alone: bloomreach_engagement has the rest


DTD = (Path(__file__).parent / "cobertura.dtd").read_text(encoding="utf-8")
CONTENT = dict(re.findall(r"<!ELEMENT (\S+) ([^>]*)>", DTD))
REQUIRED = re.findall(r"<!ATTLIST (\S+) (\S+)\s+CDATA (#REQUIRED|\"[^\"]*\")>", DTD)


def faults(root: Element) -> list[str]:
    """Return what of a document the DTD does not allow: children out of order, attributes missing or unknown."""
    found = []
    for element in root.iter():
        content = re.sub(r"#PCDATA|EMPTY", "", CONTENT[element.tag])
        pattern = re.sub(r"[a-z]+", lambda name: f"(?:{name[0]} )", content).replace(",", "")
        if not re.fullmatch(pattern, "".join(f"{child.tag} " for child in element)):
            found.append(f"{element.tag}: {[child.tag for child in element]}")
        known = {name: kind for tag, name, kind in REQUIRED if tag == element.tag}
        found += [
            f"{element.tag} has no {name}"
            for name, kind in known.items()
            if kind == "#REQUIRED" and name not in element.attrib
        ]
        found += [f"{element.tag} has {name}" for name in element.attrib if name not in known]
    return found


def test_the_dtd_is_asked() -> None:
    assert faults(fromstring('<lines><line number="1"/><condition/></lines>')) == [
        "lines: ['line', 'condition']",
        "line has no hits",
        "condition has no number",
        "condition has no type",
        "condition has no coverage",
    ]


def test_a_mapping_with_problems(folder: Path) -> None:
    (folder / "shop.yaml").write_text(SHOP.replace("parts.user", "parts.usr"), encoding="utf-8")
    with pytest.raises(MappingError) as raised:
        show_coverage(files(folder), TEXT)
    assert [problem.code for problem in raised.value.problems] == ["unused-include", "unknown-part"]


def test_names_that_steer_a_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steering = SHOP.replace("coupon:", '"\\e[31m":').replace("properties.coupon", "properties.c")
    (folder / "shop.yaml").write_text(steering, encoding="utf-8")
    assert show_coverage(files(folder), TEXT) == 0
    assert show_coverage(files(folder), CoverageOptions("json")) == 0
    assert show_coverage(files(folder), CoverageOptions("cobertura")) == 0
    assert "\x1b" not in capsys.readouterr().out


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "test", "mappings", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("folder")
def test_command() -> None:
    """The tests report first; in other formats than text, to standard error."""
    found = run("--coverage", "--format", "json", "--fail-under", "60")
    assert found.returncode == 1
    assert json.loads(found.stdout)["percent"] == 54.5
    assert "passed" in found.stderr
    assert found.stderr.endswith("The examples use 54.5 % of what is in the mappings; --fail-under asks for 60 %.\n")


USAGE = {
    ("--format", "json"): "--fail-under and --format are about --coverage: add it.\n",
    ("--fail-under", "90"): "--fail-under and --format are about --coverage: add it.\n",
    ("--coverage", "-k", "order"): "--coverage is about all examples: leave out -k.\n",
}


@pytest.mark.parametrize("words", USAGE)
def test_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["test", *words])
    assert (raised.value.code, capsys.readouterr().err) == (2, USAGE[words])
