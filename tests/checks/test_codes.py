"""docs/problems/*.yaml: the engine's codes and these files agree, and every mapping in them prints exactly its output."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import indent

import pytest

from engine.audiences.checking import check_definitions
from engine.commands.validate import _duplicates
from engine.mapping.checks.context import UNUSED_CODES
from engine.mapping.load import Library
from engine.mapping.model import SOURCES
from engine.mapping.problems import Mark, Problem
from engine.mapping.yaml.refusals import file_unreadable
from engine.reference.problems import GROUPS, PROBLEMS_FOLDER, Case, problem_docs, problems_markdown
from engine.testing.files import check_file
from tests.checks import hostile
from tests.checks.harness import DOCS, printed, problems_of
from tests.mapping.whole import BASE, whole
from tests.tables import each

ENGINE = Path(__file__).parents[2] / "engine"
Prints = Callable[[str, Iterable[Problem], str], None]
IN_TEXT = [code for code, doc in DOCS.items() if not doc.wrong.startswith("#")]


# --- examples and cases ---


def of_example(code: str, problems: Iterable[Problem]) -> list[Problem]:
    """An example may leave something unused, unless that is what it is about."""
    return [problem for problem in problems if problem.code == code or problem.code not in UNUSED_CODES]


@pytest.fixture
def prints(request: pytest.FixtureRequest) -> Prints:
    """Compare what is printed with an output in the file of a code; `--snapshot-update` rewrites it there."""

    def compare(code: str, problems: Iterable[Problem], output: str) -> None:
        if request.config.getoption("update_snapshots"):
            rewrite(PROBLEMS_FOLDER / f"{code}.yaml", output, printed(problems))
        else:
            assert printed(problems) == output

    return compare


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    for margin in ("  ", "      "):
        text = text.replace(f"output: |\n{indent(old, margin)}", f"output: |\n{indent(new, margin)}")
    path.write_text(text, encoding="utf-8")


@each("code", IN_TEXT)
def test_wrong_prints_its_output(code: str, prints: Prints) -> None:
    problems = of_example(code, problems_of(whole(DOCS[code].wrong)))
    prints(code, problems, DOCS[code].output)
    assert {problem.code for problem in problems} == {code}


@each("code", IN_TEXT)
def test_right_prints_nothing(code: str) -> None:
    assert printed(of_example(code, problems_of(whole(DOCS[code].right)))) == ""


@each(
    "code, case",
    [pytest.param(code, case, id=f"{code}: {case.name}") for code, doc in DOCS.items() for case in doc.cases],
)
def test_a_case_prints_its_output(code: str, case: Case, prints: Prints) -> None:
    prints(code, problems_of(whole(case.mapping)), case.output)


@each("code", DOCS)
def test_cases_have_names_of_their_own(code: str) -> None:
    names = [case.name for case in DOCS[code].cases]
    assert len(names) == len(set(names))


# --- examples that are not about the text of a file ---


def checked(content: bytes | None, name: str = "shop.yaml") -> list[Problem]:
    if content is not None:
        Path(name).write_bytes(content)
    return check_file(Library([]), Path(name))


def a_folder() -> list[Problem]:
    Path("shop.yaml").mkdir()
    return checked(None)


def two_of_one_name() -> list[Problem]:
    return list(_duplicates([Path("mappings/shop.yaml"), Path("old/shop.yaml")]))


def deep_in_the_stack(check: Callable[[], list[Problem]]) -> list[Problem]:
    """Check where Python has hardly any of its stack left, as it has when a file nests too much for it."""
    try:
        return deep_in_the_stack(check)
    except RecursionError:
        return check()


def definitions(text: str, *, duckdb: bool = True) -> list[Problem]:
    """Check a file of audiences; `duckdb` is False where it is not installed."""
    Path("audiences.yaml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        if not duckdb:
            patch.setitem(sys.modules, "duckdb", None)
        return check_definitions(Path("audiences.yaml"))


OUTSIDE_TEXT: dict[str, Callable[[], list[Problem]]] = {
    "file-missing": lambda: checked(None, "shpo.yaml"),
    "file-is-directory": a_folder,
    "file-unreadable": lambda: [Problem.at(Mark("shop.yaml", 1, 1), (), file_unreadable("Permission denied"))],
    "not-utf8": lambda: checked("mapping: 1\nname: café\n".encode("latin-1")),
    "too-large": lambda: checked(whole(f"about: {'x' * 1_100_000}").encode()),
    "empty-file": lambda: checked(b"# Mapping of the shop\n"),
    "duplicate-name": two_of_one_name,
    "too-many-values": lambda: checked(hostile.many_fields(6_000).encode()),
    "more-problems": lambda: [each for each in checked(hostile.many_unknown_fields(101).encode()) if each.path == ""],
    "cannot-be-checked": lambda: deep_in_the_stack(lambda: checked(hostile.many_fields(1).encode())),
    "examples-too-long": lambda: checked(hostile.slow_examples(20).encode()),
    "invalid-definition": lambda: definitions(DOCS["invalid-definition"].wrong.removeprefix("# ")),
    "sql-not-checked": lambda: definitions(DOCS["sql-not-checked"].wrong.removeprefix("# "), duckdb=False),
}


@pytest.mark.parametrize("code", OUTSIDE_TEXT)
def test_what_is_wrong_outside_the_text_prints_its_output(code: str, prints: Prints) -> None:
    problems = OUTSIDE_TEXT[code]()
    prints(code, problems, DOCS[code].output)
    assert {problem.code for problem in problems} == {code}


def test_every_code_has_a_tested_example() -> None:
    assert {*IN_TEXT, *OUTSIDE_TEXT} == set(DOCS)


# --- codes in the engine ---

CODE_ARGUMENT = {
    **dict.fromkeys(("Message", "Finding", "NameProblem", "_told"), 0),
    **dict.fromkeys(("problem", "_problem", "_unused"), 1),
    **dict.fromkeys(("_several", "_batched"), 3),
    "problem_in": 2,
    "Problem": 4,
}
"""The calls that make a problem, and which of their arguments is the code."""


def test_every_code_of_the_engine_is_documented() -> None:
    found = {code: where for path in sources() for code, where in codes_in(path)}
    assert {code: where for code, where in found.items() if code not in DOCS} == {}


def test_every_documented_code_is_one_of_the_engine() -> None:
    texts = {text for path in sources() for text in constants(path)}
    assert sorted(set(DOCS) - texts) == []


def test_groups_of_codes_are_codes() -> None:
    assert set(DOCS) >= UNUSED_CODES


def test_every_source_is_explained() -> None:
    assert [word for word in SOURCES if word not in DOCS["no-source"].about] == []


def test_codes_are_words_with_hyphens() -> None:
    assert [code for code in DOCS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []


def test_warnings_are_documented_as_warnings() -> None:
    for path in (ENGINE / "mapping" / "checks").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and any(word.arg == "level" for word in call.keywords):
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                code = call.args[CODE_ARGUMENT[name]] if name in CODE_ARGUMENT else None
                if isinstance(code, ast.Constant) and code.value != "unknown-field":
                    assert "A warning" in DOCS[code.value].about, code.value


def sources() -> list[Path]:
    others = ("testing/examples.py", "testing/files.py", "commands/validate.py")
    folders = ("mapping", "language/paths", "audiences")
    return [
        *(path for each in folders for path in sorted((ENGINE / each).rglob("*.py"))),
        *(ENGINE / n for n in others),
    ]


def constants(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def codes_in(path: Path) -> Iterator[tuple[str, str]]:
    """Return the codes written where a problem is made."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        at = CODE_ARGUMENT.get(name)
        if at is None or len(node.args) <= at:
            continue
        for constant in ast.walk(node.args[at]):
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                assert not isinstance(node.args[at], ast.JoinedStr), f"{path}:{node.lineno}: a code is written whole"
                yield constant.value, f"{path.name}:{node.lineno}"


# --- the page ---


def test_every_code_has_a_heading_to_link_to() -> None:
    assert re.findall(r"^### (.+)$", problems_markdown(), re.MULTILINE) == list(problem_docs())


def test_every_group_has_codes() -> None:
    assert {doc.group for doc in DOCS.values()} == set(GROUPS)


def test_the_mapping_that_examples_are_completed_with_is_the_one_that_is_shown() -> None:
    shown = re.search(r"```yaml\n(mapping: 1\n.*?)```", problems_markdown(), re.DOTALL)
    assert shown is not None
    assert shown[1].splitlines() == list(BASE.values())
