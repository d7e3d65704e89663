"""How much of a mapping its examples exercise: what stands in it, and which of that an example has used.

Examples run as they do when they are tested, on code that records what it does (`compiler/recording.py`), so what
counts as used is what ran. Nothing is asked of parts that no call uses: no example could reach them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, cast

from engine.compiler.recording import Kind, Recorder
from engine.errors import SettingsError
from engine.language.texts import text_of
from engine.mapping.example import MappingExample
from engine.mapping.load import Loaded
from engine.mapping.model import Choice, Fields, Instruction, Mapping, PathValue, Value, looked_up
from engine.mapping.problems import Mark, place_text
from engine.mapping.setting import Setting
from engine.mapping.walk import values_of
from engine.plan import Connection, Destination
from engine.records import Json, JsonObject, Place, Plan
from engine.responses import ResponseReader, Unbatchable
from engine.testing.examples import NOW, connector, run
from engine.testing.meter import Meter

UNMAPPED = "a value that is not listed"
HOLDS, FAILS = "holds", "does not hold"


class What(StrEnum):
    """What can be used or not."""

    STEP = "step"
    """A step, used when it plans a request; a call that has the steps of another, when an event of it has requests."""
    FIELD = "field"
    """A member of `fields`; used when it is there, or its null is sent."""
    ALTERNATIVE = "alternative"
    """One of a choice; used when it is the one that is taken."""
    CONDITION = "condition"
    """`when`, `unless`, `where`, `require` and the condition of `flatten`; each both ways."""
    ENTRY = "entry"
    """An entry of `map`; used when a value is found there. Beside these, a value that is not listed."""
    SETTING = "setting"
    """A value of `choices`, and both of a boolean; used when an example that plans a request has it."""
    RESPONSE = "response"
    """A rule of `responses`, used when it decides what a reply of an example means; `results.ok`, both ways."""


class Thing(NamedTuple):
    """Something that an example can use: what, where in the mapping, and which case of what stands there."""

    what: What
    place: Place
    case: str = ""


class Item(NamedTuple):
    """A thing with its line, and whether an example has used it."""

    thing: Thing
    mark: Mark
    label: str
    used: bool


class Coverage(NamedTuple):
    """What the examples of one mapping use; `items` in the order of files and lines."""

    loaded: Loaded
    items: tuple[Item, ...]


class FileCoverage(NamedTuple):
    """What is used of one file, by the examples of any mapping that takes something from it."""

    file: str
    items: tuple[Item, ...]

    @property
    def missed(self) -> tuple[Item, ...]:
        """What no example uses."""
        return tuple(item for item in self.items if not item.used)


def coverage_of(loaded: Loaded) -> Coverage:
    """Run the examples of a mapping without problems, and find what they use."""
    return Exercise(loaded).coverage()


class Exercise:
    """A mapping whose events are watched: what there is to use, and what a run used."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._watcher = _Watcher(loaded.mapping)
        self.destination = Destination(loaded, self._watcher)
        self._settings = dict(_settings(loaded.mapping))
        self._shared = {Thing(What.STEP, ("calls", call)) for call in loaded.mapping.shared}
        self._connections: dict[str, tuple[Connection, set[Thing]]] = {}

    def run(self, example: MappingExample, meter: Meter | None = None) -> tuple[Plan, set[Thing]]:
        """Plan an example's event and judge its replies; return the plan, and what was used for it.

        Raises SettingsError.
        """
        connection, settled = self._connect(example)
        self._watcher.used = set(settled)
        plan = run(connection, example, meter)
        _respond(connection, example, plan)
        used = self._watcher.used
        if plan.requests:
            used |= {thing for thing, read in self._settings.items() if thing.case in read(connection.settings)}
            call = cast("JsonObject", example.event).get("type")
            used |= {Thing(What.STEP, ("calls", str(call)))} & self._shared
        return plan, used

    def _connect(self, example: MappingExample) -> tuple[Connection, set[Thing]]:
        """Return the connection of an example, and what was used to make it; those with the same settings have one."""
        key = json.dumps(example.settings, sort_keys=True)
        if key not in self._connections:
            self._watcher.used = set()
            self._connections[key] = connector(self.destination)(example), self._watcher.used
        return self._connections[key]

    @property
    def size(self) -> int:
        """How many places are recorded: what a run costs."""
        _ = self.destination.compiled
        return len(self._watcher.sites)

    def things(self) -> list[Thing]:
        """Return what an example can use, each once."""
        _ = self.destination.compiled
        found = dict.fromkeys(self._watcher.things())
        return [*found, *sorted(self._shared), *self._settings]

    def coverage(self) -> Coverage:
        """Run the mapping's examples."""
        used: set[Thing] = set()
        meter = Meter()
        for example in self.loaded.mapping.examples:
            if meter.used_up:
                break
            try:
                used |= self.run(example, meter)[1]
            except SettingsError:  # a problem of its own, which `validate` has found
                continue
        items = [
            Item(thing, _mark(self.loaded, thing), label(self.loaded.mapping, thing), thing in used)
            for thing in self.things()
        ]
        return Coverage(self.loaded, tuple(sorted(items, key=lambda item: item.mark)))


