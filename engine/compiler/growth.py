"""How large a value can become, told before any event: a bound by the size of what it is made from.

A body that copies what it reads a few times cannot exceed a megabyte for an event of a few kilobytes, so bodies are
measured only where the bound does not say so; that is what the check of a body costs an ordinary event: nothing.  The
bound need not be close, but must never be too small.  What loops read of what is outside them is counted while they
run (`language/budget.py`) and belongs to the size of what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, NamedTuple

from engine.language import functions, paths
from engine.language.budget import LONG
from engine.language.functions.model import BOOLEAN, NUMBER
from engine.language.paths.syntax import Node
from engine.language.sizes import json_size
from engine.language.template import Text
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
    Modifiers,
    PathValue,
    Request,
    Step,
    TextOf,
    TextOrValue,
    Value,
    source_word,
)
from engine.records import Json

DEEPEST = 100
"""Levels that a mapping may add to those of an event: far from the 254 that JSON writers allow."""

LONGEST_NUMBER = 400
"""Characters of a number at most, as text with 20 decimals."""

LONGEST_CHARACTER = 6
"""Bytes of a character in JSON at most: those of `\\u0001`."""

LONGEST_PREFIX = 1.5 * LONG
"""What a prefix that is not counted adds to a key at most: six bytes for a character, of which REWRITTEN has four."""

MOST_TOGETHER = 10 * 1024 * 1024
"""Bytes that the bodies of all requests of one event may have together."""

REWRITTEN = 4
"""How much longer a value is when it is written again: `1E15` becomes `1000000000000000.0`."""


class Growth(NamedTuple):
    """A bound: `times` the size of what is read, `plus` characters; `depth` levels more than what is read.

    It has at most `copies` times as many members as what is read, and `members` of the mapping's own.
    """

    times: float = 0
    plus: float = 0
    depth: int = 0
    copies: float = 0
    members: float = 0


READ = Growth(times=1, copies=1)
UNBOUNDED = Growth(times=inf, copies=inf)
SMALL = Growth(plus=30, members=1)


def added(*parts: Growth) -> Growth:
    """Return the bound of several values beside each other."""
    times, plus, depths, copies, members = zip(*parts, strict=True)
    return Growth(sum(times), sum(plus), max(depths), sum(copies), sum(members))


def scaled(growth: Growth, factor: float, plus: float = 0) -> Growth:
    """Return the bound of a value that is written `factor` times longer."""
    return growth._replace(times=growth.times * factor, plus=growth.plus * factor + plus)


def deeper(growth: Growth) -> Growth:
    """Return the bound of what has a value as a member."""
    return growth._replace(depth=growth.depth + 1)


def either(*parts: Growth) -> Growth:
    """Return the bound of one of several values."""
    times, plus, depths, copies, members = zip(*parts, strict=True)
    return Growth(max(times), max(plus), max(depths), max(copies), max(members))


def repeated(entries: Growth, each: Growth) -> Growth:
    """Return the bound of `each` made for every entry of a list; an entry has two characters at least."""
    factor, copies = each.times + each.plus / 2, each.copies + each.members
    depth = entries.depth + each.depth
    return Growth(
        entries.times * factor, entries.plus * factor, depth, entries.copies * copies, entries.members * copies
    )


def with_keys(growth: Growth, longest: float, shortest: int = 4) -> Growth:
    """Return the bound of an object whose keys get `longest` more characters; a member has `shortest` at least."""
    times, plus = growth.copies * longest / shortest, growth.members * longest
    return growth._replace(times=growth.times + times, plus=growth.plus + plus)


def largest_event(bodies: Iterable[tuple[int, Growth]]) -> float:
    """Return up to how many bytes of what is read no body can exceed its limit, nor all together theirs."""
    found = list(bodies)
    whole = added(Growth(), *(growth for _, growth in found))
    if whole.depth > DEEPEST:
        return -inf
    return min(_largest(limit, growth) for limit, growth in [*found, (MOST_TOGETHER, whole)])


def _largest(limit: int, growth: Growth) -> float:
    rest = limit / REWRITTEN - growth.plus
    return rest / growth.times if growth.times else inf if rest >= 0 else -inf


# Paths.


class PathGrowth:
    """Bounds of the paths of one mapping; `part` gives the bound of a part, `body` is that of an envelope's body."""

    def __init__(self, part: Callable[[str], Growth], body: Growth = READ) -> None:
        self._part = part
        self._body = body

    def of(self, text: str) -> Growth:
        """Return the bound of a path."""
        return self._node(paths.parse(text).tree, None, "")

    def _node(self, node: Node, current: Growth | None, root: str) -> Growth:
        """Return the bound of a node; `current` is None for the scope, or for a name in it, which is then `root`."""
        write = getattr(self, f"_{node['type']}", None)
        if write is not None:
            found: Growth = write(node, current, root)
            return found
        children = [self._node(child, current, root) for child in node["children"]]
        return added(SMALL, *children)

    def _field(self, node: Node, current: Growth | None, root: str) -> Growth:
        name = node["value"]
        if current is not None:
            return current
        if root == "parts":
            return self._part(name)
        if name == "body" and not root:
            return self._body
        return SMALL if name == "index" else READ

    def _current(self, _node: Node, current: Growth | None, _root: str) -> Growth:
        return READ if current is None else current

    _identity = _index = _slice = _current

    def _subexpression(self, node: Node, current: Growth | None, root: str) -> Growth:
        for child in node["children"]:
            if current is None and not root and child["type"] == "field" and child["value"] == "parts":
                root = "parts"
                continue
            current = self._node(child, current, root)
        return READ if current is None else current

    _pipe = _index_expression = _subexpression

    def _projection(self, node: Node, current: Growth | None, root: str) -> Growth:
        left, right = node["children"][:2]
        return repeated(deeper(self._node(left, current, root)), self._node(right, READ, ""))

    _filter_projection = _value_projection = _projection

    def _flatten(self, node: Node, current: Growth | None, root: str) -> Growth:
        return self._node(node["children"][0], current, root)

    def _literal(self, node: Node, _current: Growth | None, _root: str) -> Growth:
        return constant(node["value"])

    def _comparator(self, _node: Node, _current: Growth | None, _root: str) -> Growth:
        return SMALL

    _not_expression = _comparator

    def _or_expression(self, node: Node, current: Growth | None, root: str) -> Growth:
        return either(*(self._node(child, current, root) for child in node["children"]))

    _and_expression = _or_expression

    def _multi_select_list(self, node: Node, current: Growth | None, root: str) -> Growth:
        return deeper(added(SMALL, *(scaled(self._node(child, current, root), 1, 4) for child in node["children"])))

    def _multi_select_dict(self, node: Node, current: Growth | None, root: str) -> Growth:
        pairs = [(child["value"], self._node(child["children"][0], current, root)) for child in node["children"]]
        return deeper(added(SMALL, *(scaled(growth, 1, 4 + LONGEST_CHARACTER * len(key)) for key, growth in pairs)))

    def _function_expression(self, node: Node, current: Growth | None, root: str) -> Growth:
        given = [
            self._node(child["children"][0], READ, "")
            if child["type"] == "expref"
            else self._node(child, current, root)
            for child in node["children"]
        ]
        if node["value"] == "join":
            between = node["children"][0]
            return scaled(given[1], 1 + len(between["value"])) if between["type"] == "literal" else UNBOUNDED
        if node["value"] == "map":
            return deeper(repeated(given[1], given[0]))
        return scaled(deeper(added(*given)), 2, 30)  # to_string writes quotes that are written again


