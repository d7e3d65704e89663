"""All checks of one mapping: the problems of reading and of the schema, then the rules that a schema cannot express.

Checks only collect problems. Running the examples is left to engine/testing/examples.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from engine.mapping.checks.conditions import check_conditions
from engine.mapping.checks.context import CheckContext
from engine.mapping.checks.credentials import check_credentials
from engine.mapping.checks.limits import check_limits
from engine.mapping.checks.literals import check_literals
from engine.mapping.checks.names import check_circles, check_names, check_unused, without_repeats
from engine.mapping.checks.orders import check_orders
from engine.mapping.checks.paths import check_paths
from engine.mapping.checks.privacy import check_privacy
from engine.mapping.checks.requests import check_requests
from engine.mapping.checks.secrets import check_secrets
from engine.mapping.checks.settings import check_examples, check_settings
from engine.mapping.checks.slips import check_slips
from engine.mapping.checks.steps import check_steps
from engine.mapping.checks.types import check_types
from engine.mapping.checks.urls import check_urls
from engine.mapping.checks.values import check_keys, check_texts, check_values
from engine.mapping.load import Library, Loaded, read_parts
from engine.mapping.problems import Problem
from engine.mapping.yaml import reader
from engine.mapping.yaml.reader import Document

Checks = Sequence[Callable[[CheckContext], Iterator[Problem]]]

VALUE_CHECKS: Checks = (
    *(check_paths, check_conditions, check_orders, check_values, check_texts, check_types, check_keys),
    *(check_slips, check_literals),
)
MAPPING_CHECKS: Checks = (
    check_names,
    *VALUE_CHECKS,
    check_steps,
    check_requests,
    check_credentials,
    check_urls,
    check_settings,
    check_secrets,
    check_privacy,
    check_examples,
    check_unused,
)
MOST_PROBLEMS = 100
"""Of one file: finding what was probably meant takes time for each, and nobody reads more."""
ONLY_WHERE_INCLUDED = frozenset({"unknown-part", "unknown-saved", "unknown-setting", "part-circle"})
"""What is wrong in a file of parts only together with the mapping that includes it."""


def check(loaded: Loaded) -> list[Problem]:
    """Return every problem of a mapping, sorted by place."""
    found = limited(loaded, [*loaded.problems, *_run(loaded, MAPPING_CHECKS)])
    return sorted(dict.fromkeys(_attributed(loaded, found)))


def check_parts(path: Path, read: Callable[[Path], Document] = reader.read) -> list[Problem]:
    """Return every problem of a file of shared parts by itself."""
    loaded = read_parts(path, read)
    found = [problem for problem in _run(loaded, VALUE_CHECKS) if problem.code not in ONLY_WHERE_INCLUDED]
    return sorted(dict.fromkeys([*loaded.problems, *found]))


def _run(loaded: Loaded, checks: Checks) -> list[Problem]:
    if not loaded.readable:
        return []
    context = CheckContext(loaded)
    endless = [problem for check_one in (check_circles, check_limits) for problem in check_one(context)]
    if endless:
        return endless
    found = list(islice((problem for check_one in checks for problem in check_one(context)), MOST_PROBLEMS + 1))
    return limited(loaded, without_repeats(context, dict.fromkeys(found)), cut=len(found) > MOST_PROBLEMS)


def limited(loaded: Loaded, problems: list[Problem], *, cut: bool = False) -> list[Problem]:
    """Keep the first `MOST_PROBLEMS`, and say so; `cut`: there are more than `problems`."""
    if not cut and len(problems) <= MOST_PROBLEMS:
        return problems
    message = f"This file has more than {MOST_PROBLEMS} problems; the others are not shown."
    more = Problem(loaded.resolved.file, 1, 1, "", "more-problems", message, "Correct the first ones and check again.")
    return [*problems[:MOST_PROBLEMS], more]


def _attributed(loaded: Loaded, problems: list[Problem]) -> list[Problem]:
    """Say of each problem in the extended file that this mapping causes it, unless that file has it by itself."""
    base = loaded.resolved.document.value
    name = base.get("extends") if isinstance(base, dict) else None
    files = {problem.file for problem in problems if Path(problem.file).stem == name} - {loaded.resolved.file}
    if not loaded.readable or not files:
        return problems
    path = Path(files.pop())
    alone = set(check(Library([path.parent]).read(path)))
    return [
        problem if Path(problem.file) != path or problem in alone else _caused_by(loaded.mapping.name, problem)
        for problem in problems
    ]


def _caused_by(name: str, problem: Problem) -> Problem:
    advice = f"{problem.advice}\nThis file is valid by itself; the mapping {name}, which extends it, breaks it."
    return replace(problem, advice=advice.strip())
