"""When the Expo client sends, one POST to the collector, and what its response means."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Event, Lock, RLock, Thread
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from engine.errors import UsageError
from engine.expo.events import Reporter, moment
from engine.expo.queue import Queue, QueuedBatch
from engine.records import MASK, Report, Secret


class Limits(NamedTuple):
    """Sizes and times; the defaults are those of Segment's mobile libraries."""

    flush_at: int = 20
    flush_every: float = 30.0
    batch_events: int = 100
    batch_bytes: int = 475_000
    event_bytes: int = 32_000
    queue_events: int = 1000


class Seams(NamedTuple):
    """The client's dependencies: clocks, randomness, IDs, the network."""

    clock: Callable[[], float]
    monotonic: Callable[[], float]
    random: Callable[[], float]
    new_id: Callable[[], str]
    transport: Transport


class Flushed(NamedTuple):
    """The result of a flush: events sent, dropped and still waiting, and why they wait (empty if none must)."""

    sent: int = 0
    dropped: int = 0
    waiting: int = 0
    reason: str = ""


_ENVELOPE: Final = 100  # bytes of a batch that are not events


class Uploader:
    """Sends batches from the queue to the collector. `lock` guards the queue; it is not held while sending."""

    def __init__(
        self, queue: Queue, lock: RLock, *, url: str, seams: Seams, limits: Limits, report: Reporter, zipped: bool
    ) -> None:
        self._queue, self._lock, self._url, self._seams = queue, lock, url, seams
        self._limits, self._report, self._zipped = limits, report, zipped
        self.keys: dict[str, Secret] = {}
        self._sending = Lock()
        self._wake, self._stopped = Event(), Event()
        self._thread: Thread | None = None
        self._failures = 0
        self._since: float | None = None  # when the first of the waiting events was seen
        self._retry_at: float | None = None
        self._asked_until: float | None = None  # as a Retry-After requested

    def start(self) -> None:
        """Start the thread, once."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="expo-segment", daemon=True)
            self._thread.start()

    def added(self) -> None:
        """Notify the thread of a new event."""
        self._wake.set()

    def stop(self, seconds: float) -> bool:
        """Stop the thread; return false if its request still runs after `seconds`."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def flush(self, seconds: float | None = None) -> Flushed:
        """Send the events queued now, batch after batch, until done, postponed, or out of time."""
        end = None if seconds is None else self._seams.monotonic() + seconds
        if not self._sending.acquire(timeout=-1 if seconds is None else max(seconds, 0)):
            return self._result(0, 0, "a request is still running")
        try:
            return self._send_all(end)
        finally:
            self._sending.release()

    def _send_all(self, end: float | None) -> Flushed:
        with self._lock:
            last = self._queue.last()
        sent = dropped = 0
        reason = self._asked_to_wait()
        while not reason:
            left = TIMEOUT if end is None else min(TIMEOUT, end - self._seams.monotonic())
            batch = self._next(last)
            if batch is None:
                break
            if left <= 0:
                return self._result(sent, dropped, "the time limit was reached")
            result = self._send(batch, left)
            sent += len(batch.ids) if result.end == "sent" else 0
            dropped += len(batch.ids) if result.end == "dropped" else 0
            reason = result.reason if result.end == "again" else ""
        return self._result(sent, dropped, reason)

    def _asked_to_wait(self) -> str:
        left = 0.0 if self._asked_until is None else self._asked_until - self._seams.monotonic()
        return f"the collector asked to wait; {left:.1f} s are left" if left > 0 else ""

    def _result(self, sent: int, dropped: int, reason: str) -> Flushed:
        with self._lock:
            self._since = None
            return Flushed(sent, dropped, len(self._queue), reason)

    def _next(self, last: int) -> QueuedBatch | None:
        size = self._limits.batch_bytes - _ENVELOPE
        with self._lock:
            return self._queue.next(self.keys, last, self._limits.batch_events, size)

    def _send(self, batch: QueuedBatch, timeout: float) -> UploadResult:
        key = self.keys[batch.source]
        body, headers = request(batch.bodies, moment(self._seams.clock()), key, zipped=self._zipped)
        try:
            response = self._seams.transport(self._url, body, headers, timeout)
        except Exception as problem:  # noqa: BLE001  after any error of a transport, the events stay
            result = UploadResult("again", f"the collector could not be reached ({hidden(_error_text(problem), key)})")
        else:
            result = judge(response, self._seams.clock(), key)
        with self._lock:
            self._finish(batch, result)
        return result

    def _finish(self, batch: QueuedBatch, result: UploadResult) -> None:
        if result.end == "again":
            self._queue.put_back()
            self._postpone(len(batch.ids), result)
            return
        self._queue.remove(batch)
        self._failures, self._retry_at, self._asked_until = 0, None, None
        if result.end == "dropped":
            text = f"{_events(len(batch.ids))} dropped: {result.reason}. Check the endpoint and the write key."
            self._report(Report("batch-dropped", "flush", text))

    def _postpone(self, count: int, result: UploadResult) -> None:
        self._failures += 1
        now = self._seams.monotonic()
        # a `Retry-After: 0` must not become a loop without a pause
        pause = result.wait or backoff(self._failures, self._seams.random())
        self._retry_at = now + pause
        self._asked_until = self._retry_at if result.wait else None
        text = f"{_events(count)} kept: {result.reason}. The next attempt is in {pause:.1f} s."
        self._report(Report("sending-failed", "flush", text))

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                pause = self._due_in()
                if pause == 0:
                    self.flush()
                    continue
            except Exception as problem:  # noqa: BLE001  if the thread died, no later event would be sent
                if self._stopped.is_set():
                    return  # `close` did not wait for this request; its events are still in the file
                pause = self._limits.flush_every
                text = (
                    f"The queue could not be processed ({_error_text(problem)}). The next attempt is in {pause:.0f} s."
                )
                self._report(Report("storage-failed", "flush", text))
            self._wake.wait(pause)

    def _due_in(self) -> float | None:
        with self._lock:
            counts = self._queue.counts()
            waiting = sum(counts.get(source, 0) for source in self.keys)
            now = self._seams.monotonic()
            if waiting and self._since is None:
                self._since = now
            return due_in(waiting, self._since, self._retry_at, now, self._limits)


