"""Examples that would use what no example uses yet, made of those that are there; each was run before it is shown.

A draft is an example of the mapping with a few changes that are proposed by `reaching.py`. It is run like any example:
what does not use the thing it is for is no draft. What it expects is what the mapping gives, so the author has to read
whether that is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import chain, islice, pairwise
from typing import NamedTuple, cast

from engine.errors import SettingsError
from engine.language import paths
from engine.mapping.example import MappingExample
from engine.mapping.model import Value
from engine.mapping.response_rules import Response
from engine.records import Json, JsonObject, Outcome, Place, Plan, masked
from engine.testing.coverage import FAILS, HOLDS, UNMAPPED, Exercise, Thing, What, label, value_at
from engine.testing.examples import same
from engine.testing.reaching import (
    ABSENT,
    OTHER,
    REPLY_TO,
    Around,
    Edit,
    Edits,
    Names,
    Proposals,
    chain_of,
    together,
)
from engine.testing.ways import Ways

MOST_WORK = 1_000_000
"""What all runs of one mapping may take: each counts for the places that are recorded. What is left has no draft."""
MOST_RUNS = 4_000
FEWEST_RUNS = 100
"""Of a mapping of any size."""
MOST_TRIES = 60
MOST_BASES = 12
BESIDES = 40
"""Characters that `integrations` counts for, which a draft is better without."""
TIME = "2024-03-05T10:15:30Z"
SAMPLES: dict[str, Json] = {
    "useragent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
    "url": "https://example.com/pricing",
    "path": "/pricing",
    "referrer": "https://example.org/",
    "email": "ann@example.com",
    "name": "Ann Lee",
    "firstname": "Ann",
    "lastname": "Lee",
    "city": "Boston",
    "region": "MA",
    "state": "MA",
    "country": "USA",
    "postalcode": "02108",
    "phone": "+15550100",
    "ip": "203.0.113.7",
    "locale": "en-US",
    "timezone": "Europe/Prague",
    "timestamp": TIME,
    "createdat": TIME,
    "birthday": "1990-05-17",
    "price": 9.5,
    "quantity": 2,
    "total": 27.5,
    "revenue": 27.5,
    "value": 27.5,
    "currency": "USD",
    "products": [{"sku": "a"}],
}
"""By name in lowercase without `_`; what the mapping's own examples have at a name goes before these."""
SETTINGS: dict[str, list[Json]] = {
    "url": ["https://example.com"],
    "integer": [7],
    "number": [7],
    "list": [["text"]],
    "table": [{"key": "text"}],
    "rows": [],
}
"""Values of settings, by their types; others take a text."""
SYNTHETIC: dict[str, JsonObject] = {
    "identify": {"traits": {"plan": "pro"}},
    "track": {"event": "Order Completed"},
    "page": {"name": "Home"},
    "screen": {"name": "Home"},
    "group": {"groupId": "g1", "traits": {"plan": "pro"}},
    "alias": {"previousId": "a1"},
}
"""What an event of a call has that has no example, besides type, messageId, userId and timestamp."""


class _Tried(NamedTuple):
    rank: tuple[bool, bool]
    example: MappingExample
    plan: Plan
    used: frozenset[Thing]
    base: MappingExample


