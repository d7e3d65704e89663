"""What generated code calls for URLs and headers: encoding, and refusing what would be another address."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID, uuid5

from engine.compiler.runtime import Reports, invalid, joined, text_in
from engine.language.paths import Marker
from engine.language.texts import compact_json, shown
from engine.mapping.addresses import authority_fault
from engine.records import Json, Secret

BAD_SEGMENTS = frozenset({"", ".", ".."})
REQUEST_IDS = UUID("d1b0fafc-3b7a-48a2-8f0d-4c7752a6f7da")
"""The namespace of request ids (RFC 9562, section 5.5). Another one gives all events other ids."""


def url_text(value: Json, reports: Reports, place: str) -> str | None:
    """Give a value's text percent-encoded for a URL, `/` included; a saved marker stays readable."""
    if type(value) is Marker:
        return value
    text = text_in(value, reports, place)
    if text is None:
        return None
    if isinstance(text, Secret):
        return Secret(_quoted(text.reveal(), place), text.masked)
    return _quoted(text, place)


def _quoted(text: str, place: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        return invalid(place, "the URL would hold a character that is half of a pair (a lone surrogate)")


def needed(text: str | None, place: str) -> str:
    """Give a text a URL cannot do without."""
    if text is None:
        invalid(place, "the URL needs a value that is not there")
    return text


def segment(text: str | None, place: str) -> str:
    """Give one filled part of a URL's path; parts that change which endpoint is meant are invalid."""
    text = needed(text, place)
    if text in BAD_SEGMENTS:
        invalid(place, f'a part of the URL would be "{text}", which is another address')
    return text


def join_url(base: str, tail: str) -> str:
    """Join base URL and path with exactly one slash."""
    base = address(base)
    if not tail:
        return base
    return joined(base, tail) if tail.startswith("/") else joined(base, "/", tail)


def method(text: str | None, place: str) -> str:
    """Give an HTTP method that a value filled in: letters only, or it would be another request line."""
    text = needed(text, place)
    if not (text.isascii() and text.isalpha()):
        invalid(place, f"{shown(text)} is no HTTP method")
    return text


def header(text: str, place: str) -> str:
    """Give a header's text; control and non-ASCII characters make the event invalid."""
    real = text.reveal() if isinstance(text, Secret) else text
    if not (real.isascii() and real.isprintable()):
        invalid(place, "a header cannot hold control characters or characters beyond ASCII")
    return text


def basic_auth(user: str | None, password: str | None) -> str | None:
    """Give the Authorization header of HTTP Basic (RFC 7617)."""
    if user is None or password is None:
        return None
    from base64 import b64encode

    pair = [text.reveal() if isinstance(text, Secret) else text for text in (user, password)]
    return Secret("Basic " + b64encode(":".join(pair).encode()).decode(), "Basic ***")


def after_host(url: str) -> str:
    """Give what follows scheme and host: the same request through a proxy or another host is the same request."""
    return "".join(url.split("/", 3)[3:])


def identified(
    headers: dict[str, str], name: str, message_id: Json, request: list[Json], reports: Reports
) -> dict[str, str]:
    """Add the id of `request`, made of all that makes it this request; an event without a messageId has none.

    The headers may be those of all events of a connection, so they are copied.
    """
    text = text_in(message_id, reports, "http.request_id")
    if text is None or not text.strip():
        return headers
    try:
        return {**headers, name: str(uuid5(REQUEST_IDS, compact_json([text, *request])))}
    except ValueError:  # what JSON cannot hold is not sent either
        return headers


class Written(str):
    """A piece of a URL that the mapping itself says: it stands as it is."""

    __slots__ = ()


def url_path(value: Json, reports: Reports, place: str) -> str:
    """Give the path an instruction made: the mapping's own words as they are, any other value encoded whole."""
    if type(value) is Written:
        return value
    return segment(url_text(value, reports, place), place)


def address(text: str) -> str:
    """Give a setting of type url as the beginning of a base URL, without its last slash."""
    if isinstance(text, Secret):
        return Secret(text.reveal().rstrip("/"), text.masked.rstrip("/"))
    return text.rstrip("/")


def sendable(url: str, place: str) -> str:
    """Give a base URL that settings made, if it is an address."""
    if fault := authority_fault(url):
        invalid(place, fault)
    return url
