"""What a path reads from the scope and which functions it calls, found in its tree before any event.

The trees of the jmespath library have no columns.  But their nodes are in the order of the text, so walking one in
that order and taking the next name from the tokens at every name gives each name its column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from engine.errors import PathError
from engine.language.paths.syntax import NAMES, Node, Token
from engine.language.suggest import closest

# These take any value; every other function may get one that it does not take.
NEVER_FAIL = frozenset({"not_null", "to_array", "to_number", "to_string", "type"})
ORDERS = frozenset({"lt", "lte", "gt", "gte"})


class Root(NamedTuple):
    """A name that is looked up in the scope, the field names that follow it, and its column."""

    name: str
    members: tuple[str, ...]
    column: int


class PathReading(NamedTuple):
    """What a tree reads; `whole_column` is where the scope itself is taken as a value, 0 if nowhere."""

    roots: tuple[Root, ...]
    whole_column: int
    calls: tuple[str, ...]
    can_fail: bool


class Signature(NamedTuple):
    """How a function is called: number of arguments, whether more may follow, and which are expressions (`&`)."""

    arguments: int
    variadic: bool
    expressions: frozenset[int]


class _WholeScope(NamedTuple):
    """The current value is the whole scope; `column` is where the text says so, 0 if it does not."""

    column: int


# What is known about a current value: the scope, a chain of names in it, or nothing.
_Current: TypeAlias = _WholeScope | Root | None


def read(tree: Node, tokens: Sequence[Token], signatures: Mapping[str, Signature]) -> PathReading:
    """Find what a tree reads and calls; PathError for calls that fail whatever the event."""
    reader = _TreeReader(tokens, signatures)
    reader.use(reader.visit(tree, _WholeScope(0)))
    return PathReading(reader.roots(), reader.whole_column, tuple(dict.fromkeys(reader.calls)), reader.can_fail)


class _TreeReader:
    """Walks a tree in the order of its text and keeps track of the current value."""

    def __init__(self, tokens: Sequence[Token], signatures: Mapping[str, Signature]) -> None:
        self._tokens = tokens
        self._next = 0
        self._signatures = signatures
        self._chains: list[Root] = []
        self._used: set[Root] = set()
        self.whole_column = 0
        self.calls: list[str] = []
        self.can_fail = False

    def roots(self) -> tuple[Root, ...]:
        """Return the chains that are used, not those that only lead to a longer one."""
        return tuple(dict.fromkeys(chain for chain in self._chains if chain in self._used or not self._extended(chain)))

    def _extended(self, chain: Root) -> bool:
        length = len(chain.members)
        return any(
            other.column == chain.column and len(other.members) > length and other.members[:length] == chain.members
            for other in self._chains
        )

    def use(self, current: _Current) -> None:
        """Note that a value itself is used, not only one of its fields."""
        if isinstance(current, Root):
            self._used.add(current)
        elif isinstance(current, _WholeScope) and not self.whole_column:
            self.whole_column = current.column

    def visit(self, node: Node, current: _Current) -> _Current:
        """Walk a node; return what is known about its value."""
        visit = getattr(self, f"_{node['type']}", None)
        if visit is not None:
            result: _Current = visit(node, current)
            return result
        for child in _in_order(node):
            self.use(self.visit(child, current))
        return None

    def _token(self, *kinds: str) -> Token:
        """Take the next token of some kinds."""
        while self._tokens[self._next].kind not in kinds:
            self._next += 1
        self._next += 1
        return self._tokens[self._next - 1]

    def _ahead(self, *kinds: str) -> int:
        """Return the column of the next token of some kinds, without taking it."""
        return next((token.column for token in self._tokens[self._next :] if token.kind in kinds), 1)

    def _field(self, node: Node, current: _Current) -> _Current:
        token = self._token(*NAMES)
        if current is None:
            return None
        if isinstance(current, Root):
            chain = Root(current.name, (*current.members, node["value"]), current.column)
        else:
            chain = Root(node["value"], (), token.column)
        self._chains.append(chain)
        return chain

    def _current(self, _node: Node, current: _Current) -> _Current:
        column = self._token("current").column
        return _WholeScope(column) if isinstance(current, _WholeScope) else current

    def _identity(self, _node: Node, current: _Current) -> _Current:
        """Handle the unwritten value before a leading `[0]`, `[?...]`, `[]` or `*`."""
        return (
            _WholeScope(self._ahead("lbracket", "filter", "flatten", "star"))
            if isinstance(current, _WholeScope)
            else current
        )

    def _subexpression(self, node: Node, current: _Current) -> _Current:
        self._no_negation(node["children"][0])
        return self._pipe(node, current)

    _index_expression = _subexpression

    def _pipe(self, node: Node, current: _Current) -> _Current:
        for child in node["children"]:
            current = self.visit(child, current)
        return current

    def _index(self, _node: Node, current: _Current) -> _Current:
        self.use(current)
        return None

    def _slice(self, node: Node, current: _Current) -> _Current:
        if node["children"][2] == 0:
            raise PathError("The step of a slice cannot be 0.", self._ahead("lbracket"))
        return self._index(node, current)

    def _projection(self, node: Node, current: _Current) -> _Current:
        self._no_negation(node["children"][0])
        self.use(self.visit(node["children"][0], current))
        for child in _in_order(node)[1:]:
            self.visit(child, None)
        return None

    def _flatten(self, node: Node, current: _Current) -> _Current:
        self._no_negation(node["children"][0])
        self.use(self.visit(node["children"][0], current))
        return None

    def _no_negation(self, node: Node) -> None:
        """Refuse `!a.b`, which the library reads as `(!a).b`: true and false have no fields."""
        if node["type"] == "not_expression":
            message = "! binds tighter than a dot: !a.b is (!a).b, which is always null. Write !(a.b)."
            raise PathError(message, self._ahead("not"))

    _value_projection = _projection
    _filter_projection = _projection

    def _key_val_pair(self, node: Node, current: _Current) -> _Current:
        self._token(*NAMES)
        return self.visit(node["children"][0], current)

    def _comparator(self, node: Node, current: _Current) -> _Current:
        self.can_fail = self.can_fail or node["value"] in ORDERS
        for child in node["children"]:
            self.use(self.visit(child, current))
        return None

    def _function_expression(self, node: Node, current: _Current) -> _Current:
        name, arguments = node["value"], node["children"]
        column = self._token(*NAMES).column
        signature = self._signature(name, column, len(arguments))
        for number, argument in enumerate(arguments):
            if number in signature.expressions:
                self._expression(name, column, number, argument)
            else:
                self.use(self.visit(argument, current))
        return None

    def _signature(self, name: str, column: int, count: int) -> Signature:
        self.calls.append(name)
        self.can_fail = self.can_fail or name not in NEVER_FAIL
        signature = self._signatures.get(name)
        if signature is None:
            raise PathError(_unknown(name, list(self._signatures)), column)
        if count < signature.arguments or (count > signature.arguments and not signature.variadic):
            least = "at least " if signature.variadic else ""
            noun = "argument" if signature.arguments == 1 else "arguments"
            raise PathError(f"{name}() takes {least}{signature.arguments} {noun}, not {count}.", column)
        return signature

    def _expression(self, name: str, column: int, number: int, argument: Node) -> None:
        if argument["type"] != "expref":
            written = "map(&name, list)" if name == "map" else f"{name}(list, &name)"
            place = ("first", "second")[number]
            raise PathError(f"{name}() takes an expression as its {place} argument: {written}.", column)
        self._token("expref")
        self.visit(argument["children"][0], None)

    def _expref(self, _node: Node, _current: _Current) -> _Current:
        column = self._token("expref").column
        raise PathError("& is only for the functions sort_by, min_by, max_by and map.", column)


def _in_order(node: Node) -> list[Node]:
    """Return the children in the order of the text: a filter's condition precedes what follows the filter."""
    children: list[Node] = node["children"]
    if node["type"] == "filter_projection":
        return [children[0], children[2], children[1]]
    return children


def _unknown(name: str, known: list[str]) -> str:
    guess = closest(name, known)
    advice = f'Did you mean "{guess}"?' if guess else "Functions that convert a value go under `as`."
    return f'JMESPath has no function "{name}". {advice}'
