"""The optimizations of generated code, by name: each can be left out, and what the code means does not change.

Tests compile every mapping with all of them and with none and compare plans, reports and reasons; the benchmarks take
out one at a time to measure its gain.
"""

from __future__ import annotations

from enum import StrEnum


class Optimization(StrEnum):
    """What the emitters may do beyond writing one instruction after the other."""

    ONE_PASS = "one-pass"  # noqa: S105  no password
    """`merge`, `only`, `rename`, `flatten` and `keys` put all members into one object (`one_pass.py`)."""


ALL = frozenset(Optimization)
NONE: frozenset[Optimization] = frozenset()
