"""The only user of httpx: sends a planned request and returns the reply, without deciding what it means.

Each connection has its own client, so a slow vendor occupies only its own sockets.  Eight requests in flight are faster
than sixty-four, because httpx gets slower with concurrency.  TLS is always verified, redirects are never followed, and
a request to any host other than the connection's own is refused.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

import orjson

from engine.language.bodies import encoded, revealed
from engine.mapping.settings import host_fault
from engine.records import Json, JsonObject, PlannedRequest

if TYPE_CHECKING:
    import httpx

NO_HEADERS: JsonObject = {}
SLOTS = 8
LONGEST_RESPONSE = 4 * 1024 * 1024
PORTS = {"http": 80, "https": 443}


class VendorReply(NamedTuple):
    """What came back.

    `readable` is False for a body that should be JSON and is not; `failure` is why no response came back, and
    `unsendable` why the request could not be sent at all.
    """

    status: int = 0
    headers: JsonObject = NO_HEADERS
    body: Json = None
    readable: bool = True
    failure: str = ""
    unsendable: str = ""


class Refused(Exception):  # noqa: N818  reads as what happened
    """A request that must not be sent; the message says why."""


class Unsendable(Exception):  # noqa: N818  reads as what it is
    """A request that cannot be encoded as HTTP and JSON because of its event's data."""


class Sender:
    """Sends the requests of one connection; must be closed."""

    def __init__(self, base_url: str, *, timeout: float = 30.0, compress: bool = False, slots: int = SLOTS) -> None:
        import httpx

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs, which may contain secrets
        self._origin = origin(base_url)
        self._compress = compress
        self._errors = httpx.HTTPError
        self._bad_url = httpx.InvalidURL
        self._timed_out = httpx.TimeoutException
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=slots, max_keepalive_connections=slots),
            headers={"User-Agent": "waybill", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=self._origin[1] not in ("127.0.0.1", "localhost", "::1"),
        )

    async def close(self) -> None:
        """Close the client and its sockets."""
        await self._client.aclose()

    async def send(self, request: PlannedRequest, encode: str = "json") -> VendorReply:
        """Send a request; network errors are part of the reply. Raises Refused and Unsendable."""
        self._check(revealed(request.url))
        try:
            built = self._built(request, encode)
        except (TypeError, ValueError, self._bad_url) as error:
            raise Unsendable(str(error)) from error
        try:
            return await self._respond(built)
        except self._timed_out:
            return VendorReply(failure="the vendor did not answer in time")
        except (self._errors, OSError) as error:
            return VendorReply(failure=f"the connection failed ({type(error).__name__})")

    def _built(self, request: PlannedRequest, encode: str) -> httpx.Request:
        headers = {name: revealed(value) for name, value in request.headers.items()}
        content = encoded(request.body, encode)
        if content is not None and self._compress:
            import gzip

            content = gzip.compress(content, 1)
            headers["Content-Encoding"] = "gzip"
        query = {name: _query(value) for name, value in request.query.items()} or None
        method, url = revealed(request.method), revealed(request.url)
        return self._client.build_request(method, url, params=query, headers=headers, content=content)

    async def _respond(self, built: httpx.Request) -> VendorReply:
        response = await self._client.send(built, stream=True)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body, whole = await _read(response)
        finally:
            await response.aclose()
        if not whole or "content-encoding" in headers:
            return VendorReply(response.status_code, cast("JsonObject", headers), None, readable=False)
        return VendorReply(response.status_code, cast("JsonObject", headers), *_parsed(body))

    def _check(self, url: str) -> None:
        scheme, host, port = origin(url)
        if scheme not in PORTS:
            raise Refused("only http:// and https:// addresses are supported")
        if (scheme, host, port) != self._origin:
            netloc = urlsplit(url).netloc.rpartition("@")[2]
            raise Refused(f"the address points to {netloc}, which is not the connection's host")


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address; raises Refused if its host is invalid."""
    if fault := host_fault(url):
        raise Refused(fault)
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def _query(value: str | list[str]) -> str | list[str]:
    return [revealed(each) for each in value] if isinstance(value, list) else revealed(value)


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    """Read the body; False if it is longer than LONGEST_RESPONSE."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LONGEST_RESPONSE:
            return b"", False
    return bytes(body), True


def _parsed(body: bytes) -> tuple[Json, bool]:
    if not body.strip():
        return None, True
    try:
        return orjson.loads(body), True
    except orjson.JSONDecodeError:
        return body[:500].decode(errors="replace"), False
