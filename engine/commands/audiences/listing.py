"""`engine audiences list`: the definitions, how many users they have, when they run next, how their last run ended."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import click

from engine.commands.audiences.shared import AudienceFiles, audience_options, iso_or_none, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.audiences.model import Definition
    from engine.audiences.state import AudienceState, Run, SeenDefinition

NEVER = "never synced"
NONE = "There are no audiences and no computed traits in {file}."
REMOVED = "removed"


@click.command("list")
@json_option
@audience_options
def command(as_json: bool, files: AudienceFiles) -> None:
    """List audiences and computed traits: users, schedule, next and last run, connections."""
    from engine.commands.output.columns import Column, table
    from engine.commands.output.text import Display

    entries = list(_entries(files))
    if as_json:
        click.echo(json.dumps(entries, ensure_ascii=False, indent=2))
        return
    if not entries:
        click.echo(NONE.format(file=files.audiences))
        return
    columns = (
        Column("key", 12, 3),
        Column("kind"),
        Column("users", right=True),
        Column("every"),
        Column("next run (UTC)"),
        Column("last run (UTC)"),
        Column("ended"),
        Column("connections", 10, 2),
    )
    for line in table(Display(sys.stdout), columns, [_row(each) for each in entries]):
        click.echo(line)


def _row(entry: dict[str, object]) -> list[str]:
    last = entry["last_run"]
    assert last is None or isinstance(last, dict)
    return [
        str(entry["key"]),
        str(entry["kind"]),
        "" if entry["size"] is None else str(entry["size"]),
        str(entry["every"] or "by hand"),
        str(entry["next_run"] or "").replace("T", " ")[:19],
        NEVER if last is None else str(last["started_at"]).replace("T", " ")[:19],
        "" if last is None else str(last["state"]),
        ", ".join(map(str, entry["connections"])),  # type: ignore[call-overload]
    ]


def _entries(files: AudienceFiles) -> Iterator[dict[str, object]]:
    """Yield all definitions with what is known of them, and those that were removed after they were sent."""
    from engine.audiences.state import FOLDER, AudienceState

    definitions = files.definitions().entries
    if not (files.archive / FOLDER / "state.db").exists():
        for each in definitions:
            yield _entry(each, None, None, None)
        return
    state = AudienceState(files.archive / FOLDER)
    try:
        seen = {each.key: each for each in state.definitions()}
        for each in definitions:
            yield _entry(each, seen.get(each.key), _last(state, each.key), state.last_sent(each.key))
        keys = {each.key for each in definitions}
        for gone in seen.values():
            if gone.key not in keys and (sent := state.last_sent(gone.key)) is not None:
                yield _removed_entry(gone, sent)
    finally:
        state.close()


def _last(state: AudienceState, key: str) -> Run | None:
    return next(iter(state.runs(key, 1)), None)


def _entry(
    definition: Definition, seen: SeenDefinition | None, last: Run | None, sent: Run | None
) -> dict[str, object]:
    from engine.audiences.reasons import duration_text
    from engine.commands.audiences.sync import run_json

    return {
        "key": definition.key,
        "name": definition.name,
        "title": definition.title,
        "kind": definition.kind,
        "size": None if sent is None else sent.size,
        "every": None if definition.every is None else duration_text(definition.every),
        "next_run": iso_or_none(next_run(definition, seen, last)),
        "connections": list(definition.connections),
        "last_run": None if last is None else run_json(last),
        "removed": False,
    }


def next_run(definition: Definition, seen: SeenDefinition | None, last: Run | None) -> float | None:
    """Return when a definition runs next, None if only by hand: what the schedule noted, or what it will say."""
    from engine.audiences.schedule import LastRun, Scheduled, planned

    if seen is not None and seen.next_run is not None:
        return seen.next_run
    known = {} if last is None else {definition.key: LastRun(last.started_at, 0, last.state == "sending")}
    return next((each.at for each in planned([Scheduled(definition.key, definition.every)], known, time.time())), None)


def _removed_entry(gone: SeenDefinition, sent: Run) -> dict[str, object]:
    from engine.commands.audiences.sync import run_json

    return {
        "key": gone.key,
        "name": gone.name,
        "title": "",
        "kind": gone.kind,
        "size": sent.size,
        "every": REMOVED,
        "next_run": None,
        "connections": list(sent.connections),
        "last_run": run_json(sent),
        "removed": True,
    }
