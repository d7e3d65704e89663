"""Where the fields of an event go: which of them a mapping may send, in what, and whether hashed on the way.

Found in the mapping alone, so it holds for every event.  In doubt a field counts as sent: a whole object counts with
all its members unless `only` or `except` leaves one out by name, both sides of a choice count, and what a path does to
a value (`to_string(traits)`) hides nothing.  What is not followed: answers of the vendor (`saved`), and the names of an
object's members, as opposed to their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths
from engine.language.template import Text
from engine.mapping import types
from engine.mapping.model import (
    Choice,
    Each,
    Entries,
    Fields,
    FunctionUse,
    Instruction,
    ListOf,
    Mapping,
    Merge,
    Modifiers,
    PathValue,
    Request,
    Step,
    TextOf,
    TextOrValue,
    Value,
)
from engine.mapping.personal import PERSONAL, Names
from engine.mapping.setting import Setting
from engine.mapping.templates import Content, read
from engine.mapping.walk import Occurrences, values_in
from engine.records import Json, JsonObject, Place

HASHES = frozenset({"sha256", "sha1", "md5"})
"""The functions whose result counts as hashed."""
ITEMS = "[]"
"""Stands in a field for the items of a list."""
MOST_FLOWS = 300
"""Flows of one part, each with the place where it ends up; of more, that place is not kept."""
EVENT_ROOTS = frozenset(name for fields in FIELDS.values() for name in fields)


class PathAt(NamedTuple):
    """Where a path is written: at `column` inside the text at `place`, or in a key."""

    place: Place
    column: int = 1
    key: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """A field that is read, and what becomes of it on its way.

    `names` is the field: ("traits", "email"), () for the whole event, ("settings", "sender") for a setting. `target` is
    the member of what is made that it ends up in. `only` and `but` say which members of the field are kept, where an
    object is. `tags` are the kinds that a `personal` on its way gives it. `exact`: it is the field itself, so that
    its members may still be told apart. `named`: `target` is certain.
    """

    names: Names
    written: PathAt
    target: Names = ()
    hashed: str = ""
    decides: bool = False
    only: frozenset[str] | None = None
    but: frozenset[str] = frozenset()
    tags: tuple[str, ...] | None = None
    exact: bool = True
    named: bool = True
    through: Names = ()

    def keeps(self, name: str) -> bool:
        """Whether a member of the field is not left out."""
        return name not in self.but and (self.only is None or name in self.only)


Flows: TypeAlias = tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class FlowScope:
    """What the names of a loop and of an envelope stand for."""

    item: Flows = ()
    body: Flows = ()


NOTHING_AROUND = FlowScope()


class Sent(NamedTuple):
    """A field in a request: `part` of it (`body`, `URL`, `query`, `header`, `group`), or `condition` if it is not sent.

    `step` is the number of the step in its call, from 0.
    """

    call: str
    step: int
    request: str
    part: str
    flow: Flow


def sent(mapping: Mapping, settings: JsonObject | None = None) -> Iterator[Sent]:
    """Return what a mapping without errors may send, call by call in the order of the file.

    Without the settings of a connection, a template of one may name any field of the event.
    """
    reader = _FlowReader(mapping, settings)
    occurrences = Occurrences(mapping)
    for step, uses in occurrences.steps():
        found = list(dict.fromkeys(reader.of_step(step)))
        for use in uses:
            for request, part, flow in found:
                if not flow.names or flow.names[0] not in EVENT_ROOTS or flow.names[0] in FIELDS[use.call]:
                    yield Sent(use.call, int(step.place[2]), request, part, flow)


def kinds(mapping: Mapping, each: Sent, declared: dict[Names, tuple[str, ...]]) -> dict[str, Names]:
    """Return the kinds of personal data that a field holds or may hold, each with the field of the event that has it.

    `declared` are the fields that the mapping itself calls personal (`declared_personal`).
    """
    flow = each.flow
    if flow.tags == ():
        return {}
    found = dict.fromkeys(flow.tags or (), flow.names)
    if flow.names[:1] == ("settings",):
        setting = mapping.settings.get(flow.names[1]) if len(flow.names) > 1 else None
        return found | dict.fromkeys(setting.personal if setting is not None else (), flow.names)
    known = [*((path, (kind,)) for path, kind in PERSONAL[each.call].items()), *declared.items()]
    for path, tags in known:
        if path and (path[0] in FIELDS[each.call] or path[0] not in EVENT_ROOTS) and reaches(flow, path):
            for kind in tags:
                found.setdefault(kind, max(path, flow.names, key=len))
    return found


def declared_personal(found: Iterable[Sent]) -> dict[Names, tuple[str, ...]]:
    """Return the fields that `personal` names: they are personal wherever they are read."""
    declared: dict[Names, tuple[str, ...]] = {}
    for flow in (each.flow for each in found if each.flow.tags and each.flow.names):
        fields = [flow.names] if flow.only is None else [(*flow.names, name) for name in sorted(flow.only)]
        for names in fields:
            declared[names] = tuple(dict.fromkeys([*declared.get(names, ()), *(flow.tags or ())]))
    return declared


def reaches(flow: Flow, path: Names) -> bool:
    """Whether a flow takes a personal field: as itself, as a member of an object, or a part of it."""
    shared = min(len(flow.names), len(path))
    same = all(a == b or ITEMS in (a, b) for a, b in zip(flow.names[:shared], path[:shared], strict=True))
    return same and (len(path) <= len(flow.names) or flow.keeps(path[shared]))


class _FlowReader:
    """Follows the values of one mapping; parts are followed once."""

    def __init__(self, mapping: Mapping, settings: JsonObject | None) -> None:
        self._mapping = mapping
        self._settings = settings
        self._parts: dict[str, Flows] = {}

    # Steps.

    def of_step(self, step: Step) -> Iterator[tuple[str, str, Flow]]:
        """Return what a step sends: request, part of it, flow."""
        for request, part, flow in self._of_step(step):
            yield from ((request, part, each) for each in self._with_templates(flow))

    def _of_step(self, step: Step) -> Iterator[tuple[str, str, Flow]]:
        listed = () if step.for_each is None else self._value(step.for_each, NOTHING_AROUND)
        around = FlowScope(item=_items(listed))
        conditions = [self._value_or_none(step, word, around) for word in ("when", "unless", "where")]
        required = (self._path(path, PathAt((*step.place, "require", path), key=True)) for path, _ in step.require)
        for flows in (listed, *conditions, *required):
            yield from ((step.request, "condition", each) for each in _decide(flows))
        body = () if step.value is None else self._value(step.value, around)
        for request in self._chain(step.request):
            yield from ((request.name, part, flow) for part, flow in self._of_request(request, body, around))

    def _value_or_none(self, step: Step, word: str, around: FlowScope) -> Flows:
        path = getattr(step, word)
        return () if path is None else self._path(path, PathAt((*step.place, word)), around)

    def _chain(self, name: str) -> Iterator[Request]:
        seen: set[str] = set()
        while name in self._mapping.requests and name not in seen:
            seen.add(name)
            request = self._mapping.requests[name]
            yield request
            name = request.if_missing or ""

    def _of_request(self, request: Request, body: Flows, around: FlowScope) -> Iterator[tuple[str, Flow]]:
        for wrapped in (request.envelope, request.item):
            if wrapped is not None:
                body = self._value(wrapped, replace(around, body=body))
        yield from (("condition" if each.decides else "body", each) for each in body)
        http, batch = self._mapping.http, self._mapping.batches.get(request.batch or "")
        if batch is not None and batch.group_by is not None:
            yield from self._in("group", self._value(batch.group_by, around))
        nouns: list[tuple[object, Place]] = [(http, http.place), (request, request.place)]
        for noun, place in nouns:
            for word, part in (("base_url", "URL"), ("path", "URL"), ("method", "method")):
                if (text := getattr(noun, word, None)) is not None:
                    yield from self._in(part, self._text(text, PathAt((*place, word)), around))
            for word, part in (("query", "query"), ("headers", "header")):
                for name, text in getattr(noun, word, ()):
                    flows = self._text(text, PathAt((*place, word, name)), around)
                    yield from self._in(part, _below((name,), flows))
                if (value := getattr(noun, f"{word}_from", None)) is not None:
                    yield from self._in(part, self._value(value, around))
        for value in http.basic or ():
            yield from self._in("header", _below(("Authorization",), self._value(value, around)))

    @staticmethod
    def _in(part: str, flows: Flows) -> Iterator[tuple[str, Flow]]:
        yield from (("condition" if each.decides else part, each) for each in flows)

    # Values.

    def _value(self, value: Value, around: FlowScope) -> Flows:
        if isinstance(value, PathValue):
            return self._path(value.path, PathAt(value.place), around)
        if isinstance(value, Choice):
            return _all(self._value(each, around) for each in value.alternatives)
        return self._modified(self._source(value, around), value, around)

    def _text(self, text: TextOrValue, written: PathAt, around: FlowScope) -> Flows:
        if not isinstance(text, Text):
            return self._value(text, around)
        holes = (self._path(hole.path, PathAt(written.place, hole.column, written.key), around) for hole in text.holes)
        return _inexact(_all(holes))

    def _source(self, value: Instruction, around: FlowScope) -> Flows:
        source = value.source
        if isinstance(source, TextOf):
            return self._text(source.text, PathAt((*value.place, "text")), around)
        if isinstance(source, Fields):
            return _all(self._member(key, member, around) for key, member in source.entries)
        if isinstance(source, Merge) and not isinstance(source.members, tuple):
            return _inexact(_items(self._value(source.members, around)))
        if isinstance(source, Each | Entries):
            return self._loop(source, value.place, around)
        found = (self._value(member, around) for member in values_in(source))
        return _all(_below((ITEMS,), each) if isinstance(source, ListOf) else each for each in found)

    def _member(self, key: Text, value: Value, around: FlowScope) -> Flows:
        name = shown_text(key)
        in_key = self._text(key, PathAt(value.place, key=True), around)
        return (*_below((name,), in_key), *_below((name,), self._value(value, around)))

    def _loop(self, source: Each | Entries, place: Place, around: FlowScope) -> Flows:
        listed = self._value(source.of, around)
        inside = replace(around, item=_items(listed))
        where = () if source.where is None else self._path(source.where, PathAt((*place, "where")), inside)
        key = source.key if isinstance(source, Entries) else None
        names = () if key is None else self._value(key, inside)
        made = inside.item if source.value is None else self._value(source.value, inside)
        target = ITEMS if isinstance(source, Each) else "*"
        return (*_decide((*listed, *where)), *names, *_below((target,), made))

    def _modified(self, flows: Flows, value: Instruction, around: FlowScope) -> Flows:
        modifiers, place = value.modifiers, value.place
        deciding = [(word, getattr(modifiers, word)) for word in ("when", "unless")]
        deciding.append(("flatten", modifiers.flatten.wanted if modifiers.flatten is not None else None))
        decide = (self._path(path, PathAt((*place, word)), around) for word, path in deciding if isinstance(path, str))
        conditions = _decide(_all(decide))
        if modifiers.as_ or modifiers.map is not None:
            hashed = hash_of(modifiers.as_)
            made = (replace(each, target=(), exact=False, hashed=each.hashed or hashed) for each in flows)
            flows = tuple(each if each.decides else changed for each, changed in zip(flows, made, strict=True))
        looked_up = [(word, getattr(modifiers, word)) for word in ("map", "rename")]
        tables = _all(self._path(p, PathAt((*place, w)), around) for w, p in looked_up if isinstance(p, str))
        flows = _renamed(self._filtered(flows, modifiers), modifiers)
        if modifiers.prefix is not None:
            flows = (*flows, *self._text(modifiers.prefix, PathAt((*place, "prefix")), around))
        if modifiers.personal is not None:
            flows = tuple(each if each.tags is not None else replace(each, tags=modifiers.personal) for each in flows)
        return (*conditions, *flows, *_inexact(tables))

    def _filtered(self, flows: Flows, modifiers: Modifiers) -> Flows:
        only, but = self._names(modifiers.only), self._names(modifiers.except_) or frozenset()
        if only is None and not but:
            return flows
        return tuple(kept for each in flows if (kept := _kept(each, only, but)) is not None)

    def _names(self, named: tuple[str, ...] | str | None) -> frozenset[str] | None:
        """Return the keys of `only` or `except`; None for those that a setting names, unless it is known."""
        if isinstance(named, tuple):
            return frozenset(named)
        chain = types.plain(named) if named is not None else ()
        found = self._settings.get(chain[1]) if self._settings and len(chain) == 2 and chain[0] == "settings" else None
        return frozenset(map(str, found)) if isinstance(found, list) else None

    # Paths.

    def _path(self, path: str, written: PathAt, around: FlowScope = NOTHING_AROUND) -> Flows:
        try:
            parsed = paths.parse(path)
        except PathError:
            return ()
        found: Flows = () if not parsed.uses_current_root else (Flow((), written),)
        for root in parsed.roots:
            at = written._replace(column=written.column + root.column - 1)
            found += self._root(root, at, around)
        return found if len(types.plain(path)) > 0 else _inexact(found)

    def _root(self, root: paths.Root, at: PathAt, around: FlowScope) -> Flows:
        name, members = root.name, root.members
        if name == "parts":
            wanted = members[:1] or tuple(self._mapping.parts)
            return _at(at, _all(_narrowed(self._part(each), members[1:]) for each in wanted))
        if name == "item":
            return _at(at, _narrowed(around.item, members))
        if name == "body":
            return _narrowed(around.body, members)
        if name == "message":
            return (Flow(members, at),)
        if name == "settings":
            return self._setting(members, at)
        if name in EVENT_ROOTS or name == "options":
            return (Flow((name, *members), at),)
        return ()

    def _part(self, name: str) -> Flows:
        if name not in self._parts:
            value = self._mapping.parts.get(name)
            self._parts[name] = ()  # what a part that leads back to itself sees of it
            found = () if value is None else self._value(value, NOTHING_AROUND)
            if len(found) > MOST_FLOWS:  # a few parts that use each other twice could stand for thousands
                found = tuple(dict.fromkeys(replace(each, through=()) for each in _inexact(found)))
            self._parts[name] = tuple(dict.fromkeys(replace(each, through=(name, *each.through)) for each in found))
        return self._parts[name]

    def _setting(self, members: Names, at: PathAt) -> Flows:
        names = members[:1] or tuple(self._mapping.settings)
        return tuple(Flow(("settings", name, *members[1:]), at) for name in names)

    def _with_templates(self, flow: Flow) -> Flows:
        """Add to a setting that holds templates what they read: the whole event, where they are not known."""
        if flow.names[:1] != ("settings",):
            return (flow,)
        setting, members = self._mapping.settings.get(flow.names[1]), [n for n in flow.names[2:] if n != ITEMS]
        for name in members:
            setting = None if setting is None else setting.fields.get(name)
        if setting is None or not setting.holds_template:
            return (flow,)
        filled = replace(flow, only=None, but=frozenset(), through=(*flow.through, ".".join(flow.names[:2])))
        if self._settings is None:
            return (flow, replace(filled, names=(), exact=False))
        texts = _templates(setting, _members(self._settings.get(flow.names[1]), members))
        found = _all(self._path(hole.path, flow.written) for text in texts for hole in text.holes)
        return (flow, *(replace(filled, names=each.names, exact=False) for each in found))


def _members(written: Json, names: list[str]) -> Json:
    """Return what a setting's rows have under some names, in lists."""
    for name in names:
        rows = written if isinstance(written, list) else []
        written = [row[name] for row in rows if isinstance(row, dict) and name in row]
    return written


