"""Identity: hard and soft IDs, merging, and soft IDs that move (Exponea's docs/merging, customer-identification).

    IDs of one call          result
    of one customer          that customer; the other IDs of the call are added to it
    hard + soft, two owners  the younger customer merges into the older one, unless a hard ID contradicts
    another's soft ID        "stolen": it moves to the customer of the call; the events stay
    unknown                  a new customer

[I], where the pages are silent: of several hard IDs the first one (in the order of the settings) decides; another one
that contradicts its customer, or belongs to a customer that does, stays where it is; two soft IDs of different
customers merge them unless hard IDs contradict; IDs with unknown names are ignored.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from engine.records import Json, JsonObject
from engine.sandbox.state import State
from engine.sandbox.vendors.exponea.access import NO_IDS, NO_VALID_ID, CommandRefused, ExponeaSettings

MAX_SOFT_IDS = 64
NOT_IDS = ("null", "undefined")

OWNER = "SELECT customer FROM exponea_ids WHERE name = ? AND value = ?"
ADD = "INSERT INTO exponea_ids (name, value, customer, used) VALUES (?, ?, ?, ?)"
MOVE = "UPDATE exponea_ids SET customer = ?, used = ? WHERE name = ? AND value = ?"
USE = "UPDATE exponea_ids SET used = ? WHERE name = ? AND value = ?"
IDS_OF = "SELECT name, value FROM exponea_ids WHERE customer = ? ORDER BY used"
HAS = "SELECT count(*) FROM exponea_ids WHERE customer = ? AND name = ?"
SURPLUS = "SELECT value FROM exponea_ids WHERE customer = ? AND name = ? ORDER BY used LIMIT ?"
DROP = "DELETE FROM exponea_ids WHERE name = ? AND value = ?"
MERGE_IDS = "UPDATE exponea_ids SET customer = ? WHERE customer = ?"
REMOVE = "DELETE FROM exponea_ids WHERE customer = ?"
CREATE = "INSERT INTO exponea_customers (created, properties, stamps) VALUES (?, '{}', '{}')"
LAST_USE = "SELECT max(used) FROM exponea_ids"

Pair = tuple[str, str]


class CustomerIdentity:
    """Finds, creates and links customers; `merge(younger, older, now)` moves everything except IDs."""

    def __init__(self, state: State, settings: ExponeaSettings, merge: Callable[[int, int, float], None]) -> None:
        self._state = state
        self._merge = merge
        self._names = (*settings.hard_ids, *settings.soft_ids)
        self._hard = frozenset(settings.hard_ids)
        self._uses = itertools.count(state.number(LAST_USE) + 1)

    def read(self, ids: Json) -> list[Pair]:
        """Return the valid IDs of a call, hard ones first; raises the vendor's two errors."""
        given: JsonObject = ids if isinstance(ids, dict) else {}
        pairs = [(name, text) for name in self._names if (text := _valid(given.get(name)))]
        if pairs:
            return pairs
        if all(value is None for value in given.values()):
            raise CommandRefused(NO_IDS)
        raise CommandRefused(NO_VALID_ID, status=200)

    def known(self, pairs: list[Pair]) -> int | None:
        """Return the customer of a call that only reads, without linking IDs."""
        return next((owner for pair in pairs if (owner := self._owner(pair)) is not None), None)

    def ids(self, customer: int) -> list[Pair]:
        """Return a customer's IDs, least recently used first."""
        return self._state.all(IDS_OF, (customer,))

    def resolve(self, pairs: list[Pair], now: float) -> int:
        """Return the customer of a call, linking its IDs."""
        owners = [self._owner(pair) for pair in pairs]
        first = owners[0]
        if first is None or any(owner != first for owner in owners):
            return self._link(pairs, owners, now)
        for pair in pairs:
            if pair[0] not in self._hard:
                self._state.execute(USE, (next(self._uses), *pair))
        return first

    def _link(self, pairs: list[Pair], owners: list[int | None], now: float) -> int:
        first = pairs[0]
        target = owners[0] if first[0] in self._hard else None
        hard = self._hard_ids(target) if target else {}
        kept = [pair for pair in pairs if pair[0] not in self._hard or hard.setdefault(*pair) == pair[1]]
        for pair in kept:
            owner = self._owner(pair)
            if owner is None or owner == target:
                continue
            theirs = self._hard_ids(owner)
            if all(hard.get(name, value) == value for name, value in theirs.items()):
                target = self._merged(target, owner, now) if target else owner
                hard |= theirs
        if target is None:
            target = int(self._state.execute(CREATE, (now,)).lastrowid or 0)
        for pair in kept:
            self._attach(target, pair)
        return target

    def _merged(self, one: int, other: int, now: float) -> int:
        older, younger = min(one, other), max(one, other)
        self._merge(younger, older, now)
        self._state.execute(MERGE_IDS, (older, younger))
        for name in self._names:
            self._trim(older, name)
        self._state.count("exponea", "merges")
        return older

    def _attach(self, customer: int, pair: Pair) -> None:
        owner = self._owner(pair)
        if owner is None:
            self._state.execute(ADD, (*pair, customer, next(self._uses)))
        elif owner == customer or pair[0] not in self._hard:
            self._state.execute(MOVE, (customer, next(self._uses), *pair))
            self._state.count("exponea", "soft_ids_stolen", owner != customer)
        self._trim(customer, pair[0])

    def anonymize(self, customer: int, new: Pair) -> None:
        """Replace all IDs of a customer with one new soft ID."""
        self._state.execute(REMOVE, (customer,))
        self._attach(customer, new)

    def _owner(self, pair: Pair) -> int | None:
        row = self._state.execute(OWNER, pair).fetchone()
        return row[0] if row else None

    def _hard_ids(self, customer: int) -> dict[str, str]:
        return {name: value for name, value in self.ids(customer) if name in self._hard}

    def _trim(self, customer: int, name: str) -> None:
        surplus = self._state.number(HAS, (customer, name)) - MAX_SOFT_IDS
        if name in self._hard or surplus <= 0:
            return
        for (value,) in self._state.all(SURPLUS, (customer, name, surplus)):
            self._state.execute(DROP, (name, value))


def _valid(value: Json) -> str | None:
    """Return a valid ID as text: one with a letter or digit that is not `null` or `undefined`."""
    if isinstance(value, str):
        # For nearly every ID the first character is enough.
        alphanumeric = value[:1].isalnum() or any(map(str.isalnum, value))
        return value if alphanumeric and value not in NOT_IDS else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # [I] a number is converted to text
    return None
