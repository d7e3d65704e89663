"""Checks of paths: that each can be read, and that every name in it means something where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths
from engine.language.paths.syntax import NAMES
from engine.language.suggest import closest
from engine.mapping import types
from engine.mapping.checks.context import Checking, listed, meant, quoted
from engine.mapping.checks.facts import keys_of
from engine.mapping.keys import IN_OBJECT
from engine.mapping.model import PathValue
from engine.mapping.problems import Problem
from engine.mapping.walk import Occurrence, Scope

CALL_WORDS = frozenset({"parts", "settings", "options", "message", "saved"})
SCOPES: dict[str, tuple[frozenset[str], str]] = {
    "item": (frozenset({"body", "settings"}), "A batch's item"),
    "items": (frozenset({"items", "settings"}), "A batch's body"),
    "settings": (frozenset({"settings"}), "The URL or header of a batch"),
    "reply": (frozenset({"status", "headers", "body", "settings"}), "An answer"),
    "results": (frozenset({"body"}), "The answer to a batch"),
    "result": (frozenset({"item"}), "One result of a batch"),
}
WHO = {
    "part": "A part used in {} calls",
    "request": "A request used in {} calls",
    "http": "A header of all requests ({} calls)",
}
MAY_BE_TEXT = frozenset({"", "from"})
ADVICE = re.compile(r"(?<=[.?]) (?=(?:Write|Give|Did you mean|To pass over|What converts) )")
"""Where a sentence of the path language turns to what to do."""


class NameProblem(NamedTuple):
    """What is wrong with a name; `member` says that it is about the name after the first dot."""

    code: str
    message: str
    advice: str = ""
    section: str = ""
    guess: str | None = None
    member: bool = False


def check_paths(checking: Checking) -> Iterator[Problem]:
    """Find texts that are no paths, unknown names, and slips of the JMESPath language."""
    for place, key, error in checking.loaded.faults.found:
        message, advice = _sentences(str(error))
        yield checking.problem(place, "text-syntax", message, advice, column=error.column, key=key)
    for found in checking.occurrences.all:
        try:
            path = paths.parse(found.path)
        except PathError as error:
            yield _unreadable(checking, found, error)
            continue
        yield from _roots(checking, found, path)
        yield from _findings(checking, found, path)


def _unreadable(checking: Checking, found: Occurrence, error: PathError) -> Problem:
    message, advice = _sentences(str(error))
    if found.path.startswith("${") and found.path.endswith("}") and found.path.count("${") == 1:
        advice = f"Write {found.path[2:-1]} alone."
    elif found.path.count("${") and found.word in MAY_BE_TEXT:
        advice = "For a text with values in it, write { text: ... }."
    elif found.word in MAY_BE_TEXT and re.fullmatch(r"\w[\w -]{0,59}", found.path):
        advice = f"{advice} {_constant(found.path)}".strip()
    at = found.column + error.column - 1
    return checking.problem(found.place, "path-syntax", message, advice, column=at, key=found.key)


def _sentences(text: str) -> tuple[str, str]:
    """Take what to do from the end of a sentence of the path language."""
    whole = text + ("" if text.endswith((".", "?", "!")) else ".")
    message, *advice = ADVICE.split(whole, maxsplit=1)
    return message, "".join(advice)


def _constant(text: str) -> str:
    return f"If you mean the text itself, write {{ const: {text} }}."


def _findings(checking: Checking, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    for finding in paths.findings(path):
        if finding.code == "falsy-or" and found.word != "":
            continue
        if finding.code == "null-name" and any(root.column == finding.column for root in path.roots):
            continue  # it is an unknown field, and that says the same
        column = found.column + finding.column - 1
        message, advice = _sentences(finding.message)
        yield checking.problem(
            found.place, finding.code, message, advice, column=column, key=found.key, level="warning"
        )
    if not path.roots and not path.uses_current_root:
        message, advice = "This path reads nothing, so it is always the same.", "A value as such is { const: ... }."
        advice = advice if found.word == "" else ""
        yield checking.problem(
            found.place, "constant-path", message, advice, column=found.column, key=found.key, level="warning"
        )


def _roots(checking: Checking, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    if path.uses_current_root:
        message = "Here the current value (@) is everything a path can begin with, which is nothing to take."
        advice = "The whole event is message." if found.scope.kind not in SCOPES else ""
        at = found.column + path.current_column - 1
        yield checking.problem(found.place, "current-at-root", message, advice, column=at, key=found.key)
    for root in path.roots:
        told = verdict(checking, found, root)
        if told is not None:
            yield _problem(checking, found, path, root, told)


def _problem(checking: Checking, found: Occurrence, path: paths.Path, root: paths.Root, told: NameProblem) -> Problem:
    inside = _member_column(path, root) if told.member else root.column
    at = found.column + inside - 1
    problem = checking.problem(found.place, told.code, told.message, told.advice, column=at, key=found.key)
    if not told.section:
        return problem
    return checking.unknown(told.section, root.members[0] if told.member else None, told.guess, problem)


def _member_column(path: paths.Path, root: paths.Root) -> int:
    """Return the column of the name after the root's first dot."""
    member = root.members[0]
    later = (token for token in path.tokens if token.column > root.column and token.kind in NAMES)
    return next((token.column for token in later if token.value == member), root.column)


def verdict(checking: Checking, found: Occurrence, root: paths.Root) -> NameProblem | None:
    """Say what is wrong with a name that a path begins with, or None."""
    scope, name = found.scope, root.name
    if scope.kind in SCOPES and name not in SCOPES[scope.kind][0]:
        return _other_scope(found, name)
    if name == "settings":
        return _setting(checking, root)
    if scope.kind in SCOPES:
        return None
    if name == "parts":
        return _part(checking, root)
    if name == "saved":
        return _saved(scope, root)
    if name in IN_OBJECT:
        return _loop_word(scope, name)
    if name in CALL_WORDS or any(name in FIELDS[call] for call in calls_of(checking, found)):
        return None
    return _unknown_field(checking, root, found)


