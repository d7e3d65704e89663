"""One connection to NATS servers, by nats-py: signing in, what a server must be able to do, and replies to requests.

A request's reply may never come: the server it was sent to may end. `StreamReplies` fails all that are open as soon as
the connection breaks, so that a request is sent again to the next server at once instead of after its timeout.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from random import sample
from typing import Any
from urllib.parse import ParseResult

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.location import StreamAddress
from engine.language.texts import visible
from engine.stream.credentials import CA, CERT, CREDS, KEY, PASSWORD, TOKEN, USER, Credentials
from engine.stream.errors import CredentialsRefused, NoServer, OldServer, TlsFailed

FIRST_VERSION = (2, 11)
PING_SECONDS = 0.8
UNANSWERED_PINGS = 2
"""A node that is frozen or cut off is left after 2.4 seconds; one that ended, at once."""
RECONNECT_SECONDS = 0.5
DIAL_SECONDS = 2
CLOSE_SECONDS = 0.2
CANCEL_SECONDS = 0.1
CLIENT_NAME = "waybill"
NO_RESPONDERS = "503"
DENIED = "permissions violation"


class ServerRefused(errors.Error):
    """What is wrong with a server, found while connecting."""

    def __init__(self, error: OutboxError) -> None:
        self.error = error
        super().__init__(str(error))


class Tcp(TcpTransport):
    """A transport that is closed at once, or nearly: to a server that is frozen, the last bytes can never be sent."""

    def __bool__(self) -> bool:
        """Say that there is one, or nats-py replaces it by its own."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect; close what an attempt before left open."""
        if self._io_writer is not None:
            self._io_writer.close()
        await super().connect(uri, buffer_size, connect_timeout)

    def abort(self) -> None:
        """Close the connection without a last word, if there is one."""
        if self._io_writer is not None:
            self._io_writer.transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        try:
            await asyncio.wait_for(super().wait_closed(), CLOSE_SECONDS)  # type: ignore[no-untyped-call]
        except TimeoutError:
            self.abort()


class StreamWire(Client):
    """A connection that asks of every server, also at a reconnect, what `check_server` says before it signs in.

    nats-py takes `tls://` for `nats://` where a server does not demand TLS, and would send the credentials in the
    clear.
    """

    def __init__(self, address: StreamAddress) -> None:
        super().__init__()
        self._transport: Tcp = Tcp()  # type: ignore[no-untyped-call]
        self.address = address
        self.refused: OutboxError | None = None
        """What was wrong the last time, if trying again cannot help."""
        self.denied = ""
        """What the server said a user has no permission for, at last."""
        self._encrypted = address.servers[0].startswith("tls://")
        self._left: object = None

    async def abort(self) -> None:
        """Leave no socket open, whatever a close has left."""
        self._transport.abort()
        await asyncio.sleep(0)  # asyncio closes the socket in the next turn of its loop

    async def leave(self) -> None:
        """Break the connection and go on with another server; this one comes last."""
        self._left = self._current_server
        await self._process_op_err(errors.StaleConnectionError())

    async def _select_next_server(self) -> None:
        self._server_pool.sort(key=lambda server: server is self._left)
        self._left = None
        await super()._select_next_server()

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        await super()._process_info(info, initial_connection=initial_connection)
        if initial_connection:
            if self._encrypted and info.get("tls_available"):
                info["tls_required"] = True
            check_server(info, self.address, encrypted=self._encrypted)

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
    version = visible(str(info.get("version", ""))[:40])
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
        return CredentialsRefused(f"The NATS server of {address} does not let in {tried}. {todo}")
    return None


async def connect(wire: StreamWire, credentials: Credentials, patience: float, **callbacks: Any) -> None:
    """Connect a wire, which then reconnects for ever; raise OutboxError at once, or after `patience` seconds.

    `callbacks` are those of nats-py.
    """
    address = wire.address
    fatal: asyncio.Future[OutboxError] = asyncio.get_running_loop().create_future()
    troubles: list[str] = []

    async def failed(error: Exception) -> None:
        troubles[:] = [_trouble(error)]
        if DENIED in troubles[0].lower():
            wire.denied = troubles[0]
        found = wire.refused = refusal(error, address, credentials)
        if found is not None and not fatal.done():
            fatal.set_result(found)

    options = _options(address, credentials)
    servers = sample(address.servers, len(address.servers))
    connecting = asyncio.ensure_future(wire.connect(servers, error_cb=failed, **callbacks, **options))
    both: set[asyncio.Future[Any]] = {connecting, fatal}
    await asyncio.wait(both, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    if connecting.done() and not connecting.exception():
        return
    while not connecting.done():  # nats-py catches some cancellations
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=CANCEL_SECONDS)
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
        "dont_randomize": True,  # else it may dial first the very node that it has just left, and wait for it
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
    text = (
        visible(error.strerror or str(error))
        if isinstance(error, OSError)
        else visible(str(error)).removeprefix("nats: ")
    )
    return visible(text.strip().strip("'")[:200]) or type(error).__name__


class Broken(Exception):  # noqa: N818  reads as what happened
    """The connection broke before a reply came."""


class StreamReplies:
    """Replies to requests of one connection, which come to one subject for all."""

    def __init__(self, wire: StreamWire) -> None:
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

    async def unanswered(self, subject: str, seconds: float) -> bool:
        """Whether nobody is there to answer a request."""
        message = await self.request(subject, b"", None, seconds)
        return (message.headers or {}).get("Status") == NO_RESPONDERS

    async def _received(self, message: Msg) -> None:
        queue = self._open.get(message.subject.rpartition(".")[2])
        if queue is not None:
            queue.put_nowait(message)

    def fail(self) -> None:
        """Let all open requests raise Broken."""
        for queue in self._open.values():
            queue.put_nowait(None)
