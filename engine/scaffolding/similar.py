"""Paths of sample events for a vendor's fields, by the likeness of their names (RapidFuzz) and by type.

A proposal, which the mapping marks as one: likeness does not know what a field means.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, NamedTuple

from engine.errors import UsageError
from engine.events.reading import read_events
from engine.events.spec import FIELDS
from engine.records import Json
from engine.scaffolding.outline import clean, words

MOST_EVENTS = 10_000
MOST_PATHS = 2_000
"""Of a call."""
DEEPEST = 4
ENOUGH = 82
"""Of 100: `order_total` is like `total_order` (100) and `orderTotals` (95), not like `order_id` (63)."""
SUBSET = 0.85
"""What it counts where all words of one name are in the other."""
SHORT = 3
SKIPPED = frozenset({"type", "messageId", "sentAt", "receivedAt", "originalTimestamp", "integrations"})
NUMBERS = frozenset({"number", "integer"})
FITS = {
    "text": {"text", "number", "integer", "boolean"},
    "number": {"number", "integer", "text"},
    "integer": {"integer", "number", "text"},
    "boolean": {"boolean", "text"},
    "object": {"object"},
    "list": {"list"},
}
"""The kinds of values that can become what a vendor wants."""


class Candidate(NamedTuple):
    """A field of the sample events: its words and, for `total` of `properties.order`, those with its object's."""

    path: str
    name: str
    alone: str
    within: str


@dataclass(slots=True)
class Seen:
    """The fields of sample events, by call, with how often each kind of value was seen."""

    events: Counter[str] = field(default_factory=Counter)
    paths: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    candidates: dict[str, list[Candidate]] = field(default_factory=dict)

    @staticmethod
    def of_file(file: str, stdin: IO[bytes]) -> Seen:
        """Read sample events, the first 10,000; UsageError where there are none."""
        seen = Seen()
        with read_events(file, stdin=stdin) as lines:
            for line in islice(lines, MOST_EVENTS):
                seen.add(line.value)
        if not seen.events:
            raise UsageError(f"{clean(file)} has no event that can be read, so there is nothing to propose from.")
        return seen

    def add(self, event: Json) -> None:
        """Note the fields of an event; what is no event is left out."""
        call = event.get("type") if isinstance(event, dict) else None
        if not isinstance(event, dict) or not isinstance(call, str) or call not in FIELDS:
            return
        self.events[call] += 1
        paths = self.paths.setdefault(call, {})
        for key in FIELDS[call]:
            if key in event and key not in SKIPPED:
                _add(paths, _quoted(key), event[key], 1)

    def similar(self, call: str, name: str, kind: str) -> tuple[str, str] | None:
        """Return the path whose name is most like a vendor's, with a comment; None if none is near enough."""
        from rapidfuzz import fuzz

        wanted = " ".join(words(name))
        if not wanted:
            return None
        best: tuple[float, str, str] | None = None
        for path, found, alone, within in self._candidates(call):
            if not self._fits(call, path, kind):
                continue
            score = max(fuzz.token_sort_ratio(wanted, alone), fuzz.token_sort_ratio(wanted, within) - 2)
            if len(wanted) > SHORT:  # `coupon` of `coupon_code`; but `id` is part of too many
                score = max(score, fuzz.token_set_ratio(wanted, alone) * SUBSET)
            if score >= ENOUGH and (best is None or score > best[0]):
                best = (score, path, found)
        if best is None:
            return None
        score, path, found = best
        kinds = self.paths[call][path]
        seen = f"{kinds.most_common(1)[0][0]} in {kinds.total():,} of {self.events[call]:,} {call} events"
        return path, f"proposed: {score:.0f}% like {clean(found, 40)}, {seen}"

    def _candidates(self, call: str) -> list[Candidate]:
        if call not in self.candidates:
            self.candidates[call] = [_candidate(path) for path in self.paths.get(call, {})]
        return self.candidates[call]

    def _fits(self, call: str, path: str, kind: str) -> bool:
        seen = self.paths[call][path].most_common(1)[0][0]
        return kind == "any" or seen in FITS[kind]


def _candidate(path: str) -> Candidate:
    above, _, last = path.rpartition(".")
    name = last.strip('"')
    parent = above.rpartition(".")[2]
    return Candidate(path, name, " ".join(words(name)), " ".join(words(f"{parent} {name}")))


def _add(paths: dict[str, Counter[str]], path: str, value: Json, depth: int) -> None:
    if value is None or (path not in paths and len(paths) >= MOST_PATHS):
        return
    paths.setdefault(path, Counter())[_kind(value)] += 1
    if isinstance(value, dict) and depth < DEEPEST:
        for key, member in value.items():
            if len(key) <= 60 and '"' not in key and "\\" not in key and key.isprintable() and "." not in key:
                _add(paths, f"{path}.{_quoted(key)}", member, depth + 1)


def _quoted(key: str) -> str:
    plain = key.isascii() and key.replace("_", "a").isalnum() and not key[0].isdigit()
    return key if plain else f'"{key}"'


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    return "text" if isinstance(value, str) else "object" if isinstance(value, dict) else "list"
