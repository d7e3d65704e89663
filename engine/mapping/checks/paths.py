"""Checks of paths: each must be valid, and every name in it must exist where the path is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.errors import PathError
from engine.events.spec import FIELDS
from engine.language import paths
from engine.language.other_names import EVENT_FIELDS
from engine.language.paths.syntax import NAMES
from engine.language.suggest import closest
from engine.mapping import rows, types
from engine.mapping.checks.advice import bare_text, function_advice, method_advice
from engine.mapping.checks.context import CheckContext, a_call, better, listed, quoted, suggestion
from engine.mapping.checks.facts import keys_of
from engine.mapping.keys import IN_OBJECT
from engine.mapping.model import PathValue
from engine.mapping.problems import Fix, Problem
from engine.mapping.walk import Occurrence, Scope, reads_template

CALL_WORDS = frozenset({"parts", "settings", "options", "message", "saved"})
SCOPES: dict[str, tuple[frozenset[str], str]] = {
    "item": (frozenset({"body", "settings"}), "The item of a batch"),
    "items": (frozenset({"items", "group", "settings"}), "The body of a batch"),
    "parameters": (frozenset({"items", "group", "settings"}), "The query or header of a batch"),
    "batch": (frozenset({"group", "settings"}), "The URL or header of a batch"),
    "settings": (frozenset({"settings"}), "The base URL"),
    "reply": (frozenset({"status", "headers", "body", "settings"}), "A response"),
    "results": (frozenset({"body"}), "The response to a batch"),
    "result": (frozenset({"item"}), "A result of a batch"),
    "key": (frozenset({"settings"}), "A credential"),
    "oauth2": (frozenset({"settings"}), "`oauth2`"),
    "signed": (frozenset({"body", "sent_at"}), "What is signed"),
    "signature prefix": (frozenset({"sent_at"}), "The prefix of a signature"),
}
SUBJECTS = {
    "part": "A part used in {} calls",
    "request": "A request used in {} calls",
    "envelope": "A request used in {} calls",
    "group": "A batch used in {} calls",
    "http": "A header of all requests ({} calls)",
}
MAY_BE_TEXT = frozenset({"", "from"})
ADVICE = re.compile(r"(?<=[.?]) (?=(?:Write|Did you mean|To skip|To look up|For text, use|Functions that|Use the) )")
"""Where an error of the path language turns to advice."""
CALLED = re.compile(r"(\w+)\(")


class NameProblem(NamedTuple):
    """What is wrong with a name; `member` says that it is about the name after the first dot."""

    code: str
    message: str
    advice: str = ""
    section: str = ""
    guess: str | None = None
    member: bool = False
    fix: Fix | None = None


def check_paths(context: CheckContext) -> Iterator[Problem]:
    """Find texts that are not paths, unknown names, and mistakes in JMESPath."""
    for place, key, error in context.loaded.faults.found:
        message, advice = _sentences(str(error))
        yield context.problem(place, "text-syntax", message, advice, column=error.column, key=key)
    for found in context.occurrences.all:
        try:
            path = paths.parse(found.path)
        except PathError as error:
            yield _unreadable(context, found, error)
            continue
        yield from _roots(context, found, path)
        yield from _rows(context, found, path)
        yield from _templates(context, found, path)
        yield from _findings(context, found, path)


def _unreadable(context: CheckContext, found: Occurrence, error: PathError) -> Problem:
    message, advice = _sentences(str(error))
    words = re.fullmatch(r"\w[\w -]{0,59}", found.path) and found.word in MAY_BE_TEXT
    call = CALLED.match(found.path, error.column - 1)
    if call is not None and found.path[error.column - 2 : error.column - 1] == ".":
        message, advice = "A path has no methods.", method_advice(found)
    elif call is not None and "has no function" in message:
        advice = function_advice(found, call.group(1)) or advice
    elif found.path.startswith("${") and found.path.endswith("}") and found.path.count("${") == 1:
        advice = f"Write just {found.path[2:-1]}."
    elif found.path.count("${") and found.word in MAY_BE_TEXT:
        advice = "For a text that contains values, write { text: ... }."
    elif words and "needs double quotes" in message:
        message, advice = "This is not a path: the fields of an event have no such name.", _constant(found.path)
    elif words:
        advice = f"{advice} {_constant(found.path)}".strip()
    return context.problem_in(found, error.column, "path-syntax", message, advice)


def _sentences(text: str) -> tuple[str, str]:
    """Split an error of the path language into what is wrong and what to do."""
    whole = text + ("" if text.endswith((".", "?", "!")) else ".")
    message, *advice = ADVICE.split(whole, maxsplit=1)
    return message, "".join(advice)


def _constant(text: str) -> str:
    return f"If you mean the text itself, write {{ const: {text} }}."


def _findings(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    for finding in paths.findings(path):
        if finding.code == "falsy-or" and (found.word != "" or _is_boolean(context, found.path)):
            continue
        if finding.code == "null-name" and any(root.column == finding.column for root in path.roots):
            continue  # it is an unknown field, and that says the same
        message, advice = _sentences(finding.message)
        yield context.problem_in(found, finding.column, finding.code, message, advice, level="warning")
    if not path.roots and not path.uses_current_root:
        message = "This path reads nothing, so its value never changes."
        advice = "For a constant, write { const: ... }." if found.word == "" else ""
        yield context.problem_in(found, 1, "constant-path", message, advice, level="warning")


def _is_boolean(context: CheckContext, path: str) -> bool:
    """Whether a path gives true or false, if anything: then `||` is as meant, and a list of values is not the same."""
    return types.of_path(context.mapping, path) == types.BOOLEAN


def _roots(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    if path.uses_current_root:
        message = "This path reads the current value (`@`), which is not defined at the top level."
        advice = "For the whole event, write message." if found.scope.kind not in SCOPES else ""
        yield context.problem_in(found, path.current_column, "current-at-root", message, advice)
    for root in path.roots:
        fault = name_problem(context, found, root)
        if fault is not None:
            yield _problem(context, found, path, root, _as_text(path, root, fault))


def _as_text(path: paths.Path, root: paths.Root, fault: NameProblem) -> NameProblem:
    """Say of an unknown field that is compared, or given to a function, that a text needs single quotes."""
    text, double = bare_text(path, root)
    if fault.code != "unknown-field" or not text or fault.advice:
        return fault
    advice = f"For text, use single quotes: '{text}'."
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        advice = f"For a number, use backquotes: `{text}`; for text, single quotes: '{text}'."
    if double:
        return NameProblem("double-quotes", f'"{text}" in double quotes is a field, not text.', advice)
    return fault._replace(advice=advice)


def _rows(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    """Find fields that no row of a setting has."""
    if not any(setting.type == "rows" for setting in context.mapping.settings.values()):
        return
    item = rows.item_of(context.mapping, found.scope.loops)
    for name, setting in rows.unknown_fields(context.mapping, found.path, item):
        guess, advice = suggestion(name, setting.fields, "fields")
        column = next((token.column for token in path.tokens if token.kind in NAMES and token.value == name), 1)
        message = f"The rows of {quoted(setting.name)} have no field {quoted(name)}."
        yield context.problem_in(found, column, "unknown-row-field", message, advice, fix=better(name, guess))


def _templates(context: CheckContext, found: Occurrence, path: paths.Path) -> Iterator[Problem]:
    """Find templates where there is no event to fill them from, and functions that would get them unfilled."""
    if "to_string" in path.calls and _in_rows(context, found, path):
        message = "`to_string` would get the template of a row before it is filled."
        advice = "Use the function `string` of `as` instead."
        yield context.problem_in(found, 1, "template-unfilled", message, advice)
    shared = found.scope.kind == "http" and context.mapping.batches
    if not (shared or found.scope.kind in SCOPES) or not reads_template(context.mapping, found.path):
        return
    title = "The base URL" if found.place[0] == "http" else SCOPES[found.scope.kind][1]
    title = "A batch, which has this too," if shared else title
    message = f"{title} is not made for one event, so there is nothing to fill this template with."
    advice = "Use the setting in a request, or make it a setting of another type."
    yield context.problem_in(found, path.roots[0].column, "template-without-event", message, advice)


def _in_rows(context: CheckContext, found: Occurrence, path: paths.Path) -> bool:
    """Whether a path reads rows with templates, from the settings or as the item of a loop."""
    settings = context.mapping.settings
    read = [name for root in path.roots if root.name == "settings" for name in root.members[:1] or settings]
    item = rows.item_of(context.mapping, found.scope.loops)
    of_item = isinstance(item, rows.Row) and item.setting.holds_template
    return any(
        name in settings and settings[name].type == "rows" and settings[name].holds_template for name in read
    ) or (of_item and any(root.name == "item" for root in path.roots))


def _problem(
    context: CheckContext, found: Occurrence, path: paths.Path, root: paths.Root, fault: NameProblem
) -> Problem:
    column = member_column(path, root, root.members[0]) if fault.member else root.column
    fix = better(root.members[0], fault.guess) if fault.member else fault.fix
    problem = context.problem_in(found, column, fault.code, fault.message, fault.advice, fix=fix)
    if not fault.section:
        return problem
    return context.record_unknown(fault.section, root.members[0] if fault.member else None, fault.guess, problem)


def member_column(path: paths.Path, root: paths.Root, member: str) -> int:
    """Return the column of a name that follows a root."""
    later = (token for token in path.tokens if token.column > root.column and token.kind in NAMES)
    return next((token.column for token in later if token.value == member), root.column)


def name_problem(context: CheckContext, found: Occurrence, root: paths.Root) -> NameProblem | None:
    """Return what is wrong with a name that a path begins with, or None."""
    scope, name = found.scope, root.name
    if scope.kind == "key" and name != "settings":
        return None  # it is no secret setting, and credentials.py says so
    if scope.kind in SCOPES and name not in _names(context, found):
        return _other_scope(context, found, name)
    if name == "settings":
        return _setting(context, root)
    if scope.kind in SCOPES:
        return None
    if name == "parts":
        return _part(context, root)
    if name == "saved":
        return _saved(scope, root)
    if name in IN_OBJECT:
        return _loop_word(scope, name)
    if name in CALL_WORDS or name in scope.added or any(name in FIELDS[call] for call in calls_of(context, found)):
        return None
    return _unknown_field(context, root, found)


def calls_of(context: CheckContext, found: Occurrence) -> Iterable[str]:
    """Return the calls whose fields a path may name: all of them for an unused part and for a part of a shared file."""
    calls, shared = found.scope.calls, not context.owns(found.place)
    return FIELDS if not calls or (found.scope.kind == "part" and shared) else calls


def _setting(context: CheckContext, root: paths.Root) -> NameProblem | None:
    if not root.members:
        return None
    settings, name = context.mapping.settings, root.members[0]
    if name not in settings:
        guess, advice = suggestion(name, settings, "settings", "settings.")
        return NameProblem(
            "unknown-setting", f"Unknown setting {quoted(name)}.", advice, "settings", guess, member=True
        )
    if len(root.members) > 1 and settings[name].type == "rows":
        message = f"The setting {quoted(name)} is a list of rows, so it has no {quoted(root.members[1])}."
        return NameProblem(
            "not-an-object", message, f"Write settings.{name}[0].{root.members[1]}, or filter the rows.", member=True
        )
    if len(root.members) > 1 and settings[name].type == "template" and settings[name].format == "json":
        return None
    if len(root.members) > 1 and settings[name].type != "table":
        message = f"The setting {quoted(name)} is not a table, so it has no {quoted(root.members[1])}."
        return NameProblem("not-an-object", message, f"Write settings.{name}.", member=True)
    return None


def _part(context: CheckContext, root: paths.Root) -> NameProblem | None:
    if not root.members:
        return NameProblem("whole-parts", "`parts` is not a value by itself.", "Name a part, e.g. parts.email.")
    parts, name = context.mapping.parts, root.members[0]
    if name not in parts:
        guess, advice = suggestion(name, parts, "parts", "parts.")
        return NameProblem("unknown-part", f"Unknown part {quoted(name)}.", advice, "parts", guess, member=True)
    return _part_key(context, name, root.members[1]) if len(root.members) > 1 else None


def _part_key(context: CheckContext, name: str, key: str) -> NameProblem | None:
    known = keys_of(context.mapping, PathValue((), f"parts.{name}"))
    if known is None or key in known or not known:
        return None
    _, advice = suggestion(key, sorted(known), "keys", f"parts.{name}.")
    return NameProblem("unknown-part-key", f"The part {quoted(name)} has no key {quoted(key)}.", advice)


def _saved(scope: Scope, root: paths.Root) -> NameProblem | None:
    if not root.members or root.members[0] in scope.saved:
        return None
    name = root.members[0]
    if name in scope.later:
        message = f"{quoted(name)} is saved by this step or a later one, so it is not available yet."
        return NameProblem("unknown-saved", message, "A step can read only what earlier steps save.", member=True)
    guess, advice = suggestion(name, sorted(scope.saved | scope.later), "saved values", "saved.")
    if guess is None:
        available = advice if scope.saved | scope.later else ""
        advice = f"{available} Add `save: {{ {name}: body.{name} }}` to the step whose response has it.".strip()
    return NameProblem("unknown-saved", f"No step saves {quoted(name)}.", advice, "saved", guess, member=True)


def _loop_word(scope: Scope, name: str) -> NameProblem | None:
    if name in scope.loop:
        return None
    if scope.kind == "part":
        message = f"A part cannot use `{name}`: it is computed once per event, not once per item."
        return NameProblem("item-in-part", message, "Write the value inside the loop.")
    if scope.loop:
        return NameProblem("outside-loop", "`key` is available only inside `entries`; inside a list, use `index`.")
    words = "`entries`" if name == "key" else "`each`, `entries` and `for_each`"
    return NameProblem("outside-loop", f"`{name}` is available only inside {words}.")


def _names(context: CheckContext, found: Occurrence) -> frozenset[str]:
    """Return the names of a scope that is not a call's, with those of loops; `group` needs a `group_by`."""
    words = SCOPES[found.scope.kind][0] | found.scope.loop
    batch = context.mapping.batches.get(str(found.place[1])) if "group" in words else None
    return words - {"group"} if batch is not None and batch.group_by is None else words


