"""One POST to the collector, and what its answer means: arrived, try again and when, or never.

The standard library's `http.client`, not httpx: httpx has one owner, `delivery/sender`, which speaks to
vendors; this client belongs to an app, and it must not follow redirects (a POST that becomes a GET and
is answered 200 is an event lost) nor need more than Python.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from engine.errors import UsageError
from engine.records import MASK, Secret

PATH: Final = "/v1/batch"
TIMEOUT: Final = 15.0

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0  # seconds
_ANSWER_SHOWN = 200  # characters of an answer put into a report
_ANSWER_READ = 4096
_MOVED = "a redirect: give the endpoint it leads to"
_TRY_AGAIN = (408, 429)  # of the 4xx; 408 says itself that the request may be repeated


class Answer(NamedTuple):
    """What came back: a status, the `Retry-After` header, and the beginning of the text."""

    status: int
    retry_after: str | None = None
    text: str = ""


Transport = Callable[[str, bytes, dict[str, str], float], Answer]
"""(url, body, headers, timeout in seconds) -> Answer; a network's failure is any exception."""


class Verdict(NamedTuple):
    """What becomes of a batch: `sent`, `dropped` or `again`, in words, and the pause that was asked for."""

    end: str
    reason: str = ""
    wait: float | None = None


def post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
    """Send one request on a connection of its own."""
    parts = urlsplit(url)
    connection = _connection(parts, timeout)
    try:
        connection.request("POST", parts.path, body, headers)
        response = connection.getresponse()
        text = response.read(_ANSWER_READ).decode("utf-8", "replace")
        return Answer(response.status, response.getheader("Retry-After"), text)
    except HTTPException as problem:
        raise OSError(f"no HTTP came back ({type(problem).__name__})") from problem
    finally:
        connection.close()


def _connection(parts: SplitResult, timeout: float) -> HTTPConnection:
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout)


def batch_url(endpoint: object) -> str:
    """Check the collector's address and give that of its batch call."""
    if isinstance(endpoint, str) and endpoint.isascii() and endpoint.isprintable():
        parts = _split(endpoint.rstrip("/"))
        if parts is not None and parts.scheme in {"http", "https"} and parts.hostname:
            bare = not (parts.username or parts.password or parts.query or parts.fragment or " " in endpoint)
            if bare:
                return parts.geturl() + PATH
    raise UsageError(
        "The endpoint is no address of a collector. Give its http or https address without user, query "
        "or fragment, as in https://collector.example.com."
    )


def _split(endpoint: str) -> SplitResult | None:
    try:
        parts = urlsplit(endpoint)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        return None
    return parts


def request(bodies: tuple[bytes, ...], sent_at: str, key: Secret, *, zipped: bool) -> tuple[bytes, dict[str, str]]:
    """Put events, already JSON, into the body and headers of a batch call."""
    body = b'{"batch":[' + b",".join(bodies) + b'],"sentAt":"' + sent_at.encode() + b'"}'
    headers = {
        "Authorization": f"Basic {_token(key)}",
        "Content-Type": "application/json",
    }
    if zipped:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, mtime=0)
    return body, headers


def judge(answer: Answer, now: float, key: Secret) -> Verdict:
    """Say what an answer means for the batch; `now` is the time a date in `Retry-After` is read against."""
    status = answer.status
    if 200 <= status < 300:
        return Verdict("sent")
    reason = f"the collector answered {status}" + _words(_MOVED if 300 <= status < 400 else answer.text, key)
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return Verdict("dropped", reason)
    return Verdict("again", reason, retry_after(answer.retry_after, now))


def _words(text: str, key: Secret) -> str:
    shown = hidden(" ".join(text.split()), key)[:_ANSWER_SHOWN]
    return f" ({shown})" if shown else ""


def hidden(text: str, key: Secret) -> str:
    """Mask the write key, plain and encoded: an answer or an error may quote the request, and the key with it."""
    return text.replace(key.reveal(), MASK).replace(_token(key), MASK)


def _token(key: Secret) -> str:
    return b64encode(f"{key.reveal()}:".encode()).decode()


def retry_after(header: str | None, now: float) -> float | None:
    """Read a `Retry-After` of seconds or of a date, at most five minutes; None if there is none to read."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_PAUSE)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_PAUSE)


def backoff(failures: int, chance: float) -> float:
    """Give the pause after so many failures: up to 1 s, 2 s, 4 s ... 300 s, and anywhere below it by chance."""
    return chance * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
