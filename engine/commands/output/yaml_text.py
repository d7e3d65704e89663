"""JSON values as YAML that can be pasted into a mapping: what the strict reader takes, and what no terminal obeys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from engine.language.texts import visible
from engine.records import Json, JsonObject

WIDTH = 110
"""Up to here an object stands on one line."""
PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./@() -]*[A-Za-z0-9_./@()-])?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"})
"""What YAML, or somebody who reads it, may take for something other than text."""


def yaml_item(value: JsonObject, indent: int) -> list[str]:
    """Write an object as an item of a list, in lines."""
    lines = list(_block(value, indent + 2))
    lines[0] = f"{' ' * indent}- {lines[0].lstrip()}"
    return lines


def _block(value: JsonObject | list[Json], indent: int) -> Iterator[str]:
    """Write an object or list over several lines."""
    margin = " " * indent
    if isinstance(value, list):
        for member in value:
            if isinstance(member, dict) and member and not _fits(member, indent + 2):
                yield from yaml_item(member, indent)
            else:
                yield f"{margin}- {_entry(member)}"
        return
    for key, member in value.items():
        if isinstance(member, dict | list) and member and not _fits(member, indent + len(key) + 2):
            yield f"{margin}{_scalar(key)}:"
            yield from _block(member, indent + 2)
        else:
            yield f"{margin}{_scalar(key)}: {_flow(member)}"


def _entry(member: Json) -> str:
    """Write an item of a list; an object with one key needs no braces."""
    if isinstance(member, dict) and len(member) == 1:
        ((key, value),) = member.items()
        return f"{_scalar(key)}:" if value is None else f"{_scalar(key)}: {_flow(value)}"
    return _flow(member)


def _fits(value: JsonObject | list[Json], indent: int) -> bool:
    nested = isinstance(value, list) and any(isinstance(member, dict) for member in value)
    return not nested and indent + len(_flow(value)) <= WIDTH


def _flow(value: Json) -> str:
    if isinstance(value, dict):
        members = ", ".join(f"{_scalar(key)}: {_flow(member)}" for key, member in value.items())
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: Json) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    if '"' in value and not re.search(r"['\\\x00-\x1f\x7f]", value) and visible(value) == value:
        return f"'{value}'"
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(character: str) -> str:
    """Write a character so that it shows; JSON has escaped those below U+0020 already."""
    if visible(character) == character:
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
