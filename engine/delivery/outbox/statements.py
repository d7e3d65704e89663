"""Every SQL statement of the outbox, by name."""

from __future__ import annotations

VERSION = "PRAGMA user_version"
SET_VERSION = "PRAGMA user_version = {}"
APPLICATION_ID = "PRAGMA application_id"
SET_APPLICATION_ID = "PRAGMA application_id = {}"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
ALLOW_SHORT_FILE = "PRAGMA writable_schema = ON"  # whose last pages are still in the -wal, after a crash
PAGE_SIZE = "PRAGMA page_size = 8192"  # of a new file: an event has 2 to 4 KB, and half of 4096 would stay empty
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2000",
    "PRAGMA journal_size_limit = 67108864",
)
QUICK_CHECK = "PRAGMA quick_check(1)"
CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
BEGIN_READ = "BEGIN"
BEGIN_WRITE = "BEGIN IMMEDIATE"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"

ADD_CONNECTION = "INSERT INTO connections (name) VALUES (?)"
CONNECTION_ID = "SELECT id FROM connections WHERE name = ?"
CONNECTIONS = """
    SELECT name, held, hint, held_at, due, pause, owner, leased_until, alarm FROM connections
    WHERE ?1 IS NULL OR name = ?1 ORDER BY name
"""

SEEN_BY = """
    SELECT s.connection, max(CASE WHEN e.raw = ? THEN e.id END) FROM events AS e JOIN states AS s ON s.event = e.id
    WHERE e.message_id = ? AND e.source = ? AND e.taken_at > ? AND s.reason != ? GROUP BY s.connection
"""
# Rows go in and are looked up many at a time, because each statement costs Python and SQLite something of its own:
# taking in 100 events at a time takes a quarter less CPU (larger groups gain no more).  The statements are listed by
# their number of rows, so that their texts are few and the connection's cache of prepared statements holds them all.
AT_ONCE = 20


def _for_rows(start: str, row: str, end: str = "") -> tuple[str, ...]:
    return tuple(f"{start}{', '.join([row] * rows)}{end}" for rows in range(AT_ONCE + 1))


STORED_IDS = _for_rows("SELECT message_id FROM events WHERE message_id IN (", "?", ")")
LAST_EVENT = "SELECT ifnull(max(id), 0) FROM events"
FIRST_EVENT_SINCE = "SELECT min(id) FROM events WHERE taken_at >= ?"
STORED_EVENTS = """
    SELECT id, message_id, received_at, raw FROM events WHERE id > ? AND id <= ? AND taken_at >= 0 ORDER BY id LIMIT ?
"""
ADD_EVENTS = _for_rows(
    "INSERT INTO events (id, source, message_id, received_at, taken_at, raw, reports) VALUES ", "(?, ?, ?, ?, ?, ?, ?)"
)
ADD_STATES = _for_rows(
    "INSERT INTO states (event, connection, outcome, reason, queued_at, changed_at) VALUES ", "(?, ?, ?, ?, ?, ?)"
)

_WAITING = """
    SELECT s.place, s.event, e.message_id, e.received_at, e.raw, s.progress, s.digest, s.tried_at, s.queued_at,
        e.reports
"""
WAITING = f"""
    {_WAITING} FROM states AS s INDEXED BY states_unfinished JOIN events AS e ON e.id = s.event
    WHERE s.connection = ? AND s.outcome = 'waiting' AND s.place > ? ORDER BY s.place LIMIT ?
"""
WAITING_AT = f"""
    {_WAITING} FROM json_each(?) AS wanted CROSS JOIN states AS s ON s.place = wanted.value
    JOIN events AS e ON e.id = s.event WHERE s.connection = ? AND s.outcome = 'waiting'
"""
STORED_AT = f"""
    {_WAITING} FROM json_each(?) AS wanted CROSS JOIN states AS s ON s.place = wanted.value
    JOIN events AS e ON e.id = s.event ORDER BY s.place
"""
FINISH = """
    UPDATE states SET outcome = ?, reason = ?, words = ?, digest = ?, progress = ?, tried_at = ?, reports = ?,
        changed_at = ?, fence = ?
    WHERE outcome = 'waiting' AND place IN (SELECT value FROM json_each(?))
"""
SAVEPOINT = "SAVEPOINT before"
UNDO = "ROLLBACK TO before"

