"""The rules of identity again, in plain Python over all rows at once: slow and obvious."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from engine.archive.columns import ArchiveRow

HOPS = 10


class NumberedRow(NamedTuple):
    number: int
    row: ArchiveRow


class Known(NamedTuple):
    """What the relations hold: person by (kind, id) where it differs, users and groups by ID."""

    duplicates: set[int]
    person_of: dict[tuple[str, str], str]
    users: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]


def known_of(rows: Sequence[ArchiveRow]) -> Known:
    numbered = [NumberedRow(number, row) for number, row in enumerate(rows, 1) if row.type is not None]
    seen: set[tuple[str, str]] = set()
    duplicates: set[int] = set()
    for number, row in numbered:
        if (row.source, row.message_id) in seen:
            duplicates.add(number)
        seen.add((row.source, row.message_id))
    ordered = sorted(
        (each for each in numbered if each.number not in duplicates), key=lambda e: (e.row.timestamp, e.number)
    )
    owners: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for _, row in ordered:
        if row.user_id is not None and row.anonymous_id is not None:
            owners.setdefault(row.anonymous_id, row.user_id)
        if row.type == "alias" and row.user_id is not None and row.previous_id not in (None, row.user_id):
            aliases[str(row.previous_id)] = row.user_id
    return Known(duplicates, _differing(owners, aliases), *_profiles(ordered, owners, aliases))


def end_of(start: str, aliases: Mapping[str, str]) -> str:
    here = start
    for _ in range(HOPS):
        if here not in aliases:
            return here
        here = aliases[here]
    if here not in aliases:
        return here
    circle, there = [], here
    for _ in range(HOPS):
        if there not in aliases:
            return here
        there = aliases[there]
        circle.append(there)
    return min(circle) if here in circle else here


def _person(kind: str, id_: str, owners: Mapping[str, str], aliases: Mapping[str, str]) -> str:
    return end_of(owners.get(id_, id_) if kind == "anonymous" else id_, aliases)


def _differing(owners: Mapping[str, str], aliases: Mapping[str, str]) -> dict[tuple[str, str], str]:
    found = {("user", id_): end_of(id_, aliases) for id_ in aliases}
    found |= {("anonymous", id_): _person("anonymous", id_, owners, aliases) for id_ in {*owners, *aliases}}
    return {(kind, id_): person for (kind, id_), person in found.items() if person != id_}


def _profiles(
    ordered: Sequence[NumberedRow], owners: Mapping[str, str], aliases: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    users: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"user_id": None, "anonymous_ids": set(), "traits": {}, "times": [], "events": 0}
    )
    groups: dict[str, dict[str, Any]] = defaultdict(lambda: {"traits": {}, "times": []})
    for id_ in owners:
        users[_person("anonymous", id_, owners, aliases)]["anonymous_ids"].add(id_)
    for _, row in ordered:
        if row.type == "group" and row.group_id is not None:
            groups[row.group_id]["times"].append(row.timestamp)
            groups[row.group_id]["traits"].update(orjson.loads(row.traits or "{}"))
        kind, id_ = ("user", row.user_id) if row.user_id is not None else ("anonymous", row.anonymous_id)
        if id_ is None:
            continue
        person = _person(kind, id_, owners, aliases)
        user = users[person]
        user["events"] += 1
        user["times"].append(row.timestamp)
        if kind == "user":
            user["user_id"] = person
        else:
            user["anonymous_ids"].add(id_)
        if row.type == "identify":
            user["traits"].update(orjson.loads(row.traits or "{}"))
    return {id_: _user(each) for id_, each in users.items()}, {id_: _shown(each) for id_, each in groups.items()}


def _user(user: dict[str, Any]) -> dict[str, Any]:
    shown = _shown(user)
    email = shown["traits"].get("email")
    ids = sorted(user["anonymous_ids"])
    own = {"user_id": user["user_id"], "anonymous_ids": ids, "events": user["events"]}
    return {**shown, **own, "email": email if isinstance(email, str) else None}


def _shown(each: dict[str, Any]) -> dict[str, Any]:
    traits = {name: value for name, value in each["traits"].items() if value is not None}
    return {"traits": traits, "first_seen": min(each["times"]), "last_seen": max(each["times"])}