class Drafter:
    """Makes drafts for one mapping."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.mapping = exercise.loaded.mapping
        self.proposals = Proposals(self.mapping, self._samples)
        self.ways = Ways(self.mapping, self.proposals)
        self._known = _harvest(self.mapping.examples)
        self._titles = {example.title for example in self.mapping.examples}
        self.made: list[tuple[JsonObject, frozenset[Thing]]] = []
        self._most = min(MOST_RUNS, max(FEWEST_RUNS, MOST_WORK // max(1, exercise.size)))
        self._plans: dict[Place, Plan] = {}
        self._runs = 0
        self._tries = 0
        self._likely: list[str] = []

    def draft(self, thing: Thing) -> JsonObject | None:
        """Return a draft that uses a thing, in the form of the mapping file; None where none was found.

        Where a draft that was made before uses it, too, that is returned again.
        """
        made = next((draft for draft, used in self.made if thing in used), None)
        if made is not None or self._runs >= self._most:
            return made
        self.proposals.restart()
        self._tries = 0
        self._likely = self._calls(thing)
        best: _Tried | None = None
        for tried in islice(self._attempts(thing), MOST_TRIES):
            if thing in tried.used and (best is None or tried.rank < best.rank):
                best = tried
                if not any(tried.rank):
                    break
        if best is None:
            return None
        self.made.append((self._written(thing, best), best.used))
        return self.made[-1][0]

    def why_not(self) -> str:
        """Say why the last thing has no draft."""
        if self._runs >= self._most:
            return f"{self._most:,} events were tried for this mapping, and no more are"
        if not self._tries:
            return "what an event needs for it cannot be told from the mapping"
        return f"none of the {self._tries} events that were tried reaches it"

    def _attempts(self, thing: Thing) -> Iterator[_Tried]:
        """Run the proposals for a thing, the first ones with every example before the others."""
        bases, seen = list(self._bases(thing)), set[str]()
        for changes, request in islice(self._proposals(thing), MOST_TRIES):
            written = str((changes, request))
            for base in bases if written not in seen else ():
                tried = self._run(base, changes, request) if self._runs < self._most else None
                if tried is not None:
                    yield tried
            seen.add(written)

    def _run(self, base: MappingExample, changes: Edits, request: str) -> _Tried | None:
        example = self._changed(base, changes, request)
        if example is None:
            return None
        self._runs += 1
        self._tries += 1
        try:
            plan, used = self.exercise.run(example)
        except SettingsError:
            return None
        rank = (plan.outcome is Outcome.INVALID, len(plan.reports) > 0)
        return _Tried(rank, example, plan, frozenset(used), base)

    def _samples(self, names: Names) -> list[Json]:
        """Return values for what stands at names: those of the examples first, then by name, then one of each type."""
        if names == ("type",):
            return list[Json](self._likely)
        if names[0] == "settings":
            return self._settings(names)
        name = next((each for each in reversed(names) if isinstance(each, str)), "text")
        keys = (f"{_plain(str(names[-2]))}.{_plain(name)}" if len(names) > 1 else "", _plain(name))
        found = [each[key] for each in (self._known, SAMPLES) for key in keys if key in each]
        return [*found, name, {"key": "text"}, 7, True, TIME, ["text"]]

    def _settings(self, names: Names) -> list[Json]:
        """Return values of a setting, or of a field of its rows."""
        setting = self.mapping.settings.get(str(names[1]))
        if setting is not None and setting.fields and len(names) > len(("settings", "name")):
            setting = setting.fields.get(str(names[-1]))
        if setting is None or setting.type == "boolean":
            return [True, False]
        if setting.type == "template":
            return ['{ "id": "${userId}" }' if setting.format == "json" else "${userId}"]
        return [
            *setting.choices,
            *([setting.example] if setting.example is not None else []),
            *SETTINGS.get(setting.type, ["text"]),
        ]

    # Which examples to start from.

    def _bases(self, thing: Thing) -> Iterator[MappingExample]:
        """Return examples of the calls that a thing is in, small ones of each call first; one is made if none is."""
        calls = self._calls(thing)
        fit = sorted((each for each in self.mapping.examples if _call(each) in calls), key=_size)
        first = {_call(each): each for each in reversed(fit) if isinstance(each.expect, list) and each.expect}
        made = [_synthetic(call) for call in calls if call not in first]
        rest = [each for each in fit if each not in first.values()]
        yield from [*first.values(), *made, *rest][:MOST_BASES]

    def _calls(self, thing: Thing) -> list[str]:
        place = thing.place
        every = [*self.mapping.calls, *self.mapping.shared]
        if place[0] != "calls":
            return every
        own = str(place[1])
        sharing = [call for call, other in self.mapping.shared.items() if other == own]
        return [own, *(sharing if len(place) > len(("calls", own)) else [])]

    # What to change.

    def _proposals(self, thing: Thing) -> Iterator[tuple[Edits, str]]:
        if thing.what is What.RESPONSE:
            yield from self._responses(thing)
            return
        yield (), ""  # an event that was made may do it as it is
        for changes in self._of(thing):
            yield changes, ""

    def _of(self, thing: Thing) -> Iterator[Edits]:
        what, place, case = thing
        if what is What.SETTING:
            names: Names = ("settings", place[1])
            inner: Names = (0, place[-1]) if "fields" in place else ()
            value: Json = {"true": True, "false": False}.get(case, case) if not inner else case
            yield (Edit((*names, *inner), value),)
        elif what is What.STEP:
            shared = self.mapping.shared.get(str(place[1]))
            for way in self.ways.to(place if shared is None else ("calls", shared, 0)):
                yield from together(*way.needs)
        elif what is What.CONDITION:
            yield from self._of_condition(place, wanted=case == HOLDS)
        else:
            owner = place[:-1] if what is What.ENTRY else place
            value = (OTHER if case == UNMAPPED else case) if what is What.ENTRY else None
            found = value_at(self.mapping, owner)
            for way in self.ways.to(owner) if found is not None else ():
                there = [[()]] if value is None else []  # what the way takes may do
                present = self.proposals.present(cast("Value", found), way.around, value)
                yield from together(*way.needs, chain(*there, present))

    def _of_condition(self, place: Place, *, wanted: bool) -> Iterator[Edits]:
        """Propose for a condition, which is judged only where what stands before it lets an event through."""
        is_require = place[-2] == "require"
        owner = place[:-2] if is_require else place[:-1]
        path = self.exercise.loaded.resolved.at(place[:-1] if is_require else place)
        text = place[-1] if is_require else path
        if isinstance(path, dict) and not is_require:  # the options of `flatten`
            text = path.get("if")
        for way in self.ways.to(owner, place) if isinstance(text, str) else ():
            yield from together(*way.needs, self.proposals.holds(str(text), way.around, wanted=wanted))

    # Replies.

    def _responses(self, thing: Thing) -> Iterator[tuple[Edits, str]]:
        if thing.case:
            yield from self._results(thing)
            return
        own = [(name, rule) for name, each in self.mapping.requests.items() for rule in each.responses]
        sent = {step.request for steps in self.mapping.calls.values() for step in steps}
        every = [(name, rule) for name in self.mapping.requests for rule in self.mapping.responses]
        for name, rule in [*own, *every]:
            if rule.place == thing.place and name in sent:
                yield from ((changes, name) for changes in self._of_rule(rule))

    def _of_rule(self, rule: Response) -> Iterator[Edits]:
        conditions = [self.proposals.holds(rule.when)] if rule.when is not None else []
        conditions += [self.proposals.holds(rule.unless, wanted=False)] if rule.unless is not None else []
        found = list(together(*conditions)) or [()]
        for status in rule.status or (200,):
            codes = [status] if isinstance(status, int) else [int(status[0]) * 100 + each for each in (0, 4, 22)]
            for code in codes:
                yield from ((*changes, Edit(("reply", "status"), code)) for changes in found)  # read by rules, too

    def _results(self, thing: Thing) -> Iterator[tuple[Edits, str]]:
        batch = self.mapping.batches[str(thing.place[1])]
        names = None if batch.results is None else chain_of(paths.parse(batch.results.list).tree)
        if names is None or batch.results is None:
            return
        entries: Names = ("reply", *names)
        inside = Around(((*entries, 0),))
        for changes in self.proposals.holds(batch.results.ok, inside, wanted=thing.case != FAILS):
            for name in (name for name, request in self.mapping.requests.items() if request.batch == batch.name):
                yield (Edit((*entries, 0), {}), *changes), name

    # What a draft is.

    def _changed(self, base: MappingExample, changes: Edits, request: str) -> MappingExample | None:
        """Return an example with changes, or None where nothing is changed or what is changed is not there."""
        defaults = self.exercise.destination.example_settings()
        event, settings = deepcopy(base.event), deepcopy(base.settings)
        replies = [deepcopy(reply) for reply in base.replies]
        for names, value in changes:
            if names[0] == "event":
                _set(cast("JsonObject", event), names[1:], value)
            elif names[0] == "settings":
                name = str(names[1])
                if name in defaults:
                    settings.setdefault(name, deepcopy(defaults[name]))
                _set(settings, names[1:], value)
            elif names[0] == REPLY_TO:
                _set(_reply(replies, str(names[1])), names[2:], value)
            elif request:
                _set(_reply(replies, request), names[1:], value)
        fields = cast("JsonObject", event)
        if "userId" not in fields and "anonymousId" not in fields:
            fields["anonymousId"] = "507f191e81"
        if base.place and (event, settings, replies) == (base.event, base.settings, [*base.replies]):
            return None
        return _example(event, settings, replies)

    def _written(self, thing: Thing, tried: _Tried) -> JsonObject:
        example, title = tried.example, self._title(label(self.mapping, thing))
        event = _with_id(example.event, title)
        plan, _ = self.exercise.run(_example(event, example.settings, example.replies))
        written: JsonObject = {"title": title}
        if example.settings:
            written["settings"] = example.settings
        written["event"] = event
        if example.replies:
            written["replies"] = list(example.replies)
        written["expect"] = self._expected(tried.base, plan)
        return written

    def _planned(self, base: MappingExample) -> Plan:
        if base.place not in self._plans:
            self._plans[base.place] = self.exercise.run(base)[0]
        return self._plans[base.place]

    def _title(self, text: str) -> str:
        title, number = text[:1].upper() + text[1:], 2
        while title in self._titles:
            title, number = f"{text[:1].upper()}{text[1:]} ({number})", number + 1
        self._titles.add(title)
        return title

    def _expected(self, base: MappingExample, plan: Plan) -> Json:
        """Return what a draft expects: every request, with what its body has other than that of the example before."""
        if plan.outcome is Outcome.INVALID:
            return {"invalid": plan.reason}
        before = self._planned(base).requests if base.place else ()
        found: list[Json] = []
        for number, request in enumerate(plan.requests):
            body = request.body if isinstance(request.body, dict) else {}
            old = before[number].body if number < len(before) else None
            known = old if isinstance(old, dict) else {}
            shown: JsonObject = {
                key: value
                for key, value in body.items()
                if not (key in known and same(known[key], value)) and masked(value) == value
            }
            found.append({request.request: shown or None})
        return found


def _reply(replies: list[JsonObject], request: str) -> JsonObject:
    found = next((reply for reply in replies if reply["request"] == request), None)
    if found is None:
        found = {"request": request}
        replies.append(found)
    return found


def _set(holder: JsonObject, names: Names, value: object) -> None:
    """Set what stands at a chain of names, or remove it; objects and lists on the way are made."""
    here: Json = holder
    for name, following in pairwise(names):
        inner = _at(here, name)
        if not isinstance(inner, list if isinstance(following, int) else dict):
            if value is ABSENT:
                return
            inner = [] if isinstance(following, int) else {}
            _put(here, name, inner)
        here = inner
    if value is not ABSENT:
        _put(here, names[-1], cast("Json", deepcopy(value)))
    elif isinstance(here, dict):
        here.pop(str(names[-1]), None)


def _at(holder: Json, name: str | int) -> Json:
    if isinstance(holder, list) and isinstance(name, int):
        return holder[name] if name < len(holder) else None
    return holder.get(str(name)) if isinstance(holder, dict) else None


def _put(holder: Json, name: str | int, value: Json) -> None:
    if isinstance(holder, list) and isinstance(name, int):
        holder[name : name + 1] = [value]
    elif isinstance(holder, dict):
        holder[str(name)] = value


def _call(example: MappingExample) -> str:
    return str(example.event.get("type", "")) if isinstance(example.event, dict) else ""


def _size(example: MappingExample) -> int:
    """Return how much there is to read in an example; what switches destinations is not of interest."""
    event = example.event if isinstance(example.event, dict) else {}
    rest = sum(len(str(each)) for each in (event, example.settings, example.replies))
    return rest + (BESIDES if "integrations" in event else 0)


def _with_id(event: Json, title: str) -> JsonObject:
    """Return the event of a draft with a messageId of its own."""
    fields = cast("JsonObject", event)
    return fields | (
        {"messageId": re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")} if "messageId" in fields else {}
    )


def _synthetic(call: str) -> MappingExample:
    event: JsonObject = {"type": call, "messageId": f"{call}-1", "userId": "u1", "timestamp": TIME}
    event |= SYNTHETIC.get(call, {})
    return _example(event, {}, ())


def _example(event: Json, settings: JsonObject, replies: Iterable[JsonObject]) -> MappingExample:
    return MappingExample(place=(), title="", settings=settings, event=event, replies=tuple(replies), expect=[])


def _harvest(examples: tuple[MappingExample, ...]) -> dict[str, Json]:
    """Return what events of examples have at a name, and at a name in an object: the first that is not empty."""
    found: dict[str, Json] = {}
    pending: list[tuple[str, Json]] = [("event", example.event) for example in examples]
    for holder, value in pending:  # grows while it is read
        if isinstance(value, dict):
            for name, member in value.items():
                if member not in (None, "", {}, []):
                    found.setdefault(f"{_plain(holder)}.{_plain(name)}", member)
                    if holder != "event":
                        found.setdefault(_plain(name), member)
                pending.append((name, member))
        elif isinstance(value, list):
            pending += [(holder, member) for member in value]
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")