def calls_of(checking: Checking, found: Occurrence) -> Iterable[str]:
    """Return the calls whose fields a path may name; what nobody uses, and a part of a shared file, is for all calls."""
    calls, shared = found.scope.calls, not checking.owns(found.place)
    return FIELDS if not calls or (found.scope.kind == "part" and shared) else calls


def _setting(checking: Checking, root: paths.Root) -> NameProblem | None:
    if not root.members:
        return None
    settings, name = checking.mapping.settings, root.members[0]
    if name not in settings:
        guess, advice = meant(name, settings, "settings", "settings.")
        return NameProblem(
            "unknown-setting", f"There is no setting {quoted(name)}.", advice, "settings", guess, member=True
        )
    if len(root.members) > 1 and settings[name].type != "table":
        message = f"The setting {quoted(name)} is no table, so there is nothing called {quoted(root.members[1])} in it."
        return NameProblem("not-an-object", message, f"Write settings.{name}.", member=True)
    return None


def _part(checking: Checking, root: paths.Root) -> NameProblem | None:
    if not root.members:
        return NameProblem("whole-parts", "`parts` alone is nothing to take.", "Name one of them: parts.name.")
    parts, name = checking.mapping.parts, root.members[0]
    if name not in parts:
        guess, advice = meant(name, parts, "parts", "parts.")
        return NameProblem("unknown-part", f"There is no part {quoted(name)}.", advice, "parts", guess, member=True)
    return _part_key(checking, name, root.members[1]) if len(root.members) > 1 else None


def _part_key(checking: Checking, name: str, key: str) -> NameProblem | None:
    known = keys_of(checking.mapping, PathValue((), f"parts.{name}"))
    if known is None or key in known or not known:
        return None
    _, advice = meant(key, sorted(known), "keys", f"parts.{name}.")
    return NameProblem("unknown-part-key", f"The part {quoted(name)} never has a key {quoted(key)}.", advice)


def _saved(scope: Scope, root: paths.Root) -> NameProblem | None:
    if not root.members or root.members[0] in scope.saved:
        return None
    name = root.members[0]
    if name in scope.later:
        message = f"{quoted(name)} is saved by this step or a later one, so it is not there yet."
        return NameProblem("unknown-saved", message, "A step reads what steps before it have saved.", member=True)
    guess, advice = meant(name, sorted(scope.saved | scope.later), "saved values", "saved.")
    return NameProblem("unknown-saved", f"No step saves {quoted(name)}.", advice, "saved", guess, member=True)


def _loop_word(scope: Scope, name: str) -> NameProblem | None:
    if name in scope.loop:
        return None
    if scope.kind == "part":
        message = f"A part cannot use `{name}`: it is made once for the whole event, not for every item."
        return NameProblem("item-in-part", message, "Write the value where the loop is.")
    if scope.loop:
        return NameProblem("outside-loop", "`key` is only there inside `entries`; a list has `index`.")
    words = "`entries`" if name == "key" else "`each`, `entries` and `for_each`"
    return NameProblem("outside-loop", f"`{name}` is only there inside {words}.")


def _other_scope(found: Occurrence, name: str) -> NameProblem:
    words, title = SCOPES[found.scope.kind]
    title = "The base URL" if found.place[0] == "http" else title
    guess = closest(name, sorted(words))
    message = f"{title} has no {quoted(name)}, only {listed(sorted(words), 'and')}."
    return NameProblem("unknown-field", message, f"Did you mean {guess}?" if guess else "")


def _unknown_field(checking: Checking, root: paths.Root, found: Occurrence) -> NameProblem:
    name, advice = root.name, []
    calls = tuple(calls_of(checking, found))
    guess = _guess(checking, calls, root, found.scope)
    if guess:
        advice.append(f"Did you mean {guess}?")
    if name in ("null", "true", "false"):
        advice = [f"Write `{name}` in backquotes for the value."]
    elif found.word in MAY_BE_TEXT and types.plain(found.path) == (name,):
        advice.append(_constant(name))
    others = [call for call, fields in FIELDS.items() if name in fields]
    message = f"{_who(found.scope.kind, calls)} has {'a' if len(calls) == len(FIELDS) else 'no'} field {quoted(name)}"
    message += f"; {listed(others, 'and')} calls have it." if others else "."
    section, _, inner = (guess or "").partition(".")
    if inner and section in ("parts", "settings"):
        return NameProblem("unknown-field", message, " ".join(advice), section, inner)
    return NameProblem("unknown-field", message, " ".join(advice))


def _who(kind: str, calls: Sequence[str]) -> str:
    if len(calls) == len(FIELDS):
        return "No call"
    if kind in WHO:
        return WHO[kind].format(listed(calls, "and"))
    named = listed(calls)
    return f"{'An' if named[0] in 'aei' else 'A'} {named} call"


def _guess(checking: Checking, calls: Sequence[str], root: paths.Root, scope: Scope) -> str | None:
    fields = sorted({field for call in calls for field in FIELDS[call]} | CALL_WORDS | scope.loop)
    guess = closest(root.name, fields)
    if guess:
        return ".".join((guess, *root.members)) if guess in ("parts", "settings") else guess
    for prefix, names in (("parts", checking.mapping.parts), ("settings", checking.mapping.settings)):
        if root.name in names:
            return f"{prefix}.{root.name}"
    return None
