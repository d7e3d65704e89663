"""Reads `audiences.yaml`: checks every key, and reports all errors at once, each with its line.

audiences:
- name: Order Completed Last 30days
connections: [shop]
did: Order Completed
within: 30d
computed_traits:
- name: Total Spent
sum: properties.total
did: Order Completed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from engine.audiences.conditions import CONDITION_KEYS, ConditionReader
from engine.audiences.examples_reading import read_examples
from engine.audiences.model import (
    DEFAULT_GUARD,
    Definition,
    DefinitionKind,
    DefinitionPlace,
    Definitions,
    UserIdForm,
    key_of,
)
from engine.audiences.rules import AGGREGATIONS, Rule
from engine.audiences.sql_definitions import check_sql
from engine.errors import UsageError
from engine.language.suggest import closest
from engine.mapping.problems import Message, Problem
from engine.mapping.yaml.reader import Document
from engine.mapping.yaml.reader import read as read_yaml
from engine.records import Json, JsonObject, Place

__all__ = ["Definition", "Definitions", "DefinitionsError", "key_of", "load", "load_document"]

LISTS: dict[str, DefinitionKind] = {"audiences": "audience", "computed_traits": "computed trait"}
OWNERS: dict[DefinitionKind, str] = {"audience": "An audience", "computed trait": "A computed trait"}
MOST_DEFINITIONS = 500
LONGEST_NAME = 100
LONGEST_KEY = 200
"""Bytes of a key, which is the name of a folder: file systems take 255."""
LONGEST_ABOUT = 2_000
LONGEST_SQL = 20_000
MOST_CONNECTIONS = 50
SHORTEST_EVERY, LONGEST_EVERY = 60.0, 30 * 86400.0
COMMON_KEYS = ("name", "title", "about", "connections", "every", "id", "guard", "examples")
AUDIENCE_KEYS = (*COMMON_KEYS, *CONDITION_KEYS, "sql")
TRAIT_KEYS = (*COMMON_KEYS, *AGGREGATIONS, "did", "within", "where", "sql")
NOT_DEFINITIONS = (
    "A file of audiences has the lists audiences and computed_traits, for example\n"
    "audiences:\n  - name: Order Completed Last 30days\n    did: Order Completed\n    within: 30d"
)
NOT_CHECKED = Message(
    "sql-not-checked", "SQL was not checked: DuckDB is missing.", 'Run pip install "waybill[audiences]"', "warning"
)
CLASHING = frozenset({"email"})
"""Keys that would replace a trait by which destinations find the user."""


class DefinitionsError(UsageError):
    """An invalid file of audiences; `faults` are its errors in the order of their lines, `problems` their texts."""

    def __init__(self, faults: Sequence[Problem]) -> None:
        self.faults = tuple(faults)
        self.problems = tuple(map(_text, faults))
        super().__init__("\n".join(self.problems))


def load(path: Path, *, connections: Iterable[str] | None = None) -> Definitions:
    """Read a file of audiences; raises DefinitionsError with all its errors.

    `connections` are the names of the connections file, if there is one: others are errors then.
    """
    return load_document(read_yaml(path), connections=connections)


def load_document(document: Document, *, connections: Iterable[str] | None = None) -> Definitions:
    """Return the definitions of a file that was read; raises DefinitionsError with all its errors."""
    if document.problems:
        raise DefinitionsError(document.problems)
    reader = _DefinitionsReader(document, None if connections is None else tuple(connections))
    found = reader.read()
    if reader.faults:
        raise DefinitionsError(sorted(each.problem(document) for each in reader.faults))
    return found


def _text(problem: Problem) -> str:
    return "\n  ".join([problem.place(), *problem.message.split("\n"), *filter(None, [problem.advice])])


class _DefinitionsReader(ConditionReader):
    """Reads the definitions of one file."""

    def __init__(self, document: Document, connections: tuple[str, ...] | None) -> None:
        super().__init__(document)
        self._connections = connections
        self._keys: dict[str, str] = {}
        self._queries: list[tuple[Place, DefinitionKind, str]] = []

    def read(self) -> Definitions:
        """Return the definitions, without those that have errors."""
        value = self._document.value
        if not isinstance(value, dict):
            self.fault((), NOT_DEFINITIONS)
            return Definitions(())
        for key in value:
            if key not in LISTS:
                self.unknown_key((key,), "A file of audiences", list(LISTS))
        found: list[Definition] = []
        for key, kind in LISTS.items():
            found += self._list(key, kind, value.get(key))
        if not value:
            self.fault((), NOT_DEFINITIONS)
        return Definitions(tuple(found), self._check_queries())

    def _check_queries(self) -> tuple[Problem, ...]:
        """Note what is wrong with SQL; return a warning if that cannot be found out."""
        if not self._queries:
            return ()
        if find_spec("duckdb") is None:
            place = (*self._queries[0][0], "sql")
            return (Problem.at(self.mark(place), place, NOT_CHECKED),)
        from engine.archive.containing import contained
        from engine.archive.queries import memory

        with memory((), 0.0) as connection:
            for place, kind, sql in self._queries:
                line = self.mark((*place, "sql"))[0]
                with contained(connection.limits, what=f"The check of the query at line {line}"):
                    problem = check_sql(connection, sql, kind)
                if problem is not None:
                    self.fault((*place, "sql"), problem.message, offset=problem.offset)
        return ()

    def _list(self, key: str, kind: DefinitionKind, value: Json) -> list[Definition]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault((key,), f"{key} must be a list: each entry begins with - name:")
            return []
        if len(value) > MOST_DEFINITIONS:
            self.fault((key, MOST_DEFINITIONS), f"A file has at most {MOST_DEFINITIONS} {key}.")
            value = value[:MOST_DEFINITIONS]
        read = (self._definition((key, number), kind, entry) for number, entry in enumerate(value))
        return [each for each in read if each is not None]

    def _definition(self, place: Place, kind: DefinitionKind, value: Json) -> Definition | None:
        known = AUDIENCE_KEYS if kind == "audience" else TRAIT_KEYS
        if not isinstance(value, dict):
            self.fault(place, f"{OWNERS[kind]} begins with a name, such as - name: Big Spenders.")
            return None
        before = len(self.faults)
        for key in value:
            if key not in known:
                self.unknown_key((*place, key), OWNERS[kind], known)
        name = self._name(place, value)
        rule, sql = self._what(place, kind, value)
        texts = {key: self._optional_text((*place, key), value, LONGEST_ABOUT) for key in ("title", "about")}
        made = Definition(
            kind=kind,
            name=name,
            key=key_of(name),
            title=texts["title"],
            about=texts["about"],
            connections=self._connection_names((*place, "connections"), value.get("connections")),
            every=self._every((*place, "every"), value.get("every")),
            id=self._id((*place, "id"), value.get("id", "userId")),
            guard=self._guard((*place, "guard"), value.get("guard")),
            rule=rule,
            sql=sql,
            examples=read_examples(self, (*place, "examples"), value.get("examples"), kind),
            digest=_digest(kind, value),
            place=DefinitionPlace(*self._document.mark(place)),
        )
        return made if len(self.faults) == before else None

    def _name(self, place: Place, value: JsonObject) -> str:
        name = value.get("name")
        if "name" not in value:
            if not self.has_near(value, "name"):
                self.fault(place, "A definition needs a name, such as name: Order Completed Last 30days.")
            return ""
        place = (*place, "name")
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
            self.fault(place, f"name must be a text of 1 to {LONGEST_NAME} characters.")
            return ""
        key = key_of(name)
        if not key:
            self.fault(place, "This name has no letters and digits for its key, the name of the trait.")
        elif len(key.encode()) > LONGEST_KEY:
            self.fault(place, f"The key of this name has {len(key.encode()):,} bytes; {LONGEST_KEY} are allowed.")
        elif key in CLASHING:
            self.fault(place, f"The key of this name, {key}, is a trait by which destinations find users.")
        elif key in self._keys:
            self.fault(place, f'"{self._keys[key]}" has the same key, {key}: destinations could not tell them apart.')
        self._keys.setdefault(key, name)
        return name

    def _what(self, place: Place, kind: DefinitionKind, value: JsonObject) -> tuple[Rule | None, str | None]:
        if "sql" not in value:
            return (self.top_condition(place, value) if kind == "audience" else self.computation(place, value)), None
        known = AUDIENCE_KEYS if kind == "audience" else TRAIT_KEYS
        if others := [key for key in value if key in known and key not in (*COMMON_KEYS, "sql")]:
            self.fault((*place, others[0]), f"sql and {others[0]} cannot stand together.", on_key=True)
        sql = value["sql"]
        if not isinstance(sql, str) or not sql.strip():
            self.fault((*place, "sql"), "sql must be a query, such as SELECT person_id FROM events.")
        elif len(sql.encode()) > LONGEST_SQL:
            self.fault((*place, "sql"), f"This query has {len(sql.encode()):,} bytes; the limit is {LONGEST_SQL:,}.")
        else:
            self._queries.append((place, kind, sql))
            return None, sql
        return None, None

    def _optional_text(self, place: Place, value: JsonObject, longest: int) -> str:
        text = value.get(str(place[-1]), "")
        if not isinstance(text, str) or len(text) > longest:
            self.fault(place, f"{place[-1]} must be a text of at most {longest:,} characters.")
            return ""
        return text

    def _connection_names(self, place: Place, value: Json) -> tuple[str, ...]:
        if value is None:
            return ()
        names = value if isinstance(value, list) else [None]
        if not names or not all(isinstance(name, str) for name in names) or len(names) > MOST_CONNECTIONS:
            self.fault(place, f"connections must be a list of 1 to {MOST_CONNECTIONS} names of the connections file.")
            return ()
        for number, name in enumerate(names):
            if self._connections is not None and name not in self._connections:
                guess = closest(str(name), self._connections)
                listed = ", ".join(self._connections[:20]) or "none"
                advice = f"Did you mean {guess}?" if guess else f"Available: {listed}."
                self.fault((*place, number), f'The connections file has no connection "{name}". {advice}')
            elif name in names[:number]:
                self.fault((*place, number), f'"{name}" is there already.')
        return cast("tuple[str, ...]", tuple(names))

    def _every(self, place: Place, value: Json) -> float | None:
        if value is None:
            return None
        found = self.duration(place, value, "every")
        if found is not None and not SHORTEST_EVERY <= found <= LONGEST_EVERY:
            self.fault(place, "every must be between 1m and 30d.")
        return found

    def _id(self, place: Place, value: Json) -> UserIdForm:
        if value == "userId":
            return "userId"
        if isinstance(value, list) and value in (["userId", "anonymousId"], ["anonymousId", "userId"]):
            return "userId or anonymousId"
        if value == "traits.email":
            return "traits.email"
        self.fault(place, "id must be userId, [userId, anonymousId] or traits.email.")
        return "userId"

    def _guard(self, place: Place, value: Json) -> float:
        if value is None:
            return DEFAULT_GUARD
        digits = value.removesuffix("%").strip() if isinstance(value, str) and value.endswith("%") else ""
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 3 or int(digits) > 100:
            self.fault(place, "guard must be a share from 0% to 100%, such as 50%.")
            return DEFAULT_GUARD
        return int(digits) / 100


def _digest(kind: DefinitionKind, value: JsonObject) -> str:
    import hashlib

    import orjson

    deciding = {key: each for key, each in value.items() if key not in COMMON_KEYS}
    text = orjson.dumps([kind, deciding], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=20).hexdigest()