def constant(value: Json) -> Growth:
    """Return the bound of what the mapping itself says."""
    depth, level = 0, [value]
    while level:
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
        depth += 1
    size = json_size(value)
    return Growth(plus=LONGEST_CHARACTER * size + 30, depth=depth, members=size / 2)


# Values.


class ValueGrowth:
    """Bounds of the values of one mapping."""

    def __init__(self, mapping: Mapping, body: Growth = READ) -> None:
        self._mapping = mapping
        self._parts: dict[str, Growth] = {}
        self._known: dict[int, Growth] = {}
        self._paths = PathGrowth(self.part, body)

    def part(self, name: str) -> Growth:
        """Return the bound of a part, worked out once."""
        if name not in self._parts:
            value = self._mapping.parts.get(name)
            self._parts[name] = READ if value is None else self.of(value)
        return self._parts[name]

    def path(self, text: str) -> Growth:
        """Return the bound of a path."""
        return self._paths.of(text)

    def of(self, value: Value) -> Growth:
        """Return the bound of a value."""
        known = self._known.get(id(value))
        if known is None:
            try:
                known = self._of(value)
            except RecursionError:  # parts of parts of parts; the compiler goes deeper than this
                known = UNBOUNDED
            self._known[id(value)] = known
        return known

    def bodies(self, step: Step) -> Iterator[tuple[str, Growth]]:
        """Return the bounds of what a step sends: all bodies of its request, and the one sent if that is missing."""
        requests = self._mapping.requests
        request = requests[step.request]
        given = Growth() if step.value is None else self.of(step.value)
        body = self._in_envelope(request, given)
        yield request.name, body if step.for_each is None else _looped(self.of(step.for_each), body)
        other = requests.get(request.if_missing or "")
        if other is not None and (request.envelope, other.envelope) != (None, None):
            yield other.name, self._in_envelope(other, given)

    def _in_envelope(self, request: Request, body: Growth) -> Growth:
        if request.envelope is None:
            return body
        inside = ValueGrowth(self._mapping, body)
        inside._parts = self._parts
        return inside.of(request.envelope)

    def _of(self, value: Value) -> Growth:
        if isinstance(value, PathValue):
            return self.path(value.path)
        if isinstance(value, Choice):
            return either(*(self.of(alternative) for alternative in value.alternatives))
        return self._modified(self._source(value), value.modifiers)

    def text(self, text: TextOrValue) -> Growth:
        """Return the bound of a text with `${}`, or of an instruction in its place."""
        if not isinstance(text, Text):
            return self.of(text)
        written = sum(len(piece) for piece in text.pieces if isinstance(piece, str))
        return added(Growth(plus=LONGEST_CHARACTER * written + 30), *(self.path(hole.path) for hole in text.holes))

    def _source(self, value: Instruction) -> Growth:
        of: Callable[[Any], Growth] = getattr(self, f"_{source_word(value)}")
        return of(value.source)

    def _from(self, source: From) -> Growth:
        return self.of(source.value)

    def _const(self, source: Const) -> Growth:
        return constant(source.value)

    def _text(self, source: TextOf) -> Growth:
        return self.text(source.text)

    def _fields(self, source: Fields) -> Growth:
        return deeper(added(SMALL, *(added(self.text(key), self.of(member)) for key, member in source.entries)))

    def _merge(self, source: Merge) -> Growth:
        return deeper(added(SMALL, *(self.of(member) for member in source.members)))

    def _list(self, source: ListOf) -> Growth:
        return deeper(added(SMALL, *(scaled(self.of(member), 1, 1) for member in source.members)))

    def _each(self, source: Each) -> Growth:
        return deeper(_looped(self.of(source.of), self.of(source.value)))

    def _entries(self, source: Entries) -> Growth:
        key = READ if source.key is None else self.of(source.key)
        value = READ if source.value is None else self.of(source.value)
        return deeper(_looped(self.of(source.of), added(key, value)))

    def _modified(self, growth: Growth, modifiers: Modifiers) -> Growth:
        for use in modifiers.as_:
            growth = _converted(growth, use.name, use.written)
        if isinstance(modifiers.map, str):
            growth = either(growth, self.path(modifiers.map))
        elif modifiers.map is not None:
            growth = either(growth, *(constant(entry) for entry in modifiers.map.values()))
        growth = self._reshaped(growth, modifiers)
        return either(growth, *(constant(default) for default in modifiers.default or ()))

    def _reshaped(self, growth: Growth, modifiers: Modifiers) -> Growth:
        if isinstance(modifiers.rename, str):
            growth = added(growth, self.path(modifiers.rename))
        elif modifiers.rename is not None:
            growth = scaled(growth, 1, LONGEST_CHARACTER * sum(map(len, modifiers.rename.values())))
        if modifiers.flatten is not None:
            shortest, index = (2, 20) if modifiers.flatten.lists == "index" else (4, 0)
            longest = LONGEST_PREFIX + LONGEST_CHARACTER * len(modifiers.flatten.separator) + index
            growth = scaled(growth, 2 if modifiers.flatten.lists in ("join", "json") else 1)
            growth = with_keys(growth, longest, shortest)
        if modifiers.keys is not None:
            growth = scaled(growth, 3)
        if modifiers.prefix is not None:
            written = self.text(modifiers.prefix)
            growth = with_keys(growth, LONGEST_PREFIX if written.times else min(written.plus, LONGEST_PREFIX))
        return growth


def _looped(entries: Growth, each: Growth) -> Growth:
    """Return the bound of a loop: what it says itself for every item is counted while it runs."""
    times = entries.times * max(1, each.times) + each.times
    copies = entries.copies * (max(1, each.copies) + each.members) + each.copies
    members = entries.members * each.copies
    return Growth(times, entries.plus * each.times, entries.depth + each.depth, copies, members)


def _converted(growth: Growth, name: str, written: Json) -> Growth:
    function = functions.FUNCTIONS[name]
    if function.gives <= NUMBER | BOOLEAN:
        return Growth(plus=LONGEST_NUMBER)
    texts = [text for text in functions.parameters_of(name, written).values() if isinstance(text, str)]
    factor = function.growth * (1 + sum(map(len, texts)))
    grown = scaled(growth, factor, LONGEST_NUMBER)
    return grown._replace(depth=growth.depth + 2, copies=grown.times, members=grown.plus)
