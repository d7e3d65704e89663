"""Sends a planned request and returns the reply, without deciding what it means.

Each connection has its own sockets, so a slow vendor occupies only those.  Eight requests in flight are faster than
sixty-four, because the pool gets slower with concurrency.  TLS is always verified, redirects are never followed, and a
request to any host other than the connection's own is refused.  `timeout` is for the whole exchange, from connecting to
the last byte of the response.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

import orjson

from engine.language.bodies import compressed, encoded, revealed
from engine.language.signatures import Signer
from engine.mapping.settings import LOCAL, host_fault
from engine.records import Json, JsonObject, PlannedRequest, Secret

if TYPE_CHECKING:
    import httpx

    from engine.delivery.sending.oauth2 import AccessTokens
    from engine.delivery.sending.wire import RawResponse

NO_HEADERS: JsonObject = {}
SLOTS = 8
NOT_AUTHORIZED = 401
PORTS = {"http": 80, "https": 443}
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "keep-alive", "User-Agent": "waybill"}


class VendorReply(NamedTuple):
    """What came back.

    `readable` is False for a body that should be JSON and is not; `failure` is why no response came back, and
    `unsendable` why the request could not be sent at all. `timed_out` is whether the failure is the timeout, `no_token`
    whether the request was not even sent, for want of an access token.
    """

    status: int = 0
    headers: JsonObject = NO_HEADERS
    body: Json = None
    readable: bool = True
    failure: str = ""
    unsendable: str = ""
    timed_out: bool = False
    no_token: bool = False


class Try(NamedTuple):
    """One request as it was sent, and what came back.

    `took` is in seconds. `content` is its body before compression, `answer` that of the response, None if it was
    not read.
    """

    took: float
    content: bytes | None
    reply: VendorReply
    answer: bytes | None = None


class Refused(Exception):  # noqa: N818  reads as what happened
    """A request that must not be sent; the message says why."""


class Unsendable(Exception):  # noqa: N818  reads as what it is
    """A request that cannot be written as HTTP and JSON because of its event's data; the message shows no header."""


