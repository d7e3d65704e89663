"""Text for people about an event, its plans, problems, and a request as JSON. Nothing here decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from engine.commands.output.excerpts import Excerpts
from engine.commands.output.text import Display, shortened
from engine.language.texts import visible, visible_lines
from engine.mapping.problems import Problem
from engine.records import Json, JsonObject, Plan, Report, Secrets
from engine.showing.requests import plain_text, url_text

LONGEST_NAME = 60


def problem_texts(problems: Sequence[Problem], display: Display) -> Iterator[str]:
    """Yield problems for people: the place bold, the line of the file with a caret, a warning yellow, the code dim."""
    excerpts = Excerpts(problems)
    for problem in problems:
        yield display.paint(visible(problem.place()), "title")
        line, *caret = excerpts.of(problem, display.width) or [""]
        if caret:
            yield display.paint(line, "excerpt")
            yield display.paint(caret[0], problem.level)
        text, bracket, code = visible_lines(problem.text(display.width)).rpartition("[")
        yield display.paint(text, "notice" if problem.level == "warning" else "") + display.paint(
            bracket + code, "place"
        )


def event_title(event: Json, secrets: Secrets) -> str:
    """Name an event in one line: its call, its own name, who; secrets are masked before anything is cut."""
    if not isinstance(event, dict):
        return "not an object"
    call = event.get("type")
    parts = [shortened(secrets.mask(call), LONGEST_NAME) if isinstance(call, str) else "event"]
    for key in ("event", "name", "groupId", "previousId"):
        value = event.get(key)
        if isinstance(value, str) and value.strip():
            parts.append(f'"{shortened(secrets.mask(value), LONGEST_NAME)}"')
            break
    for key in ("userId", "anonymousId"):
        value = event.get(key)
        if isinstance(value, str | int) and str(value).strip():
            parts.append(f"of {shortened(secrets.mask(str(value)), LONGEST_NAME)}")
            break
    return visible(" ".join(parts))


def plan_text(name: str, plan: Plan, requests: list[JsonObject], display: Display, *, headers: bool) -> str:
    """Return what an event becomes for one destination; `name` is as wide as all names, `requests` are masked."""
    outcome = plan.outcome.value
    first = f"  {display.paint(name, 'title')}  {display.paint(outcome, outcome)}  "
    lines = [display.wrap(plan.reason, first, len(name) + len(outcome) + 6)]
    for request in requests:
        lines += request_lines(request, display, headers=headers)
    return "".join(f"{line}\n" for line in lines) + "".join(report_lines(plan.reports, "    ! ", display))


def request_lines(request: JsonObject, display: Display, *, headers: bool) -> Iterator[str]:
    """Yield the lines of a masked request: its title, method and URL, headers, body."""
    line = f"    {request['request']}: {request['method']} {visible(url_text(request))}"
    yield display.paint(line, "request")
    for name, value in cast("JsonObject", request["headers"]).items() if headers else ():
        header = f"      {name}: "
        yield display.wrap(plain_text(value), header, len(header))
    if request["body"] is not None:
        yield from display.fold(request["body"], 6)


def report_lines(reports: Iterable[Report], first: str, display: Display) -> Iterator[str]:
    """Return reports as lines that begin with `first`."""
    for report in reports:
        yield display.paint(display.wrap(report_text(report), first, len(first)), "notice") + "\n"


def report_text(report: Report) -> str:
    """Return a report as one sentence; a message that begins with its place says it once."""
    place = "" if report.message.startswith(f"{report.place} ") else f"{report.place}: "
    return f"{place}{report.message.removesuffix('.')} [{report.code}]"
