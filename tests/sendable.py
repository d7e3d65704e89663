"""Hand a planned request to the client that sends it: httpx makes it, h11 writes it, nothing leaves the process."""

from __future__ import annotations

import h11
import httpx

from engine.delivery.sending.http import revealed
from engine.language.bodies import encoded
from engine.records import PlannedRequest

CLIENT = httpx.Client(headers={"User-Agent": "waybill", "Accept-Encoding": "identity"})


def written(request: PlannedRequest, encode: str = "json") -> bytes:
    """Return a request as it would be on the wire; raises whatever httpx or h11 refuses."""
    built = CLIENT.build_request(
        revealed(request.method),
        revealed(request.url),
        params={name: _query(value) for name, value in request.query.items()} or None,
        headers={name: revealed(value) for name, value in request.headers.items()},
        content=encoded(request.body, encode),
    )
    connection = h11.Connection(our_role=h11.CLIENT)
    event = h11.Request(method=built.method, target=built.url.raw_path, headers=built.headers.raw)
    pieces = [connection.send(event), connection.send(h11.Data(data=built.read())), connection.send(h11.EndOfMessage())]
    return b"".join(piece or b"" for piece in pieces)


def _query(value: str | list[str]) -> str | list[str]:
    return [revealed(each) for each in value] if isinstance(value, list) else revealed(value)
