"""All checks of one mapping: what reading and schema found, then the rules a schema cannot say.

Checks only collect.  The examples are run elsewhere (engine/examples.py), where the mapping can run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.mapping.check_conditions import check_conditions
from engine.mapping.check_echoes import without_echoes
from engine.mapping.check_examples import check_examples
from engine.mapping.check_keys import check_keys
from engine.mapping.check_names import check_names
from engine.mapping.check_paths import check_paths
from engine.mapping.check_requests import check_requests
from engine.mapping.check_secrets import check_secrets
from engine.mapping.check_settings import check_settings
from engine.mapping.check_steps import check_steps
from engine.mapping.check_types import check_types
from engine.mapping.check_unused import check_unused
from engine.mapping.check_values import check_values
from engine.mapping.checking import Checking
from engine.mapping.load import Loaded
from engine.mapping.problems import Problem

CHECKS: tuple[Callable[[Checking], Iterator[Problem]], ...] = (
    check_names,
    check_paths,
    check_conditions,
    check_values,
    check_types,
    check_keys,
    check_steps,
    check_requests,
    check_settings,
    check_secrets,
    check_examples,
    check_unused,
)


def check(loaded: Loaded) -> list[Problem]:
    """Give every problem of a mapping, sorted by place."""
    problems = list(loaded.problems)
    if loaded.readable:
        checking = Checking(loaded)
        found = [problem for rules in CHECKS for problem in rules(checking)]
        problems += without_echoes(checking, dict.fromkeys(found))
    return sorted(dict.fromkeys(problems))
