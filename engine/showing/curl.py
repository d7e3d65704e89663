"""A request as a curl command that makes exactly the one that delivery makes, in any POSIX shell.

Addresses and forms are encoded as delivery encodes them, and masked after that, so that a command without secrets is
the request to the byte.  A masked secret and the marker of a saved value stay readable: a person replaces them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from engine.delivery.sending.http import HEADERS, written_url
from engine.language.bodies import compressed, encoded
from engine.language.paths import Marker
from engine.language.signatures import WIRE
from engine.language.texts import text_of
from engine.records import Json, JsonObject, PlannedRequest, Secret, Secrets, masked
from engine.showing import shell

if TYPE_CHECKING:
    from engine.delivery.sending.outgoing import Outgoing
    from engine.plan import Connection

SAYS_NO_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods with which delivery sends `Content-Length: 0` where there is no body."""

EXPECTING = 1024 * 1024
"""Bytes of a body from which on curl asks whether it may send it."""

GZIP = ("gzip", "-n", "-1")

MARKER = re.compile(r"<saved\.[^<>]*>")
GLOBBED = re.compile(r"[][{}]")


def curl_text(
    request: PlannedRequest,
    encode: str,
    secrets: Secrets | None,
    *,
    compress: bool = False,
    signed_bytes: bool = False,
) -> str:
    """Return a request as a command; `encode` says how its body is encoded, and `secrets` is None to show them.

    With `compress` it goes through gzip, so that it can be read; not if `signed_bytes` says that a header has the
    signature of the compressed bytes, and shows it, because those of another gzip may differ.
    Raises what sending it would: Unsendable, and TypeError or ValueError for a body that cannot be encoded.
    """
    text = _Text(secrets)
    url, body = _url(request, text), _body(request.body, encode, text)
    words = ["curl", "-X", text.plain(request.method), url]
    if GLOBBED.search(url):
        words.append("--globoff")
    compress = compress and body is not None
    for header in _headers(request, text, body, compress=compress):
        words += ["-H", header]
    through = GZIP if compress else ()
    if compress and signed_bytes and body is not None and secrets is None:
        through, body = (), compressed(body)
    return shell.command(words, body, body_option="--data-raw", input_options=("--data-binary", "@-"), through=through)


def sent_as_curl(connection: Connection, sent: Outgoing, secrets: Secrets | None) -> str:
    """Return the command of a request of a connection's dry run; raises what `curl_text` raises."""
    compress = connection.mapping.http.compress is not None
    batch = sent.batch
    signer = connection.signers.get(sent.request.request) if batch is None else connection.batch_signers.get(batch)
    signs_wire = signer is not None and signer.over.literal == WIRE
    return curl_text(sent.request, sent.encode, secrets, compress=compress, signed_bytes=signs_wire)


def _url(request: PlannedRequest, text: _Text) -> str:
    url = MARKER.sub(lambda marker: text.kept(Marker(marker[0])), text.plain(request.url))
    query = {
        text.kept(name): [text.kept(each) for each in value] if isinstance(value, list) else text.kept(value)
        for name, value in request.query.items()
    }
    return text.restored(written_url(url, query))


def _headers(request: PlannedRequest, text: _Text, body: bytes | None, *, compress: bool) -> Iterator[str]:
    """Return headers as curl takes them; it adds a type to each body, and removes a header that has no value.

    Those of delivery's client follow; curl has the same `Host`, `Content-Length` and `Accept` by itself.
    """
    for name, value in request.headers.items():
        yield f"{name}: {text.plain(value)}" if value else f"{name};"
    names = {"accept", *(name.lower() for name in request.headers)}
    if body is not None and "content-type" not in names:
        yield "Content-Type:"
    if body is None and request.method in SAYS_NO_BODY and "content-length" not in names:
        yield "Content-Length: 0"
    if compress:
        yield "Content-Encoding: gzip"
    yield from (f"{name}: {value}" for name, value in HEADERS.items() if name.lower() not in names)
    if body is not None and len(body) >= EXPECTING:
        yield "Expect:"


def _body(body: Json, encode: str, text: _Text) -> bytes | None:
    if encode != "form" or not isinstance(body, dict):
        return encoded(body if text.secrets is None else masked(body, text.secrets), "json")
    kept: JsonObject = {
        text.kept(name): [text.kept(each) for each in member] if isinstance(member, list) else text.kept(member)
        for name, member in body.items()
    }
    return text.restored((encoded(kept, "form") or b"").decode()).encode()


class _Text:
    """Texts of one request; `secrets` is None to show them.

    What a person has to read or replace is kept out of percent-encoding: letters stand for it meanwhile.
    """

    def __init__(self, secrets: Secrets | None) -> None:
        self.secrets = secrets
        self._kept: dict[str, str] = {}

    def plain(self, value: str) -> str:
        """Return a text that is not encoded."""
        if self.secrets is None:
            return value.reveal() if isinstance(value, Secret) else value
        return cast("str", masked(value, self.secrets))

    def kept(self, value: Json) -> str:
        """Return what stands for a masked secret or a marker; the text of any other value."""
        if isinstance(value, Marker) or (isinstance(value, Secret) and self.secrets is not None):
            name = f"waybillkeeps{len(self._kept)}x"
            self._kept[name] = str(value)
            return name
        return value.reveal() if isinstance(value, Secret) else text_of(value) or ""

    def restored(self, text: str) -> str:
        """Mask secrets in an encoded text and put back what was kept out of encoding."""
        text = text if self.secrets is None else self.secrets.mask(text)
        for name, original in self._kept.items():
            text = text.replace(name, original)
        return text
