"""Persons in an archive: their IDs, as it has merged them, and their removal from all that it holds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.events.persons import PersonIds

ARCHIVED, ARCHIVED_MASKED, ARCHIVE_DAMAGED = "archive", "archive masked", "archive damaged"
AUDIENCES = AUDIENCES_FOLDER = "audiences"

_PERSONS = """
    WITH given AS (SELECT unnest($1::BIGINT[]) AS n, unnest($2::VARCHAR[]) AS id),
    persons AS (
        SELECT DISTINCT given.n, coalesce(of.person_id, given.id) AS person_id
        FROM given LEFT JOIN main.person_of AS of ON of.id = given.id)
"""
_IDS = f"""{_PERSONS}
    SELECT persons.n, of.kind, of.id FROM persons JOIN main.person_of AS of USING (person_id)
    UNION ALL
    SELECT persons.n, 'known', users.user_id FROM persons JOIN users USING (person_id) WHERE users.user_id IS NOT NULL
    UNION ALL
    SELECT persons.n, 'anonymous', unnest(users.anonymous_ids) FROM persons JOIN users USING (person_id)
    UNION ALL
    SELECT persons.n, 'email', users.email FROM persons JOIN users USING (person_id) WHERE users.email IS NOT NULL
"""  # noqa: S608  all of it is written here
_EVENTS = f"""{_PERSONS}
    SELECT persons.n, sum(users.events)::BIGINT FROM persons JOIN users USING (person_id) GROUP BY persons.n
"""  # noqa: S608
_WITH_EMAIL = """
    SELECT lower(email), person_id FROM users WHERE lower(email) IN (SELECT lower(unnest($1::VARCHAR[])))
    ORDER BY ALL LIMIT 100
"""


class ArchivedPersons:
    """What an archive has of persons; raises ArchiveError."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._directory, self._clock = directory, clock

    def ids(self, persons: Sequence[PersonIds]) -> list[PersonIds]:
        """Return for each person all IDs that are known of it."""
        from engine.archive.queries import opened

        found: list[defaultdict[str, set[str]]] = [defaultdict(set) for _ in persons]
        with opened(self._directory) as archive:
            for number, kind, text in archive.execute(_IDS, _pairs(persons)).fetchall():
                found[number][kind].add(text.lower() if kind == "email" else text)
        return [ids.plus(_ids(more)) for ids, more in zip(persons, found, strict=True)]

    def counts(self, persons: Sequence[PersonIds]) -> list[int]:
        """Return for each person, with all IDs, how many events the archive has."""
        from engine.archive.queries import opened

        found = [0 for _ in persons]
        with opened(self._directory) as archive:
            for number, events in archive.execute(_EVENTS, _pairs(persons)).fetchall():
                found[number] = events
        return found

    def users_with(self, emails: Sequence[str]) -> list[tuple[str, str]]:
        """Return emails in small letters with the IDs of users who have them among their traits, 100 pairs at most."""
        from engine.archive.queries import opened

        with opened(self._directory) as archive:
            return [(email, person) for email, person in archive.execute(_WITH_EMAIL, [list(emails)]).fetchall()]

    def erase(self, ids: PersonIds) -> dict[str, int]:
        """Remove persons; return how many events, events of others in which they were masked, and memberships.

        The archive goes first: audiences that are computed after it do not find them. Raises SyncBusy, an ArchiveError,
        if a sync of audiences does not end in time.
        """
        from engine.archive.erasing import erase
        from engine.audiences import erasing

        erased = erase(self._directory, ids, self._clock())
        memberships = erasing.erase(self._directory / AUDIENCES_FOLDER, ids)
        found = {ARCHIVED: erased.events, ARCHIVED_MASKED: erased.masked, AUDIENCES: memberships}
        return {what: n for what, n in {**found, ARCHIVE_DAMAGED: len(erased.damaged)}.items() if n}

    def suppress(self, keys: frozenset[int]) -> None:
        """Have imports into the archive leave out suppressed persons."""
        from engine.archive.catalog import Catalog

        with Catalog.open(self._directory) as catalog:
            catalog.set_suppressed(keys)


def _pairs(persons: Sequence[PersonIds]) -> list[list[int] | list[str]]:
    pairs = [(number, text) for number, ids in enumerate(persons) for text in ids.users | ids.anonymous]
    return [[number for number, _ in pairs], [text for _, text in pairs]]


def _ids(found: Mapping[str, set[str]]) -> PersonIds:
    """Return IDs by their kind; a device that an alias merged into a user is in the archive as a user, too."""
    users = found["known"] | (found["user"] - found["anonymous"])
    return PersonIds(frozenset(users), frozenset(found["anonymous"]), frozenset(found["email"]))
