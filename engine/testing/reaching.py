"""What an event, settings and replies must have so that a value is there, or a condition holds: proposals, no proofs.

A proposal is a list of changes to an example. Whether it does what it should is found by running it (`drafts.py`), so
what is not understood here costs a draft and nothing else. The paths of loops lead to the first item of their list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple, TypeAlias

from engine.language import paths
from engine.language.paths.syntax import Node
from engine.mapping.model import (
    Choice,
    Const,
    Each,
    Entries,
    Fields,
    From,
    Instruction,
    ListOf,
    Mapping,
    Merge,
    PathValue,
    TextOf,
    Value,
    looked_up,
)
from engine.mapping.walk import source_paths
from engine.records import Json

Names: TypeAlias = tuple[str | int, ...]
"""A chain of names in a path; in a change, beginning with what is changed: `event`, `settings`, `reply`."""

MOST_PROPOSALS = 12
"""Of one need."""
MOST_COMBINED = 24
"""Of several needs together."""
MOST_WORK = 2_000
"""Paths that are looked at for one thing."""
MOST_WORK_TOGETHER = 50_000
"""For all things of a mapping."""
DEEPEST = 12
"""Parts in parts."""
ABSENT = object()
OTHER = "something else"
REPLY_TO = "reply to"
"""The beginning of a change of the reply to the request that is named next; `reply` is that of the draft itself."""
IDENTITY: Names = ()
OF_CALL = (("type",), ("message",))
"""What every event has; `type` is the call, and an example of that call is taken."""
OF_TYPE: dict[Json, list[Json]] = {
    "string": ["some text"],
    "number": [7],
    "boolean": [True],
    "object": [{"key": "text"}],
    "array": [["text"]],
}


class Edit(NamedTuple):
    """What to set, or to remove if `value` is ABSENT."""

    names: Names
    value: object


Edits: TypeAlias = tuple[Edit, ...]


class Around(NamedTuple):
    """Where a path stands.

    `loops` are the first items of the loops around it, None where one is not known; `depth` counts the parts around
    it; `current` is where names stand that an expression looks up in something else than the scope.
    """

    loops: tuple[Names | None, ...] = ()
    depth: int = 0
    current: Names | None = None


TOP = Around()


class Proposals:
    """Makes proposals for one mapping; `samples` gives values for a chain of names, the likeliest first."""

    def __init__(self, mapping: Mapping, samples: Callable[[Names], list[Json]]) -> None:
        self.mapping = mapping
        self.samples = samples
        self._left = MOST_WORK
        self._together = MOST_WORK_TOGETHER

    def restart(self) -> None:
        """Begin with another thing: what may be looked at for one is bounded, and for all."""
        self._together -= MOST_WORK - self._left
        self._left = max(0, min(MOST_WORK, self._together))

    def _works(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def present(self, value: Value, around: Around = TOP, wanted: Json = None) -> Iterator[Edits]:
        """Propose what makes a value be there; with `wanted`, what makes it read that."""
        if isinstance(value, PathValue):
            yield from self.holds(value.path, around, value=wanted)
        elif isinstance(value, Choice):
            for number, each in enumerate(value.alternatives):
                before = [[self.without(other, around)] for other in value.alternatives[:number]]
                yield from together(*before, self.present(each, around, wanted))
        else:
            yield from together(*self._conditions(value, around), self._source(value, around, wanted))

    def without(self, value: Value, around: Around = TOP) -> Edits:
        """Propose what makes a value be absent: nothing that it reads is there."""
        seen: set[str] = set()
        places = (names for path in source_paths(value) for names in self.places_of(path, around, seen))
        return tuple(Edit(names, ABSENT) for names in places if names[0] == "event")

    def holds(self, path: str, around: Around = TOP, *, wanted: bool = True, value: Json = None) -> Iterator[Edits]:
        """Propose what makes a condition hold, or not; with `value`, what makes the path give that."""
        yield from islice(self._node(paths.parse(path).tree, around, wanted, value), MOST_PROPOSALS)

    def in_loop(self, of: Value, around: Around, first: str | int = 0) -> Around:
        """Return what is around the inside of a loop over a value, at its first item."""
        path = next(source_paths(of), None)
        names = None if path is None else next(self.places_of(path, around), None)
        return around._replace(loops=(*around.loops, None if names is None else (*names, first)))

    def in_source(self, source: Each | Entries, around: Around) -> Around:
        """Return what is around the inside of `each` or `entries`; without a `key`, `entries` run over an object."""
        return self.in_loop(source.of, around, "key" if isinstance(source, Entries) and source.key is None else 0)

    def _conditions(self, value: Instruction, around: Around) -> list[Iterator[Edits]]:
        when, unless = value.modifiers.when, value.modifiers.unless
        found = [self.holds(when, around)] if when is not None else []
        return [*found, *([self.holds(unless, around, wanted=False)] if unless is not None else [])]

    def _source(self, value: Instruction, around: Around, wanted: Json) -> Iterator[Edits]:
        source, table = value.source, looked_up(value.modifiers)
        if isinstance(source, From):
            for key in [wanted] if wanted is not None or not table else islice(table, MOST_PROPOSALS):
                yield from self.present(source.value, around, key)
        elif isinstance(source, TextOf):
            yield from together(*(self.holds(hole.path, around) for hole in source.text.holes))
        elif isinstance(source, Const):
            yield ()
        elif isinstance(source, Each | Entries):
            inner = self.in_source(source, around)
            needs = [self.present(source.of, around)]
            needs += [self.holds(source.where, inner)] if source.where is not None else []
            needs += [self.present(source.value, inner)] if source.value is not None else []
            yield from together(*needs)
        else:
            for member in _members(source):
                yield from self.present(member, around)

    def _node(self, node: Node, around: Around, wanted: bool, value: Json = None) -> Iterator[Edits]:
        kind, children, chain = node["type"], node.get("children", []), chain_of(node)
        if chain is not None:
            yield from self._chain(chain, around, wanted, value)
        elif kind == "literal":
            yield from [()] if paths.holds(node["value"]) is wanted else []
        elif kind == "not_expression":
            yield from self._node(children[0], around, not wanted)
        elif kind in ("or_expression", "and_expression"):
            each = (self._node(child, around, wanted, value) for child in children)
            if (kind == "or_expression") is wanted:
                yield from (changes for found in each for changes in found)
            else:
                yield from together(*each)
        elif kind == "comparator":
            yield from self._comparison(node["value"], children, around, wanted)
        elif kind == "function_expression":
            yield from self._function(node, around, wanted)
        elif kind == "pipe":
            yield from self._node(children[0], around, wanted, value)
        elif kind == "filter_projection" and wanted and chain_of(children[0]):
            for names in self._places(chain_of(children[0]) or IDENTITY, around):
                yield from self._node(children[2], around._replace(current=(*names, 0)), True)
        else:
            for names in chains_in(node):
                yield from self._chain(names, around, wanted, value)

    def _comparison(self, operator: str, sides: list[Node], around: Around, wanted: bool) -> Iterator[Edits]:
        left, right = sides if sides[0]["type"] != "literal" else sides[::-1]
        one, other, is_equal = chain_of(left), chain_of(right), (operator in ("eq", "lte", "gte")) is wanted
        if left["type"] == "function_expression" and left["value"] == "type" and chain_of(left["children"][0]):
            one = chain_of(left["children"][0])
            same, different = (
                OF_TYPE.get(right.get("value"), []),
                [each for found in OF_TYPE.values() for each in found],
            )
            samples = same if is_equal else different
        elif right["type"] == "literal":
            samples = _compared(operator, right["value"], wanted)
        else:
            yield ()  # it may be so already
            for names in [one] if one is not None else chains_in(left):
                yield from self._alike(names, other or next(chains_in(right), IDENTITY), around, is_equal)
            return
        for names in [one] if one is not None else chains_in(left):
            for sample in samples:
                yield from self._chain(names, around, True, sample)
            if wanted is (operator == "ne"):
                yield from self._chain(names, around, False, None)

    def _alike(self, one: Names, other: Names, around: Around, is_equal: bool) -> Iterator[Edits]:
        """Propose the same for two chains, or something else."""
        if not is_equal:
            yield from self._chain(one, around, True, OTHER)
        for sample in self.samples(other) if other and is_equal else []:
            yield from together(self._chain(other, around, True, sample), self._chain(one, around, True, sample))

    def _function(self, node: Node, around: Around, wanted: bool) -> Iterator[Edits]:
        """Propose for `contains`, `starts_with` and `ends_with` what they look for; for others, their arguments."""
        arguments = node["children"]
        chain, last = chain_of(arguments[0]) if arguments else None, arguments[-1] if arguments else node
        if chain is not None and last["type"] == "literal":
            for sample in [last["value"], [last["value"]]] if wanted else [OTHER]:
                yield from self._chain(chain, around, True, sample)
            return
        for names in chains_in(node):
            yield from self._chain(names, around, wanted, None)

    def _chain(self, chain: Names, around: Around, wanted: bool, value: Json) -> Iterator[Edits]:
        if not self._works():
            return
        part = self._part(chain, around)
        if part is not None:
            inside = Around((), around.depth + 1)
            if isinstance(part, PathValue):
                yield from self.holds(part.path, inside, wanted=wanted, value=value)
            else:
                yield from self.present(part, inside, value) if wanted else [self.without(part, inside)]
            return
        if chain[:1] in OF_CALL and around.current is None:
            yield ()
        for names in self._places(chain, around):
            if wanted:
                samples = self.samples(names) if value is None else [value]
                samples = [True, *samples] if value is None and names[0] == "reply" else samples  # what says: it worked
                yield from ((Edit(names, sample),) for sample in samples)
            else:
                yield (Edit(names, False if names[0] == "settings" else ABSENT),)

    def _part(self, chain: Names, around: Around) -> Value | None:
        is_part = chain[:1] == ("parts",) and len(chain) > 1 and around.depth < DEEPEST and around.current is None
        return self.mapping.parts.get(str(chain[1])) if is_part else None

    def places_of(self, path: str, around: Around, seen: set[str] | None = None) -> Iterator[Names]:
        """Return what an author can set that a path reads, itself and through parts, each of which is `seen` once."""
        seen = set() if seen is None else seen
        for chain in chains_in(paths.parse(path).tree):
            part = self._part(chain, around)
            if part is None:
                yield from self._places(chain, around)
            elif chain[1] not in seen and self._works():
                seen.add(str(chain[1]))
                for inner in source_paths(part):
                    yield from self.places_of(inner, Around((), around.depth + 1), seen)

    def _places(self, chain: Names, around: Around) -> Iterator[Names]:
        root, rest = chain[0] if chain else "", chain[1:]
        if around.current is not None:
            yield (*around.current, *chain)
        elif root == "item" and around.loops and around.loops[-1] is not None:
            yield (*around.loops[-1], *rest)
        elif root == "saved" and rest:
            yield from self._saved(str(rest[0]))
        elif root == "settings" and rest:
            yield ("settings", *rest)
        elif root == "options":
            yield ("event", "integrations", (self.mapping.integrations or (self.mapping.title,))[0], *rest)
        elif root in ("status", "headers", "body"):
            yield ("reply", *chain)
        elif root == "message" and rest:
            yield ("event", *rest)
        elif root not in ("type", "message", "parts", "item", "index", "key", "items", "group", ""):
            yield ("event", *chain)

    def _saved(self, name: str) -> Iterator[Names]:
        for step in (step for steps in self.mapping.calls.values() for step in steps):
            chain = chain_of(paths.parse(step.save[name]).tree) if name in step.save else None
            if chain is not None:
                yield (REPLY_TO, step.request, *chain)


def together(*needs: Iterable[Edits]) -> Iterator[Edits]:
    """Combine proposals of needs that must all be met: the likeliest of each first, then one step away, and so on."""
    few = [list(islice(need, MOST_PROPOSALS)) for need in needs]
    waiting = [(0, (0,) * len(few))] if all(few) else []
    seen = {numbers for _, numbers in waiting}
    for _ in range(MOST_COMBINED):
        if not waiting:
            return
        steps, numbers = heappop(waiting)
        yield tuple(change for number, proposals in zip(numbers, few, strict=True) for change in proposals[number])
        for place, number in enumerate(numbers):
            further = (*numbers[:place], number + 1, *numbers[place + 1 :])
            if number + 1 < len(few[place]) and further not in seen:
                seen.add(further)
                heappush(waiting, (steps + 1, further))


def chain_of(node: Node) -> Names | None:
    """Return the names of a path that only goes into objects and to items; None of any other."""
    kind, children = node["type"], node.get("children", [])
    if kind in ("field", "index"):
        return (node["value"],) if kind == "field" or node["value"] >= 0 else None
    if kind in ("identity", "current"):
        return IDENTITY
    if kind not in ("subexpression", "index_expression"):
        return None
    inner = [chain_of(child) for child in children]
    return None if None in inner else tuple(name for names in inner for name in names or ())


def chains_in(node: Node) -> Iterator[Names]:
    """Return the chains that an expression begins with: what it reads of its scope."""
    chain = chain_of(node)
    if chain:
        yield chain
        return
    inside = node["type"] in ("pipe", "projection", "filter_projection", "flatten", "value_projection", "subexpression")
    for child in node.get("children", [])[: 1 if inside else None]:  # what follows reads what the first one gives
        if isinstance(child, dict):
            yield from chains_in(child)


def _compared(operator: str, literal: Json, wanted: bool) -> list[Json]:
    """Return values for which a comparison with a literal is true, or false."""
    if operator in ("eq", "ne"):
        return [literal] if (operator == "eq") is wanted else [OTHER]
    if isinstance(literal, bool) or not isinstance(literal, int | float):
        return []
    is_less = operator in ("lt", "lte")
    return [literal - 1 if is_less is wanted else literal + 1]


def _members(source: Fields | Merge | ListOf) -> tuple[Value, ...]:
    if isinstance(source, Fields):
        return tuple(member for _, member in source.entries)
    return source.members if isinstance(source.members, tuple) else (source.members,)
