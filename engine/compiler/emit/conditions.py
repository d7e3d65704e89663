"""Paths as values and as conditions -> statements; what can fail at run time is caught and reported.

The first half of this module tells what is certain about a path before any event: whether it reads secrets, saved
values, or only settings.
"""

from __future__ import annotations

import json
import re

from engine.compiler import filling
from engine.compiler.paths.emitter import emit as emit_path
from engine.compiler.paths.emitter import emit_condition as emit_path_condition
from engine.compiler.recording import Kind
from engine.compiler.writer import Module, Writer
from engine.language import budget, paths
from engine.language.paths.syntax import Node
from engine.mapping.keys import NO_LOOP
from engine.mapping.model import Instruction, Mapping, Value
from engine.mapping.problems import place_text
from engine.mapping.walk import descendants, paths_of, reads, reads_template
from engine.records import Place

SCALARS = frozenset({"string", "url", "boolean", "integer", "number"})


def is_text(mapping: Mapping, path: str) -> bool:
    """Whether a path always has a text: a scalar setting that is not optional."""
    name = plain_setting(path)
    setting = mapping.settings.get(name or "")
    return setting is not None and setting.type in SCALARS and not setting.optional


def plain_setting(path: str) -> str | None:
    """Return the name where the whole path is `settings.name`."""
    parsed = paths.parse(path)
    if len(parsed.roots) != 1 or parsed.roots[0].name != "settings" or len(parsed.roots[0].members) != 1:
        return None
    name = parsed.roots[0].members[0]
    return name if path.strip() == f"settings.{name}" else None


def settings_only(mapping: Mapping, path: str, loop: frozenset[str] = NO_LOOP) -> bool:
    """Whether a path reads nothing but settings and cannot fail, so that it is known when a connection is made.

    `loop` holds the names of a loop around it, which runs over what only settings give.
    """
    parsed = paths.parse(path)
    if parsed.can_fail or parsed.orders or reads_template(mapping, path):
        return False
    return all(root.name == "settings" or root.name in loop for root in parsed.roots)


def is_secret(writer: Writer, path: str) -> bool:
    """Whether a path may read a secret setting, directly, through a part, or as the item of a loop."""
    return any(_is_secret(writer, root, name) for root, name in reads(writer.module.mapping, path))


def may_give_template(writer: Writer, path: str) -> bool:
    """Whether a path may give a template that is not filled yet: one in rows; the scope has all others filled."""
    settings = writer.module.mapping.settings
    for root in paths.parse(path).roots:
        if root.name == "item" and writer.template_items:
            return True
        named = root.members[:1] or tuple(settings)
        if root.name == "settings" and any(settings[name].holds_template for name in named if name in settings):
            alone = bool(root.members) and settings[named[0]].type == "template"
            if not alone:
                return True
    return False


def is_saved(module: Module, path: str) -> bool:
    """Whether a path may read a saved value, directly or through a part."""
    return any(root == "saved" for root, _ in reads(module.mapping, path))


def value_is_secret(writer: Writer, value: Value) -> bool:
    """Whether any path inside a value may read a secret setting."""
    return any(is_secret(writer, path) for path in paths_of(value))


def value_is_saved(module: Module, value: Value) -> bool:
    """Whether any path inside a value may read a saved value."""
    return any(is_saved(module, path) for path in paths_of(value))


def asks_the_clock(value: Value) -> bool:
    """Whether a value depends on when it is asked for."""
    inner = (each for each in descendants(value) if isinstance(each, Instruction))
    return any(each.modifiers.within is not None for each in inner)


def _is_secret(writer: Writer, root: str, name: str) -> bool:
    """Whether a root is secret; of settings, the one of this name, or without a name any of them."""
    if root == "item":
        return writer.secret_items
    if root == "group":
        return writer.secret_group
    settings = writer.module.mapping.settings
    return root == "settings" and any(each.secret and name in ("", key) for key, each in settings.items())


def emit_path_value(
    writer: Writer, text: str, place: Place, *, counted: bool = True, filled: bool = True, into: str = ""
) -> str:
    """Write a path and return a variable, which others may read too; a type error is reported and makes it None.

    Where it is read again and again it is counted in the event's budget, unless its reader does that. Templates in
    what it gives are filled, unless its reader does that. `into` is a variable of the reader's own, to be assigned.
    """
    path = paths.parse(text)
    templates, secret = filled and may_give_template(writer, text), path.calls and is_secret(writer, text)
    if path.can_fail:
        variable = into or writer.own_variable()
        with _guarded(writer, variable, place), writer.path_at(place):
            writer.lines.add(f"{variable} = {emit_path(path, writer, writer.lines, writer.names)}")
    else:
        with writer.path_at(place):
            variable = emit_path(path, writer, writer.lines, writer.names)
        if into or templates or secret or not variable.isidentifier() or variable == "None":
            code, variable = variable, into or writer.own_variable()
            writer.lines.add(f"{variable} = {code}")
            writer.cleaned.discard(variable)
            if code in writer.cleaned and not secret:
                writer.cleaned.add(variable)
    if templates:
        if writer.call is None:
            writer.lines.add(f"{variable} = {writer.names.function(filling.unfilled, 'unfilled')}({variable})")
        else:
            fill = writer.names.function(filling.filled, "filled")
            writer.lines.add(f"{variable} = {fill}({variable}, event, options, reports, memo)")
    if secret:
        writer.lines.add(f"{variable} = {writer.module.helper('secret')}({variable})")
    if counted and writer.repeats and reads_outside(writer, text):
        emit_count(writer, "spend_on" if is_chain(path.tree) else "spend_on_made", variable, place)
    return variable


