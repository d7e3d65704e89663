"""Mapping -> module: every call's steps as functions inside `connect(settings)`.

What depends on settings alone is computed once, when `connect` runs; only the functions it returns run for every
event.  The text of the module is kept: `engine show NAME --code` prints it, tracebacks show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Table
from math import inf
from typing import Any, TypeAlias, cast

import orjson

from engine.compiler.emit.oauth2 import emit_oauth2
from engine.compiler.emit.replies import emit_batch, emit_item, emit_judge, emit_save
from engine.compiler.emit.requests import address_paths, is_settled
from engine.compiler.emit.steps import StepEmitter
from engine.compiler.emit.templates import with_templates
from engine.compiler.emit.values import emit_value
from engine.compiler.growth import largest_event
from engine.compiler.lines import Lines
from engine.compiler.lines import build as build_module
from engine.compiler.optimizations import ALL, NONE, Optimization
from engine.compiler.recording import Recorder
from engine.compiler.runtime import Address, Reports
from engine.compiler.writer import OBJECTS, BatchCode, CallParts, Module, Uses
from engine.events.spec import FIELDS
from engine.language.paths import parse
from engine.mapping.keys import IN_LIST, NO_LOOP
from engine.mapping.load import Loaded
from engine.mapping.model import Mapping, Request, Step
from engine.mapping.walk import Occurrence, Scope, of_noun, of_value, parts_of
from engine.noun import Noun
from engine.records import Json, JsonObject, PlannedRequest

OF_INTAKE = 500
"""Bytes of an event that its text does not have: the messageId and the time of receipt that intake adds."""

StepFunction: TypeAlias = Callable[..., "list[PlannedRequest] | str"]
SaveFunction: TypeAlias = Callable[..., JsonObject]
MakePlain: TypeAlias = "Callable[[tuple[Any, ...]], tuple[Any, ...]]"
JudgeResult: TypeAlias = "tuple[str | None, Json, str] | None"


class CompiledStep(Noun, kw_only=False):
    """One step of a call, ready to run."""

    step: Step
    number: int
    run: StepFunction
    save: SaveFunction | None


class CompiledCall(Noun, kw_only=False):
    """The steps of a call.

    `memo` is what each event begins with, to be copied: counts of loops, no part computed. The bodies of an event of
    `largest` bytes are certainly within their limits.
    """

    steps: tuple[CompiledStep, ...]
    memo: list[Any]
    largest: float
    run: StepFunction | None = None
    """All steps as one function, if none saves anything: the fast path of most events."""


class CompiledRequest(Noun, kw_only=False):
    """How a request's response is judged, and how its body becomes an item of a batch."""

    judge: Callable[..., JudgeResult]
    item: Callable[..., Json] | None


class CompiledBatch(Noun, kw_only=False):
    """Where a batch is sent, its body from its items, and the results in its response as (ok, error).

    `address` is called as (items, group, reports, now); where it is `settled`, it reads only the settings.
    """

    address: Callable[..., Address]
    settled: bool
    body: Callable[..., JsonObject] | None
    results: Callable[..., list[tuple[bool, Json]] | None] | None


class Connected(Noun, kw_only=False):
    """The functions of a generated module, connected with settings; `oauth2` returns the texts behind its words."""

    calls: dict[str, CompiledCall]
    requests: dict[str, CompiledRequest]
    batches: dict[str, CompiledBatch]
    oauth2: Callable[[Reports], dict[str, Any]] | None = None


class Compiled(Noun, kw_only=False):
    """A generated module: its text, and what its functions belong to, in order."""

    code: str
    plan: tuple[tuple[str, tuple[Step, ...], list[object], float], ...]
    requests: tuple[str, ...]
    batches: tuple[str, ...]
    module: Callable[[JsonObject, MakePlain | None], tuple[tuple[Any, ...], ...]]
    loaded: Loaded
    are_settled: bool
    """Whether settings alone decide all of every request but its body."""

    def connect(self, settings: JsonObject, plain: MakePlain | None = None) -> Connected:
        """Run the generated `connect` and assign its functions to calls, requests and batches.

        `plain` makes ordinary text of addresses that only settings decide: a connection that shows its requests.
        """
        ready = with_templates(self.loaded, settings)
        steps, requests, batches, *others = self.module(ready, plain)
        besides = inf if ready is not settings else _size(settings) + OF_INTAKE
        functions = iter(steps)
        calls = {
            call: _call(
                tuple(CompiledStep(step, number, *next(functions)) for number, step in enumerate(found)),
                memo,
                -inf if besides == inf else largest - besides,  # a template copies what it likes: it is measured
            )
            for call, found, memo, largest in self.plan
        }
        return Connected(
            calls,
            {name: CompiledRequest(*pair) for name, pair in zip(self.requests, requests, strict=True)},
            {name: CompiledBatch(*functions) for name, functions in zip(self.batches, batches, strict=True)},
            others[0][0] if others else None,
        )


def _call(steps: tuple[CompiledStep, ...], memo: list[object], largest: float) -> CompiledCall:
    run = None if any(step.save for step in steps) else _together([step.run for step in steps])
    return CompiledCall(steps, memo, largest, run)


