"""What generated code tells about itself while it runs: the compiler with recording switched on.

`build(loaded, recorder=Recorder())` writes the same code, with a call after everything that an author may ask about.
What such a call notes is a `CallSite`: a kind, and the place in the mapping. So what is explained is what runs, and
nothing interprets a mapping a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from enum import StrEnum
from typing import NamedTuple

from engine.records import Json, Place


class Kind(StrEnum):
    """What is recorded at a site, with which value."""

    STEP = "step"
    """A step begins; None. `detail` is the request's name."""
    ROUND = "round"
    """A loop begins with an item (`for_each`, `each`, `entries`); its number, from 0."""
    READ = "read"
    """A path was read, also a name inside a condition or an expression; what it gave before anything was left out.

    `detail` is the path."""
    CONDITION = "condition"
    """A condition was decided; true or false. `detail` is the path; the names in it come before it, as reads."""
    FUNCTION = "function"
    """A function of `as` was applied; its result. `detail` is the function's name. If it failed, there is none."""
    LOOKUP = "lookup"
    """A value is looked up in the table of `map`; the value before that."""
    WORD = "word"
    """A modifier was applied; the value after it. `detail` is the word."""
    KEY = "key"
    """The name of a member that has `${}` in it; the text."""
    VALUE = "value"
    """A value is finished; what it is, None if it is absent."""
    NULL = "null"
    """Whether null is sent where a value is absent; true or false."""
    REQUEST = "request"
    """A request was planned; its body. `detail` is the request's name."""
    RESPONSE = "response"
    """A rule of `responses` decides what a response means; None."""


class CallSite(NamedTuple):
    """A spot of the mapping that generated code records."""

    kind: Kind
    place: Place
    detail: str


class Moment(NamedTuple):
    """What a site recorded; several times where it stands in a loop."""

    site: CallSite
    value: Json


class Recorder:
    """Takes what generated code records. One for each `build`: generated code holds it; it is not for several threads.

    Without `values`, what was seen is kept as whether there was something: true, false or None.
    """

    def __init__(self, *, values: bool = True) -> None:
        self.sites: list[CallSite] = []
        """All sites of the module, in the order of the code."""
        self.paused = False
        """Whether nothing is noted: events that are planned only to be compared."""
        self._values = values
        self._moments: list[Moment] = []

    def site(self, kind: Kind, place: Place, detail: str) -> int:
        """Number a site; called by the emitters."""
        self.sites.append(CallSite(kind, place, detail))
        return len(self.sites) - 1

    def __call__(self, number: int, value: Json) -> None:
        """Note what a site has to say; called by generated code."""
        if self.paused:
            return
        site = self.sites[number]
        if not self._values:
            value = value if isinstance(value, bool) else (None if value is None else True)
        elif isinstance(value, dict | list):  # may be changed in place later
            value = deepcopy(value)
        self._moments.append(Moment(site, value))

    def taken(self) -> Sequence[Moment]:
        """Return what was recorded since the last time, in order, and forget it."""
        moments, self._moments = self._moments, []
        return moments
