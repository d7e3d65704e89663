"""What the outbox keeps of a request and its answer: address, digest, times; of what was refused also the answer. Pure.

Nothing kept has a secret in it, nor can one be told from it.  So the digest is of the request as a person may see it:
its URL is masked, and its body too if the mapping puts secrets into bodies.  A digest of the real ones would let anyone
who has the file try out short secrets.  And it needs no secret to be made again from a plan.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import cast
from urllib.parse import quote, urlencode

from engine.delivery.outbox.attempts import MOST_ANSWER, MOST_HEADERS, MOST_URL, Attempt
from engine.delivery.sending.http import Try
from engine.language.bodies import encoded
from engine.plan import Connection
from engine.records import PlannedRequest, masked

KEPT_HEADERS = re.compile(r"content-type|retry-after|.*(?:request-?id|trace|correlation|rate-?limit).*", re.DOTALL)
TOO_LONG = "the body of the answer is too long to be read"
COMPRESSED = "the body of the answer is compressed, although that was not asked for"
SEARCHED_WHOLE = 4 * MOST_ANSWER
"""Characters of an answer in which all secrets are looked for; of longer ones, only in what is kept."""
ADDRESSES = 1000
"""Masked addresses that are remembered: batches and many requests go to few."""


class AttemptRecorder:
    """Makes the records of one connection's requests."""

    def __init__(self, connection: Connection) -> None:
        self._secrets = connection.secrets
        self._mask = lru_cache(ADDRESSES)(connection.secrets.mask)
        settings = connection.mapping.settings.values()
        self._masks_bodies = any(each.secret and each.sent_in == "body" for each in settings)

    def digest(self, request: PlannedRequest, encode: str) -> str:
        """Return the digest of a request that is planned again; raises TypeError or ValueError for an impossible body.

        It equals that of an attempt if the request is what was sent then, except for secrets and headers.
        """
        content = None if self._masks_bodies else encoded(request.body, encode)
        return self._digest(request, self._address(request), content, encode)

    def attempt(
        self, number: int, request: PlannedRequest, encode: str, items: int, tried: Try, *, refused: bool
    ) -> Attempt:
        """Return what is kept of a request that was sent, and of its answer."""
        reply, address = tried.reply, self._address(request)
        digest = self._digest(request, address, tried.content, encode)
        took, method = round(tried.took * 1000), str(request.method)
        if not refused:
            return Attempt(number, took, request.request, method, address[:MOST_URL], items, reply.status, digest)
        answer, cut = ("", 0) if tried.answer is None else self._answer(tried.answer)
        headers = cast("Mapping[str, str]", reply.headers)
        return Attempt(
            number,
            took,
            request.request,
            method,
            address[:MOST_URL],
            items,
            reply.status,
            digest,
            True,
            reply.failure or _unread(tried),
            self._headers(headers),
            answer,
            cut,
        )

    def _address(self, request: PlannedRequest) -> str:
        address = str(request.url)  # the mask of a secret
        if not request.query:
            return self._mask(address)
        query = {str(name): _shown(value) for name, value in request.query.items()}
        joint = "&" if "?" in address else "?"
        return self._mask(address + joint + urlencode(query, doseq=True, safe="*", quote_via=quote, errors="replace"))

    def _digest(self, request: PlannedRequest, address: str, content: bytes | None, encode: str) -> str:
        if self._masks_bodies:
            content = encoded(masked(request.body, self._secrets), encode)
        found = blake2b(f"{request.method!s} {address}\n".encode(errors="replace"), digest_size=8)
        found.update(content or b"")
        return found.hexdigest()

    def _answer(self, body: bytes) -> tuple[str, int]:
        """Return the beginning of an answer as text, and how many bytes are missing."""
        text = body.decode(errors="replace")
        if len(text) > SEARCHED_WHOLE:
            shown, size = self._secrets.beginning(text, MOST_ANSWER), len(body)
        else:
            shown = self._secrets.mask(text)
            size = len(shown.encode())
        found = shown.encode()[:MOST_ANSWER]
        return found.decode(errors="ignore"), size - len(found)

    def _headers(self, headers: Mapping[str, str]) -> str:
        lines = "\n".join(f"{name}: {value}" for name, value in headers.items() if KEPT_HEADERS.fullmatch(name))
        return self._secrets.beginning(lines, MOST_HEADERS).encode(errors="replace").decode()


def _shown(value: str | list[str]) -> str | list[str]:
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def _unread(tried: Try) -> str:
    """Say why the body of an answer is not kept, '' if it is."""
    if tried.answer is not None or not tried.reply.status:
        return ""
    return COMPRESSED if "content-encoding" in tried.reply.headers else TOO_LONG
