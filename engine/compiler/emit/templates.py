"""The templates in a connection's settings -> one generated function for each text, once per connection.

Paths are written by the emitter that writes those of mappings, so they mean the same and count the same steps.  The
module of a mapping is shared by its connections; this one belongs to one connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

from engine.compiler import filling
from engine.compiler.emit.conditions import emit_path_value
from engine.compiler.emit.values import emit_value
from engine.compiler.filling import Fill, Template
from engine.compiler.lines import Lines, build
from engine.compiler.writer import CallParts, Module, Uses, Writer
from engine.events.spec import COMMON, FIELDS
from engine.language.sizes import json_size
from engine.language.template import Hole, Text
from engine.mapping import templates
from engine.mapping.load import Loaded
from engine.mapping.model import Mapping
from engine.mapping.problems import place_text
from engine.mapping.setting import Setting
from engine.mapping.templates import Content
from engine.records import Json, JsonObject, Place

EVENT_FIELDS = tuple(dict.fromkeys(name for fields in FIELDS.values() for name in fields))
ROOTS = {"options": "options", "message": "event", "settings": "settings"}


def with_templates(loaded: Loaded, settings: JsonObject) -> JsonObject:
    """Return the settings with a `Template` in place of each template; they have passed the checks of settings."""
    found = list(_templates_of(loaded.mapping, settings))
    if not found:
        return settings
    writer = TemplatesWriter(loaded)
    for place, setting, written in found:
        writer.add(place, setting, written)
    made = iter(writer.templates(settings))
    return {name: _replaced(loaded.mapping.settings[name], value, made) for name, value in settings.items()}


def _templates_of(mapping: Mapping, settings: JsonObject) -> Iterator[tuple[Place, Setting, Json]]:
    for name, value in settings.items():
        if name in mapping.settings:
            yield from _in(mapping.settings[name], value, ("settings", name))


def _in(setting: Setting, value: Json, place: Place) -> Iterator[tuple[Place, Setting, Json]]:
    if setting.type == "template":
        yield place, setting, value
    elif setting.type == "rows" and setting.holds_template:
        for number, row in enumerate(cast("list[JsonObject]", value)):
            for name, member in row.items():
                yield from _in(setting.fields[name], member, (*place, number, name))


def _replaced(setting: Setting, value: Json, made: Iterator[Template]) -> Json:
    """Put in the templates, in the order of `_templates_of`."""
    if setting.type == "template":
        return cast("Json", next(made))  # opaque to everything but `filled`
    if setting.type == "rows" and setting.holds_template:
        return [
            {name: _replaced(setting.fields[name], member, made) for name, member in row.items()}
            for row in cast("list[JsonObject]", value)
        ]
    return value


class TemplatesWriter:
    """Writes the functions of all templates of one connection."""

    def __init__(self, loaded: Loaded) -> None:
        self._module = Module(loaded, emit_value)
        self._functions: list[str] = []
        self._makers: list[Callable[[Iterator[Fill]], Template]] = []

    def add(self, place: Place, setting: Setting, written: Json) -> None:
        """Write the functions of one template."""
        content = templates.read(setting, written)
        for leaf in templates.leaves_of(content, content):  # type: ignore[arg-type]  # places are all it takes
            if leaf.text.holes:
                self._functions.append(self._function((*place, *leaf.place), setting, leaf.text))
        self._makers.append(partial(_template, place_text(place), json_size(written), content))

    def templates(self, settings: JsonObject) -> list[Template]:
        """Compile everything that was added."""
        lines = Lines()
        with lines.block("def connect(settings):"):
            lines.extend(self._module.settled)
            lines.extend(self._module.functions)
            lines.add(f"return [{', '.join(self._functions)}]")
        name = f"<waybill templates of {self._module.mapping.name}>"
        connect = build(lines.text(), self._module.names, name)["connect"]
        fills = iter(cast("Callable[[JsonObject], list[Fill]]", connect)(settings))
        return [make(fills) for make in self._makers]

    def _function(self, place: Place, setting: Setting, text: Text) -> str:
        module = self._module
        writer = TemplateWriter(module)
        alone = setting.format == "json" and len(text.pieces) == 1
        codes = [
            self._hole(writer, piece, place, setting, alone=alone)
            if isinstance(piece, Hole)
            else module.names.literal(piece)
            for piece in text.pieces
        ]
        joined = codes[0] if len(codes) == 1 else f"''.join(({', '.join(codes)}))"
        writer.lines.add(f"return {joined}")
        name = module.names.fresh("template")
        with module.functions.block(f"def {name}(event, options, reports, memo):"):
            module.functions.extend(writer.body())
        return name

    def _hole(self, writer: Writer, hole: Hole, place: Place, setting: Setting, *, alone: bool) -> str:
        """Write one `${}`; `alone`: it is a whole text of a JSON template and keeps the type of its value."""
        names, lines = self._module.names, writer.lines
        at = names.literal(place_text(place))
        value = emit_path_value(writer, hole.path, place)
        if not alone:
            text = names.fresh("text")
            lines.add(f"{text} = {self._module.helper('text_in')}({value}, reports, {at})")
            value = text
        lines.add(f"{names.function(filling.counted, 'counted')}({value}, memo, {at})")
        if setting.missing == "drop":
            with lines.block(f"if {value} is None:"):
                lines.add("return None")
        if setting.escape != "none":
            escape = names.constant(filling.ESCAPES[setting.escape], "escape")
            lines.add(f"if type({value}) is str: {value} = {escape}({value})")
        if setting.missing == "empty":
            lines.add(f"if {value} is None: {value} = ''")
        return value


class TemplateWriter(Writer):
    """The scope of a template: the fields of the event's own call, whichever that is."""

    def __init__(self, module: Module) -> None:
        super().__init__(module, ROOTS, call=CallParts(module, EVENT_FIELDS, Uses(Counter(), Counter())))

    def root(self, name: str) -> str:
        """Return the expression of a root name; a field that the event's call does not have is None."""
        if name in self.roots or name in COMMON or name not in EVENT_FIELDS:
            return super().root(name)
        variable = super().root(name)
        calls = self.names.constant(frozenset(call for call in FIELDS if name in FIELDS[call]), "calls")
        self.head.add(f"if event.get('type') not in {calls}: {variable} = None")
        return variable

    def is_object(self, name: str) -> bool:
        """Whether a root is an object whatever the event."""
        return name in ("context", "integrations", "options", "message", "settings")


def _template(place: str, size: int, content: Content, fills: Iterator[Fill]) -> Template:
    made = _fill(content, fills)
    return Template(made if callable(made) else lambda *_: made, place, size)


def _fill(content: Content, fills: Iterator[Fill]) -> Fill | Json:
    """Return what fills a piece of a template, or the piece itself where nothing in it is filled."""
    if isinstance(content, Text):
        return next(fills) if content.holes else content.literal
    if isinstance(content, dict):
        members = tuple((key, _fill(member, fills)) for key, member in content.items())
        return filling.object_of(members) if any(callable(each) for _, each in members) else dict(members)  # type: ignore[arg-type]
    if isinstance(content, list):
        items = tuple(_fill(item, fills) for item in content)
        return filling.list_of(items) if any(map(callable, items)) else list(items)  # type: ignore[arg-type]
    return content
