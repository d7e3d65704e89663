"""Who is who: the rules by which IDs become users, as SQL over the rows of events.

An anonymous ID that was seen with a user ID belongs to the first user it was seen with; an alias merges one ID into
another.  What is known is kept in tables that can be added up (`links aliases ids traits`): those of old rows and those
of new rows together give what all rows at once would have given.  `person_of users groups` are made from them.
docs/sql.md has the rules in words.
"""

# ruff: noqa: S608  all SQL of this module is made of its own parts

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HOPS = 10
"""How many aliases in a row are followed."""
MOST_IDS = 1_000
"""How many anonymous IDs of a user are listed; the rest count, but are not listed."""
MOST_TRAITS = 1_000
"""How many traits of a user or group are shown, in the order of their names."""

MACROS = (
    # Orders rows by time, and those of one time by row; arg_min and arg_max are quick with it.
    "CREATE MACRO place_of(moment, number) AS epoch_us(moment)::HUGEINT * 4611686018427387904 + number",
    "CREATE MACRO row_at(place, moment) AS (place - epoch_us(moment)::HUGEINT * 4611686018427387904)::BIGINT",
    "CREATE MACRO members_of(object) AS TRY_CAST(TRY_CAST(object AS JSON) AS MAP(VARCHAR, JSON))",
)

COLUMNS = {
    "links": "anonymous_id VARCHAR, user_id VARCHAR, first_seen TIMESTAMPTZ, row BIGINT",
    "aliases": "previous_id VARCHAR, user_id VARCHAR, seen_at TIMESTAMPTZ, row BIGINT",
    "ids": "kind VARCHAR, id VARCHAR, first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ, events BIGINT",
    "traits": "kind VARCHAR, id VARCHAR, key VARCHAR, value VARCHAR, seen_at TIMESTAMPTZ, row BIGINT",
}
"""What is known of IDs, and can be added up."""

_IDENTIFIED = """
    SELECT CASE WHEN user_id IS NULL THEN 'anonymous' ELSE 'user' END AS kind,
           coalesce(user_id, anonymous_id) AS id, timestamp, row, traits
    FROM fresh WHERE coalesce(user_id, anonymous_id) IS NOT NULL AND type = 'identify' AND traits <> '{}'
"""

PAIRS = """
    SELECT user_id, anonymous_id, min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS events,
           min(place_of(timestamp, row)) AS place
    FROM fresh WHERE user_id IS NOT NULL OR anonymous_id IS NOT NULL GROUP BY user_id, anonymous_id
"""
"""Makes `pairs`, from which `links` and `ids` follow: all rows are looked at once."""

OF_ROWS = {
    "links": """
        SELECT anonymous_id, arg_min(user_id, place) AS user_id, min(first_seen) AS first_seen,
               row_at(min(place), min(first_seen)) AS row
        FROM pairs WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL GROUP BY anonymous_id
    """,
    "aliases": """
        SELECT previous_id, arg_max(user_id, place_of(timestamp, row)) AS user_id, max(timestamp) AS seen_at,
               arg_max(row, place_of(timestamp, row)) AS row
        FROM fresh WHERE type = 'alias' AND user_id IS NOT NULL AND previous_id <> user_id GROUP BY previous_id
    """,
    # An anonymous ID that was only seen with a user has a row too, without times.
    "ids": """
        SELECT kind, id, min(first_seen) AS first_seen, max(last_seen) AS last_seen, sum(events)::BIGINT AS events
        FROM (
            SELECT CASE WHEN user_id IS NULL THEN 'anonymous' ELSE 'user' END AS kind,
                   coalesce(user_id, anonymous_id) AS id, first_seen, last_seen, events
            FROM pairs
            UNION ALL
            SELECT 'anonymous', anonymous_id, NULL, NULL, 0
            FROM pairs WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL
        ) GROUP BY kind, id
        UNION ALL
        SELECT 'group', group_id, min(timestamp), max(timestamp), count(*)
        FROM fresh WHERE type = 'group' AND group_id IS NOT NULL GROUP BY group_id
    """,
    "traits": f"""
        WITH members AS (
            SELECT kind, id, timestamp, row, unnest(map_entries(members_of(traits))) AS member FROM ({_IDENTIFIED})
            UNION ALL
            SELECT 'group', group_id, timestamp, row, unnest(map_entries(members_of(traits)))
            FROM fresh WHERE type = 'group' AND group_id IS NOT NULL AND traits <> '{{}}'
        )
        SELECT kind, id, member.key AS key,
               arg_max(coalesce(member.value::VARCHAR, 'null'), place_of(timestamp, row)) AS value,
               max(timestamp) AS seen_at, arg_max(row, place_of(timestamp, row)) AS row
        FROM members GROUP BY kind, id, member.key
    """,
}
"""What the rows of `fresh` add: rows with a type, without duplicates; `pairs` is made of them before."""