def emit_path_inline(writer: Writer, text: str, place: Place) -> str:
    """Write a path that cannot fail and return an expression to be written once; nothing of it is copied."""
    if may_give_template(writer, text):
        return emit_path_value(writer, text, place, counted=False)
    with writer.path_at(place):
        return emit_path(paths.parse(text), writer, writer.lines, writer.names)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OF_LOOP = frozenset({"item", "index", "key"})
CHAINS = frozenset({"field", "subexpression", "index_expression", "index"})


def reads_outside(writer: Writer, text: str) -> bool:
    """Whether a path reads anything but what belongs to the item of the loop it is in."""
    inside = OF_LOOP | {"body"} if writer.repeats == writer.body_repeats else OF_LOOP
    return any(root.name not in inside for root in paths.parse(text).roots)


def is_chain(tree: Node) -> bool:
    """Whether a tree is a name and the fields and items that follow it, which takes no time to read."""
    return tree["type"] in CHAINS and all(is_chain(child) for child in tree["children"])


def emit_count(writer: Writer, helper: str, code: str, place: Place, times: int = 1) -> None:
    """Write what counts a value in the event's budget, `times` over."""
    writer.names.function(getattr(budget, helper), helper)
    often = f", {times}" if times > 1 else ""
    writer.lines.add(f"{helper}({writer.memo()}, {code}, {writer.names.literal(place_text(place))}{often})")


def _guarded(writer: Writer, variable: str, place: Place) -> Guard:
    return Guard(writer, variable, place_text(place))


class Guard:
    """`try:` around what may raise PathTypeError; parts computed inside are not known after it."""

    def __init__(self, writer: Writer, variable: str, place: str, otherwise: str = "None") -> None:
        self.writer, self.variable, self.place, self.otherwise = writer, variable, place, otherwise
        self._block = writer.lines.block("try:")
        self._branch = writer.branch()

    def __enter__(self) -> None:
        self._block.__enter__()
        self._branch.__enter__()

    def __exit__(self, *raised: object) -> None:
        self._branch.__exit__(None, None, None)
        self._block.__exit__(None, None, None)
        writer = self.writer
        writer.module.names.function(paths.PathTypeError, "PathTypeError")
        writer.module.helper("path_failed")
        with writer.lines.block("except PathTypeError as error:"):
            writer.lines.add(f"path_failed(reports, {writer.names.literal(self.place)}, error)")
            writer.lines.add(f"{self.variable} = {self.otherwise}")


def emit_condition(writer: Writer, text: str, place: Place) -> str:
    """Write a condition and return a Python expression for its truth; a type error counts as false."""
    record_names(writer, text, place)
    holds = _condition(writer, text, place)
    writer.record(Kind.CONDITION, place, f"bool({holds})", text)
    return holds


def record_names(writer: Writer, text: str, place: Place) -> None:
    """Write what tells the recorder, if there is one, what the names in a condition or an expression give."""
    if writer.module.recorder is None:
        return
    for root in dict.fromkeys((root.name, root.members) for root in paths.parse(text).roots):
        name = ".".join((root[0], *map(_written_name, root[1])))
        if name != text:
            with writer.branch():
                writer.record(Kind.READ, place, emit_path_value(writer, name, place, counted=False), name)


def _written_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _condition(writer: Writer, text: str, place: Place) -> str:
    path = paths.parse(text)
    if not path.can_fail:
        with writer.path_at(place):
            return emit_path_condition(path, writer, writer.lines, writer.names)
    variable = writer.names.fresh("holds")
    with Guard(writer, variable, place_text(place), "None"), writer.path_at(place):
        writer.lines.add(f"{variable} = bool({emit_path_condition(path, writer, writer.lines, writer.names)})")
    return variable


def emit_conditions(writer: Writer, when: str | None, unless: str | None, place: Place) -> str:
    """Write `when` and `unless` and return an expression for both; a type error in either counts as false."""
    tests = []
    if when is not None:
        tests.append(emit_condition(writer, when, (*place, "when")))
    if unless is not None:
        holds = writer.names.fresh("holds")
        with writer.lines.block(f"if {tests[0]}:") if tests else writer.branch(), writer.branch():
            code = emit_condition(writer, unless, (*place, "unless"))
            failed = f"{code} is not None and " if paths.parse(unless).can_fail else ""
            writer.lines.add(f"{holds} = {failed}not ({code})")
        if tests:
            with writer.lines.block("else:"):
                writer.lines.add(f"{holds} = False")
        return holds
    return tests[0]
