"""`pytest` itself with the plugin: what it collects, what it leaves alone, and what it costs where there is no mapping."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.folder import SHOP, Folder, own_syrupy

TESTS = ["mappings/shop.yaml::checks", "mappings/shop.yaml::An order", "mappings/shop.yaml::A refund: all of it"]
PARTS = "mappings/parts/common.yaml::checks"
CASES: dict[str, tuple[list[str], list[str]]] = {
    "a folder": (["mappings"], [*TESTS, PARTS]),
    "a folder with dots": (["other/../mappings/"], [*TESTS, PARTS]),
    "its parts": (["mappings/parts"], [PARTS]),
    "a file": (["mappings/shop.yaml"], TESTS),
    "a test": (["mappings/shop.yaml::An order"], [TESTS[1]]),
    "words": (["mappings", "-k", "refund or common"], [TESTS[2], PARTS]),
    "the folder above": (["."], []),
    "nothing": ([], []),
    "testpaths": (["-o", "testpaths=mappings"], [*TESTS, PARTS]),
    "another tool's": (["mappings/values.yaml"], []),
}


def collected(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    with own_syrupy():
        pytest.main(["-p", "waybill", "-p", "syrupy", "-p", "no:cacheprovider", "--collect-only", "-q", *words])
    return [line for line in capsys.readouterr().out.splitlines() if "::" in line]


USUAL = ("a folder", "words", "the folder above", "nothing")
"""The others are slow: each is a run of pytest."""


@pytest.mark.parametrize(
    "case", [pytest.param(each, marks=() if each in USUAL else pytest.mark.slow) for each in CASES]
)
def test_only_what_is_named_is_collected(
    folder: Folder, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (folder.mapping.parent / "parts").mkdir()
    (folder.mapping.parent / "parts" / "common.yaml").write_text("parts: { total: properties.total }\n")
    (folder.mapping.parent / "values.yaml").write_text("mapping:\n  - [\n")
    (folder.path / "other").mkdir()
    (folder.path / "other" / "wrong.yaml").write_text("mapping: 1\nwrong: true\n")
    words, expected = CASES[case]
    assert sorted(collected(capsys, *words)) == sorted(expected)


def test_it_costs_nothing_where_there_is_no_mapping() -> None:
    text = "import pytest, sys; kept = {*sys.modules}; import engine.testing.plugin; print(*{*sys.modules} - kept)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == [
        "engine",
        "engine.testing",
        "engine.testing.kinds",
        "engine.testing.plugin",
        "engine.testing.stash",
    ]


UNUSED = "Snapshots of no example: mappings/snapshots/shop/old.json. --snapshot-update deletes them."


def test_unused_snapshots_are_named(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # syrupy leaves unused snapshots to the main process
    words = ("-p", "waybill", "-p", "syrupy", "-p", "no:cacheprovider", "-q", "mappings/")
    with own_syrupy():
        assert pytest.main([*words, "--snapshot-update"]) == 0
    (folder.snapshots / "old.json").write_text("{}")
    capsys.readouterr()
    with own_syrupy():
        assert pytest.main([*words]) == 1
    assert UNUSED in capsys.readouterr().out.splitlines()
    with own_syrupy():
        assert pytest.main([*words, "-k", "refund"]) == 0
    assert "Snapshots of no example" not in capsys.readouterr().out


@pytest.mark.slow
def test_several_processes_write_compare_and_delete(folder: Folder) -> None:
    folder.write(SHOP.replace("An order", "Eine Bestellung für Zoë [1]"))
    folder.snapshots.mkdir(parents=True)
    (folder.snapshots / "old.json").write_text("{}")
    assert re.findall("[0-9]+ (?:unused )?snapshots? .*", pytest_with(folder.path, "--snapshot-update")) == [
        "2 snapshots generated. 1 unused snapshot deleted."
    ]
    assert folder.files() == [
        "mappings/shop.yaml",
        "mappings/snapshots/shop/a-refund-all-of-it.json",
        "mappings/snapshots/shop/eine-bestellung-für-zoë-1.json",
    ]
    assert "2 snapshots passed." in pytest_with(folder.path)
    folder.replace("path: /add", "path: /put")
    done = pytest_with(folder.path, code=1)
    assert "2 failed, 1 passed" in done
    assert "FAILED mappings/shop.yaml::A refund: all of it - not its snapshot" in done.splitlines()
    (folder.snapshots / "old.json").write_text("{}")
    assert UNUSED in pytest_with(folder.path, code=1).splitlines()


def pytest_with(path: Path, *words: str, code: int = 0) -> str:
    """Run the `pytest` of this environment, with every plugin that it has."""
    words = ("-n", "2", "-p", "no:cacheprovider", "mappings", *words)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
