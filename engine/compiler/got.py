"""What emitted statements leave behind: the expression that holds a value, and what is sure about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Got:
    """`code` may be used any number of times; `present`: never None; `shape`: dict or list if sure; `made` here.

    `fresh` says that the value, if any, is an object made for this use alone, so that it may be added to.
    """

    code: str
    present: bool = False
    shape: str | None = None
    made: bool = False
    fresh: bool = False