TOGETHER = {
    "links": """
        SELECT anonymous_id, arg_min(user_id, place_of(first_seen, row)) AS user_id,
               min(first_seen) AS first_seen, arg_min(row, place_of(first_seen, row)) AS row
        FROM {both} GROUP BY anonymous_id
    """,
    "aliases": """
        SELECT previous_id, arg_max(user_id, place_of(seen_at, row)) AS user_id, max(seen_at) AS seen_at,
               arg_max(row, place_of(seen_at, row)) AS row
        FROM {both} GROUP BY previous_id
    """,
    "ids": """
        SELECT kind, id, min(first_seen) AS first_seen, max(last_seen) AS last_seen, sum(events)::BIGINT AS events
        FROM {both} GROUP BY kind, id
    """,
    "traits": """
        SELECT kind, id, key, arg_max(value, place_of(seen_at, row)) AS value, max(seen_at) AS seen_at,
               arg_max(row, place_of(seen_at, row)) AS row
        FROM {both} GROUP BY kind, id, key
    """,
}
"""What is known from old and new rows together; `{both}` is a relation of both."""

# Each alias is followed to its end. One that does not end within HOPS is followed as many more: if it comes back to
# where it was, it is a circle, and its smallest ID stands for all in it.
_ALIAS_OF = f"""
    WITH RECURSIVE hops(id, here, hop) AS (
        SELECT previous_id, user_id, 1 FROM aliases {{of}}
        UNION ALL
        SELECT hops.id, aliases.user_id, hop + 1 FROM hops JOIN aliases ON previous_id = here WHERE hop < {2 * HOPS}
    ),
    ends AS (
        SELECT id, max(hop) AS hop, arg_max(here, hop) AS last, min(here) FILTER (hop = {HOPS}) AS tenth,
               min(here) FILTER (hop > {HOPS}) AS smallest,
               list(here) FILTER (hop > {HOPS}) AS later
        FROM hops GROUP BY id
    )
    SELECT id, CASE WHEN hop <= {HOPS} THEN last WHEN list_contains(later, tenth) THEN smallest ELSE tenth END
               AS person_id
    FROM ends
"""


def alias_of(ids: str = "") -> str:
    """Return SQL of where aliases end: of all, or of those in a relation with the column `id`."""
    return _ALIAS_OF.format(of=f"SEMI JOIN {ids} AS wanted ON wanted.id = previous_id" if ids else "")


PERSON_OF = (
    f"CREATE OR REPLACE TEMP TABLE alias_of AS {alias_of()}",
    """
    CREATE OR REPLACE TEMP TABLE person_of AS
    SELECT id, 'user' AS kind, person_id FROM alias_of WHERE id <> person_id
    UNION ALL
    SELECT anonymous_id, 'anonymous', coalesce(alias_of.person_id, user_id)
    FROM links LEFT JOIN alias_of ON alias_of.id = user_id WHERE anonymous_id <> coalesce(alias_of.person_id, user_id)
    UNION ALL
    SELECT id, 'anonymous', person_id FROM alias_of
    WHERE id <> person_id AND id NOT IN (SELECT anonymous_id FROM links)
    """,
)
"""Makes `person_of`: the IDs whose user has another ID, from `links` and `aliases`."""

