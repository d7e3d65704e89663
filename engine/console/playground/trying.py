"""What becomes of a mapping and events that are typed: problems, outcomes, requests, and what belongs together.

Pure but for the files of the library: no environment is read, nothing is written, no connection is opened. The clock
is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.compiler.recording import Recorder
from engine.console.playground.files import TypedLibrary, shown_file
from engine.console.playground.links import Linker, MappingPlaces
from engine.console.playground.question import MOST_EVENTS, Question, lines_of, place_of
from engine.console.playground.shown import ShownRequest, in_units, shown_requests
from engine.console.playground.spans import TextSpan, Units, value_spans
from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.outgoing import DryRunner
from engine.editing.fixes import changes, underlined
from engine.editing.positions import Range, TextLines
from engine.errors import SettingsError
from engine.events.normalizing import Normalized, normalize_parsed
from engine.events.splitting import Line
from engine.explaining.explanation import explain
from engine.explaining.original import OriginalEvent
from engine.language.texts import visible
from engine.mapping.load import Loaded
from engine.mapping.problems import Problem
from engine.mapping.settings import label
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Plan, Report, Secrets
from engine.testing.examples import too_much, validate

MOST_REPORTS = 50
"""Reports of one event that are shown."""
LONGEST_TITLE = 80


class UnresolvedEnvironment(dict[str, str]):
    """An environment that is never read: `<env:NAME>` stands for each variable, also in the requests that are shown."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"<env:{name}>"


class TypedEvent(NamedTuple):
    """One event of the page: how it was read, and normalized."""

    line: Line
    normalized: Normalized


def try_out(asked: Question, directories: Sequence[Path], now: float) -> JsonObject:
    """Return all that the page shows for a question; `now` is the clock of planning, in Unix seconds."""
    library = TypedLibrary(directories, asked.mapping, asked.home)
    loaded, problems = _checked(library)
    lines = TextLines(asked.mapping)
    answer: JsonObject = {
        "name": library.path.stem,
        "problems": [problem_json(each, lines, library.path) for each in problems],
        "settings": [],
        "settings_problems": [],
        **_event_problems(lines_of(asked.events), asked.events),
        "events": [],
        "plan": None,
        "links": [],
    }
    if loaded is None or not loaded.readable:
        return answer
    target = Destination(loaded, Recorder())
    answer["settings"] = settings_json(target)
    if any(each.level == "error" and each.code not in _RUNS_ANYWAY for each in problems):
        return answer
    try:
        connection = target.connect({**target.example_settings(), **asked.settings}, UnresolvedEnvironment())
    except SettingsError as error:
        return {**answer, "settings_problems": [visible(each) for each in error.problems]}
    return {**answer, **_planned(connection, asked, now)}


_RUNS_ANYWAY = frozenset({"example-fails", "unused-reply", "body-schema", "examples-too-long", "name-is-not-file"})
"""Problems of a mapping that can run all the same: while someone types, its examples are the last to be mended."""


def _checked(library: TypedLibrary) -> tuple[Loaded | None, list[Problem]]:
    try:
        loaded = library.read(library.path)
        return loaded, validate(loaded)
    except (MemoryError, RecursionError, SyntaxError):
        return None, [too_much(library.path)]


# Problems.


def problem_json(problem: Problem, lines: TextLines, own: Path) -> JsonObject:
    """Return a problem with its place in the typed text, null where it is in another file."""
    found: JsonObject = {**problem.as_json(), "file": shown_file(problem.file, own), "range": None, "fix": None}
    for name in ("message", "advice", "path"):
        found[name] = visible_text(str(found[name]))
    if Path(problem.file).absolute() != own.absolute():
        return found
    place = underlined(problem, lines)
    found["range"] = _units(place, lines)
    for change in changes([problem], lines, place)[:1]:
        found["fix"] = {
            "title": visible(change.title),
            "range": _units(change.edit.range, lines),
            "text": change.edit.text,
        }
    return found


def visible_text(text: str) -> str:
    """Make each line of a message visible."""
    return "\n".join(map(visible, text.splitlines()))


def _units(place: Range, lines: TextLines) -> list[Json]:
    units = Units(lines.text)
    return list(units.of(TextSpan(lines.offset(place.start), lines.offset(place.end))))


