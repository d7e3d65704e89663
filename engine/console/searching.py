"""What the Events page is asked, and the rows it shows: the address is read here, without HTTP.

A search is in the page's address, so that it can be shared and is there again after a reload, except whom it is about:
an address ends up in the browser's history and in the logs of proxies. In its place stands a random text that only
this process can tell apart, for as long as it runs.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from engine.delivery.outbox.base import Chosen
from engine.delivery.outbox.looking import (
    Found,
    PageEnd,
    changed_between,
    connection_rows,
    counted,
    newest,
    title_of,
    unkeyed,
)
from engine.events.spec import FIELDS
from engine.language.texts import shortened
from engine.language.times import read_time, seconds
from engine.records import Outcome

PATH = "/events"
ROWS = 50
"""Rows of a page."""
MOST_COUNTED = 1000
"""How far the rows of a search are counted: counting on would take longer than the search."""
MOST_PERSONS = 1000
"""SearchedPersons of searches that are remembered, the latest ones."""
LONGEST = 500
"""Characters of one field of a search."""
LONGEST_SHOWN = 200
"""Characters of a text in a row."""
MOST_ALIASES = 3
"""Other ids of a person that a search offers; more than that are no person's, but those of a group or a household."""
CALLS = tuple(FIELDS)
OUTCOMES = (Outcome.WAITING, Outcome.HELD, Outcome.DELIVERED, Outcome.REJECTED, Outcome.INVALID, Outcome.IGNORED)
TEXTS = ("name", "call", "connection", "reason", "id", "since", "until")
LONG = "This has more than {limit} characters; shorten it."
NO_TIME = "This is not a time: write how long ago (30m, 2h, 7d) or a date such as 2026-01-31T12:00:00Z."
UNKNOWN_PERSON = (
    "This search was for a person whom the console no longer knows, because it has been started again since. "
    "Type the id again."
)
UNKNOWN_CALL = "There is no such type of call; it is one of {calls}."
UNKNOWN_OUTCOME = "There is no such outcome; it is one of {outcomes}."
UNKNOWN_CONNECTION = "The outbox has no connection of this name, so nothing is found."


class SearchedPersons:
    """Whom searches are about, by a random text that stands in addresses."""

    def __init__(self, new_text: Callable[[], str] = lambda: secrets.token_urlsafe(12)) -> None:
        self._new_text = new_text
        self._texts: OrderedDict[str, str] = OrderedDict()

    def token(self, person: str) -> str:
        """Return the text that stands for a person, the same one each time."""
        known = next((each for each, name in self._texts.items() if name == person), None)
        token = known or self._new_text()
        self._texts[token] = person
        self._texts.move_to_end(token)
        while len(self._texts) > MOST_PERSONS:
            self._texts.popitem(last=False)
        return token

    def find(self, token: str) -> str | None:
        """Return the person that a text stands for, None if it is not known."""
        return self._texts.get(token)


class Search(NamedTuple):
    """What is searched for: `given` has the texts of the form, `problems` what is wrong with each of them."""

    given: Mapping[str, str]
    outcomes: tuple[str, ...]
    user: str
    person: str
    chosen: Chosen
    problems: Mapping[str, str]

    @property
    def narrowed(self) -> bool:
        """Whether anything is asked for at all."""
        return bool(self.given or self.outcomes or self.user or self.problems)

    def query(self, **more: str) -> str:
        """Return the search as the query of an address."""
        pairs = [*self.given.items(), *(("outcome", each) for each in self.outcomes)]
        pairs += [("person", self.person)] if self.person else []
        return urlencode([*pairs, *more.items()])


def read_search(pairs: Sequence[tuple[str, str]], persons: SearchedPersons, now: float) -> Search:
    """Read a search from the pairs of a query or a form; `user` is a person in a form, `person` stands for one."""
    last = {name: value.strip() for name, value in pairs}
    given = {name: last[name] for name in TEXTS if last.get(name)}
    outcomes = tuple(dict.fromkeys(value for name, value in pairs if name == "outcome"))[: len(OUTCOMES)]
    problems = {name: LONG.format(limit=LONGEST) for name, value in given.items() if len(value) > LONGEST}
    user, person = _person(last, persons, problems)
    times = {name: _time(given.get(name), name, now, problems) for name in ("since", "until")}
    if given.get("call", CALLS[0]) not in CALLS:
        problems.setdefault("call", UNKNOWN_CALL.format(calls=", ".join(CALLS)))
    if not set(outcomes) <= set(OUTCOMES):
        problems["outcome"] = UNKNOWN_OUTCOME.format(outcomes=", ".join(OUTCOMES))
    chosen = Chosen(
        connection=given.get("connection"),
        outcomes=() if problems else tuple(map(Outcome, outcomes)),
        event=given.get("id"),
        user=user or None,
        name=given.get("name"),
        call=given.get("call"),
        reason=given.get("reason"),
        **times,
    )
    return Search(given, outcomes, user, person, chosen, problems)