OF_PERSONS = (
    """
    CREATE OR REPLACE TEMP TABLE persons AS
    SELECT kind, id, coalesce(person_id, id) AS person_id, first_seen, last_seen, events
    FROM ids LEFT JOIN person_of USING (kind, id) WHERE kind <> 'group'
    """,
    """
    CREATE OR REPLACE TEMP TABLE said AS
    SELECT coalesce(person_id, id) AS person_id, key, value, seen_at, row
    FROM traits LEFT JOIN person_of USING (kind, id) WHERE kind <> 'group'
    """,
)
"""Makes what `USERS` reads: `persons`, the IDs of each user, and `said`, the traits of each of them."""

# A text for each member, sorted: cheaper than aggregates that sort, and the same whatever the order of rows.
_OBJECT = f"""
    '{{' || array_to_string(list_sort(list(to_json(key)::VARCHAR || ':' || value))[1:{MOST_TRAITS}], ',') || '}}'
"""

USERS = f"""
    WITH totals AS (
        SELECT person_id, bool_or(kind = 'user') AS known, min(first_seen) AS first_seen,
               max(last_seen) AS last_seen, sum(events)::BIGINT AS events,
               list_sort(list(id) FILTER (kind = 'anonymous'))[1:{MOST_IDS}] AS anonymous_ids
        FROM persons WHERE hash(person_id) % $parts = $part GROUP BY person_id
    ),
    latest AS (
        SELECT person_id, key, arg_max(value, place_of(seen_at, row)) AS value
        FROM said WHERE hash(person_id) % $parts = $part GROUP BY person_id, key
    ),
    objects AS (
        SELECT person_id, {_OBJECT} AS traits, any_value(value) FILTER (key = 'email') AS email
        FROM latest WHERE value <> 'null' GROUP BY person_id
    )
    SELECT person_id, CASE WHEN known THEN person_id END AS user_id,
           coalesce(anonymous_ids, []::VARCHAR[]) AS anonymous_ids, coalesce(traits, '{{}}') AS traits,
           CASE WHEN starts_with(email, '"') THEN email::JSON ->> '$' END AS email, first_seen, last_seen, events
    FROM totals LEFT JOIN objects USING (person_id)
"""
"""The users in one part of all, so that memory is bounded: `$part` of `$parts`."""

GROUPS = f"""
    WITH objects AS (
        SELECT id, {_OBJECT} AS traits FROM traits WHERE kind = 'group' AND value <> 'null' GROUP BY id
    )
    SELECT ids.id AS group_id, coalesce(traits, '{{}}') AS traits, first_seen, last_seen
    FROM ids LEFT JOIN objects ON objects.id = ids.id WHERE kind = 'group'
"""


LEARNED = {"duplicates": "duplicates", "person_of": "person_of", "users": "people_users", "groups": "people_groups"}
"""The relations that views are made of, and the tables that have them after `learn`."""


def prepare(connection: DuckDBPyConnection) -> None:
    """Make the macros that the statements of this module use."""
    for macro in MACROS:
        connection.execute(macro)


def learn(connection: DuckDBPyConnection) -> None:
    """Make all tables from the relation `fresh`, where nothing was known before."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE pairs AS {PAIRS}")
    for name, statement in OF_ROWS.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {statement}")
    for statement in (*PERSON_OF, *OF_PERSONS):
        connection.execute(statement)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE people_users AS {USERS}", {"part": 0, "parts": 1})
    connection.execute(f"CREATE OR REPLACE TEMP TABLE people_groups AS {GROUPS}")
