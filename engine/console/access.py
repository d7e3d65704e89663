"""By which address a console is reached, and with which token: what the Host, Origin and cookies of requests must be.

A console shows personal data and can send events again, so it is for people who have the token, by an address that no
page of another site can borrow. Without TLS it is for the same machine only.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from engine.errors import UsageError

SANDBOX_TOKEN = "sandbox"  # noqa: S105  the sandbox's token is public
BAD_ORIGIN = (
    "--console-origin must be the address that browsers use, without a path, such as https://ops.example.com; "
    'not "{origin}".'
)
PUBLIC = (
    "The console shows personal data, and on {host} it would be sent unencrypted. Listen on 127.0.0.1, or put a proxy "
    "with TLS in front and name its address with --console-origin https://... (or add --console-insecure if the "
    "network is yours alone)."
)
PUBLIC_SANDBOX = (
    'The token "sandbox" is known to everyone, and {host} is not this machine alone. Set another one, best as '
    "WAYBILL_ADMIN_TOKEN."
)
DEFAULT_PORTS = {"http": 80, "https": 443}


class Access(NamedTuple):
    """How a console is reached.

    `origin` is its address for browsers, such as `http://127.0.0.1:8912`; `hosts` the values of Host, in lower case,
    that are its own; `any_address` also takes the IP address on which a connection arrived.
    """

    token: str
    origin: str
    hosts: frozenset[str]
    any_address: bool = False

    @property
    def secure(self) -> bool:
        """Whether browsers reach it over TLS."""
        return self.origin.startswith("https://")

    @property
    def cookie(self) -> str:
        """The cookie's name; it has the port, because browsers share cookies between the ports of a host."""
        port = urlsplit(self.origin).port
        return "__Host-waybill" if self.secure else f"waybill_{port or DEFAULT_PORTS['http']}"

    def knows(self, host: str, server: tuple[str, int | None] | None) -> bool:
        """Whether a value of Host is the console's own, for a connection that arrived at `server`."""
        if host.lower() in self.hosts:
            return True
        return self.any_address and server is not None and host == _authority(server[0], server[1] or 0)

    def origin_of(self, host: str) -> str:
        """Return the origin of its pages for a browser that reached it by this Host."""
        return self.origin if self.secure else f"http://{host.lower()}"


def access(host: str, port: int, token: str, origin: str = "", *, insecure: bool = False) -> Access:
    """Return how the console at this address is reached; raise UsageError where that would not be safe."""
    loopback = is_loopback(host)
    if token == SANDBOX_TOKEN and not loopback:
        raise UsageError(PUBLIC_SANDBOX.format(host=host))
    if origin:
        plain = _origin(origin)
        if not (insecure or plain.startswith("https://") or is_loopback(urlsplit(plain).hostname or "")):
            raise UsageError(PUBLIC.format(host=plain))
        return Access(token, plain, frozenset(_hosts_of(plain)))
    if loopback:
        origins = [f"http://{_authority(name, port)}" for name in (host, "localhost", "127.0.0.1", "::1")]
        return Access(token, origins[0], frozenset(name for each in origins for name in _hosts_of(each)))
    if not insecure:
        raise UsageError(PUBLIC.format(host=host))
    named = not _is_address(host)
    hosts = {_authority(host, port)} if named else set()
    return Access(token, f"http://{_authority(host, port)}", frozenset(hosts), any_address=True)


def is_loopback(host: str) -> bool:
    """Whether an address or a name to listen on is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host.strip("[]")).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _authority(host: str, port: int) -> str:
    plain = host.strip("[]").lower()
    return f"[{plain}]:{port}" if ":" in plain else f"{plain}:{port}"


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = parts.scheme in DEFAULT_PORTS and parts.hostname and f"{parts.scheme}://{parts.netloc}" == text
        usable = whole and "@" not in parts.netloc and text.isascii() and text.isprintable() and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(BAD_ORIGIN.format(origin=text))
    return text.lower()


def _hosts_of(origin: str) -> list[str]:
    parts = urlsplit(origin)
    host, default = parts.hostname or "", DEFAULT_PORTS[parts.scheme]
    if parts.port in (None, default):
        return [_authority(host, default), _authority(host, default).rpartition(":")[0]]
    return [_authority(host, parts.port or default)]
