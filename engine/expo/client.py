"""Expo's Segment module as a source: its seven calls, sent to the collector as Segment's mobile libraries send them.

https://docs.expo.dev/versions/v12.0.0/sdk/segment.html defines the calls; `events` turns them into events, `queue`
stores these, `sending` sends them. No call raises, and no failure is silent: what cannot be recorded is in `reports`
and in the log, and the app continues. The constructor does raise, because a wrong platform or endpoint should be
found in development, not on a phone.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from threading import RLock
from typing import Final, Self, TypeGuard

import orjson

from engine.errors import UsageError
from engine.expo import events
from engine.expo.events import PLATFORMS, DeviceContext, Given, Identity, TooLarge, kind, text_of
from engine.expo.queue import Queue
from engine.expo.sending import Flushed, Limits, Seams, Transport, Uploader, batch_url, post
from engine.records import JsonObject, Report, Secret

__all__ = ["Flushed", "Limits", "Segment"]

logger = logging.getLogger(__name__)

CLOSING: Final = 10.0  # seconds that `close` may take to send waiting events

_INITIALISE: Final = {"ios": "initializeIOS", "android": "initializeAndroid"}
_REPORTS_KEPT = 1000
_QUIET = {"other-platform"}  # reported at every normal start of an app
_random = SystemRandom()


def _new_id() -> str:
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


class Segment:
    """One app on one device. Thread-safe; only one process may use a storage directory."""

    def __init__(  # noqa: PLR0913  all but three have a default
        self,
        platform: str,
        endpoint: str,
        storage: Path | str,
        *,
        context: Given | None = None,
        limits: Limits | None = None,
        gzip: bool = True,
        start: bool = True,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
        new_id: Callable[[], str] = _new_id,
        transport: Transport = post,
    ) -> None:
        if platform not in PLATFORMS:
            raise UsageError(f"Unknown platform {platform!r}. Use ios or android.")
        url = batch_url(endpoint)
        self._platform, self._endpoint = platform, endpoint
        self._limits, self._start = limits or Limits(), start
        self._seams = Seams(clock, monotonic, random, new_id, transport)
        self._reports: deque[Report] = deque(maxlen=_REPORTS_KEPT)
        self._lock = RLock()
        self._source: str | None = None
        self._closed = False
        self._context = DeviceContext(platform, context or {}, self._report)
        self._queue = Queue.open(Path(storage), self._limits.queue_events, self._report)
        self._identity = self._remembered()
        self._sender = Uploader(
            self._queue,
            self._lock,
            url=url,
            seams=self._seams,
            limits=self._limits,
            report=self._report,
            zipped=gzip,
        )

    def initialize_ios(self, write_key: str) -> None:
        """Start, on iOS, with the write key of the iOS source. Does nothing on Android."""
        self._initialize("ios", write_key)

    def initialize_android(self, write_key: str) -> None:
        """Start, on Android, with the write key of the Android source. Does nothing on iOS."""
        self._initialize("android", write_key)

    def identify(self, user_id: str) -> None:
        """Set the user of this and every later event."""
        self._identify("identify", user_id, None)

    def identify_with_traits(self, user_id: str, traits: Mapping[str, object]) -> None:
        """Set the user and their traits."""
        self._identify("identifyWithTraits", user_id, traits)

    def track(self, event: str) -> None:
        """Record an event."""
        self._track("track", event, None)

    def track_with_properties(self, event: str, properties: Mapping[str, object]) -> None:
        """Record an event with properties."""
        self._track("trackWithProperties", event, properties)

    def flush(self) -> Flushed:
        """Send the waiting events now; returns when done, or when the collector does not accept them."""
        with self._guarded("flush"):
            if self._ready("flush"):
                return self._sender.flush()
        return Flushed(reason="not done; see reports")

    initializeIOS = initialize_ios  # noqa: N815  the spelling of Expo's documentation, as below
    initializeAndroid = initialize_android  # noqa: N815
    identifyWithTraits = identify_with_traits  # noqa: N815
    trackWithProperties = track_with_properties  # noqa: N815

    @property
    def reports(self) -> list[Report]:
        """The last thousand reports: what was not done as requested, and why."""
        return list(self._reports)

    def close(self, seconds: float = CLOSING) -> Flushed:
        """Send the waiting events for at most `seconds`, and stop. The others are sent after the next start."""
        if self._closed:
            return Flushed(reason="already closed")
        self._closed = True
        end = self._seams.monotonic() + seconds
        self._sender.stop(seconds)
        result = Flushed(reason="closed")
        with self._guarded("close"):
            result = self._sender.flush(max(0.0, end - self._seams.monotonic()))
        with self._lock:
            self._queue.close()
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "initialized" if self._source else "not initialized"
        return f"<Segment {self._platform} to {self._endpoint}, {state}>"

    def _initialize(self, platform: str, write_key: object) -> None:
        call = _INITIALISE[platform]
        with self._guarded(call):
            if platform != self._platform:
                text = f"{call} does nothing on {self._platform}; {_INITIALISE[self._platform]} is used."
                self._report(Report("other-platform", call, text))
            elif self._is_text(write_key, call, "write key", "nothing was initialized") and self._is_open(call):
                self._begin(call, Secret(write_key))

    def _begin(self, call: str, key: Secret) -> None:
        source = sha256(key.reveal().encode()).hexdigest()[:16]
        with self._lock:
            self._sender.keys[source] = key
            self._source = source
            others = sum(count for name, count in self._queue.counts().items() if name not in self._sender.keys)
        if others:
            text = f"Events recorded under another write key wait until that key is used again: {others}."
            self._report(Report("other-key", call, text))
        self._sender.added()
        if self._start:
            self._sender.start()

    def _identify(self, call: str, user_id: object, traits: object) -> None:
        with self._guarded(call):
            if not self._ready(call) or not self._is_text(user_id, call, "user id", "the call was dropped"):
                return
            user_id, own, given = text_of(user_id), self._object(call, "traits", traits), self._context.given()
            with self._lock:
                after = self._identity.identified(user_id, own or {})
                if own is None or not self._record(call, events.identify(own), after, given):
                    # the event is lost, but not the user: a later event must not belong to the previous user
                    after = self._identity.identified(user_id, {})
                    self._queue.keep(after)
                self._identity = after

    def _track(self, call: str, event: object, properties: object) -> None:
        with self._guarded(call):
            if not self._ready(call) or not self._is_text(event, call, "event's name", "the event was dropped"):
                return
            own, given = self._object(call, "properties", properties), self._context.given()
            if own is not None:
                with self._lock:
                    self._record(call, events.track(text_of(event), own), self._identity, given)

    def _record(self, call: str, own: JsonObject, identity: Identity, given: JsonObject) -> bool:
        message_id, timestamp = self._seams.new_id(), events.moment(self._seams.clock())
        context = self._context.of(identity, given)
        body = self._fitting(call, events.complete(own, identity, context, message_id, timestamp))
        if body is None:
            return False
        new = None if identity is self._identity else identity
        for old in self._queue.add(self._source or "", body, new):
            self._report(Report("queue-full", call, _made_room(old, self._limits.queue_events)))
        self._sender.added()
        return True

    def _fitting(self, call: str, event: JsonObject) -> bytes | None:
        """Return the event as JSON, without the remembered traits if it is too large, or None."""
        limit, body = self._limits.event_bytes, orjson.dumps(event)
        if len(body) <= limit:
            return body
        context = event["context"]
        body = orjson.dumps({**event, "context": {**context, "traits": {}}} if isinstance(context, dict) else event)
        if len(body) <= limit:
            text = (
                f"The event of {call} takes more than {limit} bytes; it went without context.traits. Keep fewer traits."
            )
            self._report(Report("traits-left-out", call, text))
            return body
        self._too_large(call)
        return None

    def _object(self, call: str, name: str, value: object) -> JsonObject | None:
        """Return a copy of traits or properties, or None if they are too large for any event."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            text = f"The {name} given to {call} are not an object ({kind(value)}); the event went without them."
            self._report(Report("not-an-object", call, text))
            return {}
        try:
            return events.clean(value, name, self._report)
        except TooLarge:
            self._too_large(call)
            return None

    def _too_large(self, call: str) -> None:
        text = f"The event of {call} takes more than {self._limits.event_bytes} bytes; it was dropped. Send less data."
        self._report(Report("event-too-large", call, text))

    def _is_text(self, value: object, call: str, what: str, end: str) -> TypeGuard[str]:
        if isinstance(value, str) and value.strip():
            return True
        wrong = "is blank" if isinstance(value, str) else f"is not text ({kind(value)})"
        self._report(Report("not-text", call, f"The {what} given to {call} {wrong}; {end}."))
        return False

    def _ready(self, call: str) -> bool:
        if not self._is_open(call):
            return False
        if self._source is None:
            text = f"{call} before {_INITIALISE[self._platform]} does nothing. Call that first, with a write key."
            self._report(Report("not-initialised", call, text))
        return self._source is not None

    def _is_open(self, call: str) -> bool:
        if self._closed:
            self._report(Report("closed", call, f"{call} after close does nothing."))
        return not self._closed

    def _remembered(self) -> Identity:
        identity = None
        with self._guarded("storage"):
            identity = self._queue.identity()
        if identity is None:
            identity = Identity(self._seams.new_id())
            with self._guarded("storage"):
                self._queue.keep(identity)
        return identity

    @contextmanager
    def _guarded(self, call: str) -> Iterator[None]:
        """Report any error instead of raising it into the app."""
        try:
            yield
        except (OSError, sqlite3.Error) as problem:
            self._report(Report("storage-failed", call, f"{call} could not be stored ({problem})."))
        except Exception as problem:  # noqa: BLE001  analytics must not stop the app
            # the error's text may quote the app's values, which may be personal data
            self._report(Report("failed", call, f"{call} failed ({type(problem).__name__}); please report this."))

    def _report(self, report: Report) -> None:
        self._reports.append(report)
        logger.log(logging.INFO if report.code in _QUIET else logging.WARNING, "%s: %s", report.code, report.message)


def _made_room(body: bytes, limit: int) -> str:
    old = orjson.loads(body)
    name = f"{old['type']} {old.get('event', '')}".strip()
    return f"The queue holds {limit} events; the oldest, {name} of {old['timestamp']}, was dropped to make room."
