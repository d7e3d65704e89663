"""What may be an address of a vendor, and what is said of one that may not; never the address, which may hold a key."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

PATTERN = r"^https?://[^/?#\s]+[^?#\s]*$"
ADDRESS = re.compile(PATTERN, re.IGNORECASE)

NOT_ONE = "this is not an http:// or https:// address without ? and #"
WITH_USER = "this address has a name or password before an @, which proxies and logs would show; take it out"
BAD_PORT = "the port of this address is not a number from 1 to 65535"


def address_fault(text: str) -> str | None:
    """Say why a text is no address to send to, as a clause; None where it is one."""
    real = str.__str__(text)
    if not ADDRESS.match(real):
        return NOT_ONE
    if fault := authority_fault(real):
        return fault
    return None if urlsplit(real).hostname else NOT_ONE


def authority_fault(text: str) -> str | None:
    """Say what is wrong with what stands before the path, as a clause; the rest is taken as it stands."""
    real = str.__str__(text)
    authority = re.split(r"[/?#]", real.partition("://")[2], maxsplit=1)[0]
    return WITH_USER if "@" in authority else host_fault(real)


def host_fault(text: str) -> str | None:
    """Say what is wrong with host and port, as a clause; reading a port out of range would raise ValueError."""
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no IPv6 address
        return NOT_ONE
    try:
        return BAD_PORT if parts.port == 0 else None
    except ValueError:
        return BAD_PORT