def by_file(coverages: Iterable[Coverage], named: Collection[Path]) -> tuple[list[FileCoverage], dict[str, int]]:
    """Put together what the examples of several mappings use, by the file in which it stands.

    A thing of a file that several mappings share counts once, and is used if any of them uses it. Also returned: the
    files that are not among those that are `named`, such as shared parts, with the number of things in them.
    """
    wanted = {path.resolve() for path in named}
    files: dict[str, dict[tuple[Mark, What, str], Item]] = {path.as_posix(): {} for path in named}
    for item in (item for coverage in coverages for item in coverage.items):
        items = files.setdefault(item.mark.file, {})
        key = item.mark, item.thing.what, item.thing.case
        known = items.get(key)
        items[key] = item if known is None or item.used else known
    found = [
        FileCoverage(file, tuple(sorted(items.values(), key=lambda item: item.mark)))
        for file, items in files.items()
        if Path(file).resolve() in wanted
    ]
    others = {file: len(items) for file, items in files.items() if Path(file).resolve() not in wanted}
    return found, others


class _Watcher(Recorder):
    """Takes what generated code records and keeps only what was used, so that no event costs memory."""

    def __init__(self, mapping: Mapping) -> None:
        super().__init__()
        self.used: set[Thing] = set()
        self._fields = set(_fields(mapping))
        self._choice_of: dict[Place, Place] = {}
        self._choices: set[Place] = set()
        self._tables: dict[Place, Instruction] = {}
        for value in values_of(mapping):
            if isinstance(value, Choice):
                self._choices.add(value.place)
                self._choice_of |= {each.place: value.place for each in value.alternatives}
            elif isinstance(value, Instruction) and isinstance(value.modifiers.map, dict):
                self._tables[(*value.place, "map")] = value
        self._tried: dict[Place, Place] = {}

    def __call__(self, number: int, value: Json) -> None:
        kind, place, detail = self.sites[number]
        if kind in (Kind.READ, Kind.VALUE) and place in self._choice_of:
            self._tried[self._choice_of[place]] = place  # an alternative is only tried where those before it gave none
        if kind is Kind.VALUE and value is not None:
            self._there(place)
        elif kind is Kind.NULL and value and place in self._fields:
            self.used.add(Thing(What.FIELD, place))
        elif kind is Kind.REQUEST:
            self.used.add(Thing(What.STEP, place))
        elif kind is Kind.CONDITION:
            self.used.add(_condition(place, detail, HOLDS if value else FAILS))
        elif kind is Kind.LOOKUP and place in self._tables:
            self.used.add(_entry(self._tables[place], value))
        elif kind is Kind.RESPONSE:
            self.used.add(Thing(What.RESPONSE, place))

    def _there(self, place: Place) -> None:
        if place in self._fields:
            self.used.add(Thing(What.FIELD, place))
        if place in self._choices and place in self._tried:
            self.used.add(Thing(What.ALTERNATIVE, self._tried[place]))

    def things(self) -> Iterator[Thing]:
        """Return what the code that was written can use."""
        rules = {site.place for site in self.sites if site.kind is Kind.RESPONSE}
        for kind, place, detail in self.sites:
            if kind is Kind.STEP:
                yield Thing(What.STEP, place)
            elif kind is Kind.VALUE and place in self._fields:
                yield Thing(What.FIELD, place)
            elif kind is Kind.CONDITION and place[:-1] not in rules:
                yield from (_condition(place, detail, case) for case in (HOLDS, FAILS))
            elif kind is Kind.LOOKUP and place in self._tables:
                table = looked_up(self._tables[place].modifiers)
                yield from (Thing(What.ENTRY, place, case) for case in (*table, UNMAPPED))
            elif kind is Kind.RESPONSE:
                yield Thing(What.RESPONSE, place)
            if kind in (Kind.READ, Kind.VALUE) and place in self._choice_of:
                yield Thing(What.ALTERNATIVE, place)


