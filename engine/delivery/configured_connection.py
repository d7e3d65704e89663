"""A connection with everything delivery needs to know about it: filters, overrides, limits and its mapping's digest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple, cast
from urllib.parse import quote, urlsplit

import orjson

from engine.compiler.build import build
from engine.compiler.runtime import Invalid
from engine.delivery.sending.batching import BatchLimits
from engine.delivery.sending.pacing import Retry
from engine.language import template
from engine.language.bodies import revealed
from engine.language.paths import PathTypeError, holds, parse, search
from engine.language.times import seconds
from engine.mapping.load import Loaded
from engine.mapping.model import Batch, Mapping
from engine.mapping.settings import authority_fault
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject

DELETE = "delete"
LEAVES_OUT_DELETE = (
    "`calls` leaves out delete, which the mapping has, so people who ask to be deleted stay at the vendor; "
    "add delete to `calls`"
)
PROBE = "base url"
NOT_MAPPED_BY_IT = ("examples", "about", "docs", "title")


class PatchedMapping(Loaded):
    """A loaded mapping with some fields of its model replaced."""

    def __init__(self, loaded: Loaded, **changes: object) -> None:
        super().__init__(loaded.path, loaded.resolved, loaded.problems)
        self._mapping = replace(loaded.mapping, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredConnection:
    """One connection to deliver to; `calls` and `when` filter its events, None accepts all."""

    name: str
    connection: Connection
    calls: frozenset[str] | None = None
    when: str | None = None
    rate_limit: str | None = None
    ordered_batches: bool = False

    @property
    def mapping(self) -> Mapping:
        """The mapping's model."""
        return self.connection.mapping

    @property
    def rate(self) -> str:
        """The rate limit in effect, '' if there is none."""
        own = self.mapping.http.rate_limit or ""
        return own if self.rate_limit is None else self.rate_limit

    @property
    def retry(self) -> Retry:
        """How failures are retried."""
        own = self.mapping.retry
        return Retry(
            seconds(own.get("for") or "24h"),
            seconds(own.get("first_wait") or "1s"),
            seconds(own.get("max_wait") or "5m"),
        )

    def limits(self, batch: str) -> BatchLimits:
        """Return a batch's limits."""
        model = self.mapping.batches[batch]
        return BatchLimits(model.max_items, model.max_bytes, seconds(model.max_wait) if model.max_wait else 0.0)

    @property
    def largest_batch(self) -> int:
        """How many items the largest batch may hold, 1 without batches."""
        return max((batch.max_items for batch in self.mapping.batches.values()), default=1)

    def unwanted(self, call: str, event: JsonObject) -> str | None:
        """Say why the connection does not want an event, None where it does."""
        if self.calls is not None and call not in self.calls:
            return f"the connection {self.name} takes no {call} calls"
        if self.when is None or (call == DELETE and not _reads_type(self.when)):
            return None
        notes: list[str] = []
        try:
            met = holds(search(self.when, cast("Json", event), notes.append))
        except PathTypeError as error:
            met, notes = False, [str(error).removesuffix(".")]
        why = f" ({notes[0]})" if notes else ""
        return None if met else f"the connection's `when` is not met: {self.when}{why}"

    @property
    def warning(self) -> str:
        """What a person should know about this connection, '' if nothing."""
        if self.calls is None or DELETE in self.calls or DELETE not in self.mapping.calls:
            return ""
        return LEAVES_OUT_DELETE

    def digest(self) -> str:
        """Return a hash of the mapping; progress made under another mapping does not count."""
        return digest_of(self.connection.destination.loaded)


def differences(old: ConfiguredConnection, new: ConfiguredConnection) -> tuple[str, ...]:
    """Return what differs between two versions of a connection: mapping, settings, keys of its entry; or nothing."""
    http, other = old.mapping.http, new.mapping.http
    address = (http.base_url, http.oauth2) != (other.base_url, other.oauth2)  # the connection may have one of its own
    keys = ("calls", "when", "rate_limit", "ordered_batches")
    found = {
        "mapping": old.digest() != new.digest(),
        "settings": address or old.connection.settings != new.connection.settings,
        **{name: getattr(old, name) != getattr(new, name) for name in keys},
    }
    return tuple(name for name, differs in found.items() if differs)


