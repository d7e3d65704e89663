"""All checks of one mapping: what reading and schema found, then the rules a schema cannot say.

Checks only collect.  The examples are run elsewhere (engine/testing/examples.py), where the mapping can run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine.mapping.checks.conditions import check_conditions
from engine.mapping.checks.context import Checking
from engine.mapping.checks.examples import check_examples
from engine.mapping.checks.keys import check_keys
from engine.mapping.checks.names import check_names
from engine.mapping.checks.paths import check_paths
from engine.mapping.checks.requests import check_requests
from engine.mapping.checks.secrets import check_secrets
from engine.mapping.checks.settings import check_settings
from engine.mapping.checks.steps import check_steps
from engine.mapping.checks.types import check_types
from engine.mapping.checks.unused import check_unused, without_echoes
from engine.mapping.checks.values import check_texts, check_values
from engine.mapping.load import Library, Loaded, read_parts
from engine.mapping.problems import Problem

Checks = Sequence[Callable[[Checking], Iterator[Problem]]]

OF_VALUES: Checks = (check_paths, check_conditions, check_values, check_texts, check_types, check_keys)
OF_MAPPINGS: Checks = (
    check_names,
    *OF_VALUES,
    check_steps,
    check_requests,
    check_settings,
    check_secrets,
    check_examples,
    check_unused,
)
OF_INCLUDERS = frozenset({"unknown-part", "unknown-saved", "unknown-setting", "part-circle"})
"""What only the mapping that includes a file of parts can answer for."""


def check(loaded: Loaded) -> list[Problem]:
    """Return every problem of a mapping, sorted by place."""
    found = [*loaded.problems, *_run(loaded, OF_MAPPINGS)]
    return sorted(dict.fromkeys(_told_apart(loaded, found)))


def check_parts(path: Path) -> list[Problem]:
    """Return every problem of a file of shared parts by itself."""
    loaded = read_parts(path)
    found = [problem for problem in _run(loaded, OF_VALUES) if problem.code not in OF_INCLUDERS]
    return sorted(dict.fromkeys([*loaded.problems, *found]))


def _run(loaded: Loaded, checks: Checks) -> list[Problem]:
    if not loaded.readable:
        return []
    checking = Checking(loaded)
    found = [problem for rules in checks for problem in rules(checking)]
    return without_echoes(checking, dict.fromkeys(found))


def _told_apart(loaded: Loaded, problems: list[Problem]) -> list[Problem]:
    """Say of what stands in the file that is extended, but is right by itself, that it is this mapping's doing."""
    base = loaded.resolved.document.value
    name = base.get("extends") if isinstance(base, dict) else None
    files = {problem.file for problem in problems if Path(problem.file).stem == name} - {loaded.resolved.file}
    if not loaded.readable or not files:
        return problems
    path = Path(files.pop())
    alone = set(check(Library([path.parent]).read(path)))
    return [
        problem if Path(problem.file) != path or problem in alone else _of_child(problem, loaded)
        for problem in problems
    ]


def _of_child(problem: Problem, loaded: Loaded) -> Problem:
    name = loaded.mapping.name
    advice = f"{problem.advice}\nBy itself this file is right; the mapping {name}, which extends it, breaks it."
    return replace(problem, advice=advice.strip())