class Sender:
    """Sends the requests of one connection; must be closed.

    `timeout` is in seconds, `now` returns unix seconds. `before_write` is called right before bytes of a request are
    written; what it raises, `send` raises. `tokens`, which it closes, gives requests the access token they carry.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 30.0,
        compress: bool = False,
        slots: int = SLOTS,
        before_write: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
        tokens: AccessTokens | None = None,
    ) -> None:
        import httpx

        from engine.delivery.sending.wire import HttpPool

        self._origin = origin(base_url)
        self._compress = compress
        self._timeout = timeout
        self._now = now
        self._tokens = tokens
        self._headers = httpx.Headers(HEADERS)
        self._bad_url = httpx.InvalidURL
        self._url = lru_cache(maxsize=100)(httpx.URL)  # batches go to a few addresses; reading one takes 14 us
        scheme, host, _ = self._origin
        self._pool = HttpPool(scheme, host, slots=slots, local=host in LOCAL, before_write=before_write)

    async def close(self) -> None:
        """Close the sockets."""
        if self._tokens is not None:
            await self._tokens.close()
        await self._pool.close()

    async def send(
        self,
        request: PlannedRequest,
        encode: str = "json",
        signer: Signer | None = None,
        tries: list[Try] | None = None,
    ) -> VendorReply:
        """Send a request, signed by `signer` now; network errors are part of the reply.

        `tries` takes what was sent, also where this raises. Raises Refused, Unsendable, SignInFailed, SignInRefused,
        and what `before_write` raises.
        """
        self._check(revealed(request.url))
        if self._tokens is None:
            return await self._exchange(request, encode, signer, tries)
        token = await self._tokens.current()
        reply = await self._exchange(_with_token(request, token), encode, signer, tries)
        if reply.status != NOT_AUTHORIZED:
            return reply
        token = await self._tokens.instead_of(token)
        return await self._exchange(_with_token(request, token), encode, signer, tries)

    async def _exchange(
        self, request: PlannedRequest, encode: str, signer: Signer | None, tries: list[Try] | None
    ) -> VendorReply:
        try:
            body = encoded(request.body, encode)
            built = self._built(request, body, signer)
        except (TypeError, ValueError, self._bad_url) as error:
            raise Unsendable(str(error)) from error
        if tries is None:
            return (await self._answered(built))[0]
        began = self._now()
        reply, answer = await self._answered(built)
        tries.append(Try(self._now() - began, body, reply, answer))
        return reply

    async def _answered(self, built: httpx.Request) -> tuple[VendorReply, bytes | None]:
        from engine.delivery.sending.wire import Failed, Unwritable

        try:
            async with asyncio.timeout(self._timeout):
                response = await self._pool.exchange(built)
        except Unwritable as error:
            raise Unsendable(str(error)) from error
        except Failed as failed:
            return VendorReply(failure=str(failed)), None
        except TimeoutError:
            failure = f"the vendor did not answer within {self._timeout:g}s"
            return VendorReply(failure=failure, timed_out=True), None
        return _reply(response)

    def _built(self, request: PlannedRequest, body: bytes | None, signer: Signer | None) -> httpx.Request:
        import httpx

        content = body
        headers = self._headers.copy()
        headers.update(_headers(request))
        if body is not None and self._compress:
            content = compressed(body)
            headers["Content-Encoding"] = "gzip"
        if signer is not None:
            signature = signer.headers(body or b"", content or b"", self._now())
            headers.update({name: revealed(value) for name, value in signature.items()})
        query = {name: _query(value) for name, value in request.query.items()} or None
        method, url = revealed(request.method), self._url(revealed(request.url))
        return httpx.Request(method, url, params=query, headers=headers, content=content)

    def _check(self, url: str) -> None:
        scheme, host, port = origin(url)
        if scheme not in PORTS:
            raise Refused("only http:// and https:// addresses are supported")
        if (scheme, host, port) != self._origin:
            netloc = urlsplit(url).netloc.rpartition("@")[2]
            raise Refused(f"the address points to {netloc}, which is not the connection's host")


def _with_token(request: PlannedRequest, token: str) -> PlannedRequest:
    headers = {**request.headers, "Authorization": Secret(f"Bearer {token}", "Bearer ***")}
    return request._replace(headers=headers)


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address; raises Refused if its host is invalid."""
    if fault := host_fault(url):
        raise Refused(fault)
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def _headers(request: PlannedRequest) -> dict[str, str]:
    headers = {name: revealed(value) for name, value in request.headers.items()}
    for name, value in headers.items():
        if not (name.isascii() and value.isascii()):
            raise ValueError(f"the header {name!a} has characters that HTTP does not allow")
    return headers


def written_url(url: str, query: Mapping[str, str | list[str]]) -> str:
    """Return a URL as it is sent, encoded by httpx; raises Unsendable."""
    import httpx

    try:
        return str(httpx.URL(url, params=query) if query else httpx.URL(url))
    except httpx.InvalidURL as error:
        raise Unsendable(str(error)) from error


def _query(value: str | list[str]) -> str | list[str]:
    return [revealed(each) for each in value] if isinstance(value, list) else revealed(value)


def _reply(response: RawResponse) -> tuple[VendorReply, bytes | None]:
    """Return a response as it is judged, and its body if it can be read."""
    headers = cast("JsonObject", response.headers)
    if response.body is None or "content-encoding" in headers:
        return VendorReply(response.status, headers, None, readable=False), None
    return VendorReply(response.status, headers, *_parsed(response.body)), response.body


def _parsed(body: bytes) -> tuple[Json, bool]:
    if not body.strip():
        return None, True
    try:
        return orjson.loads(body), True
    except orjson.JSONDecodeError:
        return body[:500].decode(errors="replace"), False
