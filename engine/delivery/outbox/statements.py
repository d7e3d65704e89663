"""Every SQL statement of the outbox, by name."""

from __future__ import annotations

from engine.delivery.outbox.keys import TYPE, key

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
    # What is removed or replaced leaves nothing in the file. It costs nothing that can be measured (docs/deletion.md).
    "PRAGMA secure_delete = ON",
)
NOT_DURABLE = ("PRAGMA synchronous = NORMAL", "PRAGMA cache_size = -65536")
QUICK_CHECK = "PRAGMA quick_check(1)"
CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
EMPTY_WAL = "PRAGMA wal_checkpoint(TRUNCATE)"
SHORT_PATIENCE = "PRAGMA busy_timeout = 150"  # it keeps writers out while it waits for readers
PATIENCE = "PRAGMA busy_timeout = {}"
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
LAST_PLACE = "SELECT ifnull(max(place), 0) FROM states"
LAST_EVENT = "SELECT ifnull(max(id), 0) FROM events"
FIRST_EVENT_SINCE = "SELECT min(id) FROM events WHERE taken_at >= ?"
STORED_EVENTS = """
    SELECT id, message_id, received_at, raw FROM events WHERE id > ? AND id <= ? AND taken_at >= 0 ORDER BY id LIMIT ?
"""
TAKEN_EVENTS = """
    SELECT id, source, message_id, received_at, raw FROM events WHERE id > ? AND taken_at >= 0 ORDER BY id LIMIT ?
"""
VIEW_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'view_of'"
VIEW_COMPLETE = "SELECT max(complete) FROM view_of"
PACKS_BETWEEN = "SELECT count(*) FROM view_packs WHERE seq > ? AND seq < ?"
EVENTS_BEHIND = "SELECT count(*) FROM events WHERE id > ? AND taken_at >= 0"
MESSAGE_ID = "SELECT ifnull((SELECT message_id FROM events WHERE id = ?), '')"
EARLIEST_AFTER = "SELECT min(taken_at) FROM events WHERE id > ? AND taken_at >= 0"
ADD_EVENTS = _for_rows(
    "INSERT INTO events (id, source, message_id, received_at, taken_at, raw, reports, keys) VALUES ",
    "(?, ?, ?, ?, ?, ?, ?, ?)",
)
ADD_STATES = _for_rows(
    "INSERT INTO states (event, connection, outcome, reason, queued_at, changed_at) VALUES ", "(?, ?, ?, ?, ?, ?)"
)

_WAITING = """
    SELECT s.place, s.event, e.message_id, e.received_at, e.raw, s.progress, s.digest, s.tried_at, s.queued_at,
        e.reports, s.attempts, s.reports, s.fence IS NULL AND s.progress IS NOT NULL
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
_FINISH = """
    UPDATE states SET outcome = ?, reason = ?, words = ?, digest = ?, progress = ?, tried_at = ?, reports = ?,
        changed_at = ?, fence = ?, attempts = ifnull({}, attempts)
"""
FINISH = f"""
    {_FINISH.format("?")} WHERE outcome = 'waiting' AND place IN (SELECT value FROM json_each(?))
"""
# Pairs of places and attempts: events that were sent alone end alike, too.
FINISH_EACH = f"""
    {_FINISH.format("json_extract(ended.value, '$[1]')")} FROM json_each(?) AS ended
    WHERE states.place = json_extract(ended.value, '$[0]') AND outcome = 'waiting'
"""
SAVEPOINT = "SAVEPOINT before"
UNDO = "ROLLBACK TO before"

PLACES_THERE = "SELECT place FROM states WHERE place IN (SELECT value FROM json_each(?))"

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
# Each from an index: what was delivered is the rest of all.
COUNTS = """
    SELECT c.name, c.held,
        (SELECT count(*) FROM states INDEXED BY states_changed WHERE connection = c.id),
        (SELECT count(*) FROM states INDEXED BY states_unfinished WHERE outcome = 'waiting' AND connection = c.id)
    FROM connections AS c ORDER BY c.name
