"""The versions of a connection's mapping in the outbox: the current one is kept, and older ones finish what they began.

All of this runs in the outbox's thread.  What an older version makes is sent with the connection's settings of today,
by the connection's own sender, so it has to go to the same host and to be signed in to in the same way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from engine.compiler.runtime import Invalid
from engine.delivery.configured_connection import ConfiguredConnection, base_url, digest_of, rebased_like
from engine.delivery.mapping_versions import pack, unpack
from engine.delivery.outbox.base import DeliveryQueue
from engine.delivery.sending.http import Refused, origin
from engine.delivery.sending.versions import Version
from engine.errors import MappingError, SettingsError
from engine.plan import Connection, Destination, destination
from engine.records import unmasked

MOST_IN_MEMORY = 8
"""Older versions of one connection's mapping that are ready to plan."""

NOT_KEPT = "was not kept"
NOT_READABLE = "cannot be read any more"
NOT_CONNECTED = "does not connect with the settings of today"
ELSEWHERE = "sends to another host"
SIGNED_IN = "signs in to the vendor in another way"
TOO_LARGE = (
    "its mapping is too large to be kept in the outbox (more than 4 MB with what it extends and includes): events that "
    "are half done when it changes are planned anew by the new version"
)


class OlderVersions:
    """Keeps the current version of a connection's mapping, and finds older ones."""

    def __init__(self, configured: ConfiguredConnection, outbox: DeliveryQueue, clock: Callable[[], float]) -> None:
        self._configured = configured
        self._outbox = outbox
        self._clock = clock
        self._found: OrderedDict[str, Version | str] = OrderedDict()

    def keep(self) -> bool:
        """Keep the current version, unless it is kept already; False if it is too large."""
        digest, loaded = self._configured.digest(), self._configured.connection.destination.loaded
        if self._outbox.version_files(digest) is not None:
            return True
        files = pack(loaded)
        if files is not None:
            self._outbox.keep_version(digest, loaded.mapping.name, files, self._clock())
        return files is not None

    def find(self, digest: str) -> Version | str:
        """Return an older version that can finish what it began, or why it cannot, to be said after its name."""
        if digest not in self._found:
            self._found[digest] = self._read(digest)
            while len(self._found) > MOST_IN_MEMORY:
                self._found.popitem(last=False)
        self._found.move_to_end(digest)
        return self._found[digest]

    def _read(self, digest: str) -> Version | str:
        stored = self._outbox.version_files(digest)
        if stored is None:
            return NOT_KEPT
        try:
            loaded = unpack(stored[1])
            if not loaded.readable or digest_of(loaded) != digest:
                return NOT_READABLE
            older = self._connected(destination(loaded))
        except (ValueError, MappingError):
            return NOT_READABLE
        except SettingsError:
            return NOT_CONNECTED
        return self._unfit(older) or Version.of(replace(self._configured, connection=older), self._clock, older=True)

    def _connected(self, older: Destination) -> Connection:
        """Connect with the settings of today that the version knows."""
        current = self._configured.connection
        known = {name: unmasked(each) for name, each in current.settings.items() if name in older.mapping.settings}
        return rebased_like(current, older.connect(known, {}))

    def _unfit(self, older: Connection) -> str:
        """Say why a version cannot be sent by the connection's sender, '' if it can."""
        current = self._configured.connection
        try:
            same_host = origin(base_url(older)) == origin(base_url(current))
        except (Invalid, Refused):
            return NOT_CONNECTED
        if not same_host:
            return ELSEWHERE
        ways = [each.mapping.http.oauth2 is None for each in (older, current)]
        return "" if ways[0] == ways[1] else SIGNED_IN
