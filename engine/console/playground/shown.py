"""The HTTP requests of an event as text, as `engine run` shows them, and where each field stands in that text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import orjson

from engine.console.playground.spans import TextSpan, Units, value_spans
from engine.delivery.sending.http import Unsendable
from engine.delivery.sending.outgoing import DryRun, Outgoing
from engine.explaining.outputs import Route
from engine.language.texts import compact_json, visible, visible_lines
from engine.plan import Connection
from engine.records import Json, JsonObject, PlannedRequest, Secrets
from engine.showing.curl import sent_as_curl
from engine.showing.masking import Masking
from engine.showing.requests import outgoing_json, plain_text, url_text

LONGEST_SHOWN = 256 * 1024
"""Characters of one request that are shown; what is longer is cut."""
MOST_LOOKED_AT = 5_000
"""Values of a batch in which its items are looked for."""


class ShownRequest(NamedTuple):
    """One HTTP request as text; `spans` has the place of `("body", ...)`, `("headers", name)`, `("url",)` and so on.

    `carried` has, for each planned request that it carries, the route to its body.
    """

    title: str
    text: str
    curl: str
    spans: dict[Route, TextSpan]
    carried: list[Route]

    def as_json(self) -> JsonObject:
        """Return what the page shows."""
        return {"title": self.title, "text": self.text, "curl": self.curl}


def shown_requests(run: DryRun, connection: Connection) -> list[ShownRequest]:
    """Return the HTTP requests that an event becomes, with secrets masked."""
    secrets = Secrets(connection.secrets)
    masking = Masking(connection, secrets)
    found: list[ShownRequest] = []
    first = 0
    for sent, request in zip(run.outgoing, outgoing_json(run, masking), strict=True):
        text, spans = request_text(request)
        carried = _carried(sent, run.plan.requests[first : first + sent.carries])
        try:
            curl = sent_as_curl(connection, sent, secrets)
        except (Unsendable, TypeError, ValueError) as error:
            curl = f"# This request cannot be sent: {visible(str(error))}."
        title = visible(str(request["request"]))
        found.append(ShownRequest(title, text, curl if len(curl) <= LONGEST_SHOWN else "", spans, carried))
        first += sent.carries
    return found


def request_text(request: JsonObject) -> tuple[str, dict[Route, TextSpan]]:
    """Write a masked request as HTTP, its body laid out, and return where everything stands in it."""
    method = plain_text(request["method"])
    url = visible(url_text(request))
    line = f"{method} {url}"
    spans: dict[Route, TextSpan] = {
        ("method",): TextSpan(0, len(method)),
        ("url",): TextSpan(len(method) + 1, len(line)),
        ("query",): TextSpan(len(method) + 1, len(line)),
    }
    text = line + "\n"
    for name, value in cast("JsonObject", request["headers"]).items():
        header = visible(f"{name}: {plain_text(value)}")
        spans["headers", name] = TextSpan(len(text), len(text) + len(header))
        text += header + "\n"
    if request["body"] is not None:
        text += "\n"
        body = body_text(request["body"])
        spans |= {("body", *route): span.moved(len(text)) for route, span in value_spans(body).items()}
        text += body
    if len(text) > LONGEST_SHOWN:
        text = text[:LONGEST_SHOWN] + "\n… the rest is not shown here; `engine run` shows it."
        spans = {route: span for route, span in spans.items() if span.end <= LONGEST_SHOWN}
    return text, spans


def body_text(body: Json) -> str:
    """Write JSON over several lines, with nothing that a reader could not see."""
    try:
        return visible_lines(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
    except TypeError:  # half a character, integers beyond 64 bits
        return visible(compact_json(body))


def _carried(sent: Outgoing, planned: Sequence[PlannedRequest]) -> list[Route]:
    """Return the routes to the bodies of planned requests in the body that is sent, () where it is that itself."""
    if sent.batch is None:
        return [()]
    routes: list[Route] = []
    places = list(_places(sent.request.body))
    for request in planned:
        exact = [route for route, value in places if value is request.body and route not in routes]
        alike = exact or [route for route, value in places if value == request.body and route not in routes]
        routes.append(alike[0] if alike else ())
    return routes


def _places(body: Json) -> Iterator[tuple[Route, Json]]:
    """Return the objects and lists inside a body, outer ones first."""
    pending: list[tuple[Route, Json]] = [((), body)]
    for route, value in pending:
        if len(pending) > MOST_LOOKED_AT:
            return
        yield route, value
        inner: list[tuple[str | int, Json]] = []
        if isinstance(value, dict):
            inner = [*value.items()]
        elif isinstance(value, list):
            inner = [*enumerate(value)]
        pending += [((*route, key), member) for key, member in inner if isinstance(member, dict | list)]


def in_units(text: str, spans: dict[Route, TextSpan]) -> dict[Route, list[int]]:
    """Return places as browsers count."""
    units = Units(text)
    return {route: units.of(span) for route, span in spans.items()}