"""
SET_ASIDE_NOW = """
    SELECT c.name, s.outcome, count(*)
    FROM states AS s INDEXED BY states_set_aside JOIN connections AS c ON c.id = s.connection
    WHERE s.outcome IN ('rejected', 'invalid', 'ignored') GROUP BY s.connection, s.outcome
"""
# The first place is the oldest: a state that is queued again gets a place behind all others.
_UNFINISHED = """
    (SELECT count(*) FROM states INDEXED BY states_unfinished WHERE outcome = 'waiting' AND connection = c.id),
    (SELECT queued_at FROM states INDEXED BY states_unfinished WHERE outcome = 'waiting' AND connection = c.id
        ORDER BY place LIMIT 1)
"""
UNFINISHED = f"SELECT {_UNFINISHED} FROM (SELECT (SELECT id FROM connections WHERE name = ?) AS id) AS c"
ALL_UNFINISHED = f"SELECT c.name, {_UNFINISHED} FROM connections AS c"
# The example is the latest: by the index, without a look at each state.
REASONS = """
    SELECT c.name, g.outcome, g.reason, g.n, (
        SELECT words FROM states INDEXED BY states_set_aside
        WHERE outcome IN ('rejected', 'invalid', 'ignored') AND connection = g.connection AND outcome = g.outcome
            AND reason = g.reason ORDER BY changed_at DESC, place DESC LIMIT 1)
    FROM (
        SELECT connection, outcome, reason, count(*) AS n FROM states INDEXED BY states_set_aside
        WHERE outcome IN ('rejected', 'invalid', 'ignored') GROUP BY connection, outcome, reason
    ) AS g JOIN connections AS c ON c.id = g.connection ORDER BY g.n DESC, 1, 2, 3 LIMIT ?
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
_EVENT = """
    SELECT id FROM events WHERE message_id = :event
    UNION SELECT id FROM events WHERE id = CAST(:event AS INTEGER) AND CAST(id AS TEXT) = :event
"""
_HAS_KEY = "EXISTS (SELECT 1 FROM event_keys WHERE key = :{0} AND event = s.event)"
_CHOSEN = f"""
    (:connection IS NULL OR c.name = :connection)
    AND (:outcomes = '' OR instr(:outcomes, ' ' || {_SHOWN} || ' '))
    AND (:since IS NULL OR s.changed_at >= :since)
    AND (:until IS NULL OR s.changed_at <= :until)
    AND (:event IS NULL OR s.event IN ({_EVENT}))
    AND (:user IS NULL OR {_HAS_KEY.format("user")})
    AND (:name IS NULL OR {_HAS_KEY.format("name")})
    AND (:call IS NULL OR {_HAS_KEY.format("call")})
    AND (:reason IS NULL OR instr(lower(s.reason), :reason) OR instr(lower(s.words), :reason))
"""
_LISTED_ROW = f"""
    SELECT e.id, e.message_id, e.source, c.name, {_SHOWN}, s.reason, s.words, s.changed_at, s.place, s.reports
"""
_LISTED = f"""
    {_LISTED_ROW} FROM states AS s JOIN events AS e ON e.id = s.event JOIN connections AS c ON c.id = s.connection
    WHERE {_CHOSEN}
"""
LISTED = f"{_LISTED} AND s.place > :after ORDER BY s.place LIMIT :limit"
COUNT = f"SELECT count(*) FROM states AS s JOIN connections AS c ON c.id = s.connection WHERE {_CHOSEN}"
EVENT = "SELECT source, message_id, received_at, raw, reports FROM events WHERE id = ? AND taken_at >= 0"
EVENT_NUMBERS = f"SELECT id FROM events WHERE id IN ({_EVENT}) AND taken_at >= 0 ORDER BY id"
BEFORE_REPORTS = "SELECT source, message_id, received_at, raw, NULL FROM events WHERE id = ?"
REQUEUE = """
    UPDATE states SET place = (SELECT max(place) + 1 FROM states), outcome = 'waiting', reason = ?, words = '',
        tried_at = NULL, reports = CASE WHEN progress IS NULL THEN NULL ELSE reports END, fence = NULL,
        queued_at = ?, changed_at = ?
    WHERE place = ? AND outcome != 'waiting'
"""

