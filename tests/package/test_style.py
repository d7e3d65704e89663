"""The habits of CONTRIBUTING.md that no linter knows.  Each test gives every offender at once, as file:line."""

from __future__ import annotations

import ast
import re
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.package.tree import ROOT, engine_files, files, imports, parsed, statements

LONGEST_FUNCTION = 40
LONGEST_FILE = 600

# Who may import what: one owner each, so that changing a library means changing one place.
OWNERS: dict[str, tuple[str, ...]] = {
    "anyio": ("engine/delivery/sending/wire.py",),
    "click": ("engine/commands/*", "engine/reference/commands.py"),
    "duckdb": ("engine/archive/*", "engine/audiences/*"),
    "h11": ("engine/delivery/sending/wire.py",),
    "httpcore": ("engine/delivery/sending/wire.py",),
    "httpx": ("engine/delivery/*",),
    "jinja2": ("engine/console/*",),
    "jmespath": ("engine/language/paths/*",),
    "jsonschema": ("engine/mapping/schema/*",),
    "lsprotocol": ("engine/editing/server.py",),
    "markupsafe": ("engine/console/*",),
    "mcp": ("engine/assistant/server.py",),
    "mcp_types": ("engine/assistant/server.py",),
    "nats": ("engine/stream/*",),
    "orjson": ("engine/*",),
    "prometheus_client": ("engine/collector/*", "engine/delivery/*"),
    "py4j": ("engine/backfill/*",),
    "pytest": ("engine/commands/test.py", "engine/testing/*"),
    "pydantic": ("engine/assistant/server.py",),
    "pyarrow": ("engine/archive/*", "engine/audiences/*", "engine/backfill/*", "engine/spark/*"),
    "pyspark": ("engine/backfill/*", "engine/spark/*"),
    "pygls": ("engine/editing/server.py",),
    "python_multipart": ("engine/console/security.py",),
    "re2": ("engine/language/regex.py",),
    "rapidfuzz": ("engine/scaffolding/similar.py",),
    "rich": ("engine/commands/*",),
    "ruamel": ("engine/scaffolding/writing.py", "engine/console/*"),
    "sse_starlette": ("engine/console/*",),
    "starlette": ("engine/sandbox/*", "engine/collector/*", "engine/console/*"),
    "syrupy": ("engine/testing/snapshots.py",),
    "ua_parser": ("engine/language/functions/web.py",),
    "uvicorn": (
        "engine/sandbox/server.py",
        "engine/collector/http.py",
        "engine/collector/server.py",
        "engine/console/server.py",
    ),
    "uvloop": ("engine/delivery/process.py",),
    "yaml": ("engine/mapping/yaml/*", "engine/commands/show.py", "engine/formatting/layout.py"),
}

# A destination is a YAML file: code that knows one by name would be a second place to add it.
DESTINATIONS = re.compile(r"exponea|bloomreach|extole|user[._]com\b", re.IGNORECASE)
KNOWS_VENDORS = "engine/sandbox/vendors/*"

# Written in two halves, since this file is looked at as well.
UNWELCOME = {
    "what only its authors have": [".." + "/shared", "seeds" + "/", "design" + ".md"],
    "a registry's address": ["pypi" + ".org", "python" + "hosted", "npm" + "js.", "yarn" + "pkg"],
    "an unfinished thought": ["TO" + "DO", "FIX" + "ME"],
}
BINARY = {".gz", ".png", ".ico", ".whl"}


def test_functions_are_short() -> None:
    offenders = [
        f"{path}:{node.lineno}: {node.name} has {length} lines"
        for path in engine_files()
        for node in statements(parsed(path), types=True)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not offenders, listed(offenders)


def test_files_are_short() -> None:
    lengths = {path: (ROOT / path).read_text().count("\n") for path in engine_files()}
    offenders = [f"{path}: {length} lines" for path, length in lengths.items() if length > LONGEST_FILE]
    assert not offenders, listed(offenders)


def test_modules_say_what_they_are_for() -> None:
    assert [str(path) for path in engine_files() if not ast.get_docstring(parsed(path))] == []


def test_annotations_are_read_late() -> None:
    """Only files without that line are parsed: anywhere but at the top it is no Python."""
    late = re.compile("^from __future__ import annotations$", re.MULTILINE)
    others = [path for path in files() if path.suffix == ".py" and not late.search(readable(path))]
    assert [str(path) for path in others if len(parsed(path).body) > 1] == []


def test_libraries_have_one_owner() -> None:
    offenders = [
        f"{path}:{line}: imports {module}"
        for path in engine_files()
        for module, line in imports(path)
        if (library := module.partition(".")[0]) not in {"engine", *sys.stdlib_module_names}
        and not any(fnmatch(path.as_posix(), owner) for owner in OWNERS.get(library, ()))
    ]
    assert not offenders, listed(offenders)


def test_the_engine_names_no_destination() -> None:
    offenders = [
        f"{path}:{number}: {line.strip()}"
        for path in engine_files()
        if not fnmatch(path.as_posix(), KNOWS_VENDORS)
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if DESTINATIONS.search(line)
    ]
    assert not offenders, listed(offenders)


@pytest.mark.parametrize("about", UNWELCOME)
def test_nothing_holds(about: str) -> None:
    unwelcome = re.compile("|".join(rf"(?<![\w-]){re.escape(words)}" for words in UNWELCOME[about]))
    offenders = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in files()
        if path.suffix not in BINARY and any(words in readable(path) for words in UNWELCOME[about])
        for number, line in enumerate(readable(path).splitlines(), 1)
        if unwelcome.search(line)
    ]
    assert not offenders, listed(offenders)


def listed(offenders: list[str]) -> str:
    return "\n" + "\n".join(offenders)


@cache
def readable(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")
