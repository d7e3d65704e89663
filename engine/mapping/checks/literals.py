"""Checks of texts that look like paths: `query: { id: userId }` sends the five letters, not the value.

A text counts as a path only if it begins with a name of its scope. Where single words are ordinary texts (a default,
an entry of a table, a parameter), only paths with a dot and a root that is an object do. `const` is how an author says
that text is meant, so nothing in it is questioned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.events.spec import CONTEXT
from engine.language import functions, paths
from engine.language.template import Text
from engine.mapping import types
from engine.mapping.checks.context import CheckContext, quoted
from engine.mapping.checks.paths import NameProblem, name_problem
from engine.mapping.keys import IN_LIST, IN_OBJECT, NO_LOOP, Key
from engine.mapping.model import Batch, Flatten, Http, Instruction, Modifiers, Request, Step
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence, texts_in
from engine.records import Json, Place

PATH = re.compile(r'[A-Za-z_]\w*(?:\.(?:\w+|"[^"]+")|\[-?\d+\])*')
DOUBLE_BRACES = re.compile(r"\{\{([^{}]*)\}\}")
WRAPPED = re.compile(r"[#%]?\{{1,2}([^{}]*)\}{1,2}|\$\(([^()]*)\)|\$\.?(.*)")
"""What stands for a value in other tools: `{x}`, `{{x}}`, `#{x}`, `%{x}`, `$(x)`, `$x` and `$.x`."""
WORD = re.compile(r'(?<![\w.$"{@-])(?:settings|parts|saved)\.\w+(?![\w"(-]|\.\w)')
"""A path among other words: `Bearer settings.key`."""
SINGLE_WORDS = frozenset({"query", "headers", "text"})
"""Where a single word that names a field is more likely the field."""
OBJECTS = frozenset({"settings", "parts", "saved", "properties", "traits", "context", "item"})
NAMED = frozenset({"settings", "parts", "saved"})
SETS = {"headers": "header", "query": "query parameter"}
SET_WORDS = frozenset({"from", "merge", "each", "entries"})
"""Words of an instruction that take a path, which somebody may write among the names of headers or parameters."""
PAIR = 2
JUDGED_ELSEWHERE = frozenset({"method", "base_url"})
AS_WRITTEN = "It cannot come from the event or a setting: write the text itself."
ADVICE = {
    "text": "For the value, write {{ from: {} }}; for the text itself, {{ const: {} }}.",
    "query": "For the value, write ${{{}}}; for the text itself, {{ const: {} }}.",
    "default": "For the value, write a choice: [..., {}].",
    "choice": "For the first of these values, write {{ from: [{}] }}.",
    "map": "Entries of a table are constants. For the value, write a choice of {{ from: {}, when: ... }} and others.",
}
FILLED_IN = "For the value, write ${{{}}}."


def check_literals(context: CheckContext) -> Iterator[Problem]:
    """Find texts that are paths of their scope, where text is sent as it is written."""
    mapping = context.mapping
    steps = (step for steps in mapping.calls.values() for step in steps)
    nouns: list[Step | Request | Batch | Http] = [*steps, *mapping.requests.values(), *mapping.batches.values()]
    for noun in (*nouns, mapping.http):
        yield from _texts(context, noun, noun.place)
    if mapping.http.oauth2 is not None:
        yield from _texts(context, mapping.http.oauth2, ("http", "oauth2"))
    for value in context.values:
        if isinstance(value, Instruction):
            yield from _texts(context, value.source, value.place)
            yield from _texts(context, value.modifiers, value.place)
            yield from _constants(context, value.modifiers, value.place)
            yield from _keys(context, value.modifiers, value.place)


def _texts(context: CheckContext, noun: object, place: Place) -> Iterator[Problem]:
    for key, piece in texts_in(noun, place):
        if not isinstance(piece.held, Text) or key.word in JUDGED_ELSEWHERE:
            continue
        literal = piece.held.literal
        if literal is None:
            if key.word in SINGLE_WORDS:
                yield from _braces(context, piece.held, piece.place)
            yield from _words(context, key, piece.held, piece.place)
            continue
        if piece.in_key:
            if types.plain(literal)[:1] == ("settings",):
                yield from _text(context, piece.place, literal, FILLED_IN, key=True)
            continue
        path = literal.strip()
        if key.word in SINGLE_WORDS and (wrapped := WRAPPED.fullmatch(path)):
            path = next(filter(None, wrapped.groups()), "").strip()
        if not PATH.fullmatch(path):
            yield from _words(context, key, piece.held, piece.place)
        if key.word in SETS and piece.place[-1] in SET_WORDS and _gives_object(path):
            yield _set(context, piece.place, path)
        elif key.word in SINGLE_WORDS or "." in path:
            yield from _text(context, piece.place, path, _advice(key))


def _braces(context: CheckContext, text: Text, place: Place) -> Iterator[Problem]:
    """Find `{{ path }}` beside `${path}`."""
    for piece in text.pieces:
        for match in DOUBLE_BRACES.finditer(piece) if isinstance(piece, str) else ():
            yield from _text(context, place, match.group(1).strip(), FILLED_IN)


def _words(context: CheckContext, key: Key, text: Text, place: Place) -> Iterator[Problem]:
    """Find a path among other words, and a choice that is written with `||`."""
    if key.word not in (*SINGLE_WORDS, "path"):
        return
    sides = [side.strip() for side in (text.literal or "").split("||")]
    if len(sides) > 1 and all(PATH.fullmatch(side) and _is_known(context, place, side) for side in sides):
        message = f"This is text: {quoted(str(text.literal))} is used as written, not the value of a path."
        advice = ADVICE["choice"].format(", ".join(sides))
        yield context.problem(place, "literal-path", message, advice, level="warning")
        return
    whole = "".join(piece if isinstance(piece, str) else "\0" * (len(piece.path) + 3) for piece in text.pieces)
    exact = len(whole) == len(str(context.loaded.resolved.at(place)))  # `$${` has one character more than it gives
    for match in WORD.finditer(whole):
        if _is_known(context, place, match.group()):
            column = match.start() + 1 if exact else None
            yield from _text(context, place, match.group(), FILLED_IN, column=column)


def _is_known(context: CheckContext, place: Place, path: str) -> bool:
    """Whether a text is exactly a path of its scope."""
    chain = types.plain(path.partition("[")[0])
    return bool(chain) and _fault(context, place, path, chain) is None


def _gives_object(path: str) -> bool:
    chain = types.plain(path) if PATH.fullmatch(path) else ()
    one = len(chain) == 1 and types.ROOT_TYPES.get(chain[0]) == types.OBJECT
    return one or (len(chain) > 1 and chain[0] in OBJECTS)


def _set(context: CheckContext, place: Place, path: str) -> Problem:
    """Word that `headers: { from: settings.headers }` is one header of that name, where a whole set is meant."""
    table, name = str(place[-2]), str(place[-1])
    if path.startswith("settings."):
        context.settings_in_texts.add(types.plain(path)[1])
    message = f"This is a {SETS[table]} named {quoted(name)}, with the text {quoted(path)}."
    advice = f"For a whole set, write {table}_from: {path}. For the text, write {{ const: ... }}."
    return context.problem(place, "set-as-name", message, advice, level="warning")


def _advice(key: Key) -> str:
    return ADVICE.get("query" if key.word in ("query", "headers", "path") else key.word, FILLED_IN)


def _keys(context: CheckContext, modifiers: Modifiers, place: Place) -> Iterator[Problem]:
    """Find paths where keys of an object are meant: `only: [properties.email]`."""
    for word, held in (("only", modifiers.only), ("except", modifiers.except_), ("rename", modifiers.rename)):
        for number, name in enumerate(held or ()) if not isinstance(held, str) else ():
            chain = types.plain(name) if PATH.fullmatch(name) else ()
            if len(chain) > 1 and chain[0] in OBJECTS:
                message = f"`{word}` names keys of the object, not paths."
                at: Place = (*place, word, name if word == "rename" else number)
                advice = f"Write {'.'.join(chain[1:])}." if len(chain) == PAIR else "Name keys of its first level."
                yield context.problem(at, "path-as-key", message, advice, key=word == "rename", level="warning")


def _constants(context: CheckContext, modifiers: Modifiers, place: Place) -> Iterator[Problem]:
    """Find dotted paths in defaults, tables, parameters and separators."""
    if modifiers.default is not None:
        yield from _dotted(context, (*place, "default"), modifiers.default[0], ADVICE["default"])
    if isinstance(modifiers.map, dict):
        for key, entry in modifiers.map.items():
            yield from _dotted(context, (*place, "map", key), entry, ADVICE["map"])
    if isinstance(modifiers.flatten, Flatten):
        yield from _dotted(context, (*place, "flatten", "separator"), modifiers.flatten.separator, AS_WRITTEN)
    raw = context.loaded.resolved.at((*place, "as"))
    for number, use in enumerate(modifiers.as_):
        at: Place = (*place, "as", number, use.name) if isinstance(raw, list) else (*place, "as", use.name)
        function = functions.FUNCTIONS.get(use.name)
        kinds = {each.name: each.kind for each in function.parameters} if function is not None else {}
        written = use.written if isinstance(use.written, dict) else {next(iter(kinds), ""): use.written}
        for name, value in written.items():
            if kinds.get(name) != "path":
                yield from _dotted(context, (*at, name) if written is use.written else at, value, AS_WRITTEN)


def _dotted(context: CheckContext, place: Place, value: Json, advice: str) -> Iterator[Problem]:
    if isinstance(value, list | dict):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _dotted(context, (*place, name), member, advice)
    if isinstance(value, str) and "." in value:
        chain = types.plain(value.partition("[")[0]) if PATH.fullmatch(value) else ()
        certain = chain[:1] != ("context",) or chain[1] in CONTEXT
        if len(chain) > 1 and chain[0] in OBJECTS and certain and (chain[0] != "item" or "map" not in place):
            yield from _text(context, place, value, advice)


def _text(
    context: CheckContext, place: Place, path: str, advice: str, *, key: bool = False, column: int | None = None
) -> Iterator[Problem]:
    if not PATH.fullmatch(path) or not (chain := types.plain(path.partition("[")[0])):
        return
    fault = _fault(context, place, path, chain)
    if fault is None or (chain[0] in NAMED and fault.guess is not None):
        if chain[0] == "settings" and len(chain) > 1:
            context.settings_in_texts.add(fault.guess or chain[1] if fault is not None else chain[1])
        message = f"This is text: {quoted(path)} is used as written, not the value of that path."
        advice = advice.format(path, path)
        yield context.problem(place, "literal-path", message, advice, key=key, column=column, level="warning")


def _fault(context: CheckContext, place: Place, path: str, chain: Sequence[str]) -> NameProblem | None:
    """Return what would be wrong with a text as a path, or None."""
    scope = replace(context.occurrences.scope_at(place), loop=_loop(context, place))
    return name_problem(
        context, Occurrence(place, path, 1, False, "", scope), paths.Root(chain[0], tuple(chain[1:]), 1)
    )


def _loop(context: CheckContext, place: Place) -> frozenset[str]:
    """Return the names of the loops around a place."""
    found = IN_LIST if context.occurrences.scope_at(place).loop else NO_LOOP
    for length in range(1, len(place)):
        around = context.loaded.resolved.at(place[:length])
        if isinstance(around, dict) and place[length] not in ("each", "entries", "for_each"):
            found |= IN_OBJECT if "entries" in around else IN_LIST if {"each", "for_each"} & around.keys() else NO_LOOP
    return found