LEASE = """
    UPDATE connections SET fence = fence + (owner IS NOT ?1), owner = ?1, leased_until = ?3
    WHERE name = ?4 AND (owner IS NULL OR owner = ?1 OR leased_until < ?2 OR leased_until > ?5)
"""
RELEASE = "UPDATE connections SET owner = NULL, leased_until = NULL WHERE name = ? AND owner = ?"
FENCE = "SELECT fence FROM connections WHERE name = ? AND owner IS NOT NULL"
HOLD = "UPDATE connections SET held = ?, hint = ?, held_at = ?, due = NULL, pause = '' WHERE name = ?"
PAUSE = "UPDATE connections SET due = ?, pause = ? WHERE name = ?"
ALARM = "UPDATE connections SET alarm = ? WHERE name = ?"
RESUME = "UPDATE connections SET held = '', hint = '', held_at = NULL, due = NULL, pause = '' WHERE name = ?"

_SHOWN = "CASE WHEN s.outcome = 'waiting' AND c.held != '' THEN 'held' ELSE s.outcome END"
COUNTS = f"""
    SELECT c.name, {_SHOWN} AS shown, count(*)
    FROM states AS s JOIN connections AS c ON c.id = s.connection GROUP BY c.name, shown ORDER BY c.name, shown
"""
UNFINISHED = """
    SELECT count(*), min(queued_at) FROM states INDEXED BY states_unfinished
    WHERE outcome = 'waiting' AND connection = (SELECT id FROM connections WHERE name = ?)
"""
ALL_UNFINISHED = """
    SELECT c.name, count(*), min(s.queued_at)
    FROM states AS s INDEXED BY states_unfinished JOIN connections AS c ON c.id = s.connection
    WHERE s.outcome = 'waiting' GROUP BY c.name
"""
REASONS = """
    SELECT c.name, s.outcome, s.reason, count(*) AS n, max(s.words)
    FROM states AS s JOIN connections AS c ON c.id = s.connection
    WHERE s.outcome IN ('rejected', 'invalid', 'ignored') GROUP BY 1, 2, 3 ORDER BY n DESC, 1, 2, 3 LIMIT ?
"""
RETRIED = """
    SELECT c.name, s.outcome, s.reason, count(*) AS n, max(s.words)
    FROM states AS s INDEXED BY states_unfinished JOIN connections AS c ON c.id = s.connection
    WHERE s.outcome = 'waiting' AND s.tried_at IS NOT NULL GROUP BY 1, 3 ORDER BY n DESC, 1, 3 LIMIT ?
"""
REPORTED = """
    SELECT c.name, count(*) FROM states AS s INDEXED BY states_reported JOIN connections AS c ON c.id = s.connection
    WHERE s.reports IS NOT NULL GROUP BY 1
"""
REPORTS = """
    SELECT c.name, json_extract(report.value, '$[0]'), json_extract(report.value, '$[1]'), count(*) AS n
    FROM states AS s INDEXED BY states_reported JOIN connections AS c ON c.id = s.connection,
        json_each(s.reports) AS part, json_each(part.value) AS report
    WHERE s.reports IS NOT NULL GROUP BY 1, 2, 3 ORDER BY n DESC, 1, 2, 3 LIMIT ?
"""
_CHOSEN = f"""
    (:connection IS NULL OR c.name = :connection)
    AND (:outcomes = '' OR instr(:outcomes, ' ' || {_SHOWN} || ' '))
    AND (:since IS NULL OR s.changed_at >= :since)
    AND (:event IS NULL OR s.event IN (SELECT id FROM events WHERE message_id = :event OR CAST(id AS TEXT) = :event))
"""
_LISTED = f"""
    SELECT e.id, e.message_id, e.source, c.name, {_SHOWN}, s.reason, s.words, s.changed_at, s.place, s.reports
    FROM states AS s JOIN events AS e ON e.id = s.event JOIN connections AS c ON c.id = s.connection
    WHERE {_CHOSEN}
"""
LISTED = f"{_LISTED} AND s.place > :after ORDER BY s.place LIMIT :limit"
NEWEST = f"{_LISTED} ORDER BY s.place DESC LIMIT :limit OFFSET :skip"
COUNT = f"SELECT count(*) FROM states AS s JOIN connections AS c ON c.id = s.connection WHERE {_CHOSEN}"
EVENT = "SELECT source, message_id, received_at, raw, reports FROM events WHERE id = ? AND taken_at >= 0"
EVENT_NUMBERS = """
    SELECT id FROM events WHERE (message_id = :event OR id = CAST(:event AS INTEGER) AND CAST(id AS TEXT) = :event)
    AND taken_at >= 0 ORDER BY id
"""
BEFORE_REPORTS = "SELECT source, message_id, received_at, raw, NULL FROM events WHERE id = ?"
REQUEUE = """
    UPDATE states SET place = (SELECT max(place) + 1 FROM states), outcome = 'waiting', reason = ?, words = '',
        tried_at = NULL, reports = NULL, queued_at = ?, changed_at = ?
    WHERE place = ? AND outcome != 'waiting'
"""

