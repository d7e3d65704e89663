"""The files of this repository and what stands in them, read once for all tests of habits."""

from __future__ import annotations

import ast
import gc
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
MADE = {".git", ".venv", "__pycache__", "node_modules", "dist", "build", ".hypothesis"}  # see .gitignore
STATEMENTS = ("body", "handlers", "orelse", "finalbody", "cases")
"""The members of a syntax tree that hold statements, or what holds statements."""


class Import(NamedTuple):
    """One imported module: `engine.mapping.load`, and the line that imports it."""

    module: str
    line: int


@cache
def files() -> tuple[Path, ...]:
    """Return every file that people wrote, by its path from the root."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE and not name.endswith("_cache")]
        # In a git worktree .git is a file, and a copy of it would commit to the real branch.
        found += [Path(folder, name).relative_to(ROOT) for name in names if name not in MADE]
    return tuple(sorted(found))


@cache
def engine_files() -> tuple[Path, ...]:
    """Return the modules of the engine."""
    return tuple(path for path in files() if path.parts[0] == "engine" and path.suffix == ".py")


@cache
def module_names() -> frozenset[str]:
    """Return the names of the engine's modules."""
    return frozenset(map(module_name, engine_files()))


@cache
def parsed(path: Path) -> ast.Module:
    """Read a module; looking for cycles in trees that stay took two thirds of the time."""
    gc.disable()
    try:
        return ast.parse((ROOT / path).read_text(encoding="utf-8"))
    finally:
        gc.freeze()
        gc.enable()


def module_name(path: Path) -> str:
    """Return the name a module is imported by."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path, *, types: bool = False) -> tuple[Import, ...]:
    """Return what a module imports, in functions too; with `types` also what only type checkers import."""
    return tuple(found for node in statements(parsed(path), types) for found in _imported(node, module_names()))


def statements(node: ast.AST, types: bool) -> Iterator[ast.AST]:
    """Return all statements below one, without the expressions in them: those import nothing, and are ten times more."""
    for name in STATEMENTS:
        for child in getattr(node, name, ()):
            if not types and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            yield child
            yield from statements(child, types)


def _imported(node: ast.AST, known: frozenset[str]) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.module is not None, "relative imports are refused by ruff"
        inside = {f"{node.module}.{alias.name}" for alias in node.names} & known
        yield from (Import(name, node.lineno) for name in sorted(inside) or [node.module])
