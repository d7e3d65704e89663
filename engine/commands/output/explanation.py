"""The explanation of an event as a tree for people: what is sent, what is absent, what is reached no request.

Drawn here and not by rich, whose trees take longer to import than an event takes to explain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import NamedTuple, cast

from engine.commands.output.text import Display, shortened
from engine.commands.shared import counted
from engine.explaining.winners import losers, only_path
from engine.language.texts import compact_json, visible
from engine.records import Json, JsonObject

SHOWN_FIELDS = 200
"""Fields of one request; more are counted."""

SHOWN_UNREAD = 100
SHORTEST = 12
"""Columns that a value gets at least."""

LONGEST = 2000
"""Characters of the value of the only field that is asked for."""

FIRST_ITEMS = 2
"""Items of a list that are shown; those after them came about in the same way."""


OF_EVERY_EVENT = frozenset({"properties", "traits", "context"})
SEPARATOR = re.compile(r"\.|\[")


class TreeLine(NamedTuple):
    """One line: a name, its value, what else there is to say, and where the mapping says so."""

    name: str
    value: str = ""
    rest: str = ""
    where: str = ""
    style: str = ""


def explanation_text(
    explanation: JsonObject, title: str, display: Display, *, of_event: bool = False, whole: bool = False
) -> str:
    """Return the text; `of_event` tells the fields of the event alone, `whole` tells all of every value."""
    writer = _Writer(display, whole=whole)
    writer.heading(explanation, title)
    for each in _objects(explanation["decided_by"]):
        writer.details([each], "  ", first="decided by ")
    is_planned = explanation["outcome"] == "planned"
    for step in _objects(explanation["steps"]) if is_planned else ():  # otherwise it has been said what decided
        writer.step(step)
    if of_event:
        writer.event_fields(_objects(explanation["event_fields"]))
    elif explanation["outcome"] != "invalid":
        writer.unread(_objects(explanation["event_fields"]))
    if explanation["event_fields_left_out"]:
        writer.lines.append(f"{explanation['event_fields_left_out']} more fields of the event were not looked at")
    writer.reports(_objects(explanation["reports"]))
    return "".join(f"{line}\n" for line in writer.lines)


class _Writer:
    def __init__(self, display: Display, *, whole: bool) -> None:
        self.display = display
        self.shortest = LONGEST if whole else SHORTEST
        self.whole = whole
        self.lines: list[str] = []

    def heading(self, explanation: JsonObject, title: str) -> None:
        display, event = self.display, cast("JsonObject", explanation["event"])
        self.lines.append(f"{display.paint(title, 'title')}  {display.paint(visible(str(event['source'])), 'place')}")
        name, outcome = str(explanation["mapping"]), str(explanation["outcome"])
        first = f"{display.paint(name, 'title')}  {display.paint(outcome, outcome)}  "
        self.lines.append(display.wrap(str(explanation["reason"]), first, len(name) + len(outcome) + 4))
        settings = cast("JsonObject", explanation["settings"])
        examples = [each for each, origin in settings.items() if origin == "example"]
        if examples:
            text = f"{', '.join(examples)}: from the mapping's examples"
            self.lines.append(display.paint(display.wrap(text, "settings  ", 10), "place"))

    def step(self, step: JsonObject) -> None:
        """Add one step: what decided about it, and each of its requests."""
        requests = _objects(step["requests"])
        if not requests:
            self._step_line(step, "", "not sent", "ignored")
            self.details(_objects(step["decisions"]), "  ")
        for number, request in enumerate(requests):
            many = f" {number + 1} of {len(requests)}" if len(requests) > 1 else ""
            batch = f" in {request['batch']}" if request["batch"] else ""
            self._step_line(step, f"{many}{batch}", f"{request['method']} {request['url']}", "request")
            if number == 0:
                self.details(_objects(step["decisions"]), "  ")
            self._request(request)

    def _step_line(self, step: JsonObject, more: str, what: str, style: str) -> None:
        """Add the title of a step or request; an address that is too long stands below."""
        title, where, what = f"{step['request']}{more}", _where(step), visible(what)
        fits = len(title) + len(what) + len(where) + 4 <= self.display.width
        gap = " " * (self.display.width - len(title) - len(where) - (len(what) + 2 if fits else 0))
        what = self.display.paint(what, style)
        head = self.display.paint(title, "title") + (f"  {what}" if fits else "")
        self.lines += ["", head + gap + self.display.paint(where, "place"), *([] if fits else [f"  {what}"])]

    def _request(self, request: JsonObject) -> None:
        around = [
            TreeLine(str(each["output"]), rest=f"← {_listed(each['from'])}") for each in _objects(request["around"])
        ]
        fields, absent = _first_items(_objects(request["fields"])), _first_items(_objects(request["absent"]))
        branches = len(around) + len(fields) + bool(absent)
        for row in around:
            branches -= 1
            self._row(row, "├─ " if branches else "└─ ")
        for field, alike in fields[:SHOWN_FIELDS]:
            branches -= 1
            self._field(field, alike, "├─ " if branches else "└─ ", "│  " if branches else "   ")
        if len(fields) > SHOWN_FIELDS:
            self.lines.append(f"│  and {len(fields) - SHOWN_FIELDS} more; --format json has all")
        if absent:
            self.lines.append(f"└─ {self.display.paint('absent', 'notice')}")
        for number, (field, alike) in enumerate(absent[:SHOWN_FIELDS], 1):
            last = number == len(absent)
            self._field(field, alike, "   └─ " if last else "   ├─ ", "      " if last else "   │  ")

    def _field(self, field: JsonObject, alike: int, branch: str, below: str) -> None:
        details = _objects(field["details"])
        value = compact_json(field["value"]) if "value" in field else ""
        winner = only_path(details, field.get("value")) if "value" in field else None
        sources = cast("list[Json]", field["from"])
        if sources and (winner or not details) and winner not in sources:
            is_filled_in = len(sources) == 1 and str(sources[0]).endswith(f".{winner}")  # traits, from the context
            winner = f"{winner} of {_listed(sources)}" if winner and not is_filled_in else _listed(sources)
        more = f" (and {counted(alike, 'item')} like it)" if alike else ""
        rest = f"← {winner}{more}" if winner else more.strip()
        self._row(TreeLine(str(field["output"]), value, rest, _where(field), "request"), branch)
        self.details(losers(details) if winner and not self.whole else details, f"{below}  ")

    def details(self, details: Sequence[JsonObject], indent: str, *, first: str = "") -> None:
        """Add what happened inside a value; paths that gave nothing for the same reason share a line."""
        for why, group in groupby(_without_empty_parts(details), _shared_reason):
            each = list(group)
            if why:
                names = ", ".join(str(one["text"]) for one in each)
                self._line(f"{indent}{first}", len(indent + first), f"{names}: {why}", _where(each[0]), "")
                continue
            for one in each:
                self._one(one, indent, first)

    def _one(self, detail: JsonObject, indent: str, first: str = "") -> None:
        text, note, inner = str(detail["text"]), str(detail["note"]), _objects(detail["inner"])
        value = "" if detail["value"] is None or detail["kind"] == "condition" else compact_json(detail["value"])
        separator = " " if detail["kind"] == "condition" else ": " if note and text else ""
        rest = f"{separator}{note}" if detail["kind"] == "condition" or not value else note
        row = TreeLine(first + text, value, rest.strip() if value else "", _where(detail))
        self._row(row, indent, joined="" if value else rest)
        self.details(inner, f"{indent}  ")

    def event_fields(self, fields: list[JsonObject]) -> None:
        """Add fields of the event: where each goes, or who would read it."""
        self.lines += [""] if fields else []
        for field in fields[:SHOWN_FIELDS]:
            self._row(TreeLine(str(field["path"]), compact_json(field["value"]), "", "", "title"), "")
            for each in _objects(field["reaches"]):
                self._row(TreeLine(str(each["output"]), rest=f"of {each['name']}", where=_where(each)), "  → ")
            if field["decides"]:
                self.lines.append("  decides whether something is sent")
            if not field["reached_something"]:
                calls = _calls(field)
                self._line("  ", 2, f"reached no request; {calls}" if calls else "reached no request", "", "notice")

    def unread(self, fields: list[JsonObject]) -> None:
        """Add the fields of the event that reached no request; an object of which nothing is read takes one line."""
        rows = _unread_rows(fields)
        if not rows:
            return
        self.lines += ["", self.display.paint("reached no request", "notice")]
        for number, row in enumerate(rows[:SHOWN_UNREAD], 1):
            self._row(row, "└─ " if number == len(rows) else "├─ ")
        if len(rows) > SHOWN_UNREAD:
            self.lines.append(f"└─ and {len(rows) - SHOWN_UNREAD} more; --format json has all")

    def reports(self, reports: list[JsonObject]) -> None:
        """Add the reports of the plan."""
        for each in reports:
            text = f"{each['place']}: {str(each['message']).removesuffix('.')} [{each['code']}]"
            self.lines.append(self.display.paint(self.display.wrap(text, "! ", 2), "notice"))

    def _row(self, row: TreeLine, indent: str, *, joined: str = "") -> None:
        """Add a line; its value is shortened to fit, its name and the rest never are."""
        name = visible(row.name) + visible(joined)
        room = self.display.width - len(indent) - len(name) - len(row.where) - len(row.rest) - 6
        value = shortened(visible(row.value), max(room, self.shortest))
        text, rest = "  ".join(filter(None, [name, value])), visible(row.rest)
        both = f"{text}  {rest}" if rest else text
        if len(indent) + len(both) + len(row.where) + 2 <= self.display.width:
            text, rest = both, ""
        self._line(indent, len(indent), text, row.where, row.style, name)
        if rest:
            below = f"{_hanging(indent)}  "
            self.lines.append(self.display.wrap(rest, below, len(below)))

    def _line(self, first: str, indent: int, text: str, where: str, style: str, name: str = "") -> None:
        """Add a text with its place at the right; what does not fit goes on below its beginning."""
        text, width = visible(text), self.display.width
        room = width - indent - (len(where) + 2 if where else 0)
        if len(text) > room:
            lines = self.display.wrap(text, "", indent + (len(where) + 2 if where else 0)).split("\n")
            lines = [line.strip() for line in lines]
        else:
            lines = [text]
        head = lines[0]
        named = name or head
        painted = head.replace(named, self.display.paint(named, style), 1)
        gap = " " * max(2, width - indent - len(head) - len(where))
        self.lines.append(first + painted + (gap + self.display.paint(where, "place") if where else ""))
        self.lines += [f"{_hanging(first[:indent])}  {line}" for line in lines[1:]]


def _hanging(first: str) -> str:
    """Return what stands before a line that goes on below one that begins with `first`."""
    return "".join("│" if each in "├│" else " " for each in first)


def _first_items(fields: list[JsonObject]) -> list[tuple[JsonObject, int]]:
    """Return fields, of a list's items only the first, each with how many items are like it."""
    found: dict[tuple[str, str], list[JsonObject]] = {}
    for field in fields:
        name = str(field["output"])
        item = "".join("[]" if piece.isdecimal() else piece for piece in name.replace("]", "[").split("["))
        key = (item if "[" in name else name, str(field["place"]))
        found.setdefault(key, []).append(field)
    return [
        (each, max(0, len(alike) - FIRST_ITEMS) if number == min(len(alike), FIRST_ITEMS) else 0)
        for alike in found.values()
        for number, each in enumerate(alike[:FIRST_ITEMS], 1)
    ]


