"""A outline as the text of a mapping file, in the layout of those that ship, with comments and examples.

ruamel.yaml writes it, so that no text of a stranger can become anything but a text. Texts that a YAML reader could
take for something else are quoted, and characters that nobody sees are escapes.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from engine.language.texts import visible
from engine.records import Json, JsonObject, Secret
from engine.scaffolding.outline import clean

if TYPE_CHECKING:
    from ruamel.yaml import YAML

SCHEMA = "# yaml-language-server: $schema=../schemas/mapping.schema.json"
WIDTH = 110
PLAIN = re.compile(r"[A-Za-z_/$](?:[\w @./${}()|+-]*[\w./})])?")
"""A text that is written without quotes. More would be possible; this is certain."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ADDRESS = re.compile(r"https?://[\w./${}-]+")
WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
SECTIONS = frozenset(["settings", "http", "requests", "responses", "include", "calls", "examples"])


class Commented:
    """A value with a comment at the end of its first line."""

    def __init__(self, value: Any, comment: str) -> None:
        self.value = value
        self.comment = clean(comment, 100)


class Inline(dict[str, Any]):
    """An object that is written in one line where it fits, e.g. an instruction or a part of an example."""


def inline(value: Json) -> Any:
    """Return a value whose objects are `Inline`."""
    if isinstance(value, dict):
        return Inline({key: inline(member) for key, member in value.items()})
    return [inline(each) for each in value] if isinstance(value, list) else value


def write(document: JsonObject, *, schema_line: bool) -> str:
    """Return the text of a mapping; values may be `Commented`."""
    stream = StringIO()
    _yaml().dump(_node(document), stream)
    lines = [SCHEMA] if schema_line else []
    for line in stream.getvalue().splitlines():
        key = line.partition(":")[0]
        first = bool(lines) and lines[-1] == "examples:"
        if key in SECTIONS or (line.startswith("  - title:") and not first):
            lines.append("")
        lines.append(line)
    return "".join(f"{escaped(line)}\n" for line in lines)


def escaped(line: str) -> str:
    """Write what cannot be seen as YAML's escapes; only quoted texts have any."""
    if visible(line) == line:
        return line
    return "".join(each if visible(each) == each else _escape(ord(each)) for each in line)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _yaml() -> YAML:
    from ruamel.yaml import YAML
    from ruamel.yaml.emitter import Emitter
    from ruamel.yaml.representer import RoundTripRepresenter

    class SpacedEmitter(Emitter):
        """Writes `{ a: b }`, as the mappings that ship do."""

        def write_indicator(self, indicator: Any, *rest: Any, **more: Any) -> None:
            if indicator.strip() == "{":
                self.spaced = [*getattr(self, "spaced", []), not self.check_empty_mapping()]
                indicator += " " if self.spaced[-1] else ""
            elif indicator == "}" and self.spaced.pop():
                indicator = " }"
            super().write_indicator(indicator, *rest, **more)

    class TimeRepresenter(RoundTripRepresenter):
        """Writes times without quotes; waybill's reader takes them as the texts that they are."""

        def represent_str(self, data: Any) -> Any:
            tag = "timestamp" if TIME.fullmatch(data) else "str"
            return self.represent_scalar(f"tag:yaml.org,2002:{tag}", data)

    TimeRepresenter.add_representer(str, TimeRepresenter.represent_str)
    yaml = YAML()
    yaml.Representer = TimeRepresenter
    yaml.Emitter = SpacedEmitter
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.width = 2**20  # lines are never broken: whoever reads a file line by line can trust them
    return yaml


def _node(value: Any, *, flow: bool = False, room: int = WIDTH) -> Any:
    """Return ruamel's node of a value: short objects and lists in one line, others line by line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Commented):
        value = value.value
    if isinstance(value, dict):
        flow = flow or _is_short(value, room)
        table = CommentedMap()
        for key, member in value.items():
            node = _node(member, flow=flow, room=room - 2 - (0 if isinstance(member, dict) else len(key)))
            table[_text(key)] = node
            if isinstance(member, Commented) and not flow:
                table.yaml_add_eol_comment(member.comment, _text(key), column=0)
        _set_style(table, flow=flow)
        return table
    if isinstance(value, list):
        flow = flow or _is_short(value, room)
        items = CommentedSeq([_node(each, flow=flow, room=room - 4) for each in value])
        _set_style(items, flow=flow)
        return items
    return _text(value) if isinstance(value, str) else value


def _set_style(node: Any, *, flow: bool) -> None:
    if flow:
        node.fa.set_flow_style()
    else:
        node.fa.set_block_style()


def _is_short(value: Any, room: int) -> bool:
    """Whether a value is written in one line: objects that may be, and lists of words or of such objects."""
    if isinstance(value, list):
        fits = all(isinstance(each, str | int | float | bool | Inline) for each in value)
    else:
        fits = not value or (isinstance(value, Inline) and not _has_comment(value))
    return fits and len(str(value)) <= room


def _has_comment(value: Any) -> bool:
    if isinstance(value, Commented):
        return True
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_has_comment, members))


def _text(text: str) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(text, Secret):
        raise TypeError("a secret is not written")
    plain = PLAIN.fullmatch(text) and "  " not in text and text.lower() not in WORDS and ": " not in text
    return text if plain or TIME.fullmatch(text) or ADDRESS.fullmatch(text) else DoubleQuotedScalarString(text)
