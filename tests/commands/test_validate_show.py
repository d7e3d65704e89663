"""`validate-mappings` and `show`: what they print, and for whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import SHOP, Done

WRONG = SHOP.read_text(encoding="utf-8").replace("name: event\n", "name: evnt\n").replace("as: number", "as: nubmer")

UNKNOWN_FUNCTION = """\
shop.yaml:39:46  calls.track[0].fields.price.as
  39 |         price: { from: properties.price, as: nubmer }
     |                                              ^
  Unknown function "nubmer".
  Did you mean "number"?"""
CODE = "[unknown-function]"


def test_the_text_is_for_people(engine: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(WRONG)
    done = engine("validate-mappings", "shop.yaml")
    *problem, last = done.out.splitlines()
    assert (done.code, done.err, last) == (1, "", "1 problem in 1 file.")
    assert "\n".join(problem).replace(CODE, "").rstrip() == UNKNOWN_FUNCTION
    assert problem[-1].endswith(CODE)


def test_json_is_for_programs(engine: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(WRONG)
    done = engine("validate-mappings", "--format", "json", "shop.yaml")
    assert done.code == 1
    assert json.loads(done.out) == [
        {
            "file": "shop.yaml",
            "line": 39,
            "column": 46,
            "path": "calls.track[0].fields.price.as",
            "code": "unknown-function",
            "message": 'Unknown function "nubmer".',
            "advice": 'Did you mean "number"?',
            "level": "error",
        }
    ]


def test_github_shows_annotations(engine: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(WRONG)
    done = engine("validate-mappings", "--format", "github", "shop.yaml")
    assert done == Done(
        1,
        "::error file=shop.yaml,line=39,col=46,title=unknown-function::"
        'calls.track[0].fields.price.as%0AUnknown function "nubmer".%0ADid you mean "number"?\n'
        "1 problem in 1 file.\n",
        "",
    )


NOTHING = {"text": "0 problems in 1 file.\n", "json": "[]\n", "github": "0 problems in 1 file.\n"}


@pytest.mark.parametrize("style", NOTHING)
def test_a_good_file_is_soon_told(engine: Callable[..., Done], style: str) -> None:
    assert engine("validate-mappings", "--format", style, "shop.yaml") == Done(0, NOTHING[style], "")


def test_a_warning_is_shown_and_does_not_fail(engine: Callable[..., Done], tmp_path: Path) -> None:
    text = SHOP.read_text(encoding="utf-8")
    (tmp_path / "shop.yaml").write_text(text.replace("note: properties.note", "note: properties.note || event"))
    done = engine("validate-mappings", "shop.yaml")
    assert (done.code, done.out.splitlines()[-1]) == (0, "0 problems, 1 warning in 1 file.")
    assert "[falsy-or]" in done.out
    assert "::warning file=" in engine("validate-mappings", "--format", "github", "shop.yaml").out


def test_without_paths_it_takes_the_folder_mappings(engine: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "mappings" / "parts").mkdir(parents=True)
    (tmp_path / "shop.yaml").rename(tmp_path / "mappings" / "shop.yaml")
    (tmp_path / "mappings" / "parts" / "own.yaml").write_text("parts: { email: [[a]] }\n")
    done = engine("validate-mappings")
    assert done.code == 1
    assert done.out.startswith("mappings/parts/own.yaml:1:")
    assert done.out.endswith("in 2 files.\n")


def test_where_there_is_none_it_says_so(engine: Callable[..., Done]) -> None:
    done = engine("validate-mappings")
    message = "There is no folder named mappings here; name the files or folders to check.\n"
    assert (done.code, done.out, done.err) == (2, "", message)


def test_a_name_is_no_file(engine: Callable[..., Done]) -> None:
    done = engine("validate-mappings", "exponea")
    assert (done.code, done.err) == (
        2,
        "There is no file exponea. This command expects a file, such as exponea.yaml.\n",
    )


def test_two_files_of_one_name(engine: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "shop.yaml").write_text(SHOP.read_text(encoding="utf-8"))
    done = engine("validate-mappings", "shop.yaml", "other/shop.yaml", "shop.yaml")
    assert done.code == 1
    first, second, *_, last = done.out.splitlines()
    assert first == "other/shop.yaml:1:1"
    assert second == "  Another mapping has this name: shop.yaml."
    assert last == "1 problem in 2 files."


def test_several_files_with_problems_are_sorted(engine: Callable[..., Done], tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(WRONG.replace("name: shop", f"name: {name}"))
    done = engine("validate-mappings", "b.yaml", "a.yaml")
    assert [line.partition(":")[0] for line in done.out.splitlines() if line.startswith(("a", "b"))] == [
        "a.yaml",
        "b.yaml",
    ]


def test_show_prints_the_file(engine: Callable[..., Done]) -> None:
    assert engine("show", "shop") == Done(0, SHOP.read_text(encoding="utf-8"), "")


def test_what_show_resolves_is_valid_by_itself(engine: Callable[..., Done], tmp_path: Path) -> None:
    for name in ("bloomreach_engagement", "extole", "user_com"):
        done = engine("show", name, "--resolved")
        assert (done.code, done.err) == (0, "")
        folder = tmp_path / "resolved"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(done.out)
        assert engine("validate-mappings", f"resolved/{name}.yaml").out == "0 problems in 1 file.\n"


def test_a_mapping_that_extends_is_shown_resolved(engine: Callable[..., Done]) -> None:
    assert engine("show", "bloomreach_engagement") == engine("show", "bloomreach_engagement", "--resolved")


def test_the_code_is_python(engine: Callable[..., Done]) -> None:
    done = engine("show", "shop", "--code")
    assert done.code == 0
    compile(done.out, "shop", "exec")
    assert done.out.startswith("def connect(settings, plain=None):\n")


@pytest.mark.parametrize("words", [["show", "shop"], ["show", "shop", "--code"], ["show", "shop", "--resolved"]])
def test_a_mapping_with_problems_is_not_shown(engine: Callable[..., Done], tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "shop.yaml").write_text(WRONG)
    done = engine(*words)
    assert (done.code, done.out) == (1, "")
    assert done.err.replace(CODE, "").rstrip() == UNKNOWN_FUNCTION
