"""Steps -> functions, one per step.

A step function returns the list of its planned requests, or a text: why it sends nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.compiler.emit.conditions import emit_condition, emit_conditions, value_is_secret
from engine.compiler.emit.replies import emit_batch, emit_item
from engine.compiler.emit.requests import AddressCode, emit_address, emit_request_id, is_settled
from engine.compiler.emit.values import emit_items, emit_or_empty, emit_rounds, emit_where, gives_templates
from engine.compiler.recording import Kind
from engine.compiler.writer import ARGUMENTS, CallParts, Module, Writer, call_roots
from engine.mapping.model import Batch, Request, Step
from engine.mapping.problems import place_text
from engine.mapping.walk import can_refuse, source_paths
from engine.records import PlannedRequest


class SettledAddress(NamedTuple):
    """Variables of an address that is computed once per connection."""

    address: AddressCode
    problem: str


class StepEmitter:
    """Writes step functions; addresses that need only settings are shared between steps."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._settled: dict[tuple[str, bool | None], SettledAddress] = {}
        self.are_settled = True
        """Whether no event decides where a request goes, in which group it travels, or what its headers say."""

    def step(self, step: Step, number: int, call: CallParts) -> str:
        """Write one step and return its function's name."""
        writer = Writer(self.module, call_roots(), call=call)
        writer.record(Kind.STEP, step.place, "None", step.request)
        self._conditions(writer, step)
        if step.for_each is None:
            writer.lines.add(f"return [{self._request(writer, step, number, 'None')}]")
        else:
            self._for_each(writer, step, number)
        name = self.module.names.fresh("step")
        mark = self.module.loaded.mark(step.place)
        with self.module.functions.block(f"def {name}({ARGUMENTS}):  # line {mark.line:d}"):
            self.module.functions.extend(writer.body())
        return name

    def _conditions(self, writer: Writer, step: Step) -> None:
        if step.when is not None or step.unless is not None:
            holds = emit_conditions(writer, step.when, step.unless, step.place)
            with writer.lines.block(f"if not ({holds}):"):
                writer.lines.add(f"return {writer.names.literal(_skipped(step))}")
        for condition, message in step.require:
            holds = emit_condition(writer, condition, (*step.place, "require"))
            writer.module.helper("invalid")
            with writer.lines.block(f"if not ({holds}):"):
                at = writer.names.literal(place_text((*step.place, "require")))
                writer.lines.add(f"invalid({at}, {writer.names.literal(message)})")

    def _for_each(self, writer: Writer, step: Step, number: int) -> None:
        assert step.for_each is not None
        items = emit_items(writer, step.for_each)
        requests, index, item = (writer.names.fresh(word) for word in ("requests", "index", "item"))
        writer.lines.add(f"{requests} = []")
        writer.count_items(f"len({items} or ())", (*step.place, "for_each"))
        emit_rounds(writer, f"({items} or ())", step.value, (*step.place, "for_each"))
        envelope = self.module.mapping.requests[step.request].envelope
        if envelope is not None:
            emit_rounds(writer, f"({items} or ())", envelope, (*step.place, "for_each"))
        opening = f"for {index}, {item} in enumerate({items} or ()):"
        secret, templates = value_is_secret(writer, step.for_each), gives_templates(writer, step.for_each)
        names = {"item": item, "index": index, "key": "None"}
        with (
            writer.naming(step.for_each, index, wanted=True),
            writer.lines.block(opening),
            writer.loop(secret=secret, templates=templates, **names),
        ):
            writer.record(Kind.ROUND, (*step.place, "for_each"), index)
            emit_where(writer, step.where, step.place)
            self._one_more(writer, step, requests)
            writer.lines.add(f"{requests}.append({self._request(writer, step, number, index)})")
        nothing = f"{place_text(step.place)}: for_each has no items"
        writer.lines.add(f"return {requests} or {writer.names.literal(nothing)}")

    def _one_more(self, writer: Writer, step: Step, requests: str) -> None:
        """Write the limit of what `for_each` makes of one event."""
        writer.module.helper("over_limit")
        at = writer.names.literal(place_text((*step.place, "for_each")))
        message = writer.names.literal(f"for_each would make more than {step.max_requests:,} requests")
        with writer.lines.block(f"if len({requests}) == {step.max_requests}:"):
            writer.lines.add(f"over_limit({at}, {message})")

    def _request(self, writer: Writer, step: Step, number: int, item: str) -> str:
        request = self.module.mapping.requests[step.request]
        given = self._given(writer, step)
        planned = self._body(writer, step, request, given)
        missing = "None"
        if request.if_missing is not None:
            other = self.module.mapping.requests[request.if_missing]
            same = request.envelope is None and other.envelope is None
            body = planned if same else self._body(writer, step, other, given)
            missing = self._planned(writer, step, other, (body, f"{number:d}", item, "None"), alone=True)
        return self._planned(writer, step, request, (planned, f"{number:d}", item, missing))

    def _planned(
        self, writer: Writer, step: Step, request: Request, rest: tuple[str, str, str, str], *, alone: bool = False
    ) -> str:
        body, number, item, missing = rest
        batch = None if alone or request.batch is None else self.module.mapping.batches[request.batch]
        group = "None"
        if batch is not None:
            address, group = self._batch_address(writer, batch, request, body)
        else:
            has_body = step.value is not None or request.envelope is not None
            address = self._address(writer, request, has_body=has_body)
            address = emit_request_id(writer, request, address, (number, item, body))
        is_settled_here = any(address == each.address for each in self._settled.values())
        self.are_settled = self.are_settled and is_settled_here and group == "None"
        writer.record(Kind.REQUEST, step.place, body, request.name)
        writer.names.function(PlannedRequest, "PlannedRequest")
        writer.names.function(tuple.__new__, "new_tuple")  # half the time of the named tuple's own __new__
        literal = writer.names.literal
        return (
            f"new_tuple(PlannedRequest, ({literal(request.name)}, {address.method}, {address.url}, {address.headers}, "
            f"{address.query}, {body}, {number}, {item}, {literal(request.batch)}, {missing}, {group}))"
        )

    def _given(self, writer: Writer, step: Step) -> str:
        """Write what the step gives: the body, unless the request has an envelope for it."""
        if step.value is None:
            return "None"
        return emit_or_empty(writer, step.value)

    def _body(self, writer: Writer, step: Step, request: Request, given: str) -> str:
        code = given
        if request.envelope is not None:
            with writer.envelope(given):
                code = emit_or_empty(writer, request.envelope)
        if request.encode == "form" and code != "None":
            writer.module.helper("form_body")
            form = writer.names.fresh("form")
            writer.lines.add(f"{form} = form_body({code}, reports, {writer.names.literal(place_text(step.place))})")
            code = form
        return code

    def _address(self, writer: Writer, request: Request, *, has_body: bool) -> AddressCode:
        if not is_settled(self.module.mapping, request):
            return emit_address(writer, request, has_body=has_body)
        key = (request.name, has_body)
        if key not in self._settled:
            self._settled[key] = self._settle(request, has_body=has_body)
        return self._checked(writer, self._settled[key])

    def _batch_address(self, writer: Writer, batch: Batch, request: Request, body: str) -> tuple[AddressCode, str]:
        """Write where the batch goes if this request is alone in it, and the text of its group."""
        code, group = emit_batch(self.module, batch), "None"
        if batch.group_by is not None:
            group = self._group(writer, batch)
        items = "()"
        fields = [value for _, value in batch.fields]
        refuses = any(can_refuse(value) for value in (*fields, *([request.item] if request.item is not None else [])))
        if code.reads_items or refuses:
            item = emit_item(self.module, request)
            items = f"[{body}]" if item == "None" else f"[{item}({body}, [], now)]"
        if refuses:  # found here, and not only when the batch is made
            made = writer.names.fresh("items")
            writer.lines.add(f"{made} = {items}")
            items = made
            if code.body != "None":
                writer.lines.add(f"{code.body}({items}, {group}, [], now)")
        if code.settled:
            key = (batch.name, None)
            if key not in self._settled:
                self._settled[key] = self._connected(f"lambda reports: {code.address}((), None, reports, 0.0)")
            return self._checked(writer, self._settled[key]), group
        names = AddressCode(*(writer.names.fresh(word) for word in AddressCode._fields))
        writer.lines.add(f"{', '.join(names)} = {code.address}({items}, {group}, reports, now)")
        return names, group

    def _group(self, writer: Writer, batch: Batch) -> str:
        assert batch.group_by is not None
        group = writer.names.fresh("group")
        at = writer.names.literal(place_text((*batch.place, "group_by")))
        tried = writer.names.literal(", ".join(dict.fromkeys(source_paths(batch.group_by))))
        code = writer.value(batch.group_by).code
        writer.lines.add(f"{group} = {writer.module.helper('group_text')}({code}, {at}, {tried})")
        return group

    @staticmethod
    def _checked(writer: Writer, settled: SettledAddress) -> AddressCode:
        writer.check_settled(settled.problem)
        return settled.address

    def _settle(self, request: Request, *, has_body: bool) -> SettledAddress:
        writer = Writer(self.module, {"settings": "settings"})
        address = emit_address(writer, request, has_body=has_body)
        writer.lines.add(f"return {', '.join(address)}")
        function = self.module.names.fresh("address")
        with self.module.functions.block(f"def {function}(reports):"):
            self.module.functions.extend(writer.body())
        return self._connected(function)

    def _connected(self, function: str) -> SettledAddress:
        """Write what computes an address when a connection is made."""
        names, problem = self.module.settle(function, AddressCode._fields)
        return SettledAddress(AddressCode(*names), problem)


def _skipped(step: Step) -> str:
    reasons = [f"when {step.when} does not hold"] if step.when is not None else []
    reasons += [f"unless {step.unless} holds"] if step.unless is not None else []
    return f"{place_text(step.place)}: {' or '.join(reasons)}"
