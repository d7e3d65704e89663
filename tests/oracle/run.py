"""One event on its way through one mapping: the scope, what was reported, and how paths are asked."""

from __future__ import annotations

from collections.abc import Callable

from jmespath.exceptions import JMESPathError

from engine.records import Json
from tests.oracle.basics import OverLimit, holds, pieces, text_of, without_nulls
from tests.oracle.spec_paths import search
from tests.oracle.templates import Settings, filled

Scope = dict[str, object]

COMMON_FIELDS = (
    "type",
    "messageId",
    "userId",
    "anonymousId",
    "timestamp",
    "sentAt",
    "receivedAt",
    "originalTimestamp",
    "context",
    "integrations",
)
OWN_FIELDS = {
    "identify": ("traits",),
    "track": ("event", "properties"),
    "page": ("name", "category", "properties"),
    "screen": ("name", "category", "properties"),
    "group": ("groupId", "traits"),
    "alias": ("previousId",),
    "delete": (),
}


OBJECTS = ("traits", "properties", "context", "integrations")


class Parts:
    """`parts.<name>`: evaluated when first asked for, once an event."""

    def __init__(self, evaluate: Callable[[str], Json]) -> None:
        self._evaluate = evaluate
        self._known: dict[str, Json] = {}

    def get(self, name: str) -> Json:
        """JMESPath reads a field through this method (and treats an AttributeError as a missing field)."""
        if name not in self._known:
            try:
                self._known[name] = self._evaluate(name)
            except AttributeError as error:
                raise RuntimeError("a mistake in the oracle") from error
        return self._known[name]


class Saved:
    """`saved.<name>`: what a reply gave, or a marker where there was no reply; nothing before the step that saves."""

    def __init__(self) -> None:
        self.values: dict[str, Json] = {}

    def get(self, name: str) -> Json:
        """JMESPath reads a field through this method."""
        return self.values.get(name)


class Run:
    """What is known while one event is planned."""

    def __init__(self, mapping: dict[str, Json], settings: dict[str, Json], now: float) -> None:
        self.mapping = mapping
        self.settings = settings
        self.now = now
        self.reports: list[tuple[str, str]] = []
        self.saved = Saved()
        self.scope: Scope = {}
        self.iterations = 0

    def count(self, items: int, place: str) -> None:
        """Count the items that a loop is about to run over; all loops of an event share one limit."""
        self.iterations += items
        if self.iterations > 100_000:
            raise OverLimit(place, f"loops reach {self.iterations:,} items")

    def enter(self, event: dict[str, Json], options: Json, part: Callable[[str], Json]) -> None:
        """Make the scope of an event: the fields of its call, and nothing else of it."""
        names = COMMON_FIELDS + OWN_FIELDS.get(str(event.get("type")), ())
        self.scope = {name: event.get(name) for name in names}
        # An object that the event does not have is empty: missing and null are one thing.
        self.scope |= {name: {} for name in OBJECTS if name in names and self.scope[name] is None}
        self.scope |= {"parts": Parts(part), "settings": Settings(self, self.settings), "options": options}
        self.scope |= {"message": event, "saved": self.saved}

    def report(self, code: str, place: str) -> None:
        """Note something a person should know."""
        self.reports.append((code, place))

    def search(self, path: str, scope: Scope, place: str) -> Json:
        """Ask a path and fill the templates in its value; what JMESPath refuses is reported and absent."""
        return filled(self, self.unfilled(path, scope, place))

    def unfilled(self, path: str, scope: Scope, place: str) -> Json:
        """Ask a path; what JMESPath refuses (`length(null)`) is reported and absent."""
        return self._ask(path, scope, place)[0]

    def condition(self, path: str, scope: Scope, place: str) -> bool | None:
        """Ask a condition: True, False, or None where it could not be asked (reported)."""
        found, asked = self._ask(path, scope, place)
        return holds(found) if asked else None

    def _ask(self, path: str, scope: Scope, place: str) -> tuple[Json, bool]:
        try:
            return search(path, scope, lambda: self._not_compared(place)), True
        except (JMESPathError, TypeError, ValueError, ArithmeticError):
            self.report("path-type-error", place)
            return None, False

    def _not_compared(self, place: str) -> None:
        """Note a comparison that gave null; those that follow each other in one place are one."""
        if self.reports[-1:] != [("not-compared", place)]:
            self.report("not-compared", place)

    def wanted(self, raw: dict[str, Json], scope: Scope, place: str) -> bool:
        """Say whether `when` holds and `unless` does not; what cannot be asked is not met."""
        when, unless = raw.get("when"), raw.get("unless")
        if isinstance(when, str) and self.condition(when, scope, f"{place}.when") is not True:
            return False
        return not isinstance(unless, str) or self.condition(unless, scope, f"{place}.unless") is False

    def clean(self, value: Json) -> Json:
        """Apply `nulls: drop` and `empty_text: drop` to something that came from outside the mapping."""
        if self.mapping.get("nulls") == "drop":
            value = without_nulls(value)
        if self.mapping.get("empty_text") == "drop" and isinstance(value, str) and not value.strip():
            return None
        return value

    def hole(self, path: str, scope: Scope, place: str) -> str | None:
        """Return the text of one `${}`; an object or list is reported and absent."""
        value = self.search(path, scope, place)
        if isinstance(value, (dict, list)):
            self.report("not-text", place)
        self.note_inexact(value, place)
        return text_of(value)

    def note_inexact(self, value: Json, place: str) -> None:
        """Note a number that becomes text although it may have lost digits."""
        if isinstance(value, float) and abs(value) >= 2**53:
            self.report("inexact-number", place)

    def fill(self, text: str, scope: Scope, place: str) -> str | None:
        """Put values into a text; the first that is missing makes the whole text absent."""
        filled = ""
        for piece in pieces(text):
            put = self.hole(piece.text, scope, place) if piece.hole else piece.text
            if put is None:
                return None
            filled += put
        return filled
