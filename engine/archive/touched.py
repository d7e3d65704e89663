"""What a few new rows change in what is known of users: only the IDs they touch, and their users, are derived again.

Each step makes a table of the few rows it is about; what is known is only read where it belongs to those.  The rules
are those of engine/archive/identity.py.
"""

# ruff: noqa: S608  all SQL of this module is made of its own parts and of quoted paths

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.archive import identity
from engine.archive.identity import HOPS
from engine.archive.relations import KEYS, People

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# An alias that has another target now moves all IDs that lead to it, as far as aliases are followed.
_MOVED = f"""
    WITH RECURSIVE upstream(id, hop) AS (
        SELECT after.previous_id, 0 FROM changed_aliases AS after LEFT JOIN before_aliases AS before USING (previous_id)
        WHERE before.user_id IS DISTINCT FROM after.user_id
        UNION
        SELECT previous_id, hop + 1 FROM upstream JOIN aliases ON user_id = upstream.id WHERE hop < {2 * HOPS}
    )
    SELECT DISTINCT id FROM upstream
"""

_ASKED = (
    # Those whose user may be another one.
    "CREATE TEMP TABLE starts AS SELECT id FROM moved UNION SELECT user_id FROM owners",
    f"CREATE TEMP TABLE alias_of AS {identity.alias_of('starts')}",
    """
    CREATE TEMP TABLE person_after AS
    WITH asked AS (
        SELECT 'user' AS kind, id FROM moved
        UNION SELECT 'anonymous', id FROM moved
        UNION SELECT 'anonymous', anonymous_id FROM owners
    )
    SELECT asked.kind, asked.id, coalesce(of_owner.person_id, owners.user_id, own.person_id, asked.id) AS person_id
    FROM asked
    LEFT JOIN owners ON asked.kind = 'anonymous' AND owners.anonymous_id = asked.id
    LEFT JOIN alias_of AS of_owner ON of_owner.id = owners.user_id
    LEFT JOIN alias_of AS own ON own.id = asked.id
    """,
    """
    CREATE TEMP TABLE touched AS
    SELECT kind, id FROM new_ids WHERE kind <> 'group' UNION SELECT kind, id FROM person_after
    """,
)

_TOUCHED_PERSONS = (
    """
    CREATE TEMP TABLE changed_person_of AS
    SELECT after.id, after.kind, after.person_id, after.person_id = after.id AS gone
    FROM person_after AS after LEFT JOIN before_person_of AS before USING (kind, id)
    WHERE coalesce(before.person_id, after.id) <> after.person_id
    """,
    """
    CREATE TEMP TABLE touched_persons AS
    SELECT coalesce(before.person_id, touched.id) AS person_id
    FROM touched LEFT JOIN before_person_of AS before USING (kind, id)
    UNION SELECT person_id FROM changed_person_of
    """,
)

# All IDs of those users: what leads to them, and their own, unless that leads elsewhere.
_THEIR_IDS = (
    """
    CREATE TEMP TABLE near AS
    FROM before_near ANTI JOIN changed_person_of USING (kind, id)
    UNION ALL BY NAME SELECT kind, id, person_id FROM changed_person_of WHERE NOT gone
    """,
    """
    CREATE TEMP TABLE theirs AS
    SELECT kind, id, person_id FROM near SEMI JOIN touched_persons USING (person_id)
    UNION ALL
    SELECT kind, id, person_id FROM (
        SELECT unnest(['user', 'anonymous']) AS kind, person_id AS id, person_id FROM touched_persons
    ) ANTI JOIN near USING (kind, id)
    """,
    "CREATE TEMP TABLE looked AS SELECT kind, id FROM theirs UNION SELECT kind, id FROM new_ids",
)

