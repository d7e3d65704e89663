"""One connection to NATS servers, by nats-py: signing in, what a server must be able to do, and replies to requests.

A request's reply may never come: the server it was sent to may end. `Replies` fails all that are open as soon as the
connection breaks, so that a request is sent again to the next server at once instead of after its timeout.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.stream.credentials import CA, CERT, CREDS, KEY, PASSWORD, TOKEN, USER, Credentials
from engine.stream.errors import NoServer, OldServer, SignInFailed, TlsFailed

FIRST_VERSION = (2, 11)
PING_SECONDS = 1
UNANSWERED_PINGS = 2
"""A node that is frozen or cut off is left after three seconds; one that ended, at once."""
RECONNECT_SECONDS = 0.5
DIAL_SECONDS = 2
CLIENT_NAME = "waybill"


class ServerRefused(errors.Error):
    """What is wrong with a server, found while connecting."""

    def __init__(self, error: OutboxError) -> None:
        self.error = error
        super().__init__(str(error))


class Wire(Client):
    """A connection that asks of every server, also at a reconnect, what `check_server` says before it signs in.

    nats-py takes `tls://` for `nats://` where a server does not demand TLS, and would send the credentials in the
    clear.
    """

    def __init__(self, address: StreamAddress) -> None:
        super().__init__()
        self._address = address
        self._encrypted = address.servers[0].startswith("tls://")

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        await super()._process_info(info, initial_connection=initial_connection)
        if initial_connection:
            if self._encrypted and info.get("tls_available"):
                info["tls_required"] = True
            check_server(info, self._address, encrypted=self._encrypted)

    @property
    def info(self) -> dict[str, Any]:
        """Return what the server says about itself."""
        return self._server_info


def check_server(info: dict[str, Any], address: StreamAddress, *, encrypted: bool) -> None:
    """Raise ServerRefused if a server is too old, or has no TLS where the address demands it."""
    if encrypted and not info.get("tls_required"):
        raise ServerRefused(
            TlsFailed(
                f"The server of {address} has no TLS, which tls:// demands; nothing was sent to it. Set TLS up on the "
                "server, or write nats:// if the network is trusted."
            )
        )
    version = str(info.get("version", ""))[:40]
    parts = version.split(".")
    numbers = tuple(int(part) for part in parts[:2] if part.isascii() and part.isdigit())
    if len(numbers) < 2 or numbers < FIRST_VERSION:
        raise ServerRefused(
            OldServer(
                f"The NATS server of {address} has version {version or 'unknown'}, but partitions need 2.11 or later: "
                "upgrade nats-server."
            )
        )


def refusal(error: Exception, address: StreamAddress, credentials: Credentials) -> OutboxError | None:
    """Return what is wrong if trying again cannot help, else None."""
    if isinstance(error, ServerRefused):
        return error.error
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(
            f"The certificate of the NATS server of {address} is not trusted: {error.verify_message}. Name the "
            f"certificates that it is checked against with {CA}."
        )
    if isinstance(error, ssl.SSLError):
        return TlsFailed(
            f"No encrypted connection to the NATS server of {address}: {error.reason or 'TLS failed'}. If it wants to "
            f"know its clients by certificates, set {CERT} and {KEY}."
        )
    if isinstance(error, errors.AuthorizationError) or "authorization" in str(error).lower():
        used = credentials.used()
        tried = f"the credentials of {used}" if used else "a client without credentials"
        todo = "Correct them." if used else f"Set {USER} and {PASSWORD}, {TOKEN}, or {CREDS}."
        return SignInFailed(f"The NATS server of {address} does not let in {tried}. {todo}")
    return None


async def connect(
    wire: Wire, credentials: Credentials, patience: float, *, down: Callable[[], Awaitable[None]], **callbacks: Any
) -> None:
    """Connect a wire, which then reconnects for ever; raise OutboxError at once, or after `patience` seconds."""
    address = wire._address  # noqa: SLF001  of the same module
    fatal: asyncio.Future[OutboxError] = asyncio.get_running_loop().create_future()
    troubles: list[str] = []

    async def failed(error: Exception) -> None:
        troubles[:] = [_trouble(error)]
        found = refusal(error, address, credentials)
        if found is not None and not fatal.done():
            fatal.set_result(found)

    options = _options(address, credentials)
    connecting = asyncio.ensure_future(
        wire.connect(list(address.servers), error_cb=failed, disconnected_cb=down, **callbacks, **options)
    )
    both: set[asyncio.Future[Any]] = {connecting, fatal}
    await asyncio.wait(both, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    if connecting.done() and not connecting.exception():
        return
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await wire.close()
    if fatal.done():
        raise fatal.result()
    why = troubles[0] if troubles else "no answer"
    raise NoServer(
        f"No NATS server answers at {address}: {why} (tried for {patience:g} s). Start one with `nats-server -js`, or "
        "correct the address."
    )


def _options(address: StreamAddress, credentials: Credentials) -> dict[str, Any]:
    options: dict[str, Any] = {
        "name": CLIENT_NAME,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_SECONDS,
        "connect_timeout": DIAL_SECONDS,
        "ping_interval": PING_SECONDS,
        "max_outstanding_pings": UNANSWERED_PINGS,
        "pending_size": 0,  # nothing is kept for later: whoever publishes waits for a server, and knows the outcome
    }
    if credentials.user:
        options |= {"user": credentials.user, "password": credentials.password.reveal()}
    if credentials.token.reveal():
        options["token"] = credentials.token.reveal()
    if credentials.creds:
        options["user_credentials"] = str(credentials.creds)
    if credentials.ca or credentials.cert or address.servers[0].startswith("tls://"):
        options["tls"] = credentials.ssl_context()
    return options


def _trouble(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error).removeprefix("nats: ")
    return text.strip().strip("'")[:200] or type(error).__name__


class Broken(Exception):  # noqa: N818  reads as what happened
    """The connection broke before a reply came."""


class Replies:
    """Replies to requests of one connection, which come to one subject for all."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._inbox = wire.new_inbox()
        self._numbers = count(1)
        self._open: dict[str, asyncio.Queue[Msg | None]] = {}
        self._subscribed = False

    async def request(self, subject: str, body: bytes, headers: dict[str, str] | None, seconds: float) -> Msg:
        """Return the reply to a request; raise Broken or TimeoutError."""
        async with self.requested(subject, body, headers) as replies:
            return await self.next(replies, seconds)

    @asynccontextmanager
    async def requested(
        self, subject: str, body: bytes, headers: dict[str, str] | None = None
    ) -> AsyncIterator[asyncio.Queue[Msg | None]]:
        """Send a request; its replies come into the queue until the block ends."""
        if not self._subscribed:
            self._subscribed = True
            await self._wire.subscribe(f"{self._inbox}.*", cb=self._received)
        number = str(next(self._numbers))
        queue = self._open[number] = asyncio.Queue()
        try:
            await self._wire.publish(subject, body, reply=f"{self._inbox}.{number}", headers=headers)
            yield queue
        finally:
            del self._open[number]

    async def next(self, replies: asyncio.Queue[Msg | None], seconds: float) -> Msg:
        """Return the next reply; raise Broken if the connection broke, TimeoutError after `seconds`."""
        message = await asyncio.wait_for(replies.get(), seconds)
        if message is None:
            raise Broken
        return message

    async def _received(self, message: Msg) -> None:
        queue = self._open.get(message.subject.rpartition(".")[2])
        if queue is not None:
            queue.put_nowait(message)

    def fail(self) -> None:
        """Let all open requests raise Broken."""
        for queue in self._open.values():
            queue.put_nowait(None)
