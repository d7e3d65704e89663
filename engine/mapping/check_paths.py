"""Checks of paths: that each can be read, and that every name in it means something where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.errors import PathError
from engine.language import paths
from engine.mapping.checking import Checking
from engine.mapping.occurrences import LOOP_WORDS, Occurrence, Scope
from engine.mapping.problems import Problem
from engine.mapping.suggest import closest
from engine.sources.segment import FIELDS

CALL_WORDS = frozenset({"parts", "settings", "options", "message", "saved"})
SCOPES: dict[str, tuple[frozenset[str], str]] = {
    "item": (frozenset({"body", "settings"}), "A batch's item"),
    "items": (frozenset({"items", "settings"}), "A batch's fields"),
    "settings": (frozenset({"settings"}), "This text"),
    "reply": (frozenset({"status", "headers", "body", "settings"}), "An answer"),
    "results": (frozenset({"body"}), "A batch's answer"),
    "result": (frozenset({"item"}), "One result of a batch"),
}
CONST_WORDS = frozenset({"", "from"})


def check_paths(checking: Checking) -> Iterator[Problem]:
    """Find texts that are no paths, unknown names, and slips of the JMESPath language."""
    for place, key, error in checking.loaded.faults.found:
        yield checking.problem(place, "text-syntax", _sentence(error), column=error.column, key=key)
    for found in checking.occurrences.all:
        try:
            path = paths.parse(found.path)
        except PathError as error:
            at = found.column + error.column - 1
            yield checking.problem(found.place, "path-syntax", _sentence(error), column=at, key=found.key)
            continue
        yield from _roots(checking, found, path)
        yield from _findings(checking, found, path)


def _sentence(error: PathError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _findings(checking: Checking, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    for finding in paths.findings(path):
        if finding.code == "falsy-or" and found.word != "":
            continue
        column = found.column + finding.column - 1
        message = _sentence(PathError(finding.message, 1))
        yield checking.problem(found.place, finding.code, message, column=column, key=found.key, level="warning")


def _roots(checking: Checking, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    if path.uses_current_root:
        yield checking.problem(
            found.place,
            "current-at-root",
            "`@` at the root is the whole scope, which is nothing to take.",
            "The whole event is `message`.",
            column=found.column,
            key=found.key,
        )
    for root in path.roots:
        problem = _root(checking, found, root)
        if problem is not None:
            yield problem


def _root(checking: Checking, found: Occurrence, root: paths.Root) -> Problem | None:
    verdict = _verdict(checking, found.scope, root, found)
    if verdict is None:
        return None
    code, message, advice = verdict
    column = found.column + root.column - 1
    return checking.problem(found.place, code, message, advice, column=column, key=found.key)


Verdict = tuple[str, str, str] | None


def _verdict(checking: Checking, scope: Scope, root: paths.Root, found: Occurrence) -> Verdict:
    name = root.name
    if name == "settings":
        return _setting(checking, root)
    if scope.kind in SCOPES:
        return _other_scope(scope, name)
    if name == "parts":
        return _part(checking, root)
    if name == "saved":
        return _saved(scope, root)
    if name in LOOP_WORDS:
        return _loop_word(scope, name)
    if name in CALL_WORDS or any(name in FIELDS[call] for call in _calls(checking, scope, found)):
        return None
    return _unknown_field(checking, scope, name, found)


def _calls(checking: Checking, scope: Scope, found: Occurrence) -> Iterable[str]:
    """Give the calls whose fields a path may name; a part of a shared file, or used by nobody, is for all calls."""
    shared = checking.loaded.resolved.owner(found.place) is not checking.loaded.resolved.document
    return FIELDS if scope.kind == "part" and (shared or not scope.calls) else scope.calls


def _setting(checking: Checking, root: paths.Root) -> Verdict:
    if not root.members:
        return None
    return _known("setting", root.members[0], list(checking.mapping.settings), "settings")


def _part(checking: Checking, root: paths.Root) -> Verdict:
    if not root.members:
        return "whole-parts", "`parts` alone is nothing to take.", "Name one: parts.name."
    return _known("part", root.members[0], list(checking.mapping.parts), "parts")


def _known(word: str, name: str, names: list[str], prefix: str) -> Verdict:
    if name in names:
        return None
    guess = closest(name, names)
    advice = f"Did you mean {prefix}.{guess}?" if guess else _there_are(f"{word}s", names)
    return f"unknown-{word}", f'There is no {word} "{name}".', advice


def _there_are(words: str, names: list[str]) -> str:
    return f"There are: {', '.join(names)}." if names else f"This mapping has no {words}."


def _saved(scope: Scope, root: paths.Root) -> Verdict:
    if not root.members or root.members[0] in scope.saved:
        return None
    names = sorted(scope.saved)
    guess = closest(root.members[0], names)
    message = f'No earlier step saves "{root.members[0]}".'
    return "unknown-saved", message, f"Did you mean saved.{guess}?" if guess else _there_are("saved values", names)


def _loop_word(scope: Scope, name: str) -> Verdict:
    if scope.loops:
        return None
    if scope.kind == "part":
        return "item-in-part", f"A part cannot use `{name}`: it is computed once for the whole event.", ""
    return "outside-loop", f"`{name}` is only there inside `each`, `entries` and `for_each`.", ""


def _other_scope(scope: Scope, name: str) -> Verdict:
    words, title = SCOPES[scope.kind]
    if name in words:
        return None
    guess = closest(name, sorted(words))
    known = " ".join(sorted(words))
    return "unknown-field", f'{title} knows no "{name}", only: {known}.', f"Did you mean {guess}?" if guess else ""


def _unknown_field(checking: Checking, scope: Scope, name: str, found: Occurrence) -> Verdict:
    advice = []
    guess = _guess(checking, scope, name)
    if guess:
        advice.append(f"Did you mean {guess}?")
    if found.word in CONST_WORDS and found.path == name:
        advice.append(f"If you mean the text itself, write {{ const: {name} }}.")
    others = [call for call, fields in FIELDS.items() if name in fields]
    message = f'{_who(scope)} has no field "{name}"'
    message += f"; {' and '.join(others)} calls have it." if others else "."
    return "unknown-field", message, " ".join(advice)


def _who(scope: Scope) -> str:
    kind = {"part": "A part", "request": "A request"}.get(scope.kind)
    if not scope.calls:
        return f"{kind} that no call uses"
    calls = " or ".join(scope.calls)
    article = "An" if calls[0] in "aei" else "A"
    if kind is None:
        return f"{article} {calls} call"
    return f"{kind} used in {calls} calls"


def _guess(checking: Checking, scope: Scope, name: str) -> str | None:
    fields = sorted({field for call in scope.calls for field in FIELDS[call]} | CALL_WORDS)
    guess = closest(name, fields)
    if guess:
        return guess
    for prefix, names in (("parts", checking.mapping.parts), ("settings", checking.mapping.settings)):
        if name in names:
            return f"{prefix}.{name}"
    return None
