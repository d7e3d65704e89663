"""The vendor made from a mapping: which requests it accepts, what it answers, and what it keeps of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import orjson

from engine.language.bodies import revealed
from engine.plan import Connection
from engine.records import Json, JsonObject, masked
from engine.sandbox.emulator import Emulator, Handler, Surroundings
from engine.sandbox.generic.bodies import Bodies, Carried, Unreadable, parsed, unpacked
from engine.sandbox.generic.replies import Replies
from engine.sandbox.generic.routes import Route, is_credential, shown
from engine.sandbox.generic.tokens import TokenEndpoint
from engine.sandbox.http_messages import Refusal, VendorRequest, VendorResponse

MOST_KEPT = 10_000
"""Requests of one vendor in the state: the newest."""
SCHEMA = """
    CREATE TABLE IF NOT EXISTS generic_received (
        id INTEGER PRIMARY KEY, vendor TEXT NOT NULL, request TEXT NOT NULL, time REAL NOT NULL,
        path TEXT NOT NULL, query TEXT NOT NULL, body TEXT NOT NULL, request_id TEXT
    );
    CREATE INDEX IF NOT EXISTS generic_received_request ON generic_received (vendor, request, id);
    CREATE INDEX IF NOT EXISTS generic_received_id ON generic_received (vendor, request_id);
"""
REPEATED = "SELECT 1 FROM generic_received WHERE vendor = ? AND request_id = ?"
KEEP = """
    INSERT INTO generic_received (vendor, request, time, path, query, body, request_id) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
FORGET = "DELETE FROM generic_received WHERE vendor = ? AND id <= ?"
NEWEST = """
    SELECT id, path, query, body FROM generic_received WHERE vendor = ? AND request = ? ORDER BY id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a vendor is made from: its name in the sandbox, a connection, and what follows from both.

    `base_path` and `token_path` stand below the name; `token_path` is '' without `oauth2`.
    """

    name: str
    connection: Connection
    base_path: str
    token_path: str
    routes: tuple[Route, ...]
    replies: Replies
    bodies: Bodies
    schema: ClassVar[str] = SCHEMA

    def is_like(self, other: Description) -> bool:
        """Whether the same vendor is made from another description."""
        own, its = self.connection, other.connection
        return (own.destination.loaded.raw, own.settings) == (its.destination.loaded.raw, its.settings)

    def vendor(self, surroundings: Surroundings) -> GenericVendor:
        """Return the vendor, with no tokens issued yet."""
        return GenericVendor(surroundings, self)


class Received(NamedTuple):
    """A request that a route can take: its body, and the items in it if it is a batch that says where they are."""

    route: Route
    body: Json
    items: list[Carried]