_DERIVED = (
    "CREATE TEMP TABLE persons AS FROM theirs JOIN ids USING (kind, id)",
    "CREATE TEMP TABLE said AS FROM theirs JOIN traits USING (kind, id)",
    f"CREATE TEMP TABLE users_now AS {identity.USERS}".replace("$parts", "1").replace("$part", "0"),
    """
    CREATE TEMP TABLE changed_users AS
    SELECT *, false AS gone FROM users_now
    UNION ALL BY NAME
    SELECT person_id, true AS gone FROM touched_persons
    SEMI JOIN before_ids ON before_ids.id = person_id ANTI JOIN users_now USING (person_id)
    """,
    f"CREATE TEMP TABLE changed_groups AS SELECT *, false AS gone FROM ({identity.GROUPS})",
)


def find_changes(connection: DuckDBPyConnection, directory: Path, people: People) -> None:
    """Make the tables `changed_links`, `changed_users` and so on from the relation `fresh`, one for each of KEYS.

    They have the columns of the relation, and `gone`.
    """
    _Touched(connection, directory, people).run()


class _Touched:
    def __init__(self, connection: DuckDBPyConnection, directory: Path, people: People) -> None:
        self._connection, self._directory, self._people = connection, directory, people

    def run(self) -> None:
        self._table("pairs", identity.PAIRS)
        for name, statement in identity.OF_ROWS.items():
            self._table(f"new_{name}", statement)
        for name in ("links", "aliases"):
            keys = ", ".join(KEYS[name])
            self._learn(name, self._known(name, f"SEMI JOIN new_{name} USING ({keys})"))
        self._find_moved()
        self._find_owners()
        self._each(_ASKED)
        self._table("before_person_of", f"FROM {self._known('person_of', 'SEMI JOIN touched USING (kind, id)')}")
        self._each(_TOUCHED_PERSONS)
        near = "WHERE person_id IN (FROM touched_persons) OR id IN (FROM touched_persons)"
        self._table("before_near", f"FROM {self._known('person_of', near)}")
        self._each(_THEIR_IDS)
        for name in ("ids", "traits"):
            self._learn(name, self._known(name, "SEMI JOIN looked USING (kind, id)"))
        self._each(_DERIVED)

    def _learn(self, name: str, before: str) -> None:
        """Make what is known after the new rows, of those IDs that `before` is about, and what of it is other."""
        self._table(f"before_{name}", f"FROM {before}")
        both = f"(FROM before_{name} UNION ALL BY NAME FROM new_{name})"
        self._table(name, identity.TOGETHER[name].format(both=both))
        self._table(f"changed_{name}", f"SELECT *, false AS gone FROM (FROM {name} EXCEPT FROM before_{name})")

    def _find_moved(self) -> None:
        """Make `aliases` of all that are known now, and `moved`, the IDs that may lead to another user."""
        known = f"FROM {self._known('aliases')} ANTI JOIN aliases AS new USING (previous_id)"
        self._table("aliases", f"{known} UNION ALL BY NAME FROM aliases")
        few = self._count("changed_aliases")
        self._table("moved", _MOVED if few else "SELECT previous_id AS id FROM changed_aliases")

    def _find_owners(self) -> None:
        """Make `owners`: the user of each anonymous ID that was linked, or is linked to a user that moved."""
        new = "SELECT anonymous_id, user_id FROM changed_links"
        if not self._count("moved"):
            self._table("owners", new)
            return
        where = "WHERE anonymous_id IN (FROM moved) OR user_id IN (FROM moved)"
        known = f"SELECT anonymous_id, user_id FROM {self._known('links', where)}"
        self._table("owners", f"FROM ({known}) ANTI JOIN changed_links USING (anonymous_id) UNION ALL {new}")

    def _known(self, name: str, which: str = "") -> str:
        return self._people.relation(self._directory, name, which)

    def _table(self, name: str, statement: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {statement}")

    def _each(self, statements: tuple[str, ...]) -> None:
        for each in statements:
            self._connection.execute(each)

    def _count(self, table: str) -> int:
        [[number]] = self._connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        return int(number)
