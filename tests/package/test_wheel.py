"""The wheel, installed where there is no checkout: it has its mappings and schemas with it and works from anywhere.

The new environment sees this one's libraries through a .pth file, so that nothing is fetched.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import __version__
from tests.package.tree import ROOT, engine_files, files

EVENT = {"type": "page", "messageId": "m1", "userId": "u1", "timestamp": "2024-01-01T00:00:00Z", "name": "Home"}
BODY = {
    "customer_ids": {"registered": "u1"},
    "timestamp": 1704067200,
    "event_type": "page_visit",
    "properties": {"page_name": "Home"},
}
OWN = """\
mapping: 1
name: shop
extends: exponea
settings:
  hard_id: { example: shop_id }
"""
OWN_BODY = {**BODY, "customer_ids": {"shop_id": "u1"}}

EACH_PAGE = """\
import sys
from engine.commands import main
for page in sys.argv[1:]:
    try:
        main(["docs", page])
    except SystemExit as ended:
        if ended.code:
            sys.exit(page)
"""
"""Prints pages in one process; a page that is missing is the failure."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    return folder / f"waybill-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the installed commands."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, symlinks=True)
    commands = home / "bin"
    pip("--python", str(commands / "python"), "install", "--no-deps", "--no-compile", str(wheel))
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return commands


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Return a function that runs an installed command in an empty directory, away from any checkout."""
    (tmp_path / "events.ndjson").write_text(json.dumps(EVENT))
    unwanted = {"PYTHONPATH", "WAYBILL_MAPPINGS", "ENGINE_MAPPINGS"}
    clean = {name: value for name, value in os.environ.items() if name not in unwanted}

    def run(name: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(installed / name), *words]
        return subprocess.run(
            command, cwd=tmp_path, env=clean | more, capture_output=True, text=True, check=False, timeout=60
        )

    return run


def pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True, cwd="/", capture_output=True)


def bodies(done: subprocess.CompletedProcess[str]) -> list[object]:
    assert done.returncode == 0, done.stderr
    return [request["body"] for line in done.stdout.splitlines() for request in json.loads(line)["requests"]]


def test_everything_is_in_it(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folders = ("mappings/", "schemas/", "docs/")
    bundled = {f"engine/bundled/{path}" for path in map(str, files()) if path.startswith(folders)}
    assert inside == bundled | {str(path) for path in files() if path.parts[0] == "engine"}


def test_it_is_not_the_checkout(run: Run, installed: Path) -> None:
    done = run("python", "-c", "import engine; print(engine.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed.parent)


@pytest.mark.parametrize("command", ["engine", "waybill"])
def test_it_says_its_version(run: Run, command: str) -> None:
    assert run(command, "--version").stdout == f"waybill {__version__}\n"


def test_it_has_the_pages_that_its_messages_name(run: Run) -> None:
    text = "\n".join((ROOT / path).read_text(encoding="utf-8") for path in engine_files())
    pages = sorted(set(re.findall(r"\bengine docs ([a-z-]+)|(?<![\w./])docs/([a-z-]+)\.md", text)))
    assert ("sandbox", "") in pages
    done = run("python", "-c", EACH_PAGE, *map("".join, pages))
    assert (done.returncode, done.stderr) == (0, "")
    assert run("engine", "docs").stdout == (ROOT / "docs" / "README.md").read_text(encoding="utf-8")


def test_it_checks_the_mappings_it_ships(run: Run, installed: Path) -> None:
    (bundled,) = installed.parent.glob("lib/python*/site-packages/engine/bundled/mappings")
    done = run("engine", "validate-mappings", str(bundled))
    count = len(list(ROOT.glob("mappings/**/*.yaml")))
    assert (done.stdout, done.returncode) == (f"0 problems in {count} files.\n", 0)


def test_it_plans_with_the_mappings_it_ships(run: Run) -> None:
    done = run("engine", "run", "exponea", "--events", "events.ndjson", "--example-settings", "--format", "ndjson")
    assert bodies(done) == [BODY]


def test_ones_own_mappings_are_found(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "shop.yaml").write_text(OWN)
    words = ["run", "shop", "--events", "events.ndjson", "--example-settings", "--format", "ndjson"]
    assert bodies(run("engine", *words, "--mappings", "own")) == [OWN_BODY]
    assert bodies(run("engine", *words, WAYBILL_MAPPINGS=str(own))) == [OWN_BODY]
    assert bodies(run("engine", "run", "own/shop.yaml", *words[2:])) == [OWN_BODY]
    assert run("validate-mappings", "own").stdout == "0 problems in 1 file.\n"
