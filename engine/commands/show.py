"""`engine show`: a mapping as its file, as what extends and include make of it, or as the code it runs as."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from engine.commands.options import mappings_option
from engine.mapping.load import Library, Loaded
from engine.mapping.walk import Occurrences
from engine.mapping.yaml import reader
from engine.records import Json, JsonObject

SCHEMA_LINE = "# yaml-language-server: $schema=../schemas/mapping.schema.json\n"


@click.command("show")
@click.argument("name")
@click.option(
    "--resolved", "form", flag_value="resolved", help="Resolve extends and include; the result is valid alone."
)
@click.option("--code", "form", flag_value="code", help="Show the Python code the mapping is compiled to.")
@mappings_option
def command(name: str, form: str | None, directories: tuple[Path, ...]) -> None:
    """Print a mapping. NAME is a name or a path. A mapping that extends another is always resolved."""
    loaded = Library(directories or None).load(name)
    loaded.need()
    if form == "code":
        from engine.plan import destination

        click.echo(destination(loaded).compiled.code, nl=False)
    elif form == "resolved" or _extends(loaded):
        click.echo(dumped(loaded), nl=False)
    else:
        click.echo(loaded.path.read_text(encoding="utf-8-sig"), nl=False)


def _extends(loaded: Loaded) -> bool:
    own = reader.read(loaded.path).value
    return isinstance(own, dict) and "extends" in own


def dumped(loaded: Loaded) -> str:
    """Return the text of a mapping with `extends` and `include` worked in; parts nobody uses are left out."""
    value = {key: member for key, member in loaded.raw.items() if key != "include"}
    used = {name for name, calls in Occurrences(loaded.mapping).part_calls.items() if calls}
    parts = {name: part for name, part in cast("JsonObject", value.pop("parts", {})).items() if name in used}
    if parts:
        value["parts"] = parts
    return SCHEMA_LINE + write(value)


def write(value: Json) -> str:
    """Write JSON as YAML that the strict loader reads back the same."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  anchors and aliases are refused
            return True

    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
