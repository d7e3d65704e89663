"""What may be written where the cursor is: keys, words, functions, names, and paths with the fields of real events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from engine.editing import words
from engine.editing.positions import Position, Replacement, TextLines
from engine.editing.seen import call_fields, described
from engine.editing.slots import Slot, slot_at
from engine.editing.workspace import Understood, Workspace
from engine.events.spec import FIELDS
from engine.language.functions.registry import FUNCTIONS
from engine.mapping.checks.paths import CALL_WORDS, SCOPES
from engine.mapping.keys import IN_LIST, IN_OBJECT
from engine.mapping.model import Mapping
from engine.mapping.walk import Scope
from engine.records import Json, Place

MOST_ITEMS = 500
CHAIN = re.compile(r"""((?:(?:[A-Za-z_]\w*|"[^"\\]*")(?:\[[^\[\]]*\])*\.)*)("?[\w ]*)$""")
"""The end of a path: names with a dot behind each, and the beginning of the next one."""
NAME = re.compile(r'([A-Za-z_]\w*)|"([^"\\]*)"')
PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")
LONGEST_PATH = 2000
WORD_ABOUT = {
    "parts": "The parts of this mapping: values by name.",
    "settings": "What a person fills in to connect the destination.",
    "options": "What `integrations` of the event says for this destination.",
    "message": "The whole event, normalized.",
    "saved": "What steps before saved of the vendor's responses.",
    "item": "The item of the loop around it.",
    "index": "The number of the item, from 0.",
    "key": "The key of the entry.",
}


class Completion(NamedTuple):
    """One proposal: `edit` writes it. `sort` is its place among the others."""

    label: str
    kind: str
    detail: str
    about: str
    edit: Replacement
    sort: int


class _Candidate(NamedTuple):
    text: str
    kind: str
    detail: str = ""
    about: str = ""
    written: str | None = None


def complete(
    workspace: Workspace, lines: TextLines, position: Position, known: Understood | None, kind: str
) -> list[Completion]:
    """Return what may be written at a position of a mapping or of shared parts."""
    column = lines.column(position)
    slot = slot_at(lines, position.line, column)
    if slot is None:
        return []
    typed = lines.line(position.line)[slot.start : column] if slot.start <= column else ""
    start = column - len(typed)
    finder = _Finder(workspace, known, kind, slot)
    items: list[Completion] = []
    for back, found in finder.found(typed):
        begin = column - back if back is not None else start
        end = max(slot.end, column) if back is None and slot.text else column
        for candidate in islice(found, MOST_ITEMS - len(items)):
            text = candidate.text if candidate.written is None else candidate.written
            if slot.kind == "key" and end > column and text.endswith(": "):
                text = text[:-2]  # the colon is there
            edit = Replacement(lines.in_line(position.line, begin, end), text)
            items.append(
                Completion(candidate.text, candidate.kind, candidate.detail, candidate.about, edit, len(items))
            )
    return items


class _Finder:
    """Finds what fits a slot; each group of candidates comes with how many characters before the cursor it replaces."""

    def __init__(self, workspace: Workspace, known: Understood | None, kind: str, slot: Slot) -> None:
        self._workspace = workspace
        self._known = known
        self._kind = kind
        self._slot = slot
        self._mapping: Mapping | None = known.loaded.mapping if known is not None else None

    def found(self, typed: str) -> Iterator[tuple[int | None, Iterable[_Candidate]]]:
        place, kind = self._slot.place, self._slot.kind
        if kind == "key":
            yield None, self._keys(self._slot.around)
        hole = typed.rpartition("${")[2] if "${" in typed else None
        if kind == "key":
            if hole is not None and "}" not in hole:
                yield from self._paths(hole)
            return
        if hole is not None:
            if "}" not in hole and not words.is_path(self._kind, place):
                yield from self._paths(hole)
            return
        yield None, self._values(place)
        if words.is_path(self._kind, place) or _takes_path(place):
            yield from self._paths(typed)
        if kind == "item":
            yield None, self._keys(place)

    # Keys.

    def _keys(self, place: Place) -> Iterator[_Candidate]:
        for word in words.keys(self._kind, place):
            yield _Candidate(word.text, "key", about=word.about, written=f"{word.text}: ")
        yield from (candidate._replace(written=f"{candidate.text}: ") for candidate in self._names_as_keys(place))

    def _names_as_keys(self, place: Place) -> Iterator[_Candidate]:
        if len(place) == 3 and place[0] == "examples" and place[2] == "settings":
            yield from self._settings()
        elif len(place) == 4 and place[0] == "examples" and place[2] == "expect":
            yield from self._requests()

    # Words and names.

    def _values(self, place: Place) -> Iterator[_Candidate]:
        if "function" in words.nouns(self._kind, place):
            yield from map(_function, FUNCTIONS)
        else:
            for word in words.values(self._kind, place):
                yield _Candidate(word.text, "word", about=word.about)
        for shape, names in NAMED.items():
            if _fits(shape, place):
                yield from names(self)

    def _requests(self) -> Iterator[_Candidate]:
        if self._mapping is not None:
            for name, request in self._mapping.requests.items():
                about = self._about(("requests", name))
                yield _Candidate(name, "request", _method(request.method), about)

    def _batches(self) -> Iterator[_Candidate]:
        if self._mapping is not None:
            yield from (_Candidate(name, "request") for name in self._mapping.batches)

    def _settings(self) -> Iterator[_Candidate]:
        if self._mapping is not None:
            for name, setting in self._mapping.settings.items():
                detail = f"{setting.type}{', secret' if setting.secret else ''}"
                yield _Candidate(name, "setting", detail, setting.about or setting.title)

    def _parts(self) -> Iterator[_Candidate]:
        if self._known is not None:
            for name in self._known.loaded.mapping.parts:
                yield _Candidate(name, "part", self._known.loaded.mark(("parts", name)).file.rpartition("/")[2])

    def _mappings(self) -> Iterator[_Candidate]:
        names = set(self._workspace.library.names())
        if self._known is not None:
            own = self._known.loaded.path
            names |= {path.stem for path in own.parent.glob("*.yaml") if path.stem != own.stem}
        yield from (_Candidate(name, "mapping") for name in sorted(names))

    def _includes(self) -> Iterator[_Candidate]:
        if self._known is not None:
            names = self._workspace.library.part_names(self._known.loaded.path)
            yield from (_Candidate(name, "mapping") for name in names)

    def _about(self, place: Place) -> str:
        raw = self._known.loaded.resolved.at((*place, "about")) if self._known is not None else None
        return raw if isinstance(raw, str) else ""

    # Paths.

    def _paths(self, typed: str) -> Iterator[tuple[int | None, Iterable[_Candidate]]]:
        match = CHAIN.search(typed[-LONGEST_PATH:])
        if match is None:
            return
        chain = [plain or quoted for plain, quoted in NAME.findall(match[1])]
        yield len(match[2]), self._members(chain) if chain else self._roots()

    def _roots(self) -> Iterator[_Candidate]:
        scope = self._scope()
        loops = self._loops()
        names = {name for loop in loops for name in loop.names} | set(scope.added)
        for name in sorted(names, key=("item", "index", "key", "body").index):
            yield _Candidate(name, "field", "", WORD_ABOUT.get(name, ""))
        if scope.kind in SCOPES:
            for name in sorted(SCOPES[scope.kind][0]):
                yield _Candidate(name, "field", "", WORD_ABOUT.get(name, ""))
            return
        calls = self._calls(scope)
        for name, having in call_fields(calls):
            yield _Candidate(name, "field", "" if len(having) == len(calls) else f"only {', '.join(having)}")
        for word in sorted(CALL_WORDS):
            yield _Candidate(word, "field", "", WORD_ABOUT[word])

    def _members(self, chain: Sequence[str]) -> Iterator[_Candidate]:
        if chain[0] == "item" and (loops := self._loops()):
            chain = [*loops[-1].chain, *chain[1:]] if loops[-1].chain else []
        elif chain[0] == "message":
            chain = chain[1:]
        named = {"parts": self._parts, "settings": self._settings}.get(chain[0]) if len(chain) == 1 else None
        if named is not None:
            yield from named()
        elif chain == ["saved"]:
            scope = self._scope()
            yield from (_Candidate(name, "field") for name in sorted(scope.saved))
        elif chain and self._known is not None:
            for name, value in self._known.seen.members(self._calls(self._scope()), chain):
                written = (
                    None if PLAIN_NAME.fullmatch(name) else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
                )
                yield _Candidate(name, "field", described(value), written=written)

    def _calls(self, scope: Scope) -> tuple[str, ...]:
        return scope.calls or tuple(FIELDS)

    def _scope(self) -> Scope:
        """Return the scope of the slot; where the last readable text has no such step, that of its call."""
        place = self._slot.place
        if self._known is None or not place:
            return Scope(kind="part")
        if place[0] == "calls" and len(place) > 1:
            return self._scope_of_call(place)
        if place[0] == "responses" or (place[0] == "requests" and "responses" in place[2:3]):
            return Scope(kind="reply")
        if place[0] in ("parts", "http", "requests", "batches") and len(place) > (
            1 if place[0] in ("parts", "http") else 2
        ):
            try:
                return self._known.occurrences.scope_at(place)
            except (StopIteration, KeyError):
                return Scope(kind="part")
        return Scope(kind="part")

    def _scope_of_call(self, place: Place) -> Scope:
        assert self._known is not None
        if len(place) > 3 and place[3] == "save":
            return Scope(kind="reply")
        call = str(place[1])
        calls = tuple(name for name in self._known.occurrences.users(call) if name in FIELDS)
        number = place[2] if len(place) > 2 and isinstance(place[2], int) else 0
        steps = self._known.loaded.mapping.calls.get(call, ())[:number]
        return Scope(kind="call", calls=calls, saved=frozenset(name for step in steps for name in step.save))

    def _loops(self) -> list[_Loop]:
        """Return the loops around the slot, the innermost last, by what stands beside in the text read last."""
        found: list[_Loop] = []
        if self._known is None:
            return found
        place = self._slot.place
        for length in range(1, len(place)):
            inner = place[length]
            for word, names, after in LOOPS:
                over = self._known.loaded.resolved.at((*place[:length], word))
                if over is not None and inner != word and (after is None or inner in after):
                    found.append(_Loop(names, _chain_of(over, found)))
        return found


class _Loop(NamedTuple):
    names: frozenset[str]
    chain: tuple[str, ...]


LOOPS: tuple[tuple[str, frozenset[str], frozenset[str] | None], ...] = (
    ("each", IN_LIST, frozenset({"value", "where"})),
    ("entries", IN_OBJECT, frozenset({"value", "where", "key"})),
    ("for_each", IN_LIST, None),
)
NAMED: dict[tuple[str, ...], Callable[[_Finder], Iterator[_Candidate]]] = {
    ("calls", "*", "*", "request"): _Finder._requests,  # noqa: SLF001
    ("requests", "*", "if_missing"): _Finder._requests,  # noqa: SLF001
    ("requests", "*", "batch"): _Finder._batches,  # noqa: SLF001
    ("check",): _Finder._requests,  # noqa: SLF001
    ("examples", "*", "replies", "*", "request"): _Finder._requests,  # noqa: SLF001
    ("extends",): _Finder._mappings,  # noqa: SLF001
    ("include", "*"): _Finder._includes,  # noqa: SLF001
}
"""Where a text is the name of something."""
ALSO_PATHS = frozenset({"only", "except", "rename", "map", "flatten", "if"})
"""Words whose text is a path although they mostly hold something else."""


def _fits(shape: Sequence[str], place: Place) -> bool:
    return len(shape) == len(place) and all(want in ("*", have) for want, have in zip(shape, place, strict=True))


def _takes_path(place: Place) -> bool:
    return bool(place) and place[-1] in ALSO_PATHS and place[0] in ("calls", "parts", "requests", "batches")


def _function(name: str) -> _Candidate:
    function = FUNCTIONS[name]
    needed = [parameter.name for parameter in function.parameters if parameter.required]
    written = None if not needed else f"{{ {name}: {{ {', '.join(f'{each}: ' for each in needed)}}} }}"
    return _Candidate(name, "function", signature(name), function.about, written)


def signature(name: str) -> str:
    """Return what a function takes and gives: `text or number -> text`."""
    function = FUNCTIONS[name]
    takes, gives = (
        " or ".join(sorted(kinds)) if len(kinds) < 5 else "anything" for kinds in (function.takes, function.gives)
    )
    return f"{takes} -> {gives}"


def _method(method: object) -> str:
    return str(getattr(method, "literal", "") or "")


def _chain_of(over: Json, outer: Sequence[_Loop]) -> tuple[str, ...]:
    """Return the names of a plain path over which a loop runs; of `item.x`, those of the loop around it before."""
    if not isinstance(over, str):
        return ()
    match = CHAIN.fullmatch(over + ".")
    names = [plain or quoted for plain, quoted in NAME.findall(match[1])] if match else []
    if names[:1] == ["item"] and outer:
        return (*outer[-1].chain, *names[1:]) if outer[-1].chain else ()
    return tuple(names)
