"""The access token of a connection (OAuth 2.0, RFC 6749): fetched when first needed, shared by all requests.

The flow is one form that is posted and one JSON object that comes back, over the same bounded HTTP as everything else.
The OAuth libraries bring an HTTP client of their own, or decide by environment variables what is safe, so none is used.

A token is renewed before it ends, and once after the vendor refused it; requests that need one meanwhile wait for the
same renewal.  A renewal is never cancelled: the vendor may have replaced the refresh token already, and its answer has
the only copy.
"""

from __future__ import annotations

import asyncio
import math
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

from engine.delivery.sending.refresh_tokens import RefreshTokens, SignInFailed, SignInRefused
from engine.language.bodies import revealed
from engine.language.budget import Invalid
from engine.language.times import seconds
from engine.mapping.settings import LOCAL
from engine.plan import Connection
from engine.records import Json, Report, Secrets
from engine.responses import default_verdict, error_text

if TYPE_CHECKING:
    from engine.delivery.sending.wire import HttpPool, RawResponse

LONGEST_ANSWER = 64 * 1024
LONGEST_TOKEN = 8 * 1024
"""Servers take headers of some 8 KB."""
RENEWED_BEFORE = 60.0
"""Seconds before its end at which a token is renewed; a tenth of its life, if that is shorter."""
TOKEN = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
"""A header can carry it (RFC 9110, 5.5)."""
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/x-www-form-urlencoded",
    "User-Agent": "waybill",
}


class AccessToken(NamedTuple):
    """A token, and when to renew it (in unix seconds)."""

    text: str
    renew_at: float


def access_tokens(
    connection: Connection,
    file: Path | None,
    *,
    now: Callable[[], float],
    before_write: Callable[[], None] = lambda: None,
) -> AccessTokens | None:
    """Return what gets a connection's access tokens, None without `oauth2`.

    Refresh tokens are kept in `file`, or only in memory. Raises Invalid and SignInRefused where settings are missing or
    wrong.
    """
    http = connection.mapping.http
    if http.oauth2 is None or connection.compiled.oauth2 is None:
        return None
    reports: list[Report] = []
    given = connection.compiled.oauth2(reports)
    for report in reports:
        raise Invalid(report.place, report.message)
    needed = ["client_id"] + ["client_secret"] * (http.oauth2.client_secret is not None)
    needed += ["refresh_token"] * (http.oauth2.grant == "refresh_token")
    for word in needed:
        if given[word] is None:
            raise Invalid(f"http.oauth2.{word}", f"{word} has no value")
    first = given["refresh_token"]
    kept = None if first is None else RefreshTokens(file, revealed(first), connection.secrets)
    return AccessTokens(
        given, kept, connection.secrets, timeout=seconds(http.timeout), now=now, before_write=before_write
    )


