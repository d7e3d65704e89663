"""An event under repair: what was changed, and the reports about it."""

from __future__ import annotations

from engine.records import Json, JsonObject, Report


class Draft:
    """An event that is copied at the first change, and only its top level; the sender's object stays as it is.

    `received_at` is when its receiver says that it was received; `now` is the engine's clock in Unix seconds, for an
    event of which nothing says that.
    """

    def __init__(self, event: JsonObject, received_at: str | None = None, now: float | None = None) -> None:
        self.event = event
        self.received_at = received_at
        self.now = now
        self.reports: list[Report] = []
        self._given = event

    def get(self, name: str) -> Json:
        """Return a field, None where there is none."""
        return self.event.get(name)

    def put(self, name: str, value: Json) -> None:
        """Set a field."""
        self._copy()
        self.event[name] = value

    def drop(self, name: str) -> None:
        """Leave out a field, which must be there."""
        self._copy()
        del self.event[name]

    def report(self, code: str, place: str, message: str) -> None:
        """Note what was changed or left out."""
        self.reports.append(Report(code, place, message))

    def _copy(self) -> None:
        if self.event is self._given:
            self.event = dict(self._given)
