"""Responses -> functions: the rules of `responses`, save, a batch's items, body and results.

They read `status headers body settings` of a response (a batch reads `items` and `group`) and nothing of the event.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.compiler.emit.conditions import (
    asks_the_clock,
    emit_condition,
    emit_conditions,
    emit_path_value,
    value_is_secret,
)
from engine.compiler.emit.requests import (
    address_paths,
    emit_headers,
    emit_headers_from,
    emit_method,
    emit_query,
    emit_url,
    header_list,
)
from engine.compiler.emit.values import emit_members
from engine.compiler.lines import Lines
from engine.compiler.recording import Kind
from engine.compiler.writer import BatchCode, Module, Writer
from engine.mapping.model import Batch, Request, Step
from engine.mapping.response_rules import Response
from engine.mapping.walk import Scope, reads, values_in

REPLY = {"status": "status", "headers": "headers", "body": "body", "settings": "settings"}
ARGUMENTS = "status, headers, body, reports"


def _function(module: Module, hint: str, arguments: str, body: Lines) -> str:
    name = module.names.fresh(hint)
    with module.functions.block(f"def {name}({arguments}):"):
        module.functions.extend(body)
    return name


def emit_save(module: Module, step: Step) -> str:
    """Write the function that takes what later steps need from a response."""
    writer = Writer(module, dict(REPLY))
    writer.lines.add("saved = {}")
    for name, path in step.save.items():
        value = emit_path_value(writer, path, (*step.place, "save", name))
        with writer.lines.block(f"if {value} is not None:"):
            writer.lines.add(f"saved[{writer.names.literal(name)}] = {value}")
    writer.lines.add("return saved")
    return _function(module, "save", ARGUMENTS, writer.body())


def emit_judge(module: Module, rules: Sequence[Response]) -> str:
    """Write the function that returns the first rule a response matches as (then, error, hint), or None.

    `then` is None in a rule that leaves it to the usual rules.
    """
    writer = Writer(module, dict(REPLY))
    for rule in rules:
        with writer.lines.block(f"if {_status(writer, rule)}:"), writer.branch():
            if rule.when is None and rule.unless is None:
                _verdict(writer, rule)
                continue
            holds = emit_conditions(writer, rule.when, rule.unless, rule.place)
            with writer.lines.block(f"if {holds}:"), writer.branch():
                _verdict(writer, rule)
    writer.lines.add("return None")
    return _function(module, "judge", ARGUMENTS, writer.body())


def _status(writer: Writer, rule: Response) -> str:
    if not rule.status:
        return "True"
    codes = frozenset(code for code in rule.status if isinstance(code, int))
    classes = frozenset(int(code[0]) for code in rule.status if isinstance(code, str))
    tests = [f"status in {writer.names.constant(codes, 'codes')}"] if codes else []
    tests += [f"status // 100 in {writer.names.constant(classes, 'classes')}"] if classes else []
    return " or ".join(tests)


def _verdict(writer: Writer, rule: Response) -> None:
    writer.record(Kind.RESPONSE, rule.place, "None")
    error = emit_path_value(writer, rule.error, (*rule.place, "error")) if rule.error is not None else "None"
    writer.lines.add(f"return ({writer.names.literal(rule.then)}, {error}, {writer.names.literal(rule.hint)})")


def emit_item(module: Module, request: Request) -> str:
    """Write the function that makes a request's body an item of its batch."""
    if request.item is None:
        return "None"
    if request.name in module.item_functions:
        return module.item_functions[request.name]
    writer = Writer(module, {"body": "body", "settings": "settings"})
    writer.lines.add(f"return {writer.value(request.item).code}")
    if writer.counted:
        module.counted_items.add(request.name)
    module.item_functions[request.name] = _function(module, "item", "body, reports, now", writer.body())
    return module.item_functions[request.name]


def emit_batch(module: Module, batch: Batch) -> BatchCode:
    """Write the functions of a batch, once."""
    if batch.name not in module.batch_functions:
        roots = _address_roots(module, batch)
        values = (*values_in(batch), *values_in(module.mapping.http))
        module.batch_functions[batch.name] = BatchCode(
            address=_batch_address(module, batch),
            settled=not roots & {"group", "items"} and not any(map(asks_the_clock, values)),
            reads_items="items" in roots,
            body=_batch_body(module, batch),
            results=_batch_results(module, batch),
        )
    return module.batch_functions[batch.name]


def _address_roots(module: Module, batch: Batch) -> set[str]:
    found = address_paths(batch, module.mapping.http, Scope(kind="batch"))
    return {root for each in found for root, _ in reads(module.mapping, each.path)}


def _batch_writer(module: Module, batch: Batch) -> Writer:
    writer = Writer(module, {"items": "items", "group": "group", "settings": "settings"})
    writer.secret_group = batch.group_by is not None and value_is_secret(writer, batch.group_by)
    return writer


def _batch_address(module: Module, batch: Batch) -> str:
    writer = _batch_writer(module, batch)
    url = emit_url(writer, batch.path, (*batch.place, "path"))
    query = emit_query(writer, batch, url)
    headers = emit_headers(writer, header_list(batch.headers, batch.place, module.mapping.http), "application/json")
    emit_headers_from(writer, batch, headers)
    writer.lines.add(f"return {emit_method(writer, batch)}, {url}, {headers}, {query}")
    return _function(module, "batch_address", "items, group, reports, now", writer.body())


def _batch_body(module: Module, batch: Batch) -> str:
    if not batch.fields:
        return "None"
    writer = _batch_writer(module, batch)
    writer.lines.add("body = {}")
    emit_members(writer, "body", batch.fields, (*batch.place, "fields"))
    writer.lines.add("return body")
    return _function(module, "batch_body", "items, group, reports, now", writer.body())


def _batch_results(module: Module, batch: Batch) -> str:
    """A function body -> list of (ok, error), or None where the list is not there."""
    if batch.results is None:
        return "None"
    place = (*batch.place, "results")
    writer = Writer(module, {"body": "body", "settings": "settings"})
    found = emit_path_value(writer, batch.results.list, (*place, "list"))
    with writer.lines.block(f"if type({found}) is not list:"):
        writer.lines.add("return None")
    writer.lines.add("results = []")
    with writer.lines.block(f"for item in {found}:"), writer.loop(secret=False, item="item"):
        ok = emit_condition(writer, batch.results.ok, (*place, "ok"))
        writer.lines.add(f"ok = bool({ok})")
        writer.lines.add("error = None")
        if batch.results.error is not None:
            with writer.lines.block("if not ok:"), writer.branch():
                writer.lines.add(f"error = {emit_path_value(writer, batch.results.error, (*place, 'error'))}")
        writer.lines.add("results.append((ok, error))")
    writer.lines.add("return results")
    return _function(module, "batch_results", "body, reports", writer.body())
