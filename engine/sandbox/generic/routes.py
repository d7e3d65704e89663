"""Where a connection's requests go and what each has to carry, as the compiled mapping says it.

A probe is a batch with the address of a request, of which only what depends on settings is kept; a value of an event in
its path becomes `ANY`.  Compiled and called like any other batch, it gives the path, the headers and the query that
every such request has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit

from engine.compiler.build import build
from engine.compiler.emit.conditions import asks_the_clock, settings_only
from engine.delivery.configured_connection import PatchedMapping
from engine.language.bodies import revealed
from engine.language.regex import compile_pattern
from engine.language.signatures import Signer
from engine.language.template import Hole, Text
from engine.mapping.model import Batch, Http, Instruction, Mapping, NamedTexts, Request, TextOrValue, Value
from engine.mapping.walk import paths_of
from engine.plan import Connection
from engine.records import Secret

ANY = "waybill0any0text"
"""Stands for a value of an event in the path of a probe, and for a whole path or method that only events decide."""
ANY_METHOD = "ANY"
HOST = "http://sandbox.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One request or batch of a mapping as a vendor sees it.

    `segments` are those of its path, decoded: text, a pattern, or None for any text; `segments` is None where only
    events decide the path. `method` is '' if it can be any. `headers` (lowercase names) and `query` are those whose
    values settings decide, a `Secret` where they are credentials.
    """

    name: str
    is_batch: bool
    method: str
    segments: tuple[Any, ...] | None
    headers: dict[str, str]
    query: dict[str, str | list[str]]
    encode: str
    signer: Signer | None
    request_id: str | None

    @property
    def vagueness(self) -> int:
        """How little of its path is certain: of two routes with a path, the less vague one has it."""
        return 1000 if self.segments is None else sum(not isinstance(segment, str) for segment in self.segments)

    def has(self, segments: tuple[str, ...]) -> bool:
        """Whether a path is one of this route's."""
        if self.segments is None:
            return True
        pairs = zip(self.segments, segments, strict=False)
        return len(segments) == len(self.segments) and all(_fits(known, given) for known, given in pairs)


def _fits(known: Any, given: str) -> bool:
    if isinstance(known, str):
        return known == given
    return bool(given) if known is None else known.fullmatch(given) is not None


def routes_of(connection: Connection, base_path: str) -> list[Route]:
    """Return the routes of a connection below a path of the sandbox; raises Invalid where settings are not enough."""
    mapping = connection.mapping
    nouns: dict[str, Request | Batch] = {each.name: each for each in mapping.requests.values() if each.batch is None}
    nouns |= {f"batch {each.name}": each for each in mapping.batches.values()}
    probes = {name: _probe(mapping, noun, name) for name, noun in nouns.items()}
    patched = PatchedMapping(
        connection.destination.loaded,
        http=_http(mapping, base_path),
        calls={},
        shared={},
        requests={},
        batches=probes,
    )
    compiled = build(patched).connect(connection.settings).batches
    found = [_route(connection, noun, compiled[name].address) for name, noun in nouns.items()]
    # Of one path, batches first: what has the items of one is one.
    return sorted(found, key=lambda route: (route.vagueness, not route.is_batch))


def _route(connection: Connection, noun: Request | Batch, address: Any) -> Route:
    method, url, headers, query = address([], None, [], 0.0)
    is_batch = isinstance(noun, Batch)
    signers = connection.batch_signers if is_batch else connection.signers
    # A header of its own replaces that of all requests, also where settings alone do not decide it.
    unknown = {
        "content-type",
        *(own.lower() for own, text in noun.headers if not _is_settled(connection.mapping, text)),
    }
    return Route(
        name=noun.name,
        is_batch=is_batch,
        method="" if revealed(method) == ANY_METHOD else revealed(method),
        segments=_segments(urlsplit(revealed(url)).path),
        headers={name.lower(): text for name, text in headers.items() if name.lower() not in unknown},
        query=query,
        encode="json" if isinstance(noun, Batch) else noun.encode,
        signer=signers.get(noun.name),
        request_id=None if is_batch else connection.mapping.http.request_id,
    )


def _segments(path: str) -> tuple[Any, ...] | None:
    if path.removeprefix("/").endswith(f"{ANY}/{ANY}"):
        return None
    return tuple(map(_segment, path.removeprefix("/").split("/")))


def _segment(written: str) -> Any:
    """Return what a decoded segment has to be: this text, a pattern, or None for any."""
    pieces = [unquote(piece) for piece in written.split(ANY)]
    if len(pieces) == 1:
        return pieces[0]
    if not any(pieces):
        return None
    return compile_pattern("(?s)" + ".+".join(map(_escaped, pieces)))


def _escaped(text: str) -> str:
    return "".join(each if each.isalnum() else f"\\x{{{ord(each):x}}}" for each in text)


def _probe(mapping: Mapping, noun: Request | Batch, name: str) -> Batch:
    method = noun.method if _is_settled(mapping, noun.method) else Text((ANY_METHOD,))
    return Batch(
        name=name,
        place=noun.place,
        path=_path(mapping, noun.path),
        method=method,
        query=_kept(mapping, noun.query),
        query_from=_kept_value(mapping, noun.query_from),
        headers=_kept(mapping, noun.headers),
        headers_from=_kept_value(mapping, noun.headers_from),
    )


def _http(mapping: Mapping, base_path: str) -> Http:
    """Return what all probes share: a request id and a signature are made for each request anew."""
    http = mapping.http
    return replace(
        http,
        base_url=Text((HOST + base_path,)),
        headers=_kept(mapping, http.headers),
        headers_from=_kept_value(mapping, http.headers_from),
        query_from=_kept_value(mapping, http.query_from),
        basic=http.basic if http.basic and all(_is_settled(mapping, value) for value in http.basic) else None,
        oauth2=None,
        request_id=None,
    )


def _path(mapping: Mapping, path: TextOrValue | None) -> TextOrValue:
    if path is None:
        return Text(())
    if isinstance(path, Instruction):
        return path if _is_settled(mapping, path) else Text((f"/{ANY}/{ANY}",))
    return Text(tuple(_pieces(mapping, path)))


def _pieces(mapping: Mapping, text: Text) -> Iterator[str | Hole]:
    for piece in text.pieces:
        known = isinstance(piece, str) or settings_only(mapping, piece.path)
        yield piece if known else ANY


def _kept(mapping: Mapping, texts: NamedTexts) -> NamedTexts:
    return tuple((name, text) for name, text in texts if _is_settled(mapping, text))


def _kept_value(mapping: Mapping, value: Value | None) -> Value | None:
    return value if value is not None and _is_settled(mapping, value) else None


def _is_settled(mapping: Mapping, value: TextOrValue | Value) -> bool:
    """Whether settings alone decide a value."""
    if not isinstance(value, Text) and asks_the_clock(value):
        return False
    return all(settings_only(mapping, path) for path in paths_of(value))


def is_credential(name: str, expected: str | list[str]) -> bool:
    """Whether a header or parameter is a credential: it has a secret setting, or the name of one."""
    texts = expected if isinstance(expected, list) else [expected]
    return name == "authorization" or any(isinstance(text, Secret) for text in texts)


def shown(text: str | list[str]) -> str:
    """Return an expected header or parameter for people."""
    return ", ".join(map(str, text)) if isinstance(text, list) else str(text)