def _together(runs: list[StepFunction]) -> StepFunction:
    """Return the functions of steps as one; a text is again the reason why nothing is sent."""
    if len(runs) == 1:
        return runs[0]

    def run(*given: Any) -> list[PlannedRequest] | str:
        requests: list[PlannedRequest] = []
        skipped: list[str] = []
        for each in runs:
            result = each(*given)
            if isinstance(result, str):
                skipped.append(result)
            else:
                requests += result
        return requests or "; ".join(skipped)

    return run


def _size(settings: JsonObject) -> float:
    """Return how many bytes the settings have as JSON; what cannot be written is found where a body has it."""
    try:
        return len(orjson.dumps(settings))
    except TypeError:
        return inf


def build(loaded: Loaded, optimizations: frozenset[Optimization] = ALL, recorder: Recorder | None = None) -> Compiled:
    """Compile a mapping that has passed the checks; what `optimizations` are chosen changes only the speed.

    With a `recorder` the code tells it what it does, and nothing is optimized.
    """
    mapping = loaded.mapping
    module = Module(loaded, emit_value, optimizations if recorder is None else NONE, recorder)
    emitter = StepEmitter(module)
    steps: list[str] = []
    plan: list[tuple[str, tuple[Step, ...], list[object]]] = []
    for call, found in _calls(mapping).items():
        parts = CallParts(module, FIELDS[call], part_uses(mapping, found))
        for number, step in enumerate(found):
            steps.append(f"({emitter.step(step, number, parts)}, {emit_save(module, step) if step.save else None})")
        plan.append((call, found, parts.memo))
    requests = [
        f"({emit_judge(module, (*request.responses, *mapping.responses))}, {emit_item(module, request)})"
        for request in mapping.requests.values()
    ]
    batches = [_batch(emit_batch(module, batch)) for batch in mapping.batches.values()]
    oauth2 = [[emit_oauth2(module, mapping.http.oauth2)]] if mapping.http.oauth2 is not None else []
    text = _module_text(module, [steps, requests, batches, *oauth2])
    run = build_module(text, module.names, f"<waybill {mapping.name}>")["connect"]
    names = (tuple(mapping.requests), tuple(mapping.batches))
    largest = tuple((*planned, _largest(module, planned[1])) for planned in plan)
    return Compiled(
        text, largest, *names, cast("Callable[[JsonObject, MakePlain | None], Any]", run), loaded, emitter.are_settled
    )


def _batch(code: BatchCode) -> str:
    return f"({code.address}, {code.settled}, {code.body}, {code.results})"


def _largest(module: Module, steps: tuple[Step, ...]) -> float:
    """Return the size of events whose bodies need no measuring; an item of a batch may count what it copies."""
    requests = module.mapping.requests
    if any(step.request in module.counted_items for step in steps):
        return -inf
    bodies = (each for step in steps for each in module.growth.bodies(step))
    return largest_event((size_limit(requests, name), growth) for name, growth in bodies)


def size_limit(requests: Table[str, Request], name: str) -> int:
    """Return how many bytes a body may have, also as that of the request which is sent if it is missing."""
    request = requests[name]
    missing = request.if_missing
    return min(request.max_bytes, size_limit(requests, missing)) if missing is not None else request.max_bytes


def _calls(mapping: Mapping) -> dict[str, tuple[Step, ...]]:
    shared = {call: mapping.calls[other] for call, other in mapping.shared.items()}
    return {call: steps for call, steps in {**mapping.calls, **shared}.items() if call in FIELDS}


def _module_text(module: Module, returned: list[list[str]]) -> str:
    lines = Lines()
    with lines.block("def connect(settings, plain=None):"):
        lines.extend(module.settled)
        lines.extend(module.functions)
        lines.extend(module.closing)
        groups = [f"({', '.join(group)}{',' if group else ''})" for group in returned]
        lines.add(f"return ({', '.join(groups)})")
    return lines.text()


def part_uses(mapping: Mapping, steps: Iterable[Step]) -> Uses:
    """Count the uses of each part in a call, and of inner objects; a use of a part inside a loop counts as several."""
    uses: Counter[str] = Counter()
    objects: Counter[tuple[str, str]] = Counter()
    reached: list[str] = []

    def count(occurrences: Iterable[Occurrence]) -> None:
        for found in occurrences:
            roots = [root for root in parse(found.path).roots if root.name in OBJECTS and len(root.members) > 1]
            objects.update((root.name, root.members[0]) for root in roots)
            for name in parts_of(found.path):
                if name not in uses:
                    reached.append(name)
                uses[name] += 2 if found.scope.loop else 1

    for step in steps:
        count(of_step(mapping, step))
    while reached:
        count(of_value(mapping.parts[reached.pop()]))
    return Uses(uses, objects)


def of_step(mapping: Mapping, step: Step) -> Iterator[Occurrence]:
    """Return the paths that run with a step: its own, and those of an address that needs more than settings."""
    yield from (found for found in of_noun(step, step.place, Scope(kind="call")) if found.scope.kind == "call")
    request = mapping.requests[step.request]
    scope = Scope(kind="request", loop=IN_LIST if step.for_each is not None else NO_LOOP)
    if request.envelope is not None:
        yield from of_value(request.envelope, scope)
    if request.batch is not None:
        group_by = mapping.batches[request.batch].group_by
        yield from of_value(group_by, scope) if group_by is not None else ()
    elif not is_settled(mapping, request):
        yield from address_paths(request, mapping.http, scope)
