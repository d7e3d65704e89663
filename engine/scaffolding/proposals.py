"""From a vendor's fields to a step of a call: which path each field takes, and an event that has all of them.

In this order: a well-known name (known.py); with sample events, the field of theirs with the most similar name; else a
field of the call's own object under the vendor's name, with a comment that says so. The event of the example is made
along the way: what a path reads is the sample that the vendor's page or schema has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.events.ids import is_id_text
from engine.mapping.schema import own_validator
from engine.records import Json, JsonObject
from engine.scaffolding.known import OWN, event_place, known_path
from engine.scaffolding.outline import NewRequest, VendorField, literal, shortened, snake
from engine.scaffolding.writing import Commented, Inline

TIME = "2024-03-05T10:15:30Z"
NUMBERS = {"number": "number", "integer": "integer", "boolean": "boolean"}
"""The function of `as` for values that events may have as texts."""
ALWAYS = frozenset({"type", "event", "timestamp", "messageId"})
"""What every event of a call has, so that `required` would say nothing."""
TEXTS = frozenset({"userId", "anonymousId", "groupId", "previousId", "event", "name", "category", "messageId"})
TIMES = frozenset({"timestamp", "traits.createdAt"})
OUTCOMES: dict[str, Json] = {
    "iso8601": TIME,
    "unix_seconds": 1_709_633_730,
    "unix_ms": 1_709_633_730_000,
    "{'date': '%Y-%m-%d'}": "2024-03-05",
}
"""What the functions of times make of the example's time."""
MILLISECONDS = 100_000_000_000
UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
UNKNOWN = "check: a guess"

Similar = Callable[[str, str, str], "tuple[str, str] | None"]
"""Call, vendor's name and kind of value to a path of the sample events and a comment."""


