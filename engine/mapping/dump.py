"""Writing a resolved mapping as YAML: one file that is valid by itself and contains the parts it uses."""

from __future__ import annotations

from typing import Any, cast

from engine.mapping.load import Loaded
from engine.mapping.walk import Occurrences
from engine.records import Json, JsonObject

SCHEMA_LINE = "# yaml-language-server: $schema=../schemas/mapping.schema.json\n"


def dumped(loaded: Loaded) -> str:
    """Return the YAML of a mapping with `extends` and `include` resolved, without unused parts."""
    value = {key: member for key, member in loaded.raw.items() if key != "include"}
    used = {name for name, calls in Occurrences(loaded.mapping).part_calls.items() if calls}
    parts = {name: part for name, part in cast("JsonObject", value.pop("parts", {})).items() if name in used}
    if parts:
        value["parts"] = parts
    return SCHEMA_LINE + write(value)


def write(value: Json) -> str:
    """Return JSON as YAML that the strict reader reads back unchanged."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  anchors and aliases are refused
            return True

    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
