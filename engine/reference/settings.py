"""docs/settings.md: what a person fills in for each mapping that ships, made from the mappings themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator

from engine.mapping import bundled
from engine.mapping.load import Library
from engine.mapping.model import Mapping
from engine.mapping.setting import Setting
from engine.pages.settings_table import KINDS
from engine.records import Json

_OPENING = """\
# Settings of the destinations

<!-- Made by `make docs` from mappings/*.yaml. -->

The settings of each destination that ships.
Set them with `--settings FILE` (YAML: destination, then its settings), with `--set KEY=VALUE`,
or as a dictionary passed to `connect` in Python.
`${env:NAME}` in a value stands for an environment variable. `--example-settings` uses the examples in the last column.
No output shows a secret unless `--show-secrets` is given.
"""


def settings_markdown() -> str:
    """Return the text of docs/settings.md."""
    library = Library([])
    mappings = [library.load(path.stem).mapping for path in sorted(bundled("mappings").glob("*.yaml"))]
    contents = [f"- [{mapping.title}](#{_anchor(mapping.name)}): `{mapping.name}`" for mapping in mappings]
    return "\n".join([_OPENING, *contents, "", *(line for mapping in mappings for line in _section(mapping))])


def _section(mapping: Mapping) -> Iterator[str]:
    calls = ", ".join(f"`{call}`" for call in (*mapping.calls, *mapping.shared))
    names = ", ".join(f"`{name}`" for name in mapping.integrations)
    yield f"## {mapping.name}\n"
    yield f"{mapping.about}\n"
    yield f"Calls: {calls}. In `integrations`: {names}. Documentation: <{mapping.docs}>.\n"
    yield "| setting | title | type | required | description | example |"
    yield "|---|---|---|---|---|---|"
    yield from (_row(setting) for setting in mapping.settings.values())
    yield ""


def _row(setting: Setting) -> str:
    cells = [f"`{setting.name}`", setting.title, _kind(setting), _need(setting), setting.about, _json(setting.example)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(setting: Setting) -> str:
    kind = KINDS[setting.type]
    if setting.choices:
        kind = "one of " + ", ".join(map(_json, setting.choices))
    if setting.fields:
        fields = (
            f"`{name}` ({', '.join([_kind(field), *_field_need(field)])})" for name, field in setting.fields.items()
        )
        kind += f" of {', '.join(fields)}"
    return kind + (", **secret**" if setting.secret else "")


def _field_need(field: Setting) -> list[str]:
    return [_need(field)] if field.default is not None or field.optional else []


def _need(setting: Setting) -> str:
    if setting.default is not None:
        return f"default {_json(setting.default)}"
    return "optional" if setting.optional else "required"


def _json(value: Json) -> str:
    if value is None:
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def _anchor(name: str) -> str:
    return name.lower()
