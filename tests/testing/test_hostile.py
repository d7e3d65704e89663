"""A stranger's folder: `engine test` runs nothing of it but mappings, and writes nowhere but into `snapshots/`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.folder import Folder

CODE = "open({proof!r}, 'a').write(__name__ + chr(10))\n"
MODULES = (
    "conftest.py",
    "__init__.py",
    "test_it.py",
    "evil.py",
    "sitecustomize.py",
    "usercustomize.py",
    "pytest.py",
    "syrupy.py",
    "_pytest.py",
    "yaml.py",
)
CONFIGURATION = {
    "pytest.ini": "[pytest]\naddopts = -p evil\npythonpath = .\npython_files = *.py\n",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p evil"\npythonpath = ["."]\n',
    "tox.ini": "[pytest]\naddopts = -p evil\n",
    "setup.cfg": "[tool:pytest]\naddopts = -p evil\n",
}
ENVIRONMENT = {"PYTEST_ADDOPTS": "-p evil", "PYTEST_PLUGINS": "evil"}


def test_no_code_of_the_folder_runs(folder: Folder) -> None:
    proof = folder.path / "ran.txt"
    for where in (folder.path, folder.mapping.parent):
        for name in MODULES:
            (where / name).write_text(CODE.format(proof=str(proof)))
        for name, text in CONFIGURATION.items():
            (where / name).write_text(text)
    before = folder.files()
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[2])}
    # With `-m` this folder is the first that Python imports from, which it is not for the installed command.
    words = [sys.executable, "-m", "engine", "test"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert not proof.exists(), proof.read_text()
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 passed" in done.stdout
    assert [name for name in folder.files() if "__pycache__" not in name] == before


def test_a_link_is_neither_written_nor_emptied(folder: Folder) -> None:
    """`snapshots` leads to a folder of the user, a snapshot to a file of theirs."""
    theirs = folder.path / "theirs"
    (theirs / "shop").mkdir(parents=True)
    (theirs / "shop" / "diary.json").write_text("{}")
    folder.snapshots.parent.symlink_to(theirs)
    done = folder.test("--snapshot-update")
    assert done.code == 1
    assert "  mappings/snapshots is a symbolic link. Snapshots are files beside the mapping:\n" in done.out
    assert folder.files() == ["mappings/shop.yaml", "theirs/shop/diary.json"]

    folder.snapshots.parent.unlink()
    folder.snapshots.mkdir(parents=True)
    (folder.snapshots / "an-order.json").symlink_to(theirs / "shop" / "diary.json")
    assert folder.test("--snapshot-update").code == 1
    assert (theirs / "shop" / "diary.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"), (None, "Is a directory")],
    ids=["no text", "a folder"],
)
def test_a_snapshot_that_is_none(folder: Folder, content: bytes | None, reason: str) -> None:
    folder.snapshots.mkdir(parents=True)
    file = folder.snapshots / "an-order.json"
    file.mkdir() if content is None else file.write_bytes(content)
    done = folder.test("-k", "order")
    assert done.code == 1
    assert f"mappings/snapshots/shop/an-order.json cannot be used: {reason}." in " ".join(done.out.split())


def test_texts_of_a_mapping_steer_no_terminal(folder: Folder) -> None:
    folder.replace("title: An order", r'title: "\e[2J::a/../b[1] \u202e"')
    folder.replace("add: { name: Order, total: 5 }", r'add: { name: "\e[31m" }')
    done = folder.test("-v")
    assert done.code == 1
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert r"mappings/shop.yaml::\u001b[2J::a/../b[1] \u202e FAILED" in done.out


def test_a_file_that_is_too_much_for_python_fails_alone(folder: Folder) -> None:
    (folder.mapping.parent / "deep.yaml").write_text("mapping: 1\nname: deep\nx: " + "[" * 60_000)
    (folder.mapping.parent / "large.yaml").write_text("mapping: 1\n#" + "x" * 1024 * 1024)
    done = folder.test()
    assert done.code == 1
    assert "2 failed, 3 passed" in done.out