def due_in(waiting: int, since: float | None, retry_at: float | None, now: float, limits: Limits) -> float | None:
    """Return the seconds until the next sending; None if nothing waits."""
    if not waiting or since is None:
        return None
    if retry_at is not None:
        return max(0.0, retry_at - now)
    if waiting >= limits.flush_at:
        return 0.0
    return max(0.0, since + limits.flush_every - now)


def _events(count: int) -> str:
    return "1 event was" if count == 1 else f"{count} events were"


def _error_text(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__


PATH: Final = "/v1/batch"
TIMEOUT: Final = 15.0

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0  # seconds
_MOST_SHOWN = 200  # characters of a response in a report
_MOST_READ = 4096
_MOVED = "a redirect: use its target as the endpoint"
_TRY_AGAIN = (408, 429)  # of the 4xx; by its definition, a request may be repeated after a 408


class UploadResponse(NamedTuple):
    """A response: its status, its `Retry-After` header, and the beginning of its text."""

    status: int
    retry_after: str | None = None
    text: str = ""


Transport = Callable[[str, bytes, dict[str, str], float], UploadResponse]
"""(url, body, headers, timeout in seconds) -> UploadResponse; any exception is a network failure."""


class UploadResult(NamedTuple):
    """The result for a batch: `sent`, `dropped` or `again`, the reason, and the requested pause."""

    end: str
    reason: str = ""
    wait: float | None = None


def post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> UploadResponse:
    """Send one request on a new connection."""
    parts = urlsplit(url)
    connection = _connection(parts, timeout)
    try:
        connection.request("POST", parts.path, body, headers)
        response = connection.getresponse()
        text = response.read(_MOST_READ).decode("utf-8", "replace")
        return UploadResponse(response.status, response.getheader("Retry-After"), text)
    except HTTPException as problem:
        raise OSError(f"no HTTP response ({type(problem).__name__})") from problem
    finally:
        connection.close()


def _connection(parts: SplitResult, timeout: float) -> HTTPConnection:
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout)


def batch_url(endpoint: object) -> str:
    """Check the collector's address and return the URL of its batch call."""
    if isinstance(endpoint, str) and endpoint.isascii() and endpoint.isprintable():
        parts = _split(endpoint.rstrip("/"))
        if parts is not None and parts.scheme in {"http", "https"} and parts.hostname:
            plain = not (parts.username or parts.password or parts.query or parts.fragment or " " in endpoint)
            if plain:
                return parts.geturl() + PATH
    raise UsageError(
        "The endpoint is not the address of a collector. Use an http or https address without user, query "
        "or fragment, as in https://collector.example.com."
    )


def _split(endpoint: str) -> SplitResult | None:
    try:
        parts = urlsplit(endpoint)
        _ = parts.port  # raises ValueError for an invalid port
    except ValueError:
        return None
    return parts


def request(bodies: tuple[bytes, ...], sent_at: str, key: Secret, *, zipped: bool) -> tuple[bytes, dict[str, str]]:
    """Return the body and headers of a batch call; the events are JSON already."""
    body = b'{"batch":[' + b",".join(bodies) + b'],"sentAt":"' + sent_at.encode() + b'"}'
    headers = {
        "Authorization": f"Basic {_token(key)}",
        "Content-Type": "application/json",
    }
    if zipped:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, mtime=0)
    return body, headers


def judge(response: UploadResponse, now: float, key: Secret) -> UploadResult:
    """Return what a response means for the batch; a date in `Retry-After` is relative to `now`."""
    status = response.status
    if 200 <= status < 300:
        return UploadResult("sent")
    reason = f"the collector returned {status}" + _shown(_MOVED if 300 <= status < 400 else response.text, key)
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return UploadResult("dropped", reason)
    return UploadResult("again", reason, retry_after(response.retry_after, now))


def _shown(text: str, key: Secret) -> str:
    shown = hidden(" ".join(text.split()), key)[:_MOST_SHOWN]
    return f" ({shown})" if shown else ""


def hidden(text: str, key: Secret) -> str:
    """Mask the write key, plain and encoded: a response or an error may quote the request."""
    return text.replace(key.reveal(), MASK).replace(_token(key), MASK)


def _token(key: Secret) -> str:
    return b64encode(f"{key.reveal()}:".encode()).decode()


def retry_after(header: str | None, now: float) -> float | None:
    """Parse a `Retry-After` (seconds or a date), at most five minutes; None if it is missing or invalid."""
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
    """Return the pause after failures: a random part of 1 s, 2 s, 4 s ... 300 s."""
    return chance * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
