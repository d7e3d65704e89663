"""The check of `privacy`: which path would send personal data in a form that the mapping rules out."""

from __future__ import annotations

from collections.abc import Iterator

from engine.mapping.checks.context import CheckContext
from engine.mapping.problems import Problem


def check_privacy(context: CheckContext) -> Iterator[Problem]:
    """Find the paths that break what `privacy` promises."""
    if not context.mapping.privacy:
        return
    from engine.mapping.privacy import breaches  # most mappings promise nothing, and start-up counts

    for breach in breaches(context.mapping, context.mapping.privacy):
        place, column, key = breach.sent.flow.written
        yield context.problem(place, "privacy-broken", breach.message, breach.advice, key=key, column=column)
