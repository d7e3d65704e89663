"""How things are worded for people: an event, its plans, problems, a request as JSON or curl. Nothing here decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast
from urllib.parse import quote

from engine.commands.output.text import WIDTH, Paint, folded, visible, wrapped
from engine.language.paths import Marker
from engine.language.texts import text_of
from engine.mapping.problems import Problem
from engine.records import Json, JsonObject, Plan, PlannedRequest, Report, Secret

LONGEST_NAME = 60


def problem_text(problem: Problem, paint: Paint) -> str:
    """Return one problem for people: the place bold, a warning yellow."""
    place, _, rest = problem.text(WIDTH).partition("\n")
    return f"{paint(place, 'title')}\n{paint(rest, 'notice' if problem.level == 'warning' else '')}"


def event_title(event: Json) -> str:
    """Name an event in one line: its call, its own name, who."""
    if not isinstance(event, dict):
        return "an event that is no object"
    call = event.get("type")
    words = [_short(call) if isinstance(call, str) else "event"]
    for key in ("event", "name", "groupId", "previousId"):
        value = event.get(key)
        if isinstance(value, str) and value.strip():
            words.append(f'"{_short(value)}"')
            break
    for key in ("userId", "anonymousId"):
        value = event.get(key)
        if isinstance(value, str | int) and str(value).strip():
            words.append(f"of {_short(str(value))}")
            break
    return visible(" ".join(words))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def plan_text(name: str, plan: Plan, requests: list[JsonObject], paint: Paint) -> str:
    """Return what an event becomes for one destination; `name` is as wide as all names, `requests` are masked."""
    outcome = plan.outcome.value
    first = f"  {paint(name, 'title')}  {paint(outcome, outcome)}  "
    lines = [wrapped(plan.reason, first, len(name) + len(outcome) + 6)]
    for request in requests:
        lines.append(paint(f"    {request['request']}: {request['method']} {visible(url_text(request))}", "request"))
        if request["body"] is not None:
            lines += folded(request["body"], 6)
    return "".join(f"{line}\n" for line in lines) + "".join(reports_text(plan.reports, "    ! ", paint))


def reports_text(reports: Iterable[Report], first: str, paint: Paint) -> Iterator[str]:
    """Return reports as lines that begin with `first`."""
    for report in reports:
        yield paint(wrapped(report_text(report), first, len(first)), "notice") + "\n"


def report_text(report: Report) -> str:
    """Return a report as one sentence; a message that begins with its place says it once."""
    place = "" if report.message.startswith(f"{report.place} ") else f"{report.place}: "
    return f"{place}{report.message.removesuffix('.')} [{report.code}]"


def request_json(request: PlannedRequest) -> JsonObject:
    """Return a planned request as the formats print it."""
    return {
        "request": request.request,
        "method": request.method,
        "url": request.url,
        "headers": cast("JsonObject", request.headers),
        "query": cast("JsonObject", request.query),
        "body": request.body,
    }


def url_text(request: JsonObject) -> str:
    """Write the whole URL of a request, its query encoded but for masked secrets and markers of saved values."""
    query = cast("JsonObject", request["query"])
    return f"{_real(request['url'])}?{pairs_text(query)}" if query else _real(request["url"])


def pairs_text(pairs: JsonObject) -> str:
    """Write names and values as a query or a form holds them; a list repeats its name."""
    return "&".join(
        f"{quote(name, safe='')}={_encoded(each)}"
        for name, value in pairs.items()
        for each in (value if isinstance(value, list) else [value])
    )


def _encoded(value: Json) -> str:
    return str(value) if isinstance(value, Marker) else quote(_real(value), safe="*")


def curl_text(request: JsonObject, *, form: bool) -> str:
    """Write a request as a command for a POSIX shell; `form` where its body is encoded as one."""
    import shlex

    import orjson

    parts = ["curl", "-X", _real(request["method"]), url_text(request)]
    for name, value in cast("JsonObject", request["headers"]).items():
        parts += ["-H", f"{name}: {_real(value)}" if value else f"{name};"]  # curl's way to write an empty header
    body = request["body"]
    if body is not None:
        parts += ["--data-raw", pairs_text(cast("JsonObject", body)) if form else orjson.dumps(body).decode()]
    return shlex.join(parts)


def _real(value: Json) -> str:
    return value.reveal() if isinstance(value, Secret) else text_of(value) or ""
