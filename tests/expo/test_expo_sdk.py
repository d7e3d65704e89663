"""The ES module's own tests run with ours, and what its package, the Python client and the documentation say agrees."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import engine
from engine.expo import Limits, Segment
from engine.expo.events import LIBRARY
from engine.expo.sending import Flushed
from tests.node import program

ROOT = Path(engine.__file__).parent.parent
SDK = ROOT / "sdk/expo-segment"
DOCUMENT = (ROOT / "docs/expo-segment.md").read_text()
MANIFEST = json.loads((SDK / "package.json").read_text())
CALLS = [
    "initializeIOS",
    "initializeAndroid",
    "identify",
    "identifyWithTraits",
    "track",
    "trackWithProperties",
    "flush",
]
SOURCES = [*SDK.glob("src/*.js"), *(ROOT / "engine/expo").glob("*.py")]


def test_the_es_module_passes_its_own_tests() -> None:
    command = [program(), "--test", "--test-reporter=tap"]
    run = subprocess.run(command, cwd=SDK, capture_output=True, text=True, timeout=60, check=False)
    summary = dict(re.findall(r"^# (tests|pass|fail|cancelled|skipped|todo) (\d+)$", run.stdout, re.MULTILINE))
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(summary["tests"]) >= 50
    assert summary == dict.fromkeys(["tests", "pass"], summary["tests"]) | dict.fromkeys(
        ["fail", "cancelled", "skipped", "todo"], "0"
    )


def test_versions_are_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {MANIFEST["version"], LIBRARY["version"], project["version"]} == {project["version"]}


def test_both_have_the_documents_calls_and_the_same_limits() -> None:
    assert [call for call in CALLS if not callable(getattr(Segment, call, None))] == []
    settings = (SDK / "src/settings.js").read_text()
    there = {name: int(value) for name, value in re.findall(r"^  (\w+): (\d+),$", settings, re.MULTILINE)}
    here = {re.sub(r"_(\w)", lambda found: found[1].upper(), name): limit for name, limit in Limits()._asdict().items()}
    assert there == {**here, "flushEvery": here["flushEvery"] * 1000}


def test_the_documentation_shows_what_is_sent() -> None:
    (case,) = [
        case
        for case in json.loads((SDK / "test/calls.json").read_text())
        if case["name"] == "every call of the document on iOS"
    ]
    library = {"name": "waybill-expo-segment", "version": MANIFEST["version"]}
    for event in case["events"]:
        event["context"]["library"] = library
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
    assert shown == case["events"]
    headings = re.findall(r"^### `(.*)`$", DOCUMENT, re.MULTILINE)
    assert headings == [
        f"{call}({', '.join(json.dumps(argument) for argument in arguments)})"
        for call, *arguments in case["calls"]
        if not call.startswith("initialize")
    ]


def test_the_documentation_names_every_report_and_no_other() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    used = set(
        re.findall(
            r"""(?:Report\(|_?report\(|_damaged\(|\b(?:end|code)\b = .*? \? )['"]([a-z]+(?:-[a-z]+)*)['"]""", text
        )
    )
    used |= set(re.findall(r""" : '([a-z]+-[a-z]+)';""", text))
    documented = re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT[DOCUMENT.index("## Reports") :], re.MULTILINE)
    assert sorted(documented) == sorted(used)


def test_the_documentation_and_the_readme_name_every_option() -> None:
    arguments = list(Segment.__init__.__annotations__)[:-1]
    named = re.findall(r"`(\w+)`", DOCUMENT[: DOCUMENT.index("## What each call becomes")])
    assert [name for name in arguments if name not in named] == []
    assert str(Limits()).replace("475000", "475_000").replace("32000", "32_000") in DOCUMENT
    assert f"Flushed({', '.join(Flushed._fields)})" in DOCUMENT
    options = re.search(r"interface Options \{\n(.*?)\n\}", (SDK / "index.d.ts").read_text(), re.DOTALL)
    assert options is not None
    readme = (SDK / "README.md").read_text()
    assert [name for name in re.findall(r"^  (\w+)\??:", options[1], re.MULTILINE) if f"`{name}`" not in readme] == []