def _event_problems(found: Sequence[Line], text: str) -> JsonObject:
    lines, units = TextLines(text), Units(text)
    problems: list[Json] = []
    for line in found[:MOST_EVENTS]:
        if line.error is None:
            continue
        number, column, message = place_of(line.error)
        start = lines.offset(lines.in_line(number - 1, column - 1, column - 1).start)
        place: list[Json] = list(units.of(TextSpan(start, min(start + 1, len(text)))))
        problems.append({"line": number, "column": column, "message": visible(message), "range": place})
    if len(found) > MOST_EVENTS:
        message = f"The playground takes {MOST_EVENTS} events; the others are left out. `engine run` takes any number."
        problems.append({"line": 1, "column": 1, "message": message, "range": None})
    if not found:
        message = "There is no event. Paste one, as JSON, or choose a sample."
        problems.append({"line": 1, "column": 1, "message": message, "range": None})
    return {"event_problems": problems}


# Settings.


def settings_json(target: Destination) -> list[Json]:
    """Return what the form of settings needs; the values are the mapping's examples, never those of a connection."""
    examples = target.example_settings()
    return [
        {
            "name": name,
            "label": visible(label(setting)),
            "about": visible_text(setting.about),
            "type": setting.type,
            "secret": setting.secret,
            "choices": list(setting.choices),
            "example": None if setting.secret else examples.get(name, setting.default),
        }
        for name, setting in target.mapping.settings.items()
    ]


# Plans.


def _planned(connection: Connection, asked: Question, now: float) -> JsonObject:
    lines = lines_of(asked.events)[:MOST_EVENTS]
    events = [_event(line, now) for line in lines if line.error is None]
    if not events:
        return {}
    runner = DryRunner(ConfiguredConnection(name=connection.mapping.name, connection=connection))
    runs = [runner.run(connection.plan_normalized(each.normalized, now=now), now) for each in events]
    secrets = Secrets(connection.secrets)
    chosen = min(max(asked.chosen, 0), len(events) - 1)
    requests = shown_requests(runs[chosen], connection)
    plan = runs[chosen].plan
    return {
        "events": [
            {
                "title": event_name(event.line.value, secrets),
                "outcome": run.plan.outcome.value,
                "reason": visible(secrets.mask(run.plan.reason)),
                "line": event.line.line,
            }
            for event, run in zip(events, runs, strict=True)
        ],
        "chosen": chosen,
        "plan": {
            **_outcome_json(plan, secrets),
            "requests": [each.as_json() for each in requests],
        },
        "links": _links(connection, events[chosen], asked, requests, now),
    }


def _event(line: Line, now: float) -> TypedEvent:
    assert line.raw is not None
    normalized = normalize_parsed(line.value, line.raw, received_at=None, now=now)
    if line.reports:
        normalized = normalized._replace(reports=(*line.reports, *normalized.reports))
    return TypedEvent(line, normalized)


def _outcome_json(plan: Plan, secrets: Secrets) -> JsonObject:
    reports = [_report_json(each, secrets) for each in plan.reports[:MOST_REPORTS]]
    left = len(plan.reports) - len(reports)
    return {
        "outcome": plan.outcome.value,
        "reason": visible(secrets.mask(plan.reason)),
        "reports": reports,
        "reports_left_out": left,
    }


def _report_json(report: Report, secrets: Secrets) -> Json:
    return {"code": report.code, "place": visible(report.place), "message": visible(secrets.mask(report.message))}


def event_name(event: Json, secrets: Secrets) -> str:
    """Name an event: its call, and its own name."""
    if not isinstance(event, dict):
        return "not an object"
    call = event.get("type")
    names = [str(each) for key in ("event", "name", "groupId") if isinstance(each := event.get(key), str) and each]
    title = " ".join([call if isinstance(call, str) else "event", *names[:1]])
    return visible(secrets.beginning(title, LONGEST_TITLE))


def _links(
    connection: Connection, event: TypedEvent, asked: Question, requests: Sequence[ShownRequest], now: float
) -> list[Json]:
    original = OriginalEvent(event.line.value, event.normalized, None, now)
    explanation = explain(connection, original, connection.secrets)
    start = len(asked.events.encode("utf-8", "surrogatepass")[: event.line.offset].decode("utf-8", "ignore"))
    places = in_units(asked.events, value_spans(asked.events, start))
    linker = Linker(MappingPlaces(connection.destination.loaded), requests, places)
    return linker.links(explanation)