class GenericVendor(Emulator):
    """A vendor that knows what one mapping says of it."""

    roots = ()
    schema = SCHEMA

    def __init__(self, surroundings: Surroundings, description: Description) -> None:
        super().__init__(surroundings, None)
        self.name = description.name
        self.title = description.connection.mapping.title
        self.secrets = description.connection.secrets
        self._description = description
        self.secret_names = frozenset(
            name for _, name, value in self._expected() if is_credential(name, value) and name != "authorization"
        )
        self._tokens = (
            TokenEndpoint(description.connection, description.token_path, surroundings.random)
            if description.token_path
            else None
        )

    def failure(self, status: int, retry_after: int | None = None) -> VendorResponse:  # noqa: ARG002  in the header alone
        """Return an error response whose message stands where the mapping's rules read it."""
        return self._description.replies.failure(status, f"the sandbox answers {status}")

    def counts(self) -> dict[str, int]:
        """Return how many requests were accepted, by name, how many batches, and how many repeated ones."""
        return self.state.counters(self.name)

    def snapshot(self, limit: int) -> JsonObject:
        """Return the newest accepted requests by name, without secrets."""
        mapping = self._description.connection.mapping
        held = {name: [*reversed(self._newest(name, limit))] for name in (*mapping.requests, *mapping.batches)}
        return {name: rows for name, rows in held.items() if rows}

    def credentials(self) -> list[str]:
        """Return the headers and parameters that are checked, credentials first and masked, and how tokens are had."""
        expected = sorted(self._expected(), key=lambda each: not is_credential(*each[1:]))
        found = [f"{name}: {shown(value)}" for _, name, value in expected]
        if self._tokens is not None:
            found.insert(0, f"Authorization: Bearer, a token of {self._description.token_path}")
        for route in self._description.routes:
            found += [] if route.request_id is None else [f"{route.request_id.lower()}: any text"]
            found += [] if route.signer is None else [f"{route.signer.header.lower()}: the signature of the body"]
        return list(dict.fromkeys(found))

    def _expected(self) -> Iterator[tuple[Route, str, str | list[str]]]:
        for route in self._description.routes:
            yield from ((route, name, value) for name, value in (route.headers | route.query).items())

    def _newest(self, name: str, limit: int) -> list[Json]:
        return [
            {
                "id": number,
                "path": path,
                **({"query": orjson.loads(query)} if query != "{}" else {}),
                "body": orjson.loads(body),
            }
            for number, path, query, body in self.state.all(NEWEST, (self.name, name, limit))
        ]

    def _handler(self, request: VendorRequest) -> tuple[Handler, tuple[str, ...]]:
        """Every request goes to one function, which looks for the route by more than the path."""
        if self._tokens is not None and self._tokens.has(request.segments):
            tokens = self._tokens
            return lambda _vendor, request: tokens.respond(request), ()
        return GenericVendor._take, ()

    def _take(self, request: VendorRequest) -> VendorResponse:
        received = self._received(request)
        if received.route.is_batch:
            return self._take_batch(request, received)
        name = received.route.name
        request_id = request.headers.get((received.route.request_id or "").lower())
        if request_id is not None and self.state.one(REPEATED, (self.name, request_id)):
            self.state.count(self.name, "repeated_requests")
            return self._description.replies.success(name, 1)
        number = self._keep(request, name, received.body, request_id)
        return self._description.replies.success(name, number)

    def _take_batch(self, request: VendorRequest, received: Received) -> VendorResponse:
        """Take the items that are right and that no fault hits; without `results` all of them, or none."""
        name = received.route.name
        errors: list[str | None] = []
        for item in received.items:
            injected = request.item_error()
            errors.append("; ".join(injected) if injected is not None else _schema_fault(item))
        refused = next((error for error in errors if error is not None), None)
        if refused is not None and self._description.connection.mapping.batches[name].results is None:
            raise Refusal(self._description.replies.failure(400, refused, [each.request for each in received.items]))
        for item, error in zip(received.items, errors, strict=True):
            if error is None:
                self._keep(request, item.request or name, item.body, None)
        if not received.items:
            self._keep(request, name, received.body, None)
        else:
            self.state.count(self.name, f"batch_requests_of_{name}")
        return self._description.replies.batch(name, errors, len(errors))

    def _keep(self, request: VendorRequest, name: str, body: Json, request_id: str | None) -> int:
        """Add an accepted request to the state; returns its number."""
        secrets = self.secrets
        query = masked({**request.query}, secrets)
        row = (
            self.name,
            name,
            request.now,
            secrets.mask(request.path),
            orjson.dumps(query).decode(),
            orjson.dumps(masked(body, secrets)).decode(),
            request_id,
        )
        number = self.state.execute(KEEP, row).lastrowid or 0
        self.state.execute(FORGET, (self.name, number - MOST_KEPT))
        self.state.count(self.name, f"requests_of_{name}")
        return number

    def _received(self, request: VendorRequest) -> Received:
        """Return the route of a request and its body; raises Refusal with what is wrong by the most likely route."""
        refusals: list[Refusal] = []
        for route in self._possible(request):
            try:
                self._check_address(request, route)
                return self._read(request, route)
            except Refusal as refusal:
                refusals.append(refusal)
        raise refusals[0]

    def _possible(self, request: VendorRequest) -> list[Route]:
        """Return the routes a request may be meant for: those that have its path, of the least vague ones."""
        found = [route for route in self._description.routes if route.has(request.segments)]
        if not found:
            raise self._refusal(404, f"the mapping has no request with the path {self.secrets.mask(request.path)}")
        methods = [route for route in found if route.method in {"", request.method}]
        if not methods:
            allowed = sorted({route.method for route in found})
            message = f"the mapping sends {' or '.join(allowed)} to this path, not {request.method}"
            response = self._refusal(405, message).response
            raise Refusal(response.with_headers({"allow": ", ".join(allowed)}))
        return [route for route in methods if route.vagueness == methods[0].vagueness]

    def _check_address(self, request: VendorRequest, route: Route) -> None:
        """Check headers and query by what the settings say, as the connection has them."""
        if self._tokens is not None and not self._tokens.accepts(request.headers.get("authorization", "")):
            raise self._refusal(401, "the access token is missing, or not one of the token endpoint", route)
        for kind, given, expected in (
            ("header", request.headers, route.headers),
            ("query parameter", request.query, route.query),
        ):
            for name, value in expected.items():
                texts = [revealed(text) for text in value] if isinstance(value, list) else [revealed(value)]
                if given.get(name) in texts:
                    continue
                problem = "is missing" if name not in given else "is not that of the settings"
                status = 401 if is_credential(name, value) else 400
                raise self._refusal(status, f"the {kind} {name} {problem}", route)
        if route.request_id is not None and route.request_id.lower() not in request.headers:
            raise self._refusal(400, f"the header {route.request_id} is missing", route)

    def _read(self, request: VendorRequest, route: Route) -> Received:
        """Read a body and check it; the items of a batch are checked one by one, later."""
        try:
            content = unpacked(request.body, request.headers.get("content-encoding", "").lower())
            self._check_signature(request, route, content)
            body = parsed(content, route.encode)
        except Unreadable as error:
            raise self._refusal(400, str(error), route) from error
        bodies = self._description.bodies
        if route.is_batch:
            items = bodies.carried(route.name, body)
            if items is None and bodies.packs(route.name):
                raise self._refusal(400, f"the body has no list of items of the batch {route.name}", route)
            too_much = bodies.too_much(route.name, body)
            if too_much is not None:
                raise self._refusal(400, too_much, route)
            return Received(route, body, items or [])
        fault = bodies.fault(route.name, body)
        if fault is not None:
            raise self._refusal(400, _not_met(route.name, fault), route)
        return Received(route, body, [])

    def _check_signature(self, request: VendorRequest, route: Route, content: bytes) -> None:
        """Check a signature by making it again for the time that the request says it was signed at."""
        signer = route.signer
        if signer is None:
            return
        at = request.headers.get((signer.sent_at_header or "").lower(), "")
        sent_at = at or _time_in(request.headers.get(signer.header.lower(), ""))
        now = float(sent_at) if sent_at.isdecimal() and len(sent_at) < 16 else request.now
        expected = signer.headers(content, request.body, now)
        if any(request.headers.get(name.lower()) != revealed(text) for name, text in expected.items()):
            raise self._refusal(401, f"the header {signer.header} is missing or not the signature of this body", route)

    def _refusal(self, status: int, message: str, route: Route | None = None) -> Refusal:
        names = [] if route is None else [route.name]
        return Refusal(self._description.replies.failure(status, message, names))


def _time_in(signature: str) -> str:
    """Return the time that a signature's prefix has, as `t=1709640000,v1=...`; '' without one."""
    digits = signature.partition("=")[2].partition(",")[0]
    return digits if digits.isdecimal() else ""


def _schema_fault(item: Carried) -> str | None:
    return None if item.fault is None else _not_met(item.request, item.fault)


def _not_met(name: str, fault: str) -> str:
    return f"the body of {name} does not match its body_schema: {fault}"
