"""The signature of a request: an HMAC (RFC 2104) of the bytes that are sent, in a header.

Delivery signs the very bytes that it writes, at the time at which it writes them; a plan is signed with its own clock,
so that a dry run shows what would be sent.  A signature is a credential for one body, so it is a `Secret`.
"""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

from engine.language.bodies import compressed, encoded
from engine.language.template import Hole, Text
from engine.records import MASK, PlannedRequest, Secret

WIRE = "wire"


class Signer(NamedTuple):
    """Signs the requests of a connection by one `signature`, whose words the fields are; `key` is the secret.

    `over` is `body`, `wire`, or a text with `${body}` and `${sent_at}`; `compress` says whether bodies are compressed.
    """

    header: str
    key: Secret
    hash: str
    encoding: str
    prefix: Text
    over: Text
    sent_at_header: str | None
    compress: bool

    def headers(self, body: bytes, wire: bytes, now: float) -> dict[str, str]:
        """Return the headers of one try: `body` before and `wire` after compression, `now` in unix seconds."""
        import hmac

        sent_at = str(int(now))
        digest = hmac.digest(self.key.reveal().encode(), self._signed(body, wire, sent_at), self.hash)
        prefix = "".join(sent_at if isinstance(piece, Hole) else piece for piece in self.prefix.pieces)
        text = digest.hex() if self.encoding == "hex" else b64encode(digest).decode()
        headers: dict[str, str] = {self.header: Secret(prefix + text, prefix + MASK)}
        if self.sent_at_header is not None:
            headers[self.sent_at_header] = sent_at
        return headers

    def _signed(self, body: bytes, wire: bytes, sent_at: str) -> bytes:
        if self.over.literal is not None:
            return wire if self.over.literal == WIRE else body
        values = {"body": body, "sent_at": sent_at.encode()}
        pieces = self.over.pieces
        return b"".join(values[piece.path.strip()] if isinstance(piece, Hole) else piece.encode() for piece in pieces)

    def signed(self, request: PlannedRequest, encode: str, now: float) -> PlannedRequest:
        """Return a planned request with its signature; raises TypeError or ValueError where the body has no bytes."""
        body = encoded(request.body, encode)
        wire = compressed(body) if self.compress and self.over.literal == WIRE and body is not None else body
        headers = self.headers(body or b"", wire or b"", now)
        return request._replace(headers={**request.headers, **headers})