def digest_of(loaded: Loaded) -> str:
    """Return a hash of what a mapping says about events; it identifies a version of the mapping."""
    raw = {word: value for word, value in loaded.raw.items() if word not in NOT_MAPPED_BY_IT}
    return blake2b(orjson.dumps(raw), digest_size=8).hexdigest()


def _reads_type(when: str) -> bool:
    """Whether a condition judges the type of an event; any other is about what a deletion does not have."""
    return any(root.name == "type" for root in parse(when).roots)


def base_url(connection: Connection) -> str:
    """Return the base URL of mapping and settings; raises Invalid if it is not a valid one."""
    path, post = template.parse("/"), template.parse("POST")
    probe = Batch(name=PROBE, place=("http", "base_url"), path=path, method=post)
    loaded = PatchedMapping(connection.destination.loaded, calls={}, shared={}, requests={}, batches={PROBE: probe})
    address = build(loaded).connect(connection.settings).batches[PROBE].address
    url: str = address([], None, [], 0.0)[1]
    if fault := authority_fault(url):
        raise Invalid("http.base_url", fault)
    return url.removesuffix("/")


def rebased(connection: Connection, url: str, token_url: str | None = None) -> Connection:
    """Return the connection with another base URL, and another address of tokens if one is given."""
    return Connection(rebased_destination(connection.destination, url, token_url), connection.settings)


def rebased_destination(target: Destination, url: str, token_url: str | None = None) -> Destination:
    """Return the destination with another base URL, and another address of tokens if one is given; compiles nothing."""
    http = replace(target.mapping.http, base_url=template.Text((url,)))
    if http.oauth2 is not None and token_url is not None:
        http = replace(http, oauth2=replace(http.oauth2, token_url=template.Text((token_url,))))
    return Destination(PatchedMapping(target.loaded, http=http))


def rebased_like(current: Connection, older: Connection) -> Connection:
    """Return a connection of another version of the mapping with the base URL that is put in place of the mapping's."""
    url = current.mapping.http.base_url
    if not isinstance(current.destination.loaded, PatchedMapping) or not isinstance(url, template.Text):
        return older
    return rebased(older, str(url.literal))


class RequestPath(NamedTuple):
    """A path below the base URL: as written, and with settings filled in and `-` for values of events."""

    written: str
    filled: str


def request_paths(connection: Connection) -> list[RequestPath]:
    """Return the paths a connection's requests can have, except those that are computed from an event."""
    mapping = connection.mapping
    used = {step.request for call in mapping.calls.values() for step in call}
    requests = [mapping.requests[name] for name in used]
    requests += [mapping.requests[each.if_missing] for each in requests if each.if_missing]
    found = [mapping.batches[each.batch].path if each.batch else each.path for each in requests]
    return sorted({_path(each, connection.settings) for each in found if isinstance(each, template.Text)})


def _path(text: template.Text, settings: JsonObject) -> RequestPath:
    written = filled = ""
    for piece in text.pieces:
        if isinstance(piece, str):
            written, filled = written + piece, filled + piece
            continue
        value = settings.get(piece.path.strip().removeprefix("settings."))
        known = piece.path.strip().startswith("settings.") and isinstance(value, str | int)
        written += f"${{{piece.path}}}"
        filled += quote(str.__str__(str(value)), safe="") if known else "-"
    return RequestPath(*("/" + each.lstrip("/") for each in (written, filled)))


def into_sandbox(configured: ConfiguredConnection, url: str, base_path: str | None = None) -> ConfiguredConnection:
    """Redirect a connection to the sandbox, which tells vendors apart by path and has no rate limits."""
    path = urlsplit(base_url(configured.connection)).path.rstrip("/") if base_path is None else base_path
    oauth2 = configured.connection.compiled.oauth2
    token_url = None if oauth2 is None else url + urlsplit(revealed(oauth2([])["token_url"])).path
    return replace(configured, connection=rebased(configured.connection, url + path, token_url), rate_limit="")