def _templates(setting: Setting, written: Json) -> Iterator[Text]:
    """Return the texts of the templates that a setting holds, itself or in its rows."""
    if isinstance(written, list) and (setting.type != "template" or setting.format == "text"):
        for each in written:
            yield from _templates(setting, each)
    elif setting.type == "template" and written is not None:
        yield from _texts(read(setting, written))
    elif isinstance(written, dict):
        for name, field in setting.fields.items():
            yield from _templates(field, written.get(name))


def _texts(content: Content) -> Iterator[Text]:
    if isinstance(content, Text):
        yield content
    elif isinstance(content, dict | list):
        for each in content.values() if isinstance(content, dict) else content:
            yield from _texts(each)


def hash_of(functions: Iterable[FunctionUse]) -> str:
    """Return the first hash function of a chain, '' without one; those of `map_items` count."""
    for use in functions:
        if use.name in HASHES:
            return use.name
        if use.name == "map_items":
            inner = use.written.get("functions") if isinstance(use.written, dict) else use.written
            if found := hash_of(FunctionUse.chain(inner)):
                return found
    return ""


def shown_text(text: Text) -> str:
    """Return a text as it is written: `group_${groupId}`."""
    return "".join(each if isinstance(each, str) else f"${{{each.path}}}" for each in text.pieces)


