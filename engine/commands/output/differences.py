"""A comparison of two versions of a mapping: for people, for programs, and as a comment for a pull request.

All three are bounded: GitHub refuses a comment of more than 65,536 characters, and nobody reads a longer text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

import orjson

from engine.commands.output.text import Display, shortened
from engine.commands.shared import counted
from engine.differences.comparison import Differences, DiffVerdict, FieldChange, OutcomeChange, RequestCount, Sample
from engine.differences.fields import FieldChangeKind
from engine.language.texts import kind_of_reason, visible, visible_lines
from engine.records import JsonObject

MOST_ROWS = 100
"""Fields that the text shows; JSON has all."""

MOST_MARKDOWN_ROWS = 50
MOST_OUTCOMES = 20
INDENT = " " * 6
"""Of what is below a field or an outcome."""

LONGEST_CELL = 80
"""Characters of a value in a table, and of a field."""

MORE = "{} not shown; --format json has all."
SIGNS = {
    FieldChangeKind.REMOVED: ("-", "removed from", "rejected"),
    FieldChangeKind.TYPE_CHANGED: ("!", "type changed in", "rejected"),
    FieldChangeKind.CHANGED: ("~", "changed in", "waiting"),
    FieldChangeKind.ADDED: ("+", "added to", "planned"),
}
VERDICT_STYLES = {DiffVerdict.SAME: "planned", DiffVerdict.ADDITIVE: "waiting", DiffVerdict.BREAKING: "error"}


class Titles(NamedTuple):
    """What is compared: the mapping's name, and OLD and NEW as they were written."""

    mapping: str
    old: str
    new: str


def text(comparison: Differences, titles: Titles, samples: bool) -> str:
    """Return the comparison for people."""
    display = Display(sys.stdout)
    blocks = [[display.wrap(f"{titles.old} -> {titles.new}", display.paint(titles.mapping, "title") + "  ", 2)]]
    counts = {each.request: each for each in comparison.requests()}
    fields = comparison.fields()
    by_request = {name: list(rows) for name, rows in groupby(fields[:MOST_ROWS], lambda each: each.request)}
    changed = [each.request for each in counts.values() if each.removed or each.added]
    blocks += [
        list(_request_lines(display, name, counts.get(name), by_request.get(name, []), samples))
        for name in sorted({*by_request, *changed})
    ]
    if len(fields) > MOST_ROWS:
        blocks.append([MORE.format(counted(len(fields) - MOST_ROWS, "more field"))])
    if outcomes := comparison.outcomes():
        blocks.append(list(_outcome_lines(display, outcomes, samples)))
    blocks.append([display.paint(_verdict(comparison), VERDICT_STYLES[comparison.verdict])])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _request_lines(
    display: Display, name: str, count: RequestCount | None, rows: list[FieldChange], samples: bool
) -> Iterator[str]:
    number = "" if count is None else f"  {_numbers(count)}"
    yield display.paint(visible(name), "request") + number
    if count is not None and count.removed:
        yield display.paint(f"  - {counted(count.removed, 'request')} removed", "rejected")
    if count is not None and count.added:
        yield display.paint(f"  + {counted(count.added, 'request')} added", "planned")
    for each in rows:
        sign, verb, style = SIGNS[each.change]
        yield display.paint(f"  {sign} {each.field}", style) + f"  {verb} {counted(each.requests, 'request')}"
        if samples:
            yield from _sample_lines(display, each.sample)


def _numbers(count: RequestCount) -> str:
    return counted(count.new, "request") if count.old == count.new else f"{count.old} -> {count.new} requests"


def _sample_lines(display: Display, sample: Sample) -> Iterator[str]:
    """Yield the values and their event on one line if they fit, else on a line each."""
    values = [value for value in (sample.old, sample.new) if value is not None]
    event = f"({visible(sample.event)})"
    line = " -> ".join(values)
    room = display.width - len(INDENT)
    if len(line) + len(event) + 2 <= room:
        yield f"{INDENT}{line}  {display.paint(event, 'place')}"
        return
    first, *second = [line] if len(line) <= room else [values[0], *(f"-> {value}" for value in values[1:])]
    for text in (first, *second):
        yield INDENT + shortened(text, room)
    yield INDENT + display.paint(shortened(event, room), "place")


