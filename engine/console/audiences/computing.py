"""What is computed of audiences for the pages: a preview, a sample, and the memberships of a user.

Runs in the process of `process.py` only, because it loads the database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import orjson

from engine.archive.connecting import QueryLimits
from engine.archive.queries import ArchiveConnection, opened
from engine.audiences.changes import sent_user, sent_users
from engine.audiences.explaining import Explained, MembershipReason, explain, find_user
from engine.audiences.feeding import FeedingHooks
from engine.audiences.lasting import since
from engine.audiences.model import Definition
from engine.audiences.state import FOLDER, AudienceState
from engine.audiences.syncing import Syncer, SyncSettings
from engine.console.audiences import defined
from engine.errors import UsageError, WaybillError
from engine.language.texts import shortened

if TYPE_CHECKING:
    from engine.records import Json, JsonObject

LIMITS = QueryLimits(memory="512MB", threads=1, seconds=30.0, spill="2GB")
SAMPLE = 10
"""Users of a sample."""
LONGEST = 200
"""Characters of a text in a sample."""
MOST_SECONDS = 40.0
"""Seconds for the definitions of a user; those that are not looked at by then are counted."""
MOST_EVENTS = 5
"""Events of one condition that a page shows."""
NOWHERE = "nowhere"
"""Stands for the connections of a definition that has none, so that its users can be shown."""
NOT_DEFINED = "This definition is no longer in the file. Go back to the list."
OWN_EVENTS = "CREATE TEMP TABLE events AS SELECT * FROM main.events WHERE person_id = $1"


def preview(question: JsonObject) -> JsonObject:
    """Return what a run of a definition would send now: counts, and the first users and events."""
    definition = _definition(question)
    archive, now = Path(str(question["archive"])), float(cast("float", question["now"]))
    integrations = {name: str(each) for name, each in cast("dict[str, str]", question["integrations"]).items()}
    hooks = FeedingHooks(lambda: now, time.sleep, lambda: True)
    with closing(AudienceState(archive / FOLDER)) as state:
        nowhere = state.last_sent(definition.key) is None and not integrations.keys() & set(definition.connections)
        if nowhere:  # it is not switched on yet: what it would be is shown all the same
            definition, integrations = replace(definition, connections=(NOWHERE,)), {NOWHERE: NOWHERE}
        settings = SyncSettings(archive, integrations, LIMITS, hooks)
        found = Syncer(state, settings).preview(definition, now)
    run = found.run
    events = [orjson.loads(each) for each in found.events]
    numbers = ("entered", "left", "changed", "unchanged", "without_id", "wrong_id", "same_id", "merged", "size")
    return {
        **{name: getattr(run, name) for name in (*numbers, "total")},
        "guarded": run.state == "guarded",
        "message": run.message,
        "connections": [] if nowhere else list(run.connections),
        "users": [_of_event(each, definition.key) for each in events],
        "event": orjson.dumps(events[0], option=orjson.OPT_INDENT_2).decode()[:4000] if events and not nowhere else "",
    }


def _of_event(event: JsonObject, key: str) -> JsonObject:
    traits = cast("JsonObject", event["traits"])
    who = event.get("userId") or event.get("anonymousId") or traits.get("email")
    return {"id": _short(str(who)), "value": _short(_text(traits.get(key)))}


def sample(question: JsonObject) -> JsonObject:
    """Return the first users of the file that says who was sent."""
    users = sent_users(Path(str(question["sent"])), SAMPLE)
    return {
        "users": [
            {"id": _short(each.user_id or each.anonymous_id or each.email or ""), "value": _short(each.value)}
            for each in users
        ]
    }


def user(question: JsonObject) -> JsonObject:
    """Return the memberships of a user: `found` is whether there is such a user."""
    archive, wanted = Path(str(question["archive"])), str(question["user"])
    now = float(cast("float", question["now"]))
    until = time.monotonic() + MOST_SECONDS
    definitions = defined.named(question)
    with opened(archive, LIMITS) as connection:
        person = find_user(connection, wanted)
        if person is None:
            return {"found": False}
        explained: dict[str, JsonObject] = {}
        # Queries of the file compare users, so they need the events of all; for a rule those of the user are enough.
        for each in (each for each in definitions if each.sql is not None):
            explained[each.key] = _explained(connection, each, person.person_id, now, until)
        connection.execute(OWN_EVENTS, [person.person_id])
        for each in (each for each in definitions if each.sql is None):
            explained[each.key] = _explained(connection, each, person.person_id, now, until)
    with closing(AudienceState(archive / FOLDER)) as state:
        rows = [{**explained[each.key], **_sent(state, each, person.person_id)} for each in definitions]
    return {
        "found": True,
        "name": _short(person.user_id or person.email or person.person_id),
        "rows": cast("Json", rows),
    }


def _explained(
    connection: ArchiveConnection, definition: Definition, person_id: str, now: float, until: float
) -> JsonObject:
    about: JsonObject = {"key": definition.key, "name": definition.name, "kind": definition.kind}
    about["is_sql"] = definition.sql is not None
    if time.monotonic() > until:
        return {**about, "error": "There was no time left to look at it."}
    person = find_user(connection, person_id)
    assert person is not None
    try:
        found = explain(connection, definition, person, now)
        began = since(connection, definition, person.person_id, now)
    except WaybillError as error:
        return {**about, "error": str(error)}
    return {**about, "error": "", "since": began, **_explanation(found)}


def _explanation(found: MembershipReason) -> JsonObject:
    return {
        "is_in": found.is_in,
        "value": None if found.value is None else _short(found.value),
        "changes_at": found.changes_at,
        "conditions": list(_conditions(found.conditions)),
    }


def _conditions(conditions: Sequence[Explained]) -> Iterator[Json]:
    for each in conditions:
        events: list[Json] = [
            {"at": event.at, "event": _short(event.event), "message_id": event.message_id[:500]}
            for event in each.events[:MOST_EVENTS]
        ]
        more = max(0, (each.matching or 0) - len(events))
        text = shortened(each.text, 500)
        yield {"depth": min(each.depth, 8), "text": text, "holds": each.holds, "events": events, "more": more}


def _sent(state: AudienceState, definition: Definition, person_id: str) -> JsonObject:
    """Return what vendors were sent of a user, None for nothing."""
    path = state.sent_file(definition.key)
    try:
        sent = None if path is None else sent_user(path, person_id)
    except OSError:  # another run ended meanwhile, or the file is damaged
        sent = None
    return {"sent": None if sent is None else _short(sent.value)}


def _definition(question: JsonObject) -> Definition:
    key = question["key"]
    found = next((each for each in defined.named(question) if each.key == key), None)
    if found is None:
        raise UsageError(NOT_DEFINED)
    return found


def _text(value: Json) -> str:
    return orjson.dumps(value).decode()


def _short(text: str) -> str:
    return shortened(text, LONGEST)