def _all(found: Iterable[Flows]) -> Flows:
    return tuple(flow for flows in found for flow in flows)


def _at(written: PathAt, flows: Flows) -> Flows:
    return tuple(replace(each, written=written) for each in flows)


def _decide(flows: Flows) -> Flows:
    return tuple(replace(each, decides=True, target=()) for each in flows)


def _inexact(flows: Flows) -> Flows:
    return tuple(each if each.decides else replace(each, target=(), exact=False) for each in flows)


def _below(target: Names, flows: Flows) -> Flows:
    return tuple(each if each.decides else replace(each, target=(*target, *each.target)) for each in flows)


def _items(flows: Flows) -> Flows:
    """Return what the items of a list are, or the values of an object."""
    return tuple(_item(each) for each in flows if not each.decides)


def _item(flow: Flow) -> Flow:
    if flow.target[:1] in ((ITEMS,), ("*",)):
        return replace(flow, target=flow.target[1:])
    whole = flow.exact and not flow.target and flow.only is None and not flow.but
    return replace(flow, names=(*flow.names, ITEMS)) if whole else replace(flow, target=(), exact=False)


def _narrowed(flows: Flows, members: Names) -> Flows:
    """Return what is left of flows where only one member of what they make is read."""
    for name in members:
        flows = tuple(inner for each in flows if (inner := _member_of(each, name)) is not None)
    return flows


