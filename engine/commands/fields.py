"""`engine fields`: which field of an event goes to which destination, request and field, and in which form."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.mapping_arguments import load_all, without_problems
from engine.commands.options import mappings_option
from engine.commands.shared import FOUND, did_you_mean

if TYPE_CHECKING:
    from engine.pages.field_uses import FieldUse

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would calculate (https://owasp.org/www-community/attacks/CSV_Injection)."""
MOST_NAMED = 6
"""Keys of `only` and `except` that are shown in a line."""


@click.command("fields")
@click.argument("names", nargs=-1, required=True, metavar="MAPPING...")
@click.option(
    "--field",
    metavar="FIELD",
    help="Only this field (`traits.email`), fields of this name (`email`), or a kind of personal data (`ids`).",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="Text for people, a JSON list, or CSV for a spreadsheet.",
)
@mappings_option
def command(names: tuple[str, ...], field: str | None, style: str, directories: tuple[Path, ...]) -> int:
    """List which fields of events each MAPPING (a name, a file, or a folder of them) sends, where, and in which form.

    A form is `clear`, the name of a hash function, or `condition` for what is only read to decide. Personal data is
    marked with its kind. Nothing is run: a field is listed if some event could send it.

    Exit code 0: fine; 1: no mapping reads FIELD, or a mapping has problems; 2: wrong usage.
    """
    from engine.mapping.load import Library
    from engine.pages.field_uses import field_uses, matches

    library = Library(directories or None)
    loaded = without_problems([each for name in names for each in load_all(library, name)])
    every = list(dict.fromkeys(use for each in loaded for use in field_uses(each)))
    uses = every if field is None else [use for use in every if matches(use, field)]
    click.echo(FORMATS[style](uses), nl=False)
    if not uses and field is not None:
        click.echo(_nothing(field, every), err=True)
        return FOUND
    return 0


def _nothing(field: str, every: Iterable[FieldUse]) -> str:
    from engine.language.texts import visible
    from engine.mapping.personal import KINDS

    known = sorted({*KINDS, *(use.field for use in every)} - {field})
    advice = did_you_mean(field, known)
    return visible(f"No mapping here reads {field}." + (f" {advice}" if advice.startswith("Did") else ""))


def _json(uses: list[FieldUse]) -> str:
    import orjson

    from engine.language.texts import visible_lines

    return visible_lines(orjson.dumps([use.as_json() for use in uses], option=orjson.OPT_INDENT_2).decode()) + "\n"


def _csv(uses: list[FieldUse]) -> str:
    from engine.language.texts import visible

    if not uses:
        return ""
    rows = [use.as_json() for use in uses]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {name: " ".join(map(str, each)) if isinstance(each, list) else each for name, each in row.items()}
        texts = {name: "" if cell is None else visible(str(cell)) for name, cell in cells.items()}
        writer.writerow({name: f"'{text}" if text.startswith(FORMULA) else text for name, text in texts.items()})
    return file.getvalue()


def _text(uses: list[FieldUse]) -> str:
    from engine.language.texts import visible_lines

    return "".join(f"{visible_lines(line)}\n" for line in _lines(uses))


def _lines(uses: list[FieldUse]) -> Iterator[str]:
    ordered = sorted(uses, key=lambda use: use.field)
    for number, (field, group) in enumerate(groupby(ordered, key=lambda use: use.field)):
        rows = list(group)
        if number:
            yield ""
        named = dict.fromkeys(kind for use in rows for kind in use.kinds)
        may_hold = "may hold " if any(use.may_hold for use in rows) else ""
        yield field + (f"  [{may_hold}{', '.join(named)}]" if named else "")
        cells = list(dict.fromkeys(_cells(use) for use in rows))
        widths = [max(len(row[column]) for row in cells) for column in range(3)]
        for row in cells:
            start = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
            yield f"  {start}  {row[3]}".rstrip()


def _cells(use: FieldUse) -> tuple[str, str, str, str]:
    """Return destination and call, form, request, and where in it."""
    where = "" if use.sent.part == "condition" else use.sent.part
    where = f"{where} {use.target}".strip() if where != "body" else use.target or "the body"
    form = use.flow.hashed or use.form
    return f"{use.destination} {use.sent.call}", form, use.sent.request, f"{where}{_keys(use)}"


def _keys(use: FieldUse) -> str:
    only, but = use.flow.only, use.flow.but
    found = f" (only {_some(only)})" if only is not None else ""
    return found + (f" (without {_some(but)})" if but else "")


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - MOST_NAMED} more" if len(ordered) > MOST_NAMED else ""
    return ", ".join(ordered[:MOST_NAMED]) + more


FORMATS: dict[str, Callable[[list[FieldUse]], str]] = {"text": _text, "json": _json, "csv": _csv}
