"""`engine fmt`: which files it changes, what it prints, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.commands.conftest import Engine

MESSY = "mapping:   1\nname: shop\ntitle: {a: 1}\n"
NEAT = "mapping: 1\nname: shop\ntitle: { a: 1 }\n"


@pytest.fixture
def folder(engine: Engine) -> Path:
    for name in ("m/parts/p.yaml", "m/messy.yaml", "m/neat.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(NEAT if "neat" in name else MESSY)
    return Path("m")


def test_a_folder(engine: Engine, folder: Path) -> None:
    (folder / "messy.yaml").chmod(0o640)
    Path("link.yaml").symlink_to("m/messy.yaml")
    assert engine("fmt", "m", "--check") == (1, "m/messy.yaml\nm/parts/p.yaml\n2 files would be changed of 3.\n", "")
    assert (folder / "messy.yaml").read_text() == MESSY
    assert engine("fmt", "link.yaml") == (0, "link.yaml\n1 file changed of 1.\n", "")
    assert Path("link.yaml").is_symlink()
    assert engine("fmt", "m") == (0, "m/parts/p.yaml\n1 file changed of 3.\n", "")
    assert [path.read_text() for path in sorted(folder.rglob("*.yaml"))] == [NEAT] * 3
    assert (folder / "messy.yaml").stat().st_mode & 0o777 == 0o640
    assert engine("fmt", "m", "--check") == (0, "0 files would be changed of 3.\n", "")
    assert sorted(path.name for path in folder.iterdir()) == ["messy.yaml", "neat.yaml", "parts"]


def test_what_would_be_changed(engine: Engine, folder: Path) -> None:
    done = engine("fmt", "m/messy.yaml", "--diff")
    assert done == (
        1,
        """\
--- m/messy.yaml (now)
+++ m/messy.yaml (formatted)
@@ -1,3 +1,3 @@
-mapping:   1
+mapping: 1
 name: shop
-title: {a: 1}
+title: { a: 1 }
""",
        "1 file would be changed of 1.\n",
    )
    assert (folder / "messy.yaml").read_text() == MESSY


def test_standard_input(engine: Engine) -> None:
    assert engine("fmt", "-", stdin=MESSY.encode()) == (0, NEAT, "")
    assert engine("fmt", "-", "--check", stdin=MESSY.encode()) == (1, "", "")
    assert engine("fmt", "-", "--check", stdin=NEAT.encode()) == (0, "", "")
    assert engine("fmt", "-", "--diff", stdin=MESSY.encode()).out.startswith("--- stdin (now)\n")
    done = engine("fmt", "-", stdin=b"a: [1\n")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("stdin:")


REFUSED = {
    "a: [1\n": "not-yaml",
    "a: &x 1\nb: *x\n": "anchor",
    "a: 1\na: 2\n": "duplicate-key",
    "": "empty-file",
    "a: !!str 1\n": "tag",
    "#" * 1024 * 1025: "too-large",
    "[" * 100_000: "too-deep",
}


@pytest.mark.parametrize("text", REFUSED, ids=REFUSED.values())
def test_what_the_reader_refuses_is_refused_and_the_others_are_changed(text: str, engine: Engine, folder: Path) -> None:
    (folder / "bad.yaml").write_text(text)
    done = engine("fmt", "m")
    assert done.code == 1
    assert done.out == "m/messy.yaml\nm/parts/p.yaml\n2 files changed of 4, 1 file with problems.\n"
    assert done.err.startswith("m/bad.yaml:")
    assert engine("validate-mappings", "m/bad.yaml").out.startswith(done.err.partition("[")[0])
    assert (folder / "bad.yaml").read_text() == text


def test_wrong_usage(engine: Engine) -> None:
    assert engine("fmt")[0::2] == (2, "There is no folder named mappings here; name the files or folders to check.\n")
    assert engine("fmt", "no.yaml")[0::2] == (2, "There is no file no.yaml.\n")
    assert engine("fmt", "-", "shop.yaml")[0::2] == (2, "- cannot be combined with files.\n")


def test_hostile_names_and_texts_do_not_reach_the_terminal(engine: Engine) -> None:
    Path("a\x1b[31m.yaml").write_text('a:   "\u202e"\n')
    done = engine("fmt", ".", "--diff")
    assert "\x1b" not in done.out + done.err
    assert "\u202e" not in done.out


def test_only_files_are_formatted(engine: Engine, folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    Path("loop.yaml").symlink_to("loop.yaml")
    assert engine("fmt", "m/pipe.yaml") == (
        1,
        "0 files changed of 1, 1 file with problems.\n",
        "m/pipe.yaml is a named pipe, not a file.\n",
    )
    assert engine("fmt", "loop.yaml") == (2, "", "loop.yaml cannot be opened (too many levels of symbolic links).\n")