# SQLite numbers a new row one higher than the highest row, so deleting the last row would give its number out again.
# But a worker remembers the place up to which it has read, and a person may remember the number of an event.  So a
# purge does not delete the last row but empties it: what is left is a marker that belongs to no event and no
# connection, that no other statement finds, and that the next purge deletes if a later row exists.
_ENDED = """
    states.outcome != 'waiting' AND (:outcomes = '' OR instr(:outcomes, ' ' || states.outcome || ' '))
    AND states.changed_at < :older_than
"""
_OLD = "events.taken_at >= 0 AND events.taken_at < :older_than"
_OLD_IN_PART = "id > :after AND id <= :last AND +events.taken_at >= 0 AND +events.taken_at < :older_than"  # +: by id
_EMPTY = "NOT EXISTS (SELECT 1 FROM states WHERE states.event = events.id)"
_LAST_STATE = f"""
    place = (SELECT max(place) FROM states) AND {_ENDED} AND event IN (SELECT id FROM events WHERE {_OLD})
"""
_OLD_STATES = f"""
    event > :after AND event <= :last AND {_ENDED} AND place < (SELECT max(place) FROM states)
    AND event IN (SELECT id FROM events WHERE {_OLD_IN_PART})
"""
PURGEABLE_STATES = f"""
    SELECT outcome, count(*) FROM states WHERE {_ENDED} AND event IN (SELECT id FROM events WHERE {_OLD}) GROUP BY 1
"""
PURGEABLE_EVENTS = f"""
    SELECT count(*) FROM events
    WHERE {_OLD} AND NOT EXISTS (SELECT 1 FROM states WHERE states.event = events.id AND NOT ({_ENDED}))
"""
LAST_STATE = f"SELECT outcome, 1 FROM states WHERE {_LAST_STATE}"
EMPTY_LAST_STATE = f"""
    UPDATE states SET event = 0, connection = 0, outcome = '', reason = '', words = '', digest = NULL, progress = NULL,
        tried_at = NULL, reports = NULL, queued_at = 0, changed_at = 0
    WHERE {_LAST_STATE}
"""
NEXT_OLD_EVENTS = f"""
    SELECT max(id) FROM (SELECT id FROM events WHERE id > :after AND {_OLD} ORDER BY id LIMIT :limit)
"""
OLD_STATES = f"SELECT outcome, count(*) FROM states WHERE {_OLD_STATES} GROUP BY 1"
PURGE_STATES = f"DELETE FROM states WHERE {_OLD_STATES}"
PURGE_STATE_MARKS = "DELETE FROM states WHERE event = 0 AND place < (SELECT max(place) FROM states)"
EMPTY_LAST_EVENT = f"""
    UPDATE events SET source = '', message_id = '', received_at = '', taken_at = -1, raw = x'',
        reports = NULL
    WHERE id = (SELECT max(id) FROM events) AND {_OLD} AND {_EMPTY}
"""
PURGE_EVENTS = f"""
    DELETE FROM events WHERE {_OLD_IN_PART} AND id < (SELECT max(id) FROM events) AND {_EMPTY}
"""
PURGE_EVENT_MARKS = "DELETE FROM events WHERE taken_at = -1 AND id < (SELECT max(id) FROM events)"

# SQLite checks no values, so damage can pass for a row.  Each part returns a place where a value cannot be ours.
WRONG_VALUES = """
    SELECT 'state ' || place FROM states
    WHERE (outcome != '' AND NOT instr(:outcomes, ' ' || outcome || ' ')) OR typeof(event) != 'integer'
        OR typeof(connection) != 'integer' OR typeof(reason) != 'text' OR typeof(words) != 'text'
        OR typeof(queued_at) != 'real' OR typeof(changed_at) != 'real' OR typeof(tried_at) NOT IN ('null', 'real')
        OR typeof(digest) NOT IN ('null', 'text') OR typeof(progress) NOT IN ('null', 'text')
        OR NOT (reports IS NULL OR json_valid(reports))
    UNION ALL
    SELECT 'event ' || id FROM events
    WHERE typeof(source) != 'text' OR typeof(message_id) != 'text' OR typeof(received_at) != 'text'
        OR typeof(taken_at) != 'real' OR typeof(raw) != 'blob' OR NOT (reports IS NULL OR json_valid(reports))
    UNION ALL
    SELECT 'connection ' || id FROM connections
    WHERE typeof(name) != 'text' OR typeof(held) != 'text' OR typeof(hint) != 'text' OR typeof(pause) != 'text'
        OR typeof(alarm) != 'text' OR typeof(fence) != 'integer'
        OR typeof(held_at) NOT IN ('null', 'real') OR typeof(due) NOT IN ('null', 'real')
    LIMIT 1
"""
