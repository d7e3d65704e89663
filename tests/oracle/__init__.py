"""The oracle: what a mapping makes of an event, as plainly as possible and however slowly.

Written from the language's rules (tests/language/README.md), not from the compiler: property tests hold
the two together.  It borrows from the engine only what is specified elsewhere: the functions of `as`, whose
examples are tests of their own, and the normalizer of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple, cast

from engine.events.normalizing import normalize
from engine.records import Json, JsonObject
from tests.oracle.basics import Hidden, Invalid, Marker, at, naming
from tests.oracle.requests import check_sizes, request_of
from tests.oracle.run import Run, Scope
from tests.oracle.values import evaluate, list_of, loop, looped


class OraclePlan(NamedTuple):
    """What the compiled mapping must produce too; `reports` are pairs of code and place."""

    outcome: str
    reason: str | None
    place: str | None
    requests: list[JsonObject]
    reports: list[tuple[str, str]]


def plan(
    mapping: JsonObject,
    settings: JsonObject,
    event: Json,
    *,
    received_at: str | None,
    now: float,
    replies: Sequence[JsonObject] = (),
) -> OraclePlan:
    """Plan one event; `settings` are typed and complete, `replies` what the vendor would answer."""
    normalized = normalize(event, received_at=received_at, now=now)
    run = Run(mapping, _hidden(mapping, settings), now)
    run.reports = [(report.code, report.place) for report in normalized.reports]
    if normalized.invalid is not None:
        return OraclePlan("invalid", normalized.invalid, None, [], run.reports)
    options = _switch(run, cast("JsonObject", normalized.event.get("integrations") or {}))
    if options is None:
        return OraclePlan("ignored", "switched off in integrations", None, [], run.reports)
    run.enter(normalized.event, options, lambda name: _part(run, name))
    try:
        requests = list(_steps(run, str(normalized.event["type"]), list(replies)))
        check_sizes(run, requests)
    except Invalid as invalid:
        return OraclePlan("invalid", str(invalid), invalid.place, [], run.reports)
    return OraclePlan("planned" if requests else "ignored", None, None, requests, run.reports)


def _hidden(mapping: JsonObject, settings: JsonObject) -> JsonObject:
    declared = cast("dict[str, JsonObject]", mapping.get("settings") or {})
    secret = {name for name, setting in declared.items() if setting.get("secret")}
    return {name: _all_hidden(value) if name in secret else value for name, value in settings.items()}


def _all_hidden(value: Json) -> Json:
    """Hide a text, or every text of a table or list."""
    if isinstance(value, dict):
        return {name: _all_hidden(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_all_hidden(member) for member in value]
    return Hidden(value) if isinstance(value, str) else value


def _part(run: Run, name: str) -> Json:
    return evaluate(run, cast("JsonObject", run.mapping["parts"])[name], run.scope, at("parts", name))


def _switch(run: Run, integrations: JsonObject) -> JsonObject | None:
    """Return this destination's options, or None where the event switches it off."""
    names = cast("list[str]", run.mapping.get("integrations") or [run.mapping["title"]])
    for name in [*names, "All"]:
        spelled = [key for key in [name, *integrations] if key in integrations and key.lower() == name.lower()]
        for key in dict.fromkeys(spelled):
            if key != name:
                run.report("integration-spelling", at("integrations", key))
        if any(integrations[key] is False for key in spelled):
            return None
        for key in spelled:
            value = integrations[key]
            if value is True or (isinstance(value, dict) and name != "All"):
                return value if isinstance(value, dict) else {}
        if spelled:
            run.report("integration-unknown-value", at("integrations", spelled[0]))
    return {}


def _steps(run: Run, call: str, replies: list[JsonObject]) -> Iterator[JsonObject]:
    calls = cast("JsonObject", run.mapping["calls"])
    steps = calls.get(call)
    if isinstance(steps, str):
        call, steps = steps, calls[steps]
    for number, step in enumerate(cast("list[JsonObject]", steps or [])):
        place = at("calls", call, number)
        if run.wanted(step, run.scope, place):
            _require(run, step, place)
            for made, scope in enumerate(_scopes(run, step, place)):
                if "for_each" in step and made == step.get("max_requests", 1000):
                    raise Invalid(f"{place}.for_each", "Too many requests")
                with naming(step.get("for_each"), scope["index"]) if "for_each" in step else nullcontext():
                    request = request_of(run, step, scope, place)
                yield request
            _save(run, step, place, replies)


def _require(run: Run, step: JsonObject, place: str) -> None:
    for condition, message in cast("dict[str, str]", step.get("require") or {}).items():
        if not run.condition(condition, run.scope, f"{place}.require"):
            raise Invalid(f"{place}.require", message)


def _scopes(run: Run, step: JsonObject, place: str) -> Iterator[Scope]:
    if "for_each" not in step:
        yield run.scope
        return
    of = looped(run, step["for_each"], run.scope, f"{place}.for_each")
    items = list_of(run, of, f"{place}.for_each")
    run.count(len(items or []), f"{place}.for_each")
    yield from loop(run, items or [], step.get("where"), run.scope, f"{place}.where")


def _save(run: Run, step: JsonObject, place: str, replies: list[JsonObject]) -> None:
    """Read what the step saves from the next reply to its request; without a reply, save markers."""
    saves = cast("dict[str, str]", step.get("save") or {})
    reply = next((reply for reply in replies if reply["request"] == step["request"]), None)
    if reply is None:
        run.saved.values |= {name: Marker(f"<saved.{name}>") for name in saves}
        return
    replies.remove(reply)
    answer: Scope = {"status": 200, "headers": {}, "body": None, **reply, "settings": run.settings}
    for name, path in saves.items():
        run.saved.values[name] = run.search(path, answer, at(f"{place}.save", name))
