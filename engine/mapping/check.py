"""All checks of one mapping: what reading and schema found, then the rules a schema cannot say.

Checks only collect.  The examples are run elsewhere (engine/examples.py), where the mapping can run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.mapping.check_examples import check_examples
from engine.mapping.check_names import check_names, check_unused, without_echoes
from engine.mapping.check_paths import check_paths
from engine.mapping.check_secrets import check_secrets
from engine.mapping.check_steps import check_steps
from engine.mapping.check_values import check_values
from engine.mapping.checking import Checking
from engine.mapping.load import Loaded
from engine.mapping.problems import Problem

CHECKS: tuple[Callable[[Checking], Iterator[Problem]], ...] = (
    check_names,
    check_paths,
    check_values,
    check_steps,
    check_secrets,
    check_examples,
    check_unused,
)


def check(loaded: Loaded) -> list[Problem]:
    """Give every problem of a mapping, sorted by place."""
    problems = list(loaded.problems)
    if loaded.readable:
        checking = Checking(loaded)
        for rules in CHECKS:
            problems += rules(checking)
    return sorted(without_echoes(list(dict.fromkeys(problems))))
