"""Mapping -> module: every call's steps as functions inside `connect(settings)`.

What depends on settings alone is worked out once, when `connect` runs; the functions it returns are what an
event costs.  The text of the module is kept: `engine show NAME --code` prints it, tracebacks show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from engine.compiler.emit.replies import emit_batch, emit_item, emit_judge, emit_save
from engine.compiler.emit.requests import basic_paths, is_settled
from engine.compiler.emit.steps import StepEmitter
from engine.compiler.lines import Lines
from engine.compiler.lines import build as build_module
from engine.compiler.runtime import Address, Reports
from engine.compiler.writer import CallParts, Module, Site
from engine.events.spec import FIELDS
from engine.language import paths
from engine.mapping.load import Loaded
from engine.mapping.model import Each, Entries, Instruction, Mapping, Step, TextOrValue, Value
from engine.mapping.walk import children, own_paths, texts_of
from engine.records import Json, JsonObject, PlannedRequest

StepFunction: TypeAlias = Callable[..., "list[PlannedRequest] | str"]
SaveFunction: TypeAlias = Callable[..., JsonObject]
JudgeResult: TypeAlias = "tuple[str, Json, str] | None"


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """One step of a call, ready to run."""

    step: Step
    number: int
    run: StepFunction
    save: SaveFunction | None


@dataclass(frozen=True, slots=True)
class CompiledCall:
    """The steps of a call and how many parts an event's memo must hold."""

    steps: tuple[CompiledStep, ...]
    memo_size: int
    only: StepFunction | None = None
    """The one step's function, where there is one step that saves nothing: the way of most events."""


@dataclass(frozen=True, slots=True)
class CompiledRequest:
    """What is done with a request's answer, and how its body becomes an item of a batch."""

    judge: Callable[..., JudgeResult]
    item: Callable[..., Json] | None


@dataclass(frozen=True, slots=True)
class CompiledBatch:
    """Where a batch goes, its body from its items, and its answer's results as (ok, error)."""

    address: Callable[[Reports], Address]
    body: Callable[..., JsonObject] | None
    results: Callable[..., list[tuple[bool, Json]] | None] | None


@dataclass(frozen=True, slots=True)
class Connected:
    """A generated module with settings worked in."""

    calls: dict[str, CompiledCall]
    requests: dict[str, CompiledRequest]
    batches: dict[str, CompiledBatch]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A generated module: its text, the places it records, and what its functions are for, in order."""

    code: str
    sites: tuple[Site, ...]
    plan: tuple[tuple[str, tuple[Step, ...], int], ...]
    requests: tuple[str, ...]
    batches: tuple[str, ...]
    module: Callable[[JsonObject], tuple[tuple[Any, ...], ...]]

    def connect(self, settings: JsonObject) -> Connected:
        """Run the generated `connect` and sort its functions."""
        steps, requests, batches = self.module(settings)
        functions = iter(steps)
        calls = {
            call: _call(
                tuple(CompiledStep(step, number, *next(functions)) for number, step in enumerate(found)), memo_size
            )
            for call, found, memo_size in self.plan
        }
        return Connected(
            calls,
            {name: CompiledRequest(*pair) for name, pair in zip(self.requests, requests, strict=True)},
            {name: CompiledBatch(*triple) for name, triple in zip(self.batches, batches, strict=True)},
        )


def _call(steps: tuple[CompiledStep, ...], memo_size: int) -> CompiledCall:
    only = steps[0].run if len(steps) == 1 and steps[0].save is None else None
    return CompiledCall(steps, memo_size, only)


def build(loaded: Loaded, *, record: bool = False) -> Compiled:
    """Compile a mapping that the checker has passed; `record` adds a call of `trace` after every value."""
    mapping = loaded.mapping
    module = Module(loaded, record=record)
    emitter = StepEmitter(module)
    steps: list[str] = []
    plan = []
    for call, found in _calls(mapping).items():
        parts = CallParts(module, FIELDS[call], part_uses(mapping, found))
        for number, step in enumerate(found):
            steps.append(f"({emitter.step(step, number, parts)}, {emit_save(module, step) if step.save else None})")
        plan.append((call, found, parts.memo_size))
    requests = [
        f"({emit_judge(module, (*request.responses, *mapping.responses))}, {emit_item(module, request)})"
        for request in mapping.requests.values()
    ]
    batches = [emit_batch(module, batch) for batch in mapping.batches.values()]
    text = _module_text(module, [steps, requests, batches])
    run = build_module(text, module.names, f"<waybill {mapping.name}>")["connect"]
    names = (tuple(mapping.requests), tuple(mapping.batches))
    return Compiled(text, tuple(module.sites), tuple(plan), *names, cast("Callable[[JsonObject], Any]", run))


def _calls(mapping: Mapping) -> dict[str, tuple[Step, ...]]:
    shared = {call: mapping.calls[other] for call, other in mapping.shared.items()}
    return {call: steps for call, steps in {**mapping.calls, **shared}.items() if call in FIELDS}


def _module_text(module: Module, returned: list[list[str]]) -> str:
    lines = Lines()
    with lines.block("def connect(settings):"):
        lines.extend(module.settled)
        lines.extend(module.functions)
        lines.extend(module.closing)
        groups = [f"({', '.join(group)}{',' if group else ''})" for group in returned]
        lines.add(f"return ({', '.join(groups)})")
    return lines.text()


def part_uses(mapping: Mapping, steps: Iterable[Step]) -> Counter[str]:
    """Count how often a call asks for each part; inside a loop counts as often."""
    uses: Counter[str] = Counter()
    reached: list[str] = []

    def count(path: str, times: int) -> None:
        for root in paths.parse(path).roots:
            if root.name == "parts" and root.members:
                if root.members[0] not in uses:
                    reached.append(root.members[0])
                uses[root.members[0]] += times

    for step in steps:
        _count_step(mapping, step, count)
    while reached:
        _count_value(mapping.parts[reached.pop()], 1, count)
    return uses


def _count_step(mapping: Mapping, step: Step, count: Callable[[str, int], None]) -> None:
    for path in (step.when, step.unless, *(condition for condition, _ in step.require)):
        if path is not None:
            count(path, 1)
    times = 1
    if step.for_each is not None:
        _count_value(step.for_each, 1, count)
        times = 2
    if step.where is not None:
        count(step.where, times)
    if step.value is not None:
        _count_value(step.value, times, count)
    request = mapping.requests[step.request]
    if not is_settled(request, mapping.http):
        texts: list[TextOrValue | None] = [request.path, request.method, mapping.http.base_url]
        texts += [text for _, text in (*request.query, *request.headers, *mapping.http.headers)]
        for path in basic_paths(mapping.http):
            count(path, times)
        for text in texts:
            for path in texts_of(text) if text is not None else ():
                count(path, times)


def _count_value(value: Value, times: int, count: Callable[[str, int], None]) -> None:
    inner = times
    if isinstance(value, Instruction) and isinstance(value.source, Each | Entries):
        inner = 2
    for path in own_paths(value):
        count(path, inner)
    for child in children(value):
        _count_value(child, inner, count)
