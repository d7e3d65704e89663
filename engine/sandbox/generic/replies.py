"""What a vendor made from a mapping answers, so that the mapping can read it.

The responses of examples (`replies`) are used where the mapping accepts them.  To them is added what `save` reads and
what the rules of `responses` want, made up from their paths; then the mapping itself is asked whether it accepts the
whole.  Where it does not, `Replies.faults` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, cast

from engine.mapping.model import Mapping
from engine.mapping.response_rules import Response, Results
from engine.plan import Connection
from engine.records import Json, JsonObject
from engine.responses import ResponseReader
from engine.sandbox.generic.inventing import CannotInvent, hold, invented, read, write
from engine.sandbox.http_messages import VendorResponse

STATUSES = (200, 201, 202, 204)
"""What is tried until the mapping accepts it."""
NOT_ACCEPTED = (
    "the sandbox found no response that the rules for {name} accept ({error}); it answers 200, and the mapping decides"
)
NOT_READABLE = (
    "the sandbox found no response from which `results` of the batch {name} reads one entry per item; its events will "
    "be sent one by one"
)


class Replies:
    """Makes the responses of one connection's vendor; `faults` are sentences about those that could not be made."""

    def __init__(self, connection: Connection) -> None:
        self._mapping = connection.mapping
        self._reader = ResponseReader(connection)
        self.faults: list[str] = []
        self._made = {name: self._success(name) for name in self._mapping.requests}
        for name in self._mapping.batches:
            if not self._is_readable(name):
                self.faults.append(NOT_READABLE.format(name=name))

    def success(self, name: str, number: int) -> VendorResponse:
        """Return the response to the request that is the vendor's `number`th, with values to save of its own."""
        return _response(_with_saved(self._mapping, name, number, self._made[name]))

    def batch(self, name: str, errors: Sequence[str | None], number: int) -> VendorResponse:
        """Return the response to a batch with an item for each of `errors`: None where it went well."""
        carried = [each.name for each in self._mapping.requests.values() if each.batch == name]
        scope = self._made[carried[0]] if carried else _scope(200)
        results = self._mapping.batches[name].results
        if results is not None:
            scope = _with_results(results, errors, scope)
        if carried:
            scope = _with_saved(self._mapping, carried[0], number, scope)
        return _response(scope)

    def failure(self, status: int, message: str, names: Sequence[str] = ()) -> VendorResponse:
        """Return an error response whose message stands where the rules for `names`, or else any rules, read it."""
        own = [self._mapping.requests[name].responses for name in names if name in self._mapping.requests]
        others = [] if own else [each.responses for each in self._mapping.requests.values()]
        scope = _scope(status)
        for rule in chain(*own, self._mapping.responses, *others):
            if rule.error is not None and _concerns(rule, status):
                scope = _written(rule.error, message, scope)
                if scope["body"] != {}:
                    break
        if not isinstance(scope["body"], dict | list | str) or not scope["body"]:
            scope = {**scope, "body": {"error": message}}
        return _response({**scope, "status": status})

    def _success(self, name: str) -> JsonObject:
        """Return the response to a request as the scope in which the mapping's paths read it."""
        error = ""
        for scope in self._candidates(name):
            verdict = self._reader.judge(name, cast("int", scope["status"]), _headers(scope), scope["body"])
            if verdict.then == "accept":
                return scope
            error = error or f"{scope['status']}: {verdict.then}"
        self.faults.append(NOT_ACCEPTED.format(name=name, error=error))
        return _with_saved(self._mapping, name, 1, _scope(200))

    def _candidates(self, name: str) -> Iterator[JsonObject]:
        rules = (*self._mapping.requests[name].responses, *self._mapping.responses)
        begun = [*_example_replies(self._mapping, name), *map(_scope, STATUSES)]
        for scope in begun:
            saved = _with_saved(self._mapping, name, 1, scope)
            yield saved
            yield _accepted(rules, saved)

    def _is_readable(self, name: str) -> bool:
        carried = [each.name for each in self._mapping.requests.values() if each.batch == name]
        response = self.batch(name, (None, "refused"), 1)
        found = self._reader.results(name, cast("Json", response.body), 2)
        judged = [self._reader.judge(each, response.status, {}, cast("Json", response.body)).then for each in carried]
        has_results = self._mapping.batches[name].results is not None
        wanted = [True, not has_results]
        return found is not None and [each.ok for each in found] == wanted and set(judged) <= {"accept"}


def _scope(status: int) -> JsonObject:
    return {"status": status, "headers": {}, "body": {}}


def _headers(scope: JsonObject) -> JsonObject:
    return cast("JsonObject", scope["headers"])


def _response(scope: JsonObject) -> VendorResponse:
    headers = {name.lower(): str(text) for name, text in _headers(scope).items()}
    return VendorResponse(cast("int", scope["status"]), scope["body"], headers)


def _example_replies(mapping: Mapping, name: str) -> Iterator[JsonObject]:
    """Yield the responses that examples have for a request, those of success alone."""
    for reply in chain.from_iterable(example.replies for example in mapping.examples):
        status = reply.get("status", 200)
        if reply.get("request") == name and isinstance(status, int) and 200 <= status < 300:
            yield {"status": status, "headers": reply.get("headers") or {}, "body": reply.get("body", {})}


def _with_saved(mapping: Mapping, name: str, number: int, scope: JsonObject) -> JsonObject:
    """Return a response that has what steps save of it; what is there already stays."""
    for path in _saved_paths(mapping, name):
        if read(path, scope) is None:
            scope = _written(path, invented(path, number), scope)
    return scope


def _saved_paths(mapping: Mapping, name: str) -> Iterator[str]:
    for step in chain.from_iterable(mapping.calls.values()):
        if name in {step.request, mapping.requests[step.request].if_missing}:
            yield from step.save.values()


def _written(path: str, value: Json, scope: JsonObject) -> JsonObject:
    try:
        return write(path, value, scope)
    except CannotInvent:
        return scope


def _accepted(rules: Sequence[Response], scope: JsonObject) -> JsonObject:
    """Return a response changed so that no rule which refuses it applies, as far as that is possible."""
    for rule in rules:
        if rule.then in {None, "accept"} or not _concerns(rule, cast("int", scope["status"])):
            continue
        try:
            if rule.unless is not None:
                scope = hold(rule.unless, scope)
            elif rule.when is not None:
                scope = hold(rule.when, scope, wanted=False)
        except CannotInvent:
            continue
    return scope


def _concerns(rule: Response, status: int) -> bool:
    return not rule.status or status in rule.status or f"{status // 100}xx" in rule.status


def _with_results(results: Results, errors: Sequence[str | None], scope: JsonObject) -> JsonObject:
    """Return a response to a batch with a result for each item."""
    try:
        items: list[Any] = [_result(results, error, scope) for error in errors]
        return write(results.list, items, scope)
    except CannotInvent:
        return scope


def _result(results: Results, error: str | None, scope: JsonObject) -> Json:
    made = hold(results.ok, {**scope, "item": {}}, wanted=error is None)
    if error is not None and results.error is not None:
        with_error = _written(results.error, error, made)
        if read(results.error, with_error) == error:
            made = with_error
    return made["item"]