def _condition(place: Place, path: str, case: str) -> Thing:
    """Return a condition as a thing; the conditions of a `require` have one place, so each has its path with it."""
    if place[-1] == "ok" and place[-2] == "results":
        return Thing(What.RESPONSE, place, case)
    return Thing(What.CONDITION, (*place, path) if place[-1] == "require" else place, case)


def _entry(value: Instruction, given: Json) -> Thing:
    text = text_of(given)
    fold = value.modifiers.ignore_case
    keys = {key.lower() if fold else key: key for key in looked_up(value.modifiers)}
    case = UNMAPPED if text is None else keys.get(text.lower() if fold else text, UNMAPPED)
    return Thing(What.ENTRY, (*value.place, "map"), case)


def _fields(mapping: Mapping) -> Iterator[Place]:
    for value in values_of(mapping):
        if isinstance(value, Instruction) and isinstance(value.source, Fields):
            yield from (member.place for _, member in value.source.entries)
    for batch in mapping.batches.values():
        yield from (member.place for _, member in batch.fields)


class _Read(NamedTuple):
    """Reads which cases of a setting, or of a field of its rows, a connection has."""

    name: str
    field: str = ""

    def __call__(self, settings: JsonObject) -> set[str]:
        value = settings.get(self.name)
        rows = value if self.field and isinstance(value, list) else [{self.field: value}]
        return {_text(cast("JsonObject", row).get(self.field)) for row in rows}


def _text(value: Json) -> str:
    return text_of(value) or ""


def _settings(mapping: Mapping) -> Iterator[tuple[Thing, _Read]]:
    for name, setting in mapping.settings.items():
        yield from _cases(setting, ("settings", name), _Read(name))
        for field, inner in setting.fields.items():
            yield from _cases(inner, ("settings", name, "fields", field), _Read(name, field))


def _cases(setting: Setting, place: Place, read: _Read) -> Iterator[tuple[Thing, _Read]]:
    values: Iterable[Json] = (True, False) if setting.type == "boolean" else setting.choices
    if not setting.secret:
        yield from ((Thing(What.SETTING, place, _text(value)), read) for value in values)


def _respond(connection: Connection, example: MappingExample, plan: Plan) -> None:
    """Put the requests of a plan into their batches, and judge the replies that the example has."""
    reader = ResponseReader(connection)
    for request in plan.requests:
        if request.batch is not None:
            try:
                reader.batched([request], NOW)
            except Unbatchable:  # a problem of the event, not of coverage
                continue
    sent = {request.request: request for request in plan.requests}
    for reply in example.replies:
        name, body = cast("str", reply["request"]), reply.get("body")
        headers = cast("dict[str, Json]", reply.get("headers") or {})
        lowered: JsonObject = {key.lower(): value for key, value in headers.items()}
        status = cast("int", reply.get("status", 200))
        if name not in sent:
            continue
        reader.judge(name, status, lowered, body)
        batch = sent[name].batch
        if batch is not None and 200 <= status < 300:
            reader.results(batch, body, 1)


