"""What belongs together: a field of a request, the line of the mapping that decides it, the event's field that won.

Everything is taken from the explanation of `engine explain`; here it only gets its places in the three texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from engine.console.playground.files import shown_file
from engine.console.playground.shown import ShownRequest, in_units
from engine.console.playground.spans import TextSpan, Units
from engine.editing.positions import TextLines
from engine.explaining.explanation import route_text
from engine.explaining.outputs import Route
from engine.explaining.winners import leaf_paths, losers, only_path
from engine.language.texts import visible
from engine.mapping.load import Loaded
from engine.mapping.problems import place_text
from engine.mapping.walk import values_of
from engine.records import Json, JsonObject, Place

MOST_LINKS = 2_000
LONGEST_TEXT = 300
MOST_NAMED = 4
"""Paths that a sentence names."""
SENT, ABSENT, UNREAD = "sent", "absent", "unread"


class MappingPlaces:
    """Where the values of the mapping that is typed stand in its text: a key with all that is below it."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._own = loaded.resolved.document
        self._lines = TextLines(self._own.text)
        self._units = Units(self._own.text)
        self._places: dict[str, Place] = {place_text(each.place): each.place for each in values_of(loaded.mapping)}

    def of(self, place: str, file: str, line: int) -> list[int] | None:
        """Return the range of a value, by its place as text; None where it is in another file."""
        if file != self._own.file:
            return None
        found = self._places.get(place)
        if found is None or not self._own.holds(found):
            start = self._lines.line(line - 1)
            return self._block(line - 1, len(start) - len(start.lstrip()), is_entry=False)
        mark = self._own.key_mark(found)
        return self._block(mark.line - 1, mark.column - 1, is_entry=isinstance(found[-1], int))

    def where(self, file: str, line: int) -> str:
        """Return file and line for people."""
        return f"{visible(shown_file(file, self._loaded.path))}:{line}"

    def _block(self, line: int, column: int, *, is_entry: bool) -> list[int]:
        """Return the range from a key to the last line that is indented deeper than it."""
        last = line
        for number in range(line + 1, len(self._lines)):
            text = self._lines.line(number)
            indent = len(text) - len(text.lstrip())
            if text.strip() and indent < column + (not is_entry):
                break
            last = number if text.strip() else last
        text = self._lines.line(line)
        start = self._lines.in_line(line, column, column).start
        last_column = flow_end(text, column) if last == line else len(self._lines.line(last))
        end = self._lines.in_line(last, 0, last_column).end
        return self._units.of(TextSpan(self._lines.offset(start), self._lines.offset(end)))


class Linker:
    """Makes the links of one event: `event` has the places of its fields in the text of the page."""

    def __init__(self, mapping: MappingPlaces, requests: Sequence[ShownRequest], event: dict[Route, list[int]]) -> None:
        self._mapping = mapping
        self._event = {place_text(route): span for route, span in event.items() if route}
        self._carriers = [(number, each, route) for number, each in enumerate(requests) for route in each.carried]
        self._spans = [
            {route_text(route): span for route, span in in_units(each.text, each.spans).items()} for each in requests
        ]

    def links(self, explanation: JsonObject) -> list[Json]:
        """Return all links, those of requests first; a link without a place on one side has none there."""
        found: list[Json] = []
        requests = [each for step in _objects(explanation["steps"]) for each in _objects(step["requests"])]
        for (number, carrier, route), request in zip(self._carriers, requests, strict=False):
            found += self._of_request(number, carrier, route, request)
        found += self._unread(explanation)
        return found[:MOST_LINKS]

    def _of_request(self, number: int, carrier: ShownRequest, route: Route, request: JsonObject) -> Iterator[Json]:
        inside = [route_text(each) for each in carrier.spans if each[:1] == ("body",)]
        prefix = route_text(("body", *route))
        known = set(inside)
        for field in _objects(request["fields"]):
            name = _inside(prefix, str(field["output"]))
            yield self._link(SENT, number, name if name in known else prefix, field, sentence(field, sent=True))
        for field in _objects(request["absent"]):
            yield self._link(ABSENT, number, None, field, sentence(field, sent=False))
        for each in _objects(request["around"]):
            name, sources = str(each["output"]), _texts(each["from"])
            text = visible(f"{name} ← {_listed(sources)}")
            yield self._made(SENT, number, name, [], sources, text)

    def _link(self, kind: str, number: int, output: str | None, field: JsonObject, text: str) -> Json:
        sources = _texts(field["from"])
        sources = sources or _paths(_objects(field["details"]), sent=kind == SENT)
        rules = [field, *_in_parts(field)]
        marks = [(str(each["place"]), str(each["file"]), cast("int", each["line"])) for each in rules]
        places = [place for mark in marks if (place := self._mapping.of(*mark)) is not None]
        where = ", ".join(dict.fromkeys(self._mapping.where(file, line) for _, file, line in marks))
        return self._made(kind, number, output, places, sources, f"{text} · {where}")

    def _made(
        self, kind: str, number: int | None, output: str | None, places: list[list[int]], paths: list[str], text: str
    ) -> Json:
        spans = self._spans[number] if number is not None else {}
        event = [span for path in paths if (span := self._event.get(path))]
        made = {
            "kind": kind,
            "request": number,
            "output": spans.get(output) if output is not None else None,
            "mapping": places,
            "event": event,
            "text": text[: 2 * LONGEST_TEXT],
        }
        return cast("Json", made)

    def _unread(self, explanation: JsonObject) -> Iterator[Json]:
        """Tell of fields that reach no request: who would read them, or that they decide."""
        for field in _objects(explanation["event_fields"]):
            if field["reaches"]:
                continue
            path = str(field["path"])
            calls = list(dict.fromkeys(str(each["call"]) for each in _objects(field["read_in"]) if not each["own"]))
            text = f"{path} decides whether something is sent" if field["decides"] else f"{path} reaches no request"
            more = f"; read in {', '.join(calls)}" if calls and not field["decides"] else ""
            yield self._made(UNREAD, None, None, [], [path], visible(text + more))


