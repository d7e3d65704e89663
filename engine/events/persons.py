"""Whose event it is, for deletion: the IDs and emails by which a person is known, compared exactly. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from engine.events.ids import id_of_number
from engine.records import Json, JsonObject

DELETED = "(deleted)"
"""Stands where an ID or an email of a deleted person was, in what is kept of others."""


class PersonIds(NamedTuple):
    """The IDs of one or of many persons: as userId, as anonymousId, and their emails in lower case."""

    users: frozenset[str] = frozenset()
    anonymous: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()

    def plus(self, other: PersonIds) -> PersonIds:
        """Return the IDs of both."""
        return PersonIds(*(mine | theirs for mine, theirs in zip(self, other, strict=True)))


def asked_for(given: str) -> PersonIds:
    """Return what an ID stands for that a person gives: a userId, an anonymousId, perhaps an email."""
    return PersonIds(frozenset({given}), frozenset({given}), frozenset({given.lower()} if "@" in given else ()))


def id_text(event: JsonObject, name: str) -> str:
    """Return an ID of an event as text, '' if it has none."""
    value = event.get(name)
    return value if type(value) is str else id_of_number(value) or ""


def whose(event: Json, users: Container[str], anonymous: Container[str]) -> str | None:
    """Return the ID by which an event is that of one of these persons, None if it is not.

    What another user did on a person's device is not the person's.
    """
    if type(event) is not dict:
        return None
    user, previous = id_text(event, "userId"), id_text(event, "previousId")
    if user and user in users:
        return user
    if previous and (previous in users or previous in anonymous):
        return previous
    device = id_text(event, "anonymousId")
    return device if device and not user and device in anonymous else None


def emails_of(event: JsonObject) -> Iterator[str]:
    """Yield the emails of an event's traits, in lower case."""
    context = event.get("context")
    for traits in (event.get("traits"), context.get("traits") if type(context) is dict else None):
        email = traits.get("email") if type(traits) is dict else None
        if type(email) is str and email.strip():
            yield email.lower()