def _outcome_lines(display: Display, outcomes: list[OutcomeChange], samples: bool) -> Iterator[str]:
    yield display.paint("outcomes", "title")
    for each in outcomes[:MOST_OUTCOMES]:
        new = display.paint(each.new.value, each.new.value)
        yield f"  {each.old.value} -> {new}  {counted(each.events, 'event')}"
        yield display.wrap(f"{each.reason} ({each.event})" if samples else _without_values(each), INDENT, len(INDENT))
    if len(outcomes) > MOST_OUTCOMES:
        yield f"  {MORE.format(counted(len(outcomes) - MOST_OUTCOMES, 'more change'))}"


def _without_values(each: OutcomeChange) -> str:
    return kind_of_reason(each.reason).replace('"', "…")


def _verdict(comparison: Differences) -> str:
    events = counted(comparison.events, "event")
    if comparison.verdict is DiffVerdict.SAME:
        return f"No difference: {events}, and each becomes the same requests."
    numbers = f"{comparison.differing} of {events} {'differs' if comparison.differing == 1 else 'differ'}"
    if comparison.verdict is DiffVerdict.ADDITIVE:
        return f"Additive: {numbers}, only by new fields or requests."
    return f"Breaking: {numbers}."


def as_json(comparison: Differences, titles: Titles, samples: bool) -> str:
    """Return the comparison as one JSON object (docs/diff.md)."""
    found = {
        "verdict": comparison.verdict.value,
        **titles._asdict(),
        "events": comparison.events,
        "differing": comparison.differing,
        "requests": [each._asdict() for each in comparison.requests()],
        "fields": [_field_json(each, samples) for each in comparison.fields()],
        "outcomes": [_outcome_json(each, samples) for each in comparison.outcomes()],
    }
    return visible_lines(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()) + "\n"


def _field_json(each: FieldChange, samples: bool) -> JsonObject:
    row: JsonObject = {
        "request": each.request,
        "field": each.field,
        "change": each.change.value,
        "requests": each.requests,
    }
    return row | (each.sample._asdict() if samples else {})


def _outcome_json(each: OutcomeChange, samples: bool) -> JsonObject:
    row: JsonObject = {"old": each.old.value, "new": each.new.value, "events": each.events}
    return row | ({"reason": each.reason, "event": each.event} if samples else {"reason": _without_values(each)})


def markdown(comparison: Differences, titles: Titles, samples: bool) -> str:
    """Return the comparison as GitHub's and GitLab's Markdown."""
    lines = [f"### {code(titles.mapping)}: {comparison.verdict.value}", ""]
    lines += [f"{code(titles.old)} → {code(titles.new)}", "", _verdict(comparison)]
    counts = [each for each in comparison.requests() if each.removed or each.added]
    lines += _table(
        ["request", "before", "after"], [[code(each.request), str(each.old), str(each.new)] for each in counts]
    )
    fields = comparison.fields()
    heads = ["request", "field", "change", "requests", *(["before", "after"] if samples else [])]
    lines += _table(heads, [_field_cells(each, samples) for each in fields[:MOST_MARKDOWN_ROWS]])
    if len(fields) > MOST_MARKDOWN_ROWS:
        lines += ["", MORE.format(counted(len(fields) - MOST_MARKDOWN_ROWS, "more field"))]
    rows = [
        [
            f"{each.old.value} → {each.new.value}",
            str(each.events),
            code(each.reason if samples else _without_values(each)),
        ]
        for each in comparison.outcomes()[:MOST_OUTCOMES]
    ]
    lines += _table(["outcome", "events", "reason"], rows)
    return "\n".join(lines) + "\n"


def _field_cells(each: FieldChange, samples: bool) -> list[str]:
    cells = [code(each.request), code(each.field), each.change.value, str(each.requests)]
    values = (each.sample.old, each.sample.new)
    return [*cells, *("" if value is None else code(value) for value in values)] if samples else cells


def _table(heads: list[str], rows: list[list[str]]) -> Iterator[str]:
    if rows:
        yield ""
        for cells in (heads, ["---"] * len(heads), *rows):
            yield f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """Return a text as code that nothing in it can end, and no cell of a table either; at most `LONGEST_CELL` long."""
    text = shortened(visible(text), LONGEST_CELL)
    if text.strip() and not re.search(r"[`|\\]", text):
        return f"`{text}`"
    escaped = re.sub(r"[^\w .,:;/-]", lambda found: f"&#{ord(found[0])};", text)
    return f"<code>{escaped}</code>"


STYLES: dict[str, Callable[[Differences, Titles, bool], str]] = {"text": text, "json": as_json, "markdown": markdown}
