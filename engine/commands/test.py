"""`engine test`: the pytest plugin with defaults that are safe in a stranger's folder.

Mappings are data, a `conftest.py` is code: without --trust nothing of the folder or the environment configures pytest,
no plugin is loaded but ours and syrupy, and no Python file is imported.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from pathlib import Path

import click

from engine.commands.options import FILE, CoverageOptions, coverage_options
from engine.commands.shared import FOUND, INTERNAL, INTERRUPTED, USAGE, counted
from engine.errors import MappingError, MappingNotFound, UsageError

SYRUPY = "syrupy"
KEYWORDS = 'Write words with and, or, not between them: -k "page and not alias".'
RESULTS = (b"<?xml", b"<testsuite")
"""How a file of results begins."""
UNNEEDED = ("cacheprovider", "doctest", "threadexception", "unittest", "unraisableexception")
"""Of pytest's own plugins: the first writes a folder, the last collects garbage several times."""
MOST_NAMED = 5
"""Snapshots of no example."""
WRONG_USAGE, NO_TESTS = 4, 5
EXIT_CODES = {0: 0, 1: FOUND, 2: INTERRUPTED, 3: INTERNAL, WRONG_USAGE: USAGE, NO_TESTS: USAGE}
"""Of pytest: passed, failed, interrupted, internal error, wrong usage, no tests."""


@click.command("test")
@click.argument("mappings", nargs=-1, metavar="[MAPPING|FOLDER...]")
@click.option("-k", "keywords", metavar="WORDS", help='Only examples with these words in their title: "page and user".')
@click.option("-x", "first", is_flag=True, help="Stop at the first failure.")
@click.option("-v", "--verbose", is_flag=True, help="List each example by its title.")
@click.option("--snapshot-update", "update", is_flag=True, help="Write the snapshots; delete those of no example.")
@click.option("--junit-xml", "junit", type=FILE, metavar="FILE", help="Also write the results as JUnit XML, for CI.")
@coverage_options
@click.option(
    "--trust",
    is_flag=True,
    help="Use the folder's conftest.py and pytest configuration, and every installed plugin of pytest.",
)
def command(
    mappings: tuple[str, ...],
    keywords: str | None,
    first: bool,
    verbose: bool,
    update: bool,
    junit: Path | None,
    trust: bool,
    coverage: CoverageOptions | None,
) -> int:
    """Run the examples of mappings and audiences, or of all in a folder (default: the folder mappings), as tests.

    Each example is compared with what it expects, and its whole requests with the snapshot in the folder snapshots
    beside its mapping, where there is one.

    Exit code 0: all passed; 1: something failed, a snapshot is of no example, or the examples use less than
    --fail-under asks for; 2: wrong usage, or no example was selected; 130: interrupted.
    """
    _need_packages()
    if coverage is not None and keywords is not None:
        raise UsageError("--coverage is about all examples: leave out -k.")
    files = list(dict.fromkeys(_files(mappings)))
    options = [f"-k={keywords}"] if keywords is not None else []
    options += ["-x"] * first + ["-v"] * verbose + ["--snapshot-update"] * update
    if junit is not None:
        _check_results(junit)
        junit.touch()  # what cannot be written is said now, and in our words
        options.append(f"--junit-xml={junit}")
    with redirect_stdout(sys.stderr) if coverage is not None and coverage.style != "text" else nullcontext():
        code, left_over = run_pytest(files, options, trust=trust)
    if coverage is not None and code in (0, FOUND):
        code = _with_coverage(files, coverage) or code
    if left_over:
        click.echo(("\n" if coverage is not None else "") + _left_over(left_over), err=True)
    if code == NO_TESTS:
        click.echo("No example was selected.", err=True)
    if code == WRONG_USAGE and keywords is not None and not trust:
        click.echo(KEYWORDS, err=True)
    return EXIT_CODES.get(code, FOUND)