def _member_of(flow: Flow, name: str) -> Flow | None:
    if flow.decides or not (flow.named if flow.target else flow.exact):
        return flow
    if flow.target:
        first = flow.target[0]
        if first == name:
            return replace(flow, target=flow.target[1:])
        return None if first not in (ITEMS, "*") and "${" not in first else replace(flow, target=(), exact=False)
    if not flow.keeps(name):
        return None
    return replace(flow, names=(*flow.names, name), only=None, but=frozenset())


def _kept(flow: Flow, only: frozenset[str] | None, but: frozenset[str]) -> Flow | None:
    """Return what `only` and `except` leave of a flow; all of it where the names of its members are not certain."""
    if flow.decides or not (flow.named if flow.target else flow.exact):
        return flow
    if not flow.target:
        both = only if flow.only is None or only is None else only & flow.only
        return replace(flow, only=flow.only if both is None else both, but=flow.but | but)
    first = flow.target[0]
    if first in (ITEMS, "*") or "${" in first:
        return flow
    return flow if first not in but and (only is None or first in only) else None


def _renamed(flows: Flows, modifiers: Modifiers) -> Flows:
    """Rename the members as `rename`, `flatten`, `keys` and `prefix` do, as far as that is known."""
    if modifiers.rename is None and modifiers.flatten is None and modifiers.keys is None and modifiers.prefix is None:
        return flows
    return tuple(each if each.decides else _new_name(each, modifiers) for each in flows)


def _new_name(flow: Flow, modifiers: Modifiers) -> Flow:
    target = flow.target
    if target and isinstance(modifiers.rename, dict):
        target = (modifiers.rename.get(target[0], target[0]), *target[1:])
    if target and modifiers.flatten is not None:
        target = (modifiers.flatten.separator.join(target),)
    if target and modifiers.prefix is not None:
        target = (shown_text(modifiers.prefix) + target[0], *target[1:])
    return replace(flow, target=target, exact=False, named=False)