def flow_end(line: str, column: int) -> int:
    """Return where what begins at `column` ends, in a line that may have `{ }` and `[ ]` around it."""
    is_inside = _depth(line[:column]) > 0
    depth = 0
    for at in range(column, len(line)) if is_inside else ():
        depth += (line[at] in "{[") - (line[at] in "}]")
        if depth < 0 or (depth == 0 and line[at] == ","):
            return at
    return len(line)


def _depth(text: str) -> int:
    return sum(map(text.count, "{[")) - sum(map(text.count, "}]"))


def sentence(field: JsonObject, *, sent: bool) -> str:
    """Say in one line where an output field comes from, or why it is absent."""
    details, output = _objects(field["details"]), str(field["output"])
    tried = [f"{each['text']} ({each['note']})" if each["note"] else str(each["text"]) for each in losers(details)]
    if not sent:
        why = "; ".join(tried[:MOST_NAMED]) or "no value"
        return visible(f"{output} is not sent: {why}"[:LONGEST_TEXT])
    winner = only_path(details, field.get("value"))
    sources = _texts(field["from"])
    functions = [str(each["text"]) for each in leaf_paths(details) if each["kind"] in ("function", "word")]
    origin = winner or _listed(sources) or _listed(_paths(details, sent=True))
    if not origin:
        origin = "its default in the mapping" if functions[-1:] == ["default"] else "written in the mapping"
        functions = []
    through = f" through {', '.join(dict.fromkeys(functions))}" if functions else ""
    before = f"; before it: {'; '.join(tried[:MOST_NAMED])}" if tried else ""
    return visible(f"{output} ← {origin}{through}{before}"[:LONGEST_TEXT])


def _in_parts(field: JsonObject) -> list[JsonObject]:
    """Return what gave the value where it stands outside of the field itself: the line of a part."""
    inside = str(field["place"])
    leaves = [each for each in leaf_paths(_objects(field["details"])) if each["kind"] == "path" and "line" in each]
    won = [each for each in leaves if each["value"] is not None][-1:]
    return [each for each in won if not str(each["place"]).startswith(inside)]


def _paths(details: Sequence[JsonObject], *, sent: bool) -> list[str]:
    """Return the paths that gave something, or where nothing was sent, those that were tried."""
    leaves = (each for each in leaf_paths(details) if each["kind"] == "path")
    return list(dict.fromkeys(str(each["text"]) for each in leaves if (each["value"] is not None) == sent))


def _inside(prefix: str, output: str) -> str:
    if output == "(body)":
        return prefix
    return f"{prefix}{output}" if output.startswith("[") else f"{prefix}.{output}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _texts(value: Json) -> list[str]:
    return [str(each) for each in cast("list[Json]", value)]


def _objects(value: Json) -> list[JsonObject]:
    return cast("list[JsonObject]", value)
