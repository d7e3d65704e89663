"""The optimizations of generated code, by name: each can be left out, and what the code means does not change.

Tests compile every mapping with all of them and with none and compare plans, reports and reasons; the benchmarks take
out one at a time to measure its gain.
"""

from __future__ import annotations

from enum import StrEnum


class Optimization(StrEnum):
    """What the emitters may do beyond writing one instruction after the other."""

    ONE_PASS = "one-pass"  # noqa: S105  no password
    """`merge`, `only`, `rename`, `flatten` and `keys` put all members into one object (`one_pass.py`): the step of an
    event with a context and thirty properties takes half as long again without."""
    SETTLED_PIECES = "settled-pieces"
    """The beginning of a URL and headers that need only settings are made once per connection, also where the event
    fills the rest of the address: planning requests whose path has one takes 40 % longer without."""
    CLEAN_ONCE = "clean-once"
    """Where `nulls: drop` or `empty_text: drop` stands, a value that was looked at is not looked at again when it is
    chosen from others, or read through a part: 5 % of an event with many alternatives."""
    SHARED_OBJECTS = "shared-objects"
    """An object inside the event of which a call reads several fields, such as `context.traits`, is read and looked at
    once: planning an identify call with twenty fields takes 7 % longer without."""


ALL = frozenset(Optimization)
NONE: frozenset[Optimization] = frozenset()