def _person(last: Mapping[str, str], persons: SearchedPersons, problems: dict[str, str]) -> tuple[str, str]:
    user, person = last.get("user", ""), last.get("person", "")[:LONGEST]
    if len(user) > LONGEST:
        problems["user"] = LONG.format(limit=LONGEST)
    elif user:
        return user, persons.token(user)
    elif person:
        found = persons.find(person)
        if found is not None:
            return found, person
        problems["user"] = UNKNOWN_PERSON
    return "", ""


def _time(text: str | None, name: str, now: float, problems: dict[str, str]) -> float | None:
    if text is None or name in problems:
        return None
    try:
        return now - seconds(text)
    except ValueError:
        found = read_time(text)
    if found is None:
        problems[name] = NO_TIME
    return found


def read_before(text: str) -> PageEnd | None:
    """Read where a page begins, `EVENT-PLACE`; None for any other text."""
    event, _, place = text.partition("-")
    if not (event.isascii() and event.isdigit() and place.isascii() and place.isdigit()):
        return None
    return PageEnd(int(event), int(place)) if len(event) < 19 and len(place) < 19 else None


class EventRow(NamedTuple):
    """A line of the list; texts are cut to LONGEST_SHOWN characters. Times are Unix seconds."""

    event: int
    place: int
    connection: str
    outcome: str
    reason: str
    error: str
    taken_at: float
    changed_at: float
    call: str
    name: str
    user: str
    message_id: str


def aliases_of(db: sqlite3.Connection, user: str) -> tuple[str, ...]:
    """Return by which ids the newest events of a person know it, too: an order has a userId, and rarely the email."""
    if not user:
        return ()
    titles = [title_of(each.value)[2] for each in newest(db, Chosen(user=user), ROWS)]
    found = tuple(dict.fromkeys(each for each in titles if each and each.lower() != user.lower()))
    return found if len(found) <= MOST_ALIASES and all(len(each) <= LONGEST for each in found) else ()


def row_of(found: Found) -> EventRow:
    """Return the line of a state."""
    call, name, user = (shortened(each, LONGEST_SHOWN) for each in title_of(found.value))
    return EventRow(
        found.event,
        found.place,
        found.connection,
        found.outcome.value,
        shortened(found.reason, LONGEST_SHOWN),
        shortened(found.error, LONGEST_SHOWN),
        found.taken_at,
        found.changed_at,
        call,
        name,
        user,
        shortened(found.message_id, LONGEST_SHOWN),
    )


class SearchReading(NamedTuple):
    """A page of a search.

    `matches` is how many there are, MOST_COUNTED + 1 for more, None where they were not counted. `before` is where the
    next page begins, '' if there is none. `unkeyed` is whether events of an older version cannot all be found yet.
    `aliases` are other ids of the person.
    """

    rows: tuple[EventRow, ...] = ()
    matches: int | None = 0
    before: str = ""
    connections: tuple[str, ...] = ()
    unkeyed: bool = False
    unknown: bool = False
    aliases: tuple[str, ...] = ()


def read(db: sqlite3.Connection, search: Search, before: PageEnd | None) -> SearchReading:
    """Return a page of a search; a function for `OutboxFile.look`."""
    names = tuple(each.name for each in connection_rows(db))
    if search.problems:
        return SearchReading(connections=names)
    found = newest(db, search.chosen, ROWS + 1, before=before)
    if before is None and len(found) <= ROWS:
        matches: int | None = len(found)
    else:  # a text is looked for in each reason and message, which once is enough
        matches = counted(db, search.chosen, MOST_COUNTED) if search.chosen.reason is None else None
    more = f"{found[ROWS - 1].event}-{found[ROWS - 1].place}" if len(found) > ROWS else ""
    unknown = search.chosen.connection is not None and search.chosen.connection not in names
    aliases = aliases_of(db, search.user)
    return SearchReading(tuple(map(row_of, found[:ROWS])), matches, more, names, unkeyed(db), unknown, aliases)


class TailReading(NamedTuple):
    """What changed in a short time: the rows that are shown, the latest first, and how many there were."""

    rows: tuple[EventRow, ...] = ()
    changed: int = 0


def read_tail(db: sqlite3.Connection, chosen: Chosen, since: float, until: float, most: int) -> TailReading:
    """Return the states that changed from `since` to before `until`; a function for `OutboxFile.look`."""
    found, count = changed_between(db, chosen, since, until, most)
    return TailReading(tuple(map(row_of, found)), count)