ADD_KEYS = _for_rows("INSERT OR IGNORE INTO event_keys (key, event) VALUES ", "(?, ?)")
KEYED_FROM = "SELECT event FROM keyed_from"
SET_KEYED_FROM = "UPDATE keyed_from SET event = ?"
UNKEYED_BEFORE = "SELECT id, raw FROM events WHERE id < ? AND taken_at >= 0 ORDER BY id DESC LIMIT ?"
UNKEYED_LATER = "SELECT u.event, ifnull(e.raw, x'') FROM unkeyed AS u LEFT JOIN events AS e ON e.id = u.event LIMIT ?"
KEYED_LATER = "DELETE FROM unkeyed WHERE event = ?"
UNKEYED = "SELECT (SELECT event FROM keyed_from) > 1 OR EXISTS (SELECT 1 FROM unkeyed)"
REMOVE_KEY = "DELETE FROM event_keys WHERE key = ? AND event = ?"
COUNT_ARRIVED = """
    INSERT INTO arrived VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET events = events + excluded.events, discarded = discarded + excluded.discarded
"""
FORGET_ARRIVED = "DELETE FROM arrived WHERE slot < ?"
COUNT_ENDED = """
    INSERT INTO ended SELECT ?1, id, ?3, ?4 FROM connections WHERE name = ?2
    ON CONFLICT DO UPDATE SET events = events + excluded.events
"""
FORGET_ENDED = "DELETE FROM ended WHERE slot < ?"
_ATTEMPT = "number, took, name, method, url, items, status, digest, refused, failure, headers, answer, cut"
ADD_ATTEMPTS = _for_rows(
    f"INSERT OR REPLACE INTO attempts (connection, {_ATTEMPT}) VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
LAST_ATTEMPT = """
    SELECT ifnull(max(number), 0) FROM attempts WHERE connection = (SELECT id FROM connections WHERE name = ?)
"""
ADD_DISCARD = """
    INSERT INTO discards (source, discarded_at, code, reason, message_id, raw) VALUES (?, ?, ?, ?, ?, ?)
"""
EARLIER_DISCARD = "SELECT discarded_at FROM discards WHERE source = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
FORGET_DISCARDS = """
    DELETE FROM discards WHERE source = ? AND id <= (
        SELECT id FROM discards WHERE source = ? ORDER BY id DESC LIMIT 1 OFFSET ?)
"""
FORGET_OLD_DISCARDS = "DELETE FROM discards WHERE discarded_at < ?"
ADD_VERSION = "INSERT OR IGNORE INTO mapping_versions (digest, name, files, first_used) VALUES (?, ?, ?, ?)"
VERSION_FILES = "SELECT name, files FROM mapping_versions WHERE digest = ?"

# Looking: which states are meant (places, the newest first), then what is shown of them.
HELD = "SELECT id, name FROM connections WHERE held != ''"
KEY_COUNT = "SELECT count(*) FROM (SELECT 1 FROM event_keys WHERE key = :key LIMIT :most)"
UNFINISHED_COUNT = """
    SELECT count(*) FROM (
        SELECT 1 FROM states INDEXED BY states_unfinished
        WHERE outcome = 'waiting' AND connection = ifnull(:connection_id, connection) LIMIT :most)
"""
SET_ASIDE_COUNT = """
    SELECT count(*) FROM (
        SELECT 1 FROM states INDEXED BY states_set_aside
        WHERE outcome IN ('rejected', 'invalid', 'ignored') AND instr(:outcomes, ' ' || outcome || ' ')
        AND (:connection_id IS NULL OR connection = :connection_id) LIMIT :most)
"""
REASON_COUNT = """
    SELECT count(*) FROM (
        SELECT 1 FROM json_each(:reasons) AS r CROSS JOIN states AS s INDEXED BY states_set_aside
        ON s.connection = json_extract(r.value, '$[0]') AND s.outcome = json_extract(r.value, '$[1]')
            AND s.reason = json_extract(r.value, '$[2]')
        WHERE s.outcome IN ('rejected', 'invalid', 'ignored') LIMIT :most)
"""
CHANGED_COUNT = """
    SELECT count(*) FROM (
        SELECT 1 FROM states INDEXED BY states_changed
        WHERE connection IN (SELECT id FROM connections) AND changed_at >= :since LIMIT :most)
"""
REASONS_SET_ASIDE = """
    SELECT DISTINCT connection, outcome, reason FROM states INDEXED BY states_set_aside
    WHERE outcome IN ('rejected', 'invalid', 'ignored') LIMIT ?
"""
_SOURCES = {
    "key": "event_keys AS k JOIN states AS s ON s.event = k.event",
    "event": f"({_EVENT}) AS e JOIN states AS s ON s.event = e.id",
    "unfinished": "states AS s INDEXED BY states_unfinished",
    "set aside": "states AS s INDEXED BY states_set_aside",
    "changed": "states AS s INDEXED BY states_changed",
    "all": "states AS s INDEXED BY states_by_event",
}
_STARTS = {
    "key": "k.key = :key",
    "event": "1",
    "unfinished": "s.outcome = 'waiting'",
    "set aside": "s.outcome IN ('rejected', 'invalid', 'ignored')",
    "changed": "s.connection IN (SELECT id FROM connections) AND s.changed_at >= :since",
    "all": "s.event > 0",
}
_CONDITIONS = f"""
    (:connection_id IS NULL OR s.connection = :connection_id)
    AND (:outcomes = '' OR instr(:outcomes, ' ' ||
        CASE WHEN s.outcome = 'waiting' AND instr(:held, ' ' || s.connection || ' ') THEN 'held' ELSE s.outcome END
        || ' '))
    AND (:since IS NULL OR s.changed_at >= :since)
    AND (:until IS NULL OR s.changed_at <= :until)
    AND (:user IS NULL OR {_HAS_KEY.format("user")})
    AND (:name IS NULL OR {_HAS_KEY.format("name")})
    AND (:call IS NULL OR {_HAS_KEY.format("call")})
    AND (:reason IS NULL OR instr(lower(s.reason), :reason) OR instr(lower(s.words), :reason))
"""
_BEFORE = "(:before_event IS NULL OR (s.event, s.place) < (:before_event, :before_place))"


def _newest(source: str) -> str:
    order = "k.event DESC, s.place DESC" if source == "key" else "s.event DESC, s.place DESC"
    early = " AND (:before_event IS NULL OR k.event <= :before_event)" if source == "key" else ""
    early = " AND s.event <= ifnull(:before_event, 9223372036854775807)" if source == "all" else early
    where = f"{_STARTS[source]}{early} AND {_CONDITIONS} AND {_BEFORE} AND s.event > 0"
    return f"SELECT s.event, s.place FROM {_SOURCES[source]} WHERE {where} ORDER BY {order} LIMIT :limit"


NEWEST_BY = {source: _newest(source) for source in _SOURCES}


def _oldest(source: str) -> str:
    event = "k.event" if source == "key" else "s.event"
    where = f"{_STARTS[source]} AND {event} >= :after_event AND {_CONDITIONS} AND s.event > 0"
    where += " AND (s.event, s.place) > (:after_event, :after_place)"
    return f"SELECT s.event, s.place FROM {_SOURCES[source]} WHERE {where} ORDER BY {event}, s.place LIMIT :limit"


OLDEST_BY = {source: _oldest(source) for source in ("event", "key", "all")}
COUNT_BY = {
    source: f"""
        SELECT count(*) FROM (
            SELECT 1 FROM {_SOURCES[source]} WHERE {_STARTS[source]} AND {_CONDITIONS} AND s.event > 0 LIMIT :most)
    """
    for source in _SOURCES
}
ROWS_AT = f"""
    {_LISTED_ROW}, e.raw, s.digest, s.queued_at, s.tried_at, s.attempts, e.received_at, e.taken_at
    FROM json_each(?) AS wanted CROSS JOIN states AS s ON s.place = wanted.value
    JOIN events AS e ON e.id = s.event JOIN connections AS c ON c.id = s.connection ORDER BY wanted.key
"""
KEYS_AT = "SELECT s.event, s.connection FROM json_each(?) AS wanted CROSS JOIN states AS s ON s.place = wanted.value"
OUTCOMES_OF = f"""
    SELECT {_SHOWN} AS shown, count(*) FROM json_each(?) AS wanted CROSS JOIN states AS s
        ON s.event = json_extract(wanted.value, '$[0]') AND s.connection = json_extract(wanted.value, '$[1]')
    JOIN connections AS c ON c.id = s.connection GROUP BY shown ORDER BY count(*) DESC, shown
"""
_CHANGED_BETWEEN = f"""
    FROM states AS s INDEXED BY states_changed
    WHERE s.connection IN (SELECT id FROM connections) AND s.changed_at >= :from AND s.changed_at < :to
        AND {_CONDITIONS} AND s.event > 0
"""
CHANGED_BETWEEN = f"SELECT s.place {_CHANGED_BETWEEN} ORDER BY s.changed_at DESC, s.place DESC LIMIT :limit"
COUNT_CHANGED = f"SELECT count(*) {_CHANGED_BETWEEN}"
_OF_REASONS = """
    FROM json_each(:reasons) AS r CROSS JOIN states AS s INDEXED BY states_set_aside
    ON s.connection = json_extract(r.value, '$[0]') AND s.outcome = json_extract(r.value, '$[1]')
        AND s.reason = json_extract(r.value, '$[2]')
    WHERE s.outcome IN ('rejected', 'invalid', 'ignored') AND s.event > 0
"""
PLACES_OF_REASONS = f"SELECT s.place {_OF_REASONS} LIMIT :limit"
NEWEST_OF_REASONS = f"""
    SELECT s.event, s.place {_OF_REASONS} AND {_BEFORE} ORDER BY s.event DESC, s.place DESC LIMIT :limit
"""
ATTEMPTS_OF = f"""
    SELECT {_ATTEMPT} FROM attempts
    WHERE connection = (SELECT id FROM connections WHERE name = ?) AND number IN (SELECT value FROM json_each(?))
    ORDER BY number
"""
GROUPS = """
    SELECT c.name, s.outcome, s.reason, count(*) AS n, min(s.changed_at), max(s.changed_at)
    FROM states AS s INDEXED BY states_set_aside JOIN connections AS c ON c.id = s.connection
    WHERE s.outcome IN ('rejected', 'invalid', 'ignored') AND instr(:outcomes, ' ' || s.outcome || ' ')
        AND (:connection_id IS NULL OR s.connection = :connection_id)
    GROUP BY s.connection, s.outcome, s.reason ORDER BY n DESC, 1, 2, 3 LIMIT :limit
"""
LATEST_OF_GROUP = """
    SELECT words FROM states INDEXED BY states_set_aside
    WHERE outcome IN ('rejected', 'invalid', 'ignored') AND connection = (SELECT id FROM connections WHERE name = ?)
        AND outcome = ? AND reason = ?
    ORDER BY changed_at DESC LIMIT 1
"""
STANDINGS = f"""
    SELECT name, held, hint, held_at, due, pause, owner, leased_until, alarm, {_UNFINISHED} FROM connections AS c
    ORDER BY name
"""
ENDED = """
    SELECT slot, c.name, outcome, events FROM ended JOIN connections AS c ON c.id = ended.connection
    WHERE slot >= ? AND slot <= ? ORDER BY slot
"""
ARRIVED = "SELECT slot, source, events, discarded FROM arrived WHERE slot >= ? AND slot <= ? ORDER BY slot"
# Of the latest states alone: a file of an older version may have none with a digest.
LAST_DIGEST = """
    SELECT digest FROM (
        SELECT digest FROM states INDEXED BY states_changed
        WHERE connection = (SELECT id FROM connections WHERE name = ?) ORDER BY changed_at DESC LIMIT 1000)
    WHERE digest IS NOT NULL LIMIT 1
"""
DISCARDS = """
    SELECT id, source, discarded_at, code, reason, message_id, raw FROM discards
    WHERE (:source IS NULL OR source = :source) AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
"""
DISCARD_GROUPS = """
    SELECT source, code, reason, count(*) AS n, min(discarded_at), max(discarded_at) FROM discards
    GROUP BY source, code, reason ORDER BY n DESC, 1, 2, 3 LIMIT ?
"""

# A purge forgets requests by their age.  Those that something was refused in stay as long as what was set aside stays.
PURGE_ATTEMPTS = """
    DELETE FROM attempts WHERE (connection, number) IN (
        SELECT connection, number FROM attempts WHERE connection = :connection AND number < :before
            AND (:refused OR NOT refused) ORDER BY number LIMIT :limit)
"""
CONNECTIONS_WITH_OLD_ATTEMPTS = """
    SELECT id FROM connections
    WHERE EXISTS (SELECT 1 FROM attempts WHERE connection = connections.id AND number < :before)
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
# A delete event whose deletion waits for its turn (engine/deletion/beginning.py) is all that is known of it.
_BEGUN = f"""
    NOT (events.id > (SELECT seen FROM deletion_state)
        AND events.id IN (SELECT event FROM event_keys WHERE key = {key(TYPE, "delete")}))
"""
OLD_EVENTS_IN_PART = f"""
    SELECT id, raw FROM events
    WHERE id > :after AND id <= :last AND +taken_at >= 0 AND +taken_at < :older_than
        AND NOT EXISTS (SELECT 1 FROM states WHERE states.event = events.id) AND {_BEGUN}
"""
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
        AND {_BEGUN}
"""
LAST_STATE = f"SELECT outcome, 1 FROM states WHERE {_LAST_STATE}"
_EMPTY_STATE = """
    event = 0, connection = 0, outcome = '', reason = '', words = '', digest = NULL, progress = NULL,
    tried_at = NULL, reports = NULL, attempts = NULL, queued_at = 0, changed_at = 0
"""
EMPTY_LAST_STATE = f"""
    UPDATE states SET {_EMPTY_STATE} WHERE {_LAST_STATE}
"""
NEXT_OLD_EVENTS = f"""
    SELECT max(id) FROM (SELECT id FROM events WHERE id > :after AND {_OLD} ORDER BY id LIMIT :limit)
"""
OLD_STATES = f"SELECT outcome, count(*) FROM states WHERE {_OLD_STATES} GROUP BY 1"
PURGE_STATES = f"DELETE FROM states WHERE {_OLD_STATES}"
PURGE_STATE_MARKS = "DELETE FROM states WHERE event = 0 AND place < (SELECT max(place) FROM states)"
_EMPTY_EVENT = "source = '', message_id = '', received_at = '', taken_at = -1, raw = x'', reports = NULL, keys = 0"
EMPTY_LAST_EVENT = f"""
    UPDATE events SET {_EMPTY_EVENT} WHERE id = (SELECT max(id) FROM events) AND {_OLD} AND {_EMPTY} AND {_BEGUN}
"""
PURGE_EVENTS = f"""
    DELETE FROM events WHERE {_OLD_IN_PART} AND id < (SELECT max(id) FROM events) AND {_EMPTY} AND {_BEGUN}
"""
PURGE_EVENT_MARKS = "DELETE FROM events WHERE taken_at = -1 AND id < (SELECT max(id) FROM events)"

# SQLite checks no values, so damage can pass for a row.  Each part returns a place where a value cannot be ours.
WRONG_VALUES = """
    SELECT 'state ' || place FROM states
    WHERE (outcome != '' AND NOT instr(:outcomes, ' ' || outcome || ' ')) OR typeof(event) != 'integer'
        OR typeof(connection) != 'integer' OR typeof(reason) != 'text' OR typeof(words) != 'text'
        OR typeof(queued_at) != 'real' OR typeof(changed_at) != 'real' OR typeof(tried_at) NOT IN ('null', 'real')
        OR typeof(digest) NOT IN ('null', 'text') OR typeof(progress) NOT IN ('null', 'text')
        OR NOT (reports IS NULL OR json_valid(reports)) OR typeof(attempts) NOT IN ('null', 'text')
        OR attempts GLOB '*[^0-9+ ]*'
    UNION ALL
    SELECT 'event ' || id FROM events
    WHERE typeof(source) != 'text' OR typeof(message_id) != 'text' OR typeof(received_at) != 'text'
        OR typeof(taken_at) != 'real' OR typeof(raw) != 'blob' OR NOT (reports IS NULL OR json_valid(reports))
    UNION ALL
    SELECT 'connection ' || id FROM connections
    WHERE typeof(name) != 'text' OR typeof(held) != 'text' OR typeof(hint) != 'text' OR typeof(pause) != 'text'
        OR typeof(alarm) != 'text' OR typeof(fence) != 'integer'
        OR typeof(held_at) NOT IN ('null', 'real') OR typeof(due) NOT IN ('null', 'real')
    UNION ALL
    SELECT 'request ' || number FROM attempts
    WHERE typeof(took) != 'integer' OR typeof(name) != 'text' OR typeof(method) != 'text' OR typeof(url) != 'text'
        OR typeof(items) != 'integer' OR typeof(status) != 'integer' OR typeof(digest) != 'text'
        OR typeof(failure) != 'text' OR typeof(headers) != 'text' OR typeof(answer) != 'text'
        OR typeof(cut) != 'integer'
    UNION ALL
    SELECT 'discard ' || id FROM discards
    WHERE typeof(source) != 'text' OR typeof(discarded_at) != 'real' OR typeof(code) != 'text'
        OR typeof(reason) != 'text' OR typeof(message_id) != 'text' OR typeof(raw) != 'blob'
    UNION ALL
    SELECT 'mapping version ' || digest FROM mapping_versions
    WHERE typeof(digest) != 'text' OR typeof(name) != 'text' OR typeof(files) != 'blob' OR typeof(first_used) != 'real'
    UNION ALL
    SELECT 'count of ended events ' || slot FROM ended
    WHERE typeof(slot) != 'integer' OR typeof(connection) != 'integer' OR typeof(events) != 'integer'
        OR NOT instr(:outcomes, ' ' || outcome || ' ')
    UNION ALL
    SELECT 'count of events that came in ' || slot FROM arrived
    WHERE typeof(slot) != 'integer' OR typeof(source) != 'text' OR typeof(events) != 'integer'
        OR typeof(discarded) != 'integer'
    UNION ALL
    SELECT 'key ' || key FROM event_keys WHERE typeof(key) != 'integer' OR typeof(event) != 'integer'
    LIMIT 1
"""

# Deletions of persons (deletions.py, removal.py).
DELETION_STATE = "SELECT secret, changes, seen FROM deletion_state"
SET_SEEN = "UPDATE deletion_state SET seen = ?"
SUPPRESSION_CHANGED = "UPDATE deletion_state SET changes = changes + 1"
SUPPRESSED_KEYS = "SELECT key FROM suppressed"
IS_SUPPRESSED = "SELECT 1 FROM suppressed WHERE digest = ?"
SUPPRESS = "INSERT OR IGNORE INTO suppressed (digest, key, deletion, since) VALUES (?, ?, ?, ?)"
UNSUPPRESS = "DELETE FROM suppressed WHERE deletion IN (SELECT deletion FROM suppressed WHERE digest IN (?, ?))"
SUPPRESSED_COUNT = "SELECT count(DISTINCT deletion) FROM suppressed"
_DELETION = "number, digest, requested_at, requested_by, event, suppress, step, ids, vendors, ended_at"
ADD_DELETION = """
    INSERT INTO deletions (digest, requested_at, requested_by, event, suppress, step, ids, vendors)
    VALUES (?, ?, ?, ?, ?, 0, ?, ?)
"""
RUNNING_DELETIONS = f"""
    SELECT {_DELETION} FROM deletions WHERE ended_at IS NULL AND step = ? AND number > ? ORDER BY number LIMIT ?
"""
RUNNING_WITH_DIGEST = f"SELECT {_DELETION} FROM deletions WHERE digest = ? AND ended_at IS NULL ORDER BY number LIMIT 1"
DELETIONS = f"""
    SELECT {_DELETION} FROM deletions
    WHERE (:number IS NULL OR number = :number) AND (:digest IS NULL OR digest = :digest)
    ORDER BY number DESC LIMIT :limit
"""
DELETION_STEPS = "SELECT step, count(*) FROM deletions WHERE ended_at IS NULL GROUP BY step"
DELETIONS_SINCE = "SELECT count(*) FROM deletions WHERE requested_by = ? AND requested_at > ?"
SET_DELETION = "UPDATE deletions SET step = ?, ids = ?, vendors = ?, suppress = ?, ended_at = ? WHERE number = ?"
FORGET_DELETIONS = "DELETE FROM deletions WHERE ended_at < ?"
FORGET_DELETION_COUNTS = (
    "DELETE FROM deletion_counts WHERE deletion IN (SELECT number FROM deletions WHERE ended_at < ?)"
)
COUNT_DELETED = """
    INSERT INTO deletion_counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n
"""
DELETION_COUNTS = "SELECT what, n FROM deletion_counts WHERE deletion = ? ORDER BY what"
EVENTS_OF_KEY = """
    SELECT e.id, e.source, e.raw FROM event_keys AS k JOIN events AS e ON e.id = k.event
    WHERE k.key = ? AND k.event > ? AND e.taken_at >= 0 ORDER BY k.event LIMIT ?
"""
STATES_OF_EVENT = """
    SELECT s.place, s.connection, c.name, s.outcome, s.reason, s.attempts, c.held != '' FROM states AS s
    JOIN connections AS c ON c.id = s.connection WHERE s.event = ?
"""
DELETE_STATE = "DELETE FROM states WHERE place = ? AND place < (SELECT max(place) FROM states)"
EMPTY_STATE = f"UPDATE states SET {_EMPTY_STATE} WHERE place = ?"
DELETE_EVENT = "DELETE FROM events WHERE id = ? AND id < (SELECT max(id) FROM events)"
EMPTY_EVENT = f"UPDATE events SET {_EMPTY_EVENT} WHERE id = ?"
DELETE_ATTEMPT = "DELETE FROM attempts WHERE connection = ? AND number = ? AND items = 1"
EVENTS_AFTER = "SELECT id, raw, reports FROM events WHERE id > ? AND taken_at >= 0 ORDER BY id LIMIT ?"
STILL_WAITS = "SELECT 1 FROM states WHERE event = ? AND outcome = 'waiting'"
REPLACE_RAW = "UPDATE events SET raw = ?, reports = ? WHERE id = ?"
STATES_WITH_TEXT = """
    SELECT place, reason, words, reports, progress FROM states
    WHERE place > ? AND (outcome != 'delivered' OR words != '' OR reports IS NOT NULL OR progress IS NOT NULL)
    ORDER BY place LIMIT ?
"""
REPLACE_TEXTS = """
    UPDATE states SET reason = ?, words = ?, reports = ?,
        progress = CASE outcome WHEN 'waiting' THEN progress ELSE ? END
    WHERE place = ? AND reason = ? AND words = ? AND reports IS ?
"""
ATTEMPTS_AFTER = """
    SELECT connection, number, url, failure, headers, answer FROM attempts
    WHERE (connection, number) > (?, ?) ORDER BY connection, number LIMIT ?
"""
REPLACE_ATTEMPT = """
    UPDATE attempts SET url = ?, failure = ?, headers = ?, answer = ? WHERE connection = ? AND number = ?
"""
DISCARDS_AFTER = "SELECT id, reason, message_id, raw FROM discards WHERE id > ? ORDER BY id LIMIT ?"
DELETE_DISCARD = "DELETE FROM discards WHERE id = ?"
REPLACE_DISCARD = "UPDATE discards SET reason = ?, message_id = ?, raw = ? WHERE id = ?"
CONNECTION_TEXTS = "SELECT id, held, hint, pause, alarm FROM connections"
REPLACE_CONNECTION_TEXTS = "UPDATE connections SET held = ?, hint = ?, pause = ?, alarm = ? WHERE id = ?"
EVENTS_WITH_MESSAGE = "SELECT id FROM events WHERE message_id = ? AND source = ? AND taken_at >= 0"
WAITING_DELETES = """
    SELECT DISTINCT e.id, e.source, e.raw FROM event_keys AS k JOIN states AS s ON s.event = k.event
    JOIN events AS e ON e.id = k.event WHERE k.key = ? AND s.outcome = 'waiting'
"""
EVENT_THERE = "SELECT 1 FROM events WHERE id = ? AND taken_at >= 0"
RESET_COUNT = "DELETE FROM deletion_counts WHERE deletion = ? AND what = ?"