def _without_empty_parts(details: Sequence[JsonObject]) -> Iterator[JsonObject]:
    """Return what happened, in place of a part that gave nothing the paths that it tried."""
    for each in details:
        inner = _objects(each["inner"])
        is_part = each["kind"] == "path" and each["value"] is None and not each["note"]
        if inner and is_part and all(one["kind"] == "path" for one in inner):
            yield from _without_empty_parts(inner)
        else:
            yield each


def _shared_reason(detail: JsonObject) -> str:
    alone = detail["kind"] == "path" and detail["value"] is None and not detail["inner"]
    return str(detail["note"]) if alone else ""


def _unread_rows(fields: list[JsonObject]) -> list[TreeLine]:
    """Return a row for each field that nothing reads; one for an object where the same is true of all its fields."""
    stories: dict[str, set[str]] = {}
    for field in fields:
        for outer in _objects_around(str(field["path"])):
            stories.setdefault(outer, set()).add("read" if field["reached_something"] else _calls(field))
    rows: dict[str, list[JsonObject]] = {}
    for field in fields:
        if not field["reached_something"] and field["value"] is not None:
            path = str(field["path"])
            row = next((outer for outer in _objects_around(path) if len(stories[outer]) == 1), path)
            rows.setdefault(row, []).append(field)
    return [_unread_row(path, found) for path, found in rows.items()]


