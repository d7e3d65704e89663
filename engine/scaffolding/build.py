"""A outline as a mapping with one example for each call, which passes the checker and its own examples.

What an example expects is what the mapping makes of its event: the mapping is compiled, and its requests are written
down, so that a person sees what is sent and any later change of it is noticed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson

from engine.events.spec import FIELDS
from engine.mapping.checks import check
from engine.mapping.checks.context import UNUSED_CODES
from engine.mapping.load import Library
from engine.mapping.problems import Problem
from engine.mapping.yaml import reader
from engine.plan import Destination
from engine.records import Json, JsonObject, Outcome, Secret
from engine.scaffolding.outline import NewRequest, Outline
from engine.scaffolding.proposals import TIME, Builder, Similar, fill_placeholders
from engine.scaffolding.writing import Commented, Inline, escaped, inline, write
from engine.testing.examples import connector, run, validate

TITLES = {
    "identify": "A person is identified",
    "track": "A person does something",
    "page": "A person views a page",
    "screen": "A person views a screen",
    "group": "A person joins a group",
    "alias": "A person gets another ID",
    "delete": "A person is deleted",
}
ROOTS = frozenset({"parts", "settings", "message", "saved", "item", *(key for call in FIELDS.values() for key in call)})
IDS: dict[str, JsonObject] = {
    "group": {"groupId": "group-1"},
    "alias": {"previousId": "anonymous-1"},
    "track": {"event": "Order Completed"},
    "page": {"name": "Pricing"},
    "screen": {"name": "Cart"},
}


Builders = dict[str, tuple[Builder, list[JsonObject]]]
"""By call: its builder, which has the event of the example, and its steps."""


class NewMapping(NamedTuple):
    """The text of a mapping file, and what the checker says of it."""

    text: str
    problems: list[Problem]
    calls: tuple[str, ...]


def build(outline: Outline, path: Path, *, similar: Similar | None = None) -> NewMapping:
    """Return the mapping of an outline as the file at `path` will have it; reads only the parts that it includes."""
    made = _build(outline, path, similar)
    unmet = {request.name for request in outline.requests if request.schema is not None and _is_unmet(made, request)}
    if not unmet:
        return made
    for request in outline.requests:
        if request.name in unmet:
            request.schema = None
            outline.notes.append(f"{request.name}: body_schema is left out; no example that meets it could be made.")
    return _build(outline, path, similar)


def _is_unmet(made: NewMapping, request: NewRequest) -> bool:
    """Whether the body of the example does not meet a schema, such as a `oneOf` of which two apply."""
    about = f"The body of {request.name} does not match"
    return any(each.code == "body-schema" and each.message.startswith(about) for each in made.problems)


def _build(outline: Outline, path: Path, similar: Similar | None) -> NewMapping:
    builders = _builders(outline, similar)
    document = _document(outline, builders)
    expected = _expected({**document, "examples": _examples(builders, [])}, path)
    document["examples"] = _examples(builders, expected)
    text = write(document, schema_line=(path.parent.parent / "schemas" / "mapping.schema.json").is_file())
    return NewMapping(text, validate(Library().of(reader.parse(text, path.as_posix()), path)), tuple(builders))


def _examples(builders: Builders, expected: list[Json]) -> list[Json]:
    """Return an example for each call, with what is expected of it, or with nothing while that is not known."""
    given: list[Json] = [*expected, *([] for _ in builders)]
    return [
        _example(call, builder, expect) for (call, (builder, _)), expect in zip(builders.items(), given, strict=False)
    ]


def _builders(outline: Outline, similar: Similar | None) -> Builders:
    """Return for each call its builder and its steps."""
    found: Builders = {}
    for request in outline.requests:
        for call in request.calls:
            if call not in found:
                found[call] = (Builder(call, similar, _event(call)), [])
            builder, steps = found[call]
            steps.append(builder.step(request))
            fill_placeholders(builder, request)
    return found


def _event(call: str) -> JsonObject:
    identity = {"userId": "user-1", **IDS.get(call, {})}
    return {"type": call, "messageId": f"{call}-1", **identity, "timestamp": TIME}


def _document(outline: Outline, builders: Builders) -> JsonObject:
    document: JsonObject = {"mapping": 1, "name": outline.name, "title": outline.title}
    document |= {"about": outline.about} if outline.about else {}
    document |= {"docs": outline.docs} if outline.docs else {}
    if outline.settings:
        document["settings"] = {name: setting.written() for name, setting in outline.settings.items()}
    http: JsonObject = {"base_url": outline.base_url, **outline.http}
    document["http"] = {key: inline(value) if key in ("basic", "query_from") else value for key, value in http.items()}
    document["requests"] = {request.name: _request(request) for request in outline.requests}
    if any(setting.secret for setting in outline.settings.values()):
        rule: JsonObject = {"status": [401, 403], "then": "stop", "hint": "Check the credentials."}
        document["responses"] = [rule]
    if any(builder.uses_parts for builder, _ in builders.values()) or _in_addresses(outline):
        document["include"] = ["segment"]
    document["calls"] = _calls(builders)
    _drop_unused(document)
    return document


def _drop_unused(document: JsonObject) -> None:
    """Drop settings of credentials inside a value that is taken whole, which nothing reads then."""
    users = [_plain(document.get(key)) for key in ("http", "requests", "calls")]
    used = set(re.findall(r"settings\.([a-z0-9_]+)", str(users)))
    settings = {name: value for name, value in cast("JsonObject", document.get("settings", {})).items() if name in used}
    if settings:
        document["settings"] = settings
    else:
        document.pop("settings", None)


def _in_addresses(outline: Outline) -> bool:
    texts = (text for each in outline.requests for text in (each.path, *each.query.values(), *each.headers.values()))
    return any("${parts." in text for text in texts)


def _calls(builders: Builders) -> JsonObject:
    """Return `calls`; one whose steps are those of an earlier one shares them."""
    calls: JsonObject = {}
    for call, (_, steps) in builders.items():
        same = (other for other in calls if _plain(builders[other][1]) == _plain(steps))
        calls[call] = cast("Json", next(same, steps))
    return calls


def _plain(value: Any) -> Any:
    if isinstance(value, Commented):
        return _plain(value.value)
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _request(request: NewRequest) -> JsonObject:
    written: JsonObject = {"about": request.about} if request.about else {}
    written["path"] = request.path
    if request.method != "POST":
        written["method"] = request.method
    written |= {"query": _texts(request.query)} if request.query else {}
    written |= {"headers": _texts(request.headers)} if request.headers else {}
    if request.encode != "json":
        written["encode"] = request.encode
    if request.schema is not None:
        written["body_schema"] = inline(request.schema)
    return written


def _texts(texts: dict[str, str]) -> JsonObject:
    """Return texts so that none of them looks like a path that somebody forgot to write as `${path}`."""
    looks = {name: "${" not in text and not ROOTS.isdisjoint(re.findall(r"\w+", text)) for name, text in texts.items()}
    return {name: Inline({"const": text}) if looks[name] else text for name, text in texts.items()}


def _example(call: str, builder: Builder, expect: Json) -> JsonObject:
    event = {key: inline(value) for key, value in builder.event.items()}
    return {"title": TITLES[call], "event": event, "expect": expect}


def _expected(document: JsonObject, path: Path) -> list[Json]:
    """Return what the event of each example becomes; [] for all where the mapping cannot run, which problems say."""
    text = escaped(orjson.dumps(_plain(document)).decode())  # JSON is YAML, and takes no time to write
    loaded = Library().of(reader.parse(text, path.as_posix()), path)
    if any(problem.level == "error" and problem.code not in UNUSED_CODES for problem in check(loaded)):
        return [[] for _ in range(len(TITLES))]
    destination = Destination(loaded)
    found: list[Json] = []
    connect = connector(destination)
    for example in destination.mapping.examples:
        plan = run(connect(example), example)
        if plan.outcome is Outcome.INVALID:
            found.append({"invalid": str(plan.reason)})
            continue
        found.append([{request.request: _shown(request.body)} for request in plan.requests])
    return found


def _shown(body: Json) -> Any:
    """Return what an example says of a body: its keys, but for those with a secret."""
    if not isinstance(body, dict):
        return {}
    return {key: inline(value) for key, value in body.items() if not _has_secret(value)}


def _has_secret(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_has_secret, value.values()))
    return any(map(_has_secret, value)) if isinstance(value, list) else isinstance(value, Secret)
