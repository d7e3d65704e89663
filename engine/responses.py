"""What travels and what answers mean, for one connection: batches, verdicts, saved values.  Pure; sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, cast

from engine.compiler.runtime import settle
from engine.language.texts import kind_of, text_of
from engine.mapping.model import Batch, Response
from engine.plan import Connection
from engine.records import Json, JsonObject, PlannedRequest, Report

Then: TypeAlias = Literal["accept", "retry", "reject", "stop"]
RETRIED = frozenset({408, 425, 429})
STOPPED = frozenset({401, 402, 403})
READERS = ("when", "unless", "error")


class Verdict(NamedTuple):
    """What an answer means: `then`, the vendor's own words, and what a person can do."""

    then: Then
    error: str = ""
    hint: str = ""


class ItemResult(NamedTuple):
    """How one item of a batch went."""

    ok: bool
    error: str = ""


class ResponseReader:
    """A connection's way of sending: batches out, verdicts back."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._code = connection.compiled
        self._addresses = {name: settle(batch.address) for name, batch in self._code.batches.items()}

    def batch(self, name: str) -> Batch:
        """Return a batch's limits as the mapping says them."""
        return self.connection.mapping.batches[name]

    def item(self, request: PlannedRequest, now: float) -> Json:
        """Return what a planned request is inside its batch."""
        item = self._code.requests[request.request].item
        reports: list[Report] = []
        return request.body if item is None else item(request.body, reports, now)

    def batched(self, name: str, items: list[Json], now: float) -> PlannedRequest:
        """Make the one request that carries `items`; raises Invalid where settings make no address."""
        method, url, headers, query, failed, _ = self._addresses[name]
        if failed is not None:
            raise failed
        body = self._code.batches[name].body
        reports: list[Report] = []
        content: Json = items if body is None else body(items, reports, now)
        return PlannedRequest(name, method, url, headers, query, content)

    def results(self, name: str, body: Json, count: int) -> list[ItemResult] | None:
        """Read a batch's answer, one result per item; None where it has none or not as many: then nothing is known."""
        read = self._code.batches[name].results
        if read is None:
            return [ItemResult(True)] * count
        found = read(body, [])
        if found is None or len(found) != count:
            return None
        return [ItemResult(ok, words(error)) for ok, error in found]

    def judge(self, request: str, status: int, headers: JsonObject, body: Json, *, readable: bool = True) -> Verdict:
        """Say what an answer means: the request's rules first, then the mapping's, then the usual ones.

        A batch's answer is judged as that of the requests in it: `request` is the name of one of them.
        `headers` have lower-case names. `readable` is False where the body was no JSON though the vendor sent one:
        a 2xx answer that a rule would have to read is then tried again.
        """
        compiled = self._code.requests.get(request)
        rules = self._rules(request)
        if not readable and 200 <= status < 300 and any(_reads_body(rule) for rule in rules):
            return Verdict("retry", "the response could not be read")
        found = compiled.judge(status, headers, body, []) if compiled is not None else None
        if found is not None:
            then, error, hint = found
            return Verdict(cast("Then", then), words(error), hint)
        return Verdict(usual(status), words(body) if status >= 400 else "")

    def save(self, call: str, step: int, status: int, headers: JsonObject, body: Json) -> JsonObject:
        """Take out of an answer what later steps need; `step` is the step's number in the call."""
        save = self._code.calls[call].steps[step].save
        return {} if save is None else save(status, headers, body, [])

    def _rules(self, request: str) -> Sequence[Response]:
        mapping = self.connection.mapping
        own = mapping.requests[request].responses if request in mapping.requests else ()
        return (*own, *mapping.responses)


def usual(status: int) -> Then:
    """The rules that hold where the mapping says nothing: 2xx accept; 408 425 429 5xx retry; 401 402 403 stop."""
    if 200 <= status < 300:
        return "accept"
    if status in RETRIED or status >= 500:
        return "retry"
    return "stop" if status in STOPPED else "reject"


def words(error: Json) -> str:
    """Return the vendor's words as one line of at most 500 characters."""
    if error is None:
        return ""
    text = text_of(error)
    if text is None:
        import orjson

        try:
            text = orjson.dumps(error).decode()
        except orjson.JSONEncodeError:
            text = kind_of(error)
    return " ".join(text.split())[:500]


def _reads_body(rule: Response) -> bool:
    return any("body" in (getattr(rule, reader) or "") for reader in READERS)