def _unread_row(path: str, found: list[JsonObject]) -> TreeLine:
    calls = _calls(found[0])
    if found[0]["path"] == path:
        return TreeLine(path, compact_json(found[0]["value"]), calls)
    return TreeLine(path, rest="  ".join(filter(None, [counted(len(found), "field"), calls])))


def _objects_around(path: str) -> list[str]:
    """Return the objects and lists that a field is in, the outermost first, without those that every event has."""
    around = [path[: match.start()] for match in SEPARATOR.finditer(path)]
    return [each for each in around if each not in OF_EVERY_EVENT]


def _calls(field: JsonObject) -> str:
    """Return who would read a field: another call, or this one, where another value was there first."""
    read_in = _objects(field["read_in"])
    others: dict[str, list[str]] = {}
    for each in read_in:
        if not each["own"]:
            others.setdefault(_where(each), []).append(str(each["call"]))
    own = "read, but nothing came of it" if field["tried"] else "not needed here"
    found = [f"{own} ({_where(each)})" for each in read_in if each["own"]]
    found += [f"read in {', '.join(calls)} ({where})" for where, calls in others.items()]
    return "; ".join(found)


def _where(detail: JsonObject) -> str:
    return f"{PurePath(str(detail['file'])).name}:{detail['line']}" if "file" in detail else ""


def _listed(names: Json) -> str:
    found = [str(each) for each in cast("list[Json]", names)]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def _objects(value: Json) -> list[JsonObject]:
    return cast("list[JsonObject]", value)