@dataclass(slots=True)
class Builder:
    """Makes the step of one request in one call, and fills the event of its example."""

    call: str
    similar: Similar | None = None
    event: JsonObject = field(default_factory=dict)
    uses_parts: bool = False
    defaults: set[str] = field(default_factory=set)
    """Fields of the event that have a value only so that it is an event; a sample takes its place."""

    def __post_init__(self) -> None:
        self.defaults = self.event.keys() - {"type", "timestamp"}

    def step(self, request: NewRequest) -> JsonObject:
        """Return the step of a request."""
        step: JsonObject = {"request": request.name}
        if request.fields is None:
            return step
        if not request.fields:
            return step | {"const": [{}] if request.in_list else {}}
        members = self.fields(request.fields, required=True)
        step |= {"list": [{"fields": members}]} if request.in_list else {"fields": members}
        return step

    def fields(self, fields: tuple[VendorField, ...], *, required: bool) -> dict[str, Any]:
        """Return the entries of `fields`."""
        return {literal(each.key): self.value(each, required=required and each.required) for each in fields}

    def value(self, wanted: VendorField, *, required: bool, item: str = "") -> Any:
        """Return the value of a field: a path, an instruction, or one of them with a comment."""
        if wanted.setting:
            return f"settings.{wanted.setting}"
        if wanted.constant:
            return Inline({"const": shortened(wanted.sample)})
        path, comment = self._path(wanted, item)
        if wanted.kind == "object" and wanted.members and (comment == UNKNOWN or _has_setting(wanted)):
            return {"fields": self.fields(wanted.members, required=required)}
        if wanted.kind == "list" and wanted.members:
            return self._each(wanted, path)
        converted, sample = self._converted(path, wanted)
        no_text = path in TEXTS and not is_id_text(sample)
        if no_text or not _meets(wanted, converted, sample) or not self._put(path, sample):
            path = f"{OWN[self.call]}.{_member(wanted.key)}"
            comment, converted = UNKNOWN, NUMBERS.get(wanted.kind)
            self._put(path, wanted.sample)  # a value that is there already is of the same name
        value = self._written(path, converted, required=required and path not in ALWAYS)
        notes = [note for note in (comment, wanted.note) if note]
        return Commented(value, "; ".join(notes)) if notes else value

    def give(self, path: str) -> None:
        """Set some value for a path of an address in the event of the example, if it has none."""
        if path not in ALWAYS and path not in self.event:
            self._put(path, f"{snake(event_place(path, self.call).rpartition('.')[2], 'value').replace('_', '-')}-1")

    def _path(self, wanted: VendorField, item: str) -> tuple[str, str]:
        if item:
            return f"{item}.{_member(wanted.key)}", ""
        known = known_path(wanted.key, self.call, wanted.kind)
        found = self.similar(self.call, wanted.key, wanted.kind) if self.similar else None
        if known is not None and (found is None or self._is_same(known, found[0])):
            return known, ""
        if found is not None:
            return found
        return f"{OWN[self.call]}.{_member(wanted.key)}", UNKNOWN

    def _is_same(self, known: str, found: str) -> bool:
        return found in (known, event_place(known, self.call))

    def _each(self, wanted: VendorField, path: str) -> dict[str, Any]:
        members = {
            literal(each.key): f"settings.{each.setting}" if each.setting else f"item.{_member(each.key)}"
            for each in wanted.members
        }
        self._put(path, [{each.key: each.sample for each in wanted.members if not each.setting}])
        return {"each": path, "value": {"fields": members}}

    def _converted(self, path: str, wanted: VendorField) -> tuple[Any, Json]:
        """Return the function that makes a path's value what the vendor takes, and the event's value in an example."""
        if path in TIMES or (wanted.format and wanted.kind in ("text", "number", "integer")):
            return _time(wanted), TIME
        if path == "type":
            return None, self.call
        if wanted.kind in NUMBERS:
            return NUMBERS[wanted.kind], str(wanted.sample) if path in TEXTS else wanted.sample
        return None, wanted.sample

    def _written(self, path: str, function: Any, *, required: bool) -> Any:
        self.uses_parts |= path.startswith("parts.")
        if function is None and not required:
            return path
        value = Inline({"from": path})
        if function is not None:
            value["as"] = function
        if required:
            value["required"] = True
        return value

    def _put(self, path: str, sample: Json) -> bool:
        """Set what a path reads in the event of the example; False if another value is there already."""
        target = self.event
        *above, last = _split(event_place(path, self.call))
        for name in above:
            inner = target.setdefault(name, {})
            if not isinstance(inner, dict):
                return False
            target = inner
        if target is self.event and last in self.defaults:
            self.defaults.discard(last)
        elif last in target and target[last] != shortened(sample):
            merged = isinstance(target[last], dict) and isinstance(sample, dict)
            if not merged:
                return False
            target[last] = {**shortened(sample), **target[last]}  # type: ignore[dict-item]
            return True
        target[last] = shortened(sample)
        return True


def _has_setting(wanted: VendorField) -> bool:
    return bool(wanted.setting) or any(map(_has_setting, wanted.members))


def _meets(wanted: VendorField, function: Any, sample: Json) -> bool:
    """Whether the vendor's schema takes what a well-known path gives, e.g. a time in its form."""
    if isinstance(sample, str) and not sample.strip():
        return False  # events have no blank ids and names
    if wanted.schema is None or sample == wanted.sample or function in NUMBERS.values():
        return True
    outcome = OUTCOMES.get(str(function), sample)
    return own_validator(wanted.schema)(outcome) is None


def _time(wanted: VendorField) -> Any:
    if wanted.kind not in NUMBERS:
        return Inline({"date": "%Y-%m-%d"}) if wanted.format == "date" else "iso8601"
    large = isinstance(wanted.sample, int | float) and wanted.sample > MILLISECONDS
    return "unix_ms" if large else "unix_seconds"


def _member(key: str) -> str:
    """Return a key as a path has it; one with other characters than a name becomes a name."""
    return key if UNQUOTED.fullmatch(key) and len(key) <= 60 else snake(key, "value")


def _split(path: str) -> list[str]:
    return [part.strip('"') for part in re.findall(r'"[^"]*"|[^.]+', path)]


IN_TEXT = re.compile(r"(?<!\$)\$\{([^}]+)\}")


def fill_placeholders(builder: Builder, request: NewRequest) -> None:
    """Set what the address and the headers of a request read in the event of the example."""
    for text in (request.path, *request.query.values(), *request.headers.values()):
        for path in IN_TEXT.findall(text):
            if not path.startswith("settings."):
                builder.give(path)
