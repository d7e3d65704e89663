"""Names of headers: what a name is, and which of them are not a mapping's to give."""

from __future__ import annotations

from string import ascii_letters, digits

CHARACTERS = frozenset(ascii_letters + digits + "!#$%&'*+-.^_`|~")
"""What a name may consist of (RFC 9110, section 5.6.2)."""

OF_CLIENT = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers of the connection and of how a body travels (RFC 9110, section 7.6.1): the HTTP client's own business."""

OF_HTTP = OF_CLIENT | {"content-encoding", "content-type"}
"""Headers that requests already have."""

NOT_FROM_DATA = OF_HTTP | {"accept-encoding", "cookie"}
"""Headers that no object gives: those of HTTP, one that would make answers unreadable, and a credential."""


def is_header_name(name: str) -> bool:
    """Whether a text is the name of a header."""
    return bool(name) and CHARACTERS.issuperset(name)


def may_be_data(name: str) -> bool:
    """Whether an object may give the header of this name, which is in lowercase."""
    return name not in NOT_FROM_DATA and not name.startswith("proxy-")
