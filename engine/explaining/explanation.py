"""The explanation of one event as JSON (`schemas/explanation.schema.json`); what is printed is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from engine.compiler.recording import Kind
from engine.events.integrations import switch
from engine.events.spec import FIELDS
from engine.explaining.influence import Effect, Origins, Target, effect, most_leaves
from engine.explaining.original import OriginalEvent
from engine.explaining.outputs import Output, OutputReader, Route
from engine.explaining.story import Detail, Storyteller
from engine.explaining.trace import Item, Node, Note, RequestTrace, StepTrace, traces
from engine.language.paths import Marker
from engine.mapping.load import Loaded
from engine.mapping.problems import place_text
from engine.mapping.walk import Occurrences, roots_of
from engine.plan import Connection
from engine.records import Json, JsonObject, Outcome, Place, Plan, PlannedRequest, Report, Secrets, masked


def explain(connection: Connection, original: OriginalEvent, secrets: Secrets) -> JsonObject:
    """Explain what an event becomes; the connection's destination records (`Recorder`).

    `secrets` are masked wherever they stand.
    """
    return cast("JsonObject", masked(_Explainer(connection, original).explanation(), secrets))


class _Explainer:
    def __init__(self, connection: Connection, original: OriginalEvent) -> None:
        recorder = connection.destination.recorder
        assert recorder is not None
        self.connection, self.original, self.normalized = connection, original, original.normalized
        self.mapping = connection.mapping
        self.loaded: Loaded = connection.destination.loaded
        recorder.taken()
        self.plan = connection.plan_normalized(self.normalized, now=original.now)
        self.steps = traces(recorder.taken())
        recorder.paused = True
        self.left_out = 0
        self.effects = self._effects()
        self.origins = Origins(self.effects)
        self.rules: dict[tuple[int, str], JsonObject] = {}
        """Where the mapping decides an output field, by the number of its request and its path."""
        recorder.paused = False
        self.planned_by = [step for step in self.steps for _ in step.requests]
        call = self.normalized.call or ""
        self.teller = Storyteller(self.mapping, call, self.normalized.event, self.plan.reports)

    def explanation(self) -> JsonObject:
        """Return all of it."""
        plan, own = self.plan, len(self.normalized.reports)
        steps = list(self._steps())
        fields = list(self._event_fields())
        return {
            "mapping": self.mapping.name,
            "file": str(self.loaded.path),
            "call": self.normalized.call,
            "outcome": plan.outcome.value,
            "reason": plan.reason,
            "decided_by": [] if plan.outcome is Outcome.PLANNED else list(self._decided_by()),
            "steps": cast("Json", steps),
            "event_fields": cast("Json", fields),
            "event_fields_left_out": self.left_out,
            "reached_no_request": [
                each["path"] for each in fields if not each["reached_something"] and each["value"] is not None
            ],
            "reports": [self._report(number < own, each) for number, each in enumerate(plan.reports)],
        }

    # What decides.

    def _decided_by(self) -> Iterator[Json]:
        event, reason = self.normalized, self.plan.reason
        if event.invalid is not None:
            yield self._detail(Detail("event", "the event itself", ()))
        elif not self.steps:
            yield from self._not_run()
        elif self.plan.outcome is Outcome.INVALID:
            yield from map(self._detail, self._refusal(reason))
        else:
            for step in self.steps:
                failed = [each for each in self.teller.of_items(step.decisions) if each.value is not True]
                yield from map(self._detail, failed)

    def _not_run(self) -> Iterator[Json]:
        event = self.normalized.event
        integrations = event.get("integrations")
        off = isinstance(integrations, dict) and not switch(integrations, self.mapping.integrations).on
        if off:
            yield self._detail(Detail("event", "its integrations", ()))
            return
        calls = [call for call in FIELDS if call in self.mapping.calls or call in self.mapping.shared]
        yield self._detail(Detail("calls", "calls", ("calls",), None, f"the mapping has {', '.join(calls)}"))

    def _refusal(self, reason: str) -> Iterator[Detail]:
        """Return what happened inside the value that makes the event invalid; its place ends the reason."""
        step = self.steps[-1]
        failed = [each for each in self.teller.of_items(step.decisions) if each.value is not True]
        places = {place_text(place): place for place in self.teller.values}
        text = reason.rpartition("(")[2].rstrip(")")
        place = places.get(text, step.place)
        inside = [each for each in step.rest if each.place[: len(place)] == place and each.place != step.place]
        if place != step.place:
            yield Detail("value", text, place, inner=tuple(self.teller.story(Node(place, None, inside))))
        elif failed:
            yield from failed
        else:
            yield Detail("value", place_text(place), place)

    # Steps and their output fields.

    def _steps(self) -> Iterator[JsonObject]:
        number = 0
        planned = self.plan.requests
        for step in self.steps:
            sent = list(zip(step.requests, planned[number : number + len(step.requests)], strict=False))
            requests = [self._request(step, trace, request, number + at) for at, (trace, request) in enumerate(sent)]
            number += len(step.requests)
            yield {
                "request": step.request,
                **self._place(step.place),
                "decisions": [self._detail(each) for each in self.teller.of_items(step.decisions)],
                "requests": cast("Json", requests),
            }

    def _request(self, step: StepTrace, trace: RequestTrace, request: PlannedRequest, number: int) -> JsonObject:
        outputs = list(OutputReader(self.teller.values, trace, step.place).outputs())
        around = [
            {"output": route_text(route), "from": cast("Json", self._sources(number, route))}
            for route in self._parts_reached(number)
        ]
        return {
            "method": request.method,
            "url": request.url,
            "batch": request.batch,
            "around": cast("Json", around),
            "fields": [self._output(each, number) for each in outputs if not each.absent],
            "absent": [self._output(each, number) for each in outputs if each.absent],
        }

    def _parts_reached(self, number: int) -> list[Route]:
        found = (target for each in self.effects.values() for target in each.targets)
        return list(dict.fromkeys(each.route for each in found if each.request == number and each.route[0] != "body"))

    def _output(self, output: Output, number: int) -> JsonObject:
        sources: list[str] = [] if output.absent else self._sources(number, ("body", *output.route))
        details = self.teller.story(output.node) if not output.inside else []
        self.rules[number, route_text(output.route)] = self._place(output.node.place)
        return {
            "output": route_text(output.route),
            **({} if output.absent else {"value": _plain(output.value)}),
            **self._place(output.node.place),
            "from": cast("Json", sources),
            "details": [self._detail(each) for each in details],
        }

    def _sources(self, number: int, route: Route) -> list[str]:
        """Return the event's fields that reach an output field."""
        return [route_text(each) for each in self.origins.of(number, route)]

    # The event's fields.

    def _effects(self) -> dict[Route, Effect]:
        event = self.original.event

        def replan(other: JsonObject) -> Plan:
            return self.original.replanned(self.connection, other)

        every = list(self.original.fields())
        most = most_leaves(len(every))
        self.left_out = max(0, len(every) - most)
        found = dict(every[:most])
        return {route: effect(event, route, value, replan, self.plan) for route, value in found.items()}

    def _event_fields(self) -> Iterator[JsonObject]:
        notes = list(self._notes())
        tried = _chains(each.detail for each in notes if each.kind is Kind.READ)
        occurrences = Occurrences(self.mapping)
        for route, reached in self.effects.items():
            names = _names(route)
            yield {
                "path": route_text(route),
                "value": _at(self.original.event, route),
                "reached_something": bool(reached),
                "decides": reached.decides,
                "reaches": [self._reached(each) for each in reached.targets],
                "tried": any(_covers(chain, names, whole=False) for chain in tried),
                "read_in": [] if reached else list(self._read_in(occurrences, names)),
            }

    def _reached(self, target: Target) -> Json:
        """Return an output field that a field reaches: its request, and where the mapping decides it."""
        name = self.plan.requests[target.request].request
        output = _target_text(target)
        return {"number": target.request + 1, "name": name, "output": output, **self._rule(target.request, output)}

    def _rule(self, request: int, output: str) -> JsonObject:
        found = self.rules.get((request, output))
        return found if found is not None else self._place(self.planned_by[request].place)

    def _notes(self) -> Iterator[Note]:
        """Return everything that was noted of this event, also inside parts."""
        pending: list[Item] = []
        for step in self.steps:
            pending += [*step.decisions, *step.rest, *(item for request in step.requests for item in request.items)]
        seen: set[int] = set()
        while pending:
            item = pending.pop()
            if isinstance(item, Node):
                pending += item.items if id(item) not in seen else []
                seen.add(id(item))
                continue
            yield item
            if item.part is not None:
                pending.append(item.part)

    def _read_in(self, occurrences: Occurrences, names: tuple[str, ...]) -> Iterator[Json]:
        """Return, once for each call, where the mapping reads such a field."""
        seen: set[str] = set()
        for found in occurrences.all:
            for root in roots_of(found.path):
                chain = (root.name, *root.members)
                for call in found.scope.calls:
                    own = call == self.normalized.call and bool(self.steps)
                    if call in seen or root.name not in FIELDS[call] or not _covers(chain, names, whole=not own):
                        continue
                    seen.add(call)
                    yield {"call": call, "own": own, "path": found.path, **self._place(found.place)}

    # Places.

    def _detail(self, detail: Detail) -> Json:
        place = self._place(detail.place) if detail.place else {}
        return {
            "kind": detail.kind,
            "text": detail.text,
            **place,
            "value": _plain(detail.value),
            "note": detail.note,
            "inner": [self._detail(each) for each in detail.inner],
        }

    def _place(self, place: Place) -> JsonObject:
        mark = self.loaded.mark(place)
        return {"place": place_text(place), "file": mark.file, "line": mark.line}

    @staticmethod
    def _report(of_event: bool, report: Report) -> Json:
        return {"about": "event" if of_event else "mapping", **report._asdict()}


def route_text(route: Route) -> str:
    """Write a route as a path: `items[0].name`; () is the whole body."""
    return place_text(route) or "(body)"


def _target_text(target: Target) -> str:
    return route_text(target.route[1:] if target.route[0] == "body" else target.route)


def _chains(paths: Iterable[str]) -> list[tuple[str, ...]]:
    return [(root.name, *root.members) for path in dict.fromkeys(paths) for root in roots_of(path)]


def _names(route: Route) -> tuple[str, ...]:
    return tuple(each for each in route if isinstance(each, str))


def _covers(chain: Sequence[str], names: Sequence[str], *, whole: bool = True) -> bool:
    """Whether a path with these names reads a field, or a part of it; with `whole`, also as a part of an object."""
    length = min(len(chain), len(names))
    return tuple(chain[:length]) == tuple(names[:length]) and (whole or len(chain) >= len(names))


def _at(value: Json, route: Iterable[str | int]) -> Json:
    for key in route:
        value = value[key]  # type: ignore[index]
    return value


def _plain(value: Json) -> Json:
    return str(value) if isinstance(value, Marker) else value