def _left_over(paths: list[str]) -> str:
    """Say which snapshots fail the run, which may have nothing else that is FAILED."""
    from engine.language.texts import visible

    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    named = visible(", ".join(paths[:MOST_NAMED])) + more
    which = "it" if len(paths) == 1 else "them"
    return f"{counted(len(paths), 'snapshot')} of no example: {named}.\nengine test --snapshot-update deletes {which}."


def _with_coverage(files: list[Path], options: CoverageOptions) -> int:
    from engine.commands.coverage import show_coverage
    from engine.testing.kinds import kind_of

    if options.style == "text":
        click.echo()
    try:
        return show_coverage([path for path in files if kind_of(path) != "audiences"], options)
    except MappingError:  # the tests have said which
        click.echo("No coverage: a mapping has problems.", err=True)
        return FOUND


def _check_results(path: Path) -> None:
    """Refuse a file that is no XML, such as a mapping that was meant to be tested, and a folder that is not there."""
    if path.parent.exists() and not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a folder; name another file for --junit-xml.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}; make it first: mkdir -p {path.parent}")
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        start = file.read(100).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(RESULTS):
        raise UsageError(
            f"{path} exists and has no test results in it: --junit-xml would replace it. Name another file."
        )


def _need_packages() -> None:
    from importlib.util import find_spec  # pytest wants to import plugins itself

    if not (find_spec("pytest") and find_spec(SYRUPY)):
        raise UsageError("engine test needs the extra \"author\": pip install 'waybill[author]'")


def _files(mappings: Iterable[str]) -> Iterator[Path]:
    """Yield the files to test: those given by path or name, and what is a mapping in the folders."""
    from engine.mapping.load import Library
    from engine.testing.kinds import kind_of

    if not mappings and not Path("mappings").is_dir():
        raise MappingNotFound("There is no folder named mappings here; name the mappings or folders to test.")
    for name in mappings or ("mappings",):
        folder = Path(name)
        if not folder.is_dir():
            yield Library().find(name)
            continue
        found = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml"), *folder.glob("parts/*.y*ml")])
        kinds = {path: kind_of(path) for path in found}
        if not any(kinds.values()):
            raise MappingNotFound(f"There are no mappings (*.yaml with the key mapping: 1) in {name}.")
        others = [path.name for path, kind in kinds.items() if kind is None]
        if others:
            files = counted(len(others), "file")
            click.echo(f"Left alone: {files} without the key mapping: {', '.join(others[:5])}.", err=True)
        yield from (path for path, kind in kinds.items() if kind is not None)


def run_pytest(files: list[Path], options: list[str], *, trust: bool) -> tuple[int, list[str]]:
    """Run pytest on mapping files in this process; return pytest's exit code, and the snapshots of no example."""
    with ExitStack() as stack:
        words = ["--no-header"]
        if not trust:
            stack.enter_context(_own_environment())
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))
            configuration = Path(folder) / "pytest.ini"
            configuration.write_text("[pytest]\n", encoding="utf-8")
            words += ["-p", SYRUPY, "-c", str(configuration), "--rootdir", str(Path.cwd()), "--noconftest"]
            for plugin in UNNEEDED:
                words += ["-p", f"no:{plugin}"]
        import pytest

        from engine.testing.given import Given

        paths = [os.path.abspath(path) for path in files]  # noqa: PTH100  links stay, `..` goes, as the plugin has it
        given = Given(paths, trust=trust)
        return int(pytest.main([*words, *options, *paths], plugins=[given])), given.left_over


@contextmanager
def _own_environment() -> Iterator[None]:
    """Hide the variables by which pytest takes options and plugins, and the folder `python -m` would import from."""
    kept, path = dict(os.environ), list(sys.path)
    for name in [name for name in os.environ if name.startswith(("PYTEST_", "_PYTEST_"))]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    here, ours = Path.cwd(), Path(__file__).parents[2]
    sys.path[:] = [each for each in sys.path if Path(each).absolute() != here or here == ours]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
        sys.path[:] = path