def _other_scope(context: CheckContext, found: Occurrence, name: str) -> NameProblem:
    words, title = _names(context, found), SCOPES[found.scope.kind][1]
    if name == "group" and "group" in SCOPES[found.scope.kind][0]:
        message = "This batch has no `group`, because it has no `group_by`."
        return NameProblem("unknown-field", message, "Add it, e.g. group_by: userId.")
    guess = closest(name, sorted(words))
    message = f"{title} has no {quoted(name)}, only {listed(sorted(words), 'and')}."
    return NameProblem("unknown-field", message, f"Did you mean {guess}?" if guess else "", fix=better(name, guess))


def _unknown_field(context: CheckContext, root: paths.Root, found: Occurrence) -> NameProblem:
    name, advice = root.name, []
    calls = tuple(calls_of(context, found))
    guess = _guess(context, calls, root, found.scope)
    if guess:
        advice.append(f"Did you mean {guess}?")
    if name in ("null", "true", "false"):
        advice = [f"For the value {name}, write `{name}` with the backquotes."]
    elif found.word in MAY_BE_TEXT and types.plain(found.path) == (name,):
        named = guess is not None and guess.endswith(f".{name}")  # it is not misspelled, so a text is more likely
        advice.insert(0 if named else len(advice), _constant(name))
    elif found.word in ("only", "except") and types.plain(found.path) == (name,):
        advice.append(f"To name a key, write a list: [{name}].")
    others = [call for call, fields in FIELDS.items() if name in fields]
    message = (
        f"{_subject(found.scope.kind, calls)} has {'a' if len(calls) == len(FIELDS) else 'no'} field {quoted(name)}"
    )
    message += f"; {listed(others, 'and')} calls have it." if others else "."
    section, _, inner = (guess or "").partition(".")
    fix = better(name, guess if inner == name else section) if guess else None
    if inner and section in ("parts", "settings"):
        return NameProblem("unknown-field", message, " ".join(advice), section, inner, fix=fix)
    return NameProblem("unknown-field", message, " ".join(advice), fix=fix)


def _subject(kind: str, calls: Sequence[str]) -> str:
    if len(calls) == len(FIELDS):
        return "No call"
    if kind in SUBJECTS:
        return SUBJECTS[kind].format(listed(calls, "and"))
    return a_call(listed(calls))


def _guess(context: CheckContext, calls: Sequence[str], root: paths.Root, scope: Scope) -> str | None:
    fields = sorted({field for call in calls for field in FIELDS[call]} | CALL_WORDS | scope.loop | scope.added)
    guess = closest(root.name, fields) or EVENT_FIELDS.get(root.name)
    if guess in fields:
        return ".".join((guess, *root.members)) if guess in ("parts", "settings") else guess
    for prefix, names in (("parts", context.mapping.parts), ("settings", context.mapping.settings)):
        if root.name in names:
            return f"{prefix}.{root.name}"
    return None
