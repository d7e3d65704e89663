"""The requests that an example of each call becomes, planned by the engine, with secrets masked."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import orjson

from engine.carrying import HttpRequest, http_requests
from engine.errors import SettingsError
from engine.events.normalizing import normalize
from engine.mapping.example import MappingExample
from engine.pages import markdown
from engine.pages.markdown import prose
from engine.plan import Connection, Destination
from engine.records import Json, PlannedRequest, masked
from engine.testing.examples import NOW

MOST_TRIED = 100
"""Examples that are looked at for one of each call."""


def example_blocks(destination: Destination) -> Iterator[str]:
    """Return, for each call, the first example that sends something: its event and its requests."""
    shown: set[str] = set()
    for example in destination.mapping.examples[:MOST_TRIED]:
        call = str(example.event.get("type")) if isinstance(example.event, dict) else ""
        if call in shown or not isinstance(example.expect, list) or not example.expect:
            continue
        lines = list(_blocks(destination, example))
        if lines:
            shown.add(call)
            yield f"### {prose(example.title)}\n"
            yield from lines


def _blocks(destination: Destination, example: MappingExample) -> Iterator[str]:
    try:
        connection = destination.connect({**destination.example_settings(), **example.settings}, {})
    except SettingsError:  # `validate-mappings` says what is wrong with them
        return
    plan = connection.plan_normalized(normalize(example.event), now=NOW, replies=example.replies)
    if not plan.requests:
        return
    plan = plan._replace(requests=tuple(connection.plain(each, show_secrets=False) for each in plan.requests))
    yield from markdown.block("json", _json(example.event))
    for carried in http_requests(connection, [plan], now=NOW):
        if carried.request is not None:
            yield from markdown.block("http", _http(connection, carried, carried.request))


def _http(connection: Connection, carried: HttpRequest, request: PlannedRequest) -> str:
    shown = request._replace(body=masked(request.body, connection.secrets))
    query = "?" + urlencode(shown.query, doseq=True, safe="*") if shown.query else ""
    lines = [f"{shown.method} {shown.url}{query}", *(f"{name}: {text}" for name, text in shown.headers.items())]
    if shown.body is None:
        return "\n".join(lines)
    form = carried._replace(request=shown).content if carried.encode == "form" else None
    body = _json(shown.body) if form is None else form.decode()
    return "\n".join([*lines, "", body])


def _json(value: Json) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