class AccessTokens:
    """Gets the access tokens of one connection; must be closed.

    `given` are the texts behind the words of `oauth2`, `timeout` is in seconds, `now` returns unix seconds.
    `before_write` is called right before a request is written, and what it raises is raised. Tokens are added to
    `secrets`. Raises SignInRefused for an address that no secret may be sent to.
    """

    def __init__(
        self,
        given: dict[str, Any],
        refresh_tokens: RefreshTokens | None,
        secrets: Secrets,
        *,
        timeout: float,
        now: Callable[[], float],
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        from engine.delivery.sending.wire import HttpPool

        self._given = given
        self._url = revealed(given["token_url"])
        self._refresh_tokens = refresh_tokens
        self._secrets = secrets
        self._timeout = timeout
        self._now = now
        scheme, host = _checked(self._url)
        self._pool: HttpPool = HttpPool(
            scheme, host, slots=1, local=host in LOCAL, before_write=before_write, longest=LONGEST_ANSWER
        )
        self._token: AccessToken | None = None
        self._renewal: asyncio.Task[AccessToken] | None = None

    async def close(self) -> None:
        """Wait for a renewal under way, so that no refresh token is lost, and close the connection."""
        if self._renewal is not None:
            await asyncio.wait([self._renewal])
        await self._pool.close()

    async def current(self) -> str:
        """Return a token that has not ended; raises SignInFailed and SignInRefused."""
        if self._token is None or self._now() >= self._token.renew_at:
            return await self._renewed()
        return self._token.text

    async def instead_of(self, refused: str) -> str:
        """Return another token than the one that the vendor refused; raises SignInFailed and SignInRefused."""
        if self._token is not None and self._token.text != refused:
            return await self.current()
        self._token = None
        return await self._renewed()

    async def _renewed(self) -> str:
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew())
            self._renewal.add_done_callback(self._ended)
        return (await asyncio.shield(self._renewal)).text

    def _ended(self, renewal: asyncio.Task[AccessToken]) -> None:
        self._renewal = None
        if not renewal.cancelled() and renewal.exception() is None:
            self._token = renewal.result()

    async def _renew(self) -> AccessToken:
        tokens = self._refresh_tokens
        refresh_token = "" if tokens is None else await asyncio.to_thread(tokens.current)
        began = self._now()
        response = await self._ask(refresh_token)
        body = self._body(response)
        # First, even if the rest of the answer is of no use: the token that was sent may be worthless by now.
        new = body.get("refresh_token") if isinstance(body, dict) and _is_success(response) else None
        if tokens is not None and isinstance(new, str) and new:
            await asyncio.to_thread(tokens.replace, new)
        return self._read(response, body, began)

    async def _ask(self, refresh_token: str) -> RawResponse:
        import httpx

        from engine.delivery.sending.wire import Failed, Unwritable

        content, headers = self._written(refresh_token)
        try:
            async with asyncio.timeout(self._timeout):
                request = httpx.Request("POST", self._url, headers=headers, content=content)
                return await self._pool.exchange(request)
        except Failed as failed:
            raise SignInFailed(f"{failed} (the token endpoint)") from failed
        except TimeoutError as error:
            raise SignInFailed(f"the token endpoint did not answer within {self._timeout:g}s") from error
        except (Unwritable, httpx.InvalidURL) as error:
            raise SignInRefused(f"the token endpoint cannot be asked: {error}") from error

    def _written(self, refresh_token: str) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers of the request for a token (RFC 6749, 2.3.1, 4.4.2 and 6)."""
        given = self._given
        form = {"grant_type": given["grant"], "refresh_token": refresh_token}
        form |= {word: given[word] for word in ("scope", "audience")} | given["params"]
        headers = dict(HEADERS)
        user, password = (revealed(given[word] or "") for word in ("client_id", "client_secret"))
        if given["auth"] == "header":
            pair = f"{quote_plus(user)}:{quote_plus(password)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": user, "client_secret": password}
        return urlencode({name: revealed(text) for name, text in form.items() if text}).encode(), headers

    def _body(self, response: RawResponse) -> Json:
        """Return the body of a response; every text in it that is secret is known as such from now on."""
        if response.body is None:
            raise SignInFailed(f"the answer of the token endpoint is longer than {LONGEST_ANSWER // 1024} KB")
        body = _json(response.body)
        found = body if isinstance(body, dict) else {}
        for word in ("access_token", "refresh_token"):
            if isinstance(text := found.get(word), str) and text:
                if len(text) > LONGEST_TOKEN:
                    raise SignInFailed(f"the {word} of the token endpoint is longer than {LONGEST_TOKEN // 1024} KB")
                self._secrets.learn(text)
        return body

    def _read(self, response: RawResponse, body: Json, began: float) -> AccessToken:
        """Return the token of a response."""
        if not _is_success(response):
            raise self._refusal(response, body)
        found = body if isinstance(body, dict) else {}
        token = found.get("access_token")
        if not isinstance(token, str) or not token:
            raise SignInFailed(f"the token endpoint answered {response.status} without an access_token")
        if not TOKEN.fullmatch(token):
            raise SignInFailed("the access_token of the token endpoint cannot be sent in a header")
        kind = found.get("token_type") or "bearer"
        if not isinstance(kind, str) or not kind.lower().startswith("bearer"):
            raise SignInRefused(f"the token endpoint gives tokens of the type {self._words(kind)}, not bearer")
        return AccessToken(token, began + _usable(found.get("expires_in")))

    def _refusal(self, response: RawResponse, body: Json) -> Exception:
        """Return what an answer that is no token means: a refusal of the client, or a failure that may pass."""
        texts = [body.get(word) for word in ("error", "error_description")] if isinstance(body, dict) else []
        words = ": ".join(self._words(each) for each in texts if each) or self._words(body)
        status = response.status
        message = f"the token endpoint answered {status}{words and ': '}{words}"
        passes = not 400 <= status < 500 or default_verdict(status) == "retry"
        return SignInFailed(message, response.headers.get("retry-after")) if passes else SignInRefused(message)

    def _words(self, text: Json) -> str:
        return error_text(text, self._secrets)


def _checked(url: str) -> tuple[str, str]:
    """Return scheme and host of an address of tokens; raises SignInRefused if no secret may be sent there."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOCAL):
        raise SignInRefused("the address of the token endpoint must start with https:// (http.oauth2.token_url)")
    return parts.scheme, host


def _is_success(response: RawResponse) -> bool:
    return 200 <= response.status < 300


def _json(body: bytes) -> Json:
    """Return a body as JSON, or else the beginning of its text."""
    import orjson

    try:
        parsed: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:500].decode(errors="replace")
    return parsed


def _usable(lifetime: Json) -> float:
    """Return for how many seconds a token is used; without a sensible `expires_in`, until the vendor refuses it."""
    try:
        length = math.nan if isinstance(lifetime, bool) else float(lifetime)  # type: ignore[arg-type]  # or TypeError
    except (TypeError, ValueError, OverflowError):
        length = math.nan
    return length - min(RENEWED_BEFORE, length / 10) if 0 < length < math.inf else math.inf