def _mark(loaded: Loaded, thing: Thing) -> Mark:
    """Return where a thing stands: at its key if it has one, else at its value."""
    place: Place = thing.place
    if thing.what is What.ENTRY:
        return _entry_mark(loaded, thing)
    if thing.what is What.SETTING:
        inner = loaded.resolved.at((*place, "choices"))
        if isinstance(inner, list):
            return loaded.mark((*place, "choices", [_text(each) for each in inner].index(thing.case)))
    keyed = thing.what in (What.FIELD, What.CONDITION, What.SETTING) or not isinstance(place[-1], int)
    return loaded.resolved.key_mark(place) if keyed else loaded.mark(place)


def _entry_mark(loaded: Loaded, thing: Thing) -> Mark:
    """Return where an entry of a table stands; that of a table which is read from its entries is one of those."""
    table = loaded.resolved.at(thing.place)
    entries = cast("JsonObject", table) if thing.case != UNMAPPED or thing.case in cast("JsonObject", table) else {}
    for key, entry in entries.items():
        if thing.case == key or thing.case in map(_text, entry if isinstance(entry, list) else [entry]):
            return loaded.resolved.key_mark((*thing.place, key))
    return loaded.resolved.key_mark(thing.place)


def label(mapping: Mapping, thing: Thing) -> str:
    """Return a thing in words, for people."""
    what, place, case = thing
    if what is What.STEP:
        return f"step {_step(mapping, place)}"
    if what is What.FIELD:
        return f"field {place[-1]}"
    if what is What.ALTERNATIVE:
        return f"alternative {_alternative(mapping, place)}"
    if what is What.CONDITION:
        return f"{_condition_text(place)} {case}"
    if what is What.ENTRY:
        return f"map of {_owner(place)}: {case}"
    if what is What.SETTING:
        return f"setting {'.'.join(str(name) for name in place[1:] if name != 'fields')}: {case}"
    return f"results.ok of {place[1]} {case}" if case else f"response rule {_rule(mapping, place)}"


def _step(mapping: Mapping, place: Place) -> str:
    call = str(place[1])
    if len(place) == len(("calls", call)):
        return f"{mapping.shared[call]} for {call}"
    return f"{mapping.calls[call][cast('int', place[2])].request} of {call}"


def _alternative(mapping: Mapping, place: Place) -> str:
    value = value_at(mapping, place)
    number = cast("int", place[-1]) + 1
    return value.path if isinstance(value, PathValue) else f"{number} of {_owner(place)}"


def _condition_text(place: Place) -> str:
    if place[-2] == "require":
        return f"require {place[-1]}"
    return f"{place[-1]} of {_owner(place[:-1])}"


def _rule(mapping: Mapping, place: Place) -> str:
    number = cast("int", place[-1])
    rules = mapping.responses if place[0] == "responses" else mapping.requests[str(place[1])].responses
    codes = ", ".join(map(str, rules[number].status))
    return f"{number + 1}" + (f" ({codes})" if codes else "")


def _owner(place: Place) -> str:
    """Return the nearest name that an author gave to what stands at a place: a field, a part, a call."""
    for number in range(len(place) - 1, 0, -1):
        if place[number - 1] in ("fields", "parts"):
            return str(place[number])
        if place[number - 1] == "calls":
            return place_text(place[number : number + 2])
    return place_text(place)


def value_at(mapping: Mapping, place: Place) -> Value | None:
    """Return the value that stands at a place."""
    places: dict[Place, Value] = {}
    places = mapping.once(("places",), places, lambda: {value.place: value for value in values_of(mapping)})
    return places.get(place)
