"""The views that queries see: `events users groups`, over relations that hold files or what Python gave."""

# ruff: noqa: S608  all SQL of this module is made of its own parts

from __future__ import annotations

from typing import NamedTuple


class ViewColumn(NamedTuple):
    """A column of a view, its type in SQL, and what it holds."""

    name: str
    type: str
    about: str


VIEWS: dict[str, tuple[ViewColumn, ...]] = {
    "events": (
        ViewColumn("row", "BIGINT", "number of the event in the archive, in the order of arrival"),
        ViewColumn("source", "VARCHAR", "the source that sent it"),
        ViewColumn("message_id", "VARCHAR", "messageId; with source it is unique in this view"),
        ViewColumn("type", "VARCHAR", "identify, track, page, screen, group, alias or delete"),
        ViewColumn("person_id", "VARCHAR", "the user, with all IDs merged; NULL for an event without IDs"),
        ViewColumn("user_id", "VARCHAR", "userId, as sent"),
        ViewColumn("anonymous_id", "VARCHAR", "anonymousId, as sent"),
        ViewColumn("previous_id", "VARCHAR", "previousId of alias"),
        ViewColumn("group_id", "VARCHAR", "groupId of group"),
        ViewColumn("event", "VARCHAR", "the event's name, of track"),
        ViewColumn("name", "VARCHAR", "name of page and screen"),
        ViewColumn("category", "VARCHAR", "category of page and screen"),
        ViewColumn("channel", "VARCHAR", "channel, such as server"),
        ViewColumn("timestamp", "TIMESTAMP WITH TIME ZONE", "when it happened"),
        ViewColumn("received_at", "TIMESTAMP WITH TIME ZONE", "when it was received"),
        ViewColumn("sent_at", "TIMESTAMP WITH TIME ZONE", "sentAt"),
        ViewColumn("original_timestamp", "TIMESTAMP WITH TIME ZONE", "originalTimestamp"),
        ViewColumn("traits", "JSON", "traits of identify and group"),
        ViewColumn("properties", "JSON", "properties of track, page and screen"),
        ViewColumn("context", "JSON", "context"),
        ViewColumn("integrations", "JSON", "integrations"),
        ViewColumn("other", "JSON", "all other fields of the event"),
        ViewColumn("day", "DATE", "UTC day of received_at; a condition on it leaves whole files unread"),
    ),
    "users": (
        ViewColumn("person_id", "VARCHAR", "the user's ID after merging; unique"),
        ViewColumn("user_id", "VARCHAR", "the same; NULL where only anonymous IDs are known"),
        ViewColumn("anonymous_ids", "VARCHAR[]", "anonymous IDs of the user, sorted, at most 1,000"),
        ViewColumn("traits", "JSON", "traits of identify calls, the latest value of each"),
        ViewColumn("email", "VARCHAR", "traits.email, where it is text"),
        ViewColumn("first_seen", "TIMESTAMP WITH TIME ZONE", "timestamp of the first event"),
        ViewColumn("last_seen", "TIMESTAMP WITH TIME ZONE", "timestamp of the last event"),
        ViewColumn("events", "BIGINT", "how many events the user has"),
    ),
    "groups": (
        ViewColumn("group_id", "VARCHAR", "groupId; unique"),
        ViewColumn("traits", "JSON", "traits of group calls, the latest value of each"),
        ViewColumn("first_seen", "TIMESTAMP WITH TIME ZONE", "timestamp of the first group call"),
        ViewColumn("last_seen", "TIMESTAMP WITH TIME ZONE", "timestamp of the last group call"),
    ),
}


def statements(archived: str, people: dict[str, str], last_row: int | None = None) -> list[str]:
    """Return the statements that make the views.

    `archived` is SQL of a relation with the columns of files and `day`; `people` has that of the relations `duplicates
    person_of users groups`.  The view `person_of`, for SQL of our own, has the IDs whose user
    has another ID.  Rows after `last_row` are left out: nothing is known of them yet.

    Duplicates are left out by ANTI JOIN: conditions are pushed through it into the files, not through NOT EXISTS.
    """
    shown = {
        "person_id": "coalesce(of_user.person_id, archived.user_id, of_anonymous.person_id, archived.anonymous_id)"
    }
    columns = ", ".join(_column(each, shown) for each in VIEWS["events"])
    limit = "" if last_row is None else f" AND archived.row <= {last_row:d}"
    return [
        f"""
        CREATE VIEW main.events AS SELECT {columns} FROM {archived} AS archived
        ANTI JOIN {people["duplicates"]} AS repeated ON repeated.row = archived.row
        LEFT JOIN (SELECT id, person_id FROM {people["person_of"]} WHERE kind = 'user') AS of_user
          ON of_user.id = archived.user_id
        LEFT JOIN (SELECT id, person_id FROM {people["person_of"]} WHERE kind = 'anonymous') AS of_anonymous
          ON of_anonymous.id = CASE WHEN archived.user_id IS NULL THEN archived.anonymous_id END
        WHERE archived.type IS NOT NULL{limit}
        """,
        *(
            f"CREATE VIEW main.{name} AS SELECT {', '.join(_column(each, {}, name) for each in VIEWS[name])} "
            f"FROM {people[name]} AS {name}"
            for name in ("users", "groups")
        ),
        f"CREATE VIEW main.person_of AS SELECT id, kind, person_id FROM {people['person_of']}",
    ]


def _column(column: ViewColumn, shown: dict[str, str], relation: str = "archived") -> str:
    text = shown.get(column.name, f"{relation}.{column.name}")
    return f"TRY_CAST({text} AS JSON) AS {column.name}" if column.type == "JSON" else f"{text} AS {column.name}"
