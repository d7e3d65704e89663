"""Files are written whole or not at all, and what stands at a path is said by its kind."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.files import create, not_a_file, replace


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file be longer than 1,000 bytes, which fails as a full disk does: in the middle of writing."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("write", [create, replace])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    path = tmp_path / "page.md"
    if write is replace:
        path.write_text("old")
    with pytest.raises(OSError, match="File too large") as raised:
        write(path, "x" * 2000)
    assert raised.value.filename == str(path)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == (
        {"page.md": "old"} if write is replace else {}
    )


def test_a_new_file_has_the_usual_mode_and_a_replaced_one_its_own(tmp_path: Path) -> None:
    usual, path = tmp_path / "usual", tmp_path / "new"
    usual.write_text("")
    create(path, "a")
    assert path.stat().st_mode == usual.stat().st_mode
    path.chmod(0o640)
    replace(path, "b")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("b", 0o640)
    with pytest.raises(FileExistsError):
        create(path, "c")
    assert path.read_text() == "b"


def test_a_folder_that_is_not_there_is_said_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        create(tmp_path / "gone" / "page.md", "a")
    assert raised.value.filename == str(tmp_path / "gone" / "page.md")


def test_what_stands_at_a_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("gone")
    found = {
        name: not_a_file(tmp_path / name) for name in ("file", "file/x", "gone", "link", "loop", "pipe", ".", "x" * 300)
    }
    assert found == {
        "file": None,
        "file/x": "does not exist",
        "gone": "does not exist",
        "link": "is a symbolic link to a file that does not exist",
        "loop": "cannot be opened (too many levels of symbolic links)",
        "pipe": "is a named pipe, not a file",
        ".": "is a folder, not a file",
        "x" * 300: "cannot be opened (file name too long)",
    }
    assert not_a_file(Path("/dev/null")) == "is a device, not a file"
    assert not_a_file(Path("a\0b")) == "cannot be opened (embedded null byte)"
