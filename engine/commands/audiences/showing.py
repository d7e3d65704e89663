"""`engine audiences show`: one definition over time, a sample of its users, or why a given user is in or out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import check_extra
from engine.commands.audiences.listing import next_run
from engine.commands.audiences.shared import (
    AudienceFiles,
    audience_options,
    chosen,
    iso_or_none,
    json_option,
    opened_state,
    utc,
)
from engine.commands.output.text import Display
from engine.commands.shared import FOUND

if TYPE_CHECKING:
    from engine.audiences.changes import SentUser
    from engine.audiences.explaining import Explained, MembershipReason
    from engine.audiences.model import Definition
    from engine.audiences.state import AudienceState

SAMPLE = 10
LAST_RUNS = 5
BARS = "▁▂▃▄▅▆▇█"
CHART_WIDTH = 60
NO_USER = 'The archive has no user with the ID or email "{user}".'


@click.command("show")
@click.argument("name")
@click.option("--user", help="A user ID, anonymous ID or email: whether that user is in, and why.")
@json_option
@audience_options
def command(name: str, user: str | None, as_json: bool, files: AudienceFiles) -> int:
    """Show an audience or computed trait: its size over time, a sample, its last runs; or why a user is in or out."""
    check_extra()
    definition = chosen(files.definitions(), name, files.audiences)
    with opened_state(files.archive) as state:
        if user is not None:
            return _show_user(state, files, definition, user, as_json=as_json)
        overview = _overview(state, definition)
    if as_json:
        click.echo(json.dumps(overview, ensure_ascii=False, indent=2))
    else:
        _print_overview(overview)
    return 0


def _overview(state: AudienceState, definition: Definition) -> dict[str, object]:
    from engine.audiences.changes import sent_users
    from engine.audiences.reasons import duration_text
    from engine.commands.audiences.sync import run_json

    runs = state.runs(definition.key, LAST_RUNS)
    sent, path = state.last_sent(definition.key), state.sent_file(definition.key)
    seen = next((each for each in state.definitions() if each.key == definition.key), None)
    return {
        "key": definition.key,
        "name": definition.name,
        "title": definition.title,
        "about": definition.about,
        "kind": definition.kind,
        "size": None if sent is None else sent.size,
        "connections": list(definition.connections),
        "every": None if definition.every is None else duration_text(definition.every),
        "next_run": iso_or_none(next_run(definition, seen, next(iter(runs), None))),
        "sizes": [{"at": iso_or_none(each.at), "size": each.size} for each in state.sizes(definition.key)],
        "sample": [] if path is None else [_user_json(each) for each in sent_users(path, SAMPLE)],
        "runs": [run_json(run) for run in runs],
    }


def _user_json(user: SentUser) -> dict[str, object]:
    found: dict[str, object] = {"userId": user.user_id, "anonymousId": user.anonymous_id, "email": user.email}
    return {name: each for name, each in found.items() if each is not None} | {"value": json.loads(user.value)}


def _print_overview(overview: dict[str, object]) -> None:
    display = Display(sys.stdout)
    click.echo(display.paint(f"{overview['name']}  ({overview['kind']} {overview['key']})", "title"))
    if overview["about"] or overview["title"]:
        click.echo(display.wrap(" ".join(filter(None, (str(overview["title"]), str(overview["about"])))), "  ", 2))
    connections = ", ".join(map(str, overview["connections"])) or "none"  # type: ignore[call-overload]
    every = overview["every"]
    planned = f"every {every}, next run {_clock(overview['next_run'])}" if every else "by hand"
    click.echo(f"  connections  {connections}\n  runs         {planned}")
    size = overview["size"]
    click.echo(f"  users        {'never synced' if size is None else size}")
    for line in _chart(overview["sizes"]):  # type: ignore[arg-type]
        click.echo(line)
    _print_sample(display, overview)
    _print_runs(overview["runs"])  # type: ignore[arg-type]


def _clock(text: object) -> str:
    return f"{str(text).replace('T', ' ')[:19]} UTC"


def _chart(sizes: Sequence[dict[str, object]]) -> Iterator[str]:
    """Yield the size over time as one line of bars, with its ends."""
    if len(sizes) < 2:
        return
    step = max(1, -(-len(sizes) // CHART_WIDTH))
    shown = [int(str(each["size"])) for each in sizes[::-step][::-1]]
    highest = max(shown)
    bars = "".join(BARS[round((len(BARS) - 1) * size / max(1, highest))] for size in shown)
    first, last = (str(each["at"])[:10] for each in (sizes[0], sizes[-1]))
    yield f"  over time    {bars}  {first} to {last}, at most {highest}"


def _print_sample(display: Display, overview: dict[str, object]) -> None:
    sample: list[dict[str, object]] = overview["sample"]  # type: ignore[assignment]
    if not sample:
        return
    click.echo(f"\nA sample of its users ({len(sample)} of {overview['size']}), as they were sent:")
    for each in sample:
        for line in display.fold(each, 2):  # type: ignore[arg-type]
            click.echo(line)


def _print_runs(runs: Sequence[dict[str, object]]) -> None:
    from engine.commands.output.text import duration
    from engine.language.texts import visible_lines

    if runs:
        click.echo("\nLast runs (UTC):")
    for run in runs:
        changed = f", {run['changed']} changed" if run["changed"] else ""
        took = float(str(run["took"]))
        click.echo(
            f"  {run['number']:>4}  {_clock(run['started_at'])[:19]}  {run['state']:<8}  {run['entered']} entered, "
            f"{run['left']} left{changed}, {run['unchanged']} unchanged, {run['without_id']} without id, "
            f"took {duration(took) if took >= 1 else f'{took:.1f}s'}"
        )
        if run["message"]:
            click.echo(f"        {visible_lines(str(run['message']))}")


def _show_user(state: AudienceState, files: AudienceFiles, definition: Definition, user: str, *, as_json: bool) -> int:
    from engine.archive.connecting import QueryLimits
    from engine.archive.queries import opened
    from engine.audiences.changes import sent_user
    from engine.audiences.explaining import explain, find_user
    from engine.language.texts import visible

    with opened(files.archive, QueryLimits()) as connection:
        found = find_user(connection, user)
        if found is None:
            click.echo(NO_USER.format(user=visible(user)), err=True)
            return FOUND
        explanation = explain(connection, definition, found, files.now)
    last, path = state.last_sent(definition.key), state.sent_file(definition.key)
    sent = None if path is None else sent_user(path, found.person_id)
    if as_json:
        click.echo(json.dumps(_explanation_json(definition, explanation, sent), ensure_ascii=False, indent=2))
        return 0
    for line in _explanation_lines(definition, explanation):
        click.echo(line)
    if last is not None:
        value = "not sent" if sent is None else f"{definition.key}: {visible(sent.value)}"
        click.echo(f"  last run ({utc(last.started_at)} UTC): {value}")
    return 0


def _explanation_lines(definition: Definition, explanation: MembershipReason) -> Iterator[str]:
    from engine.language.texts import visible

    name, user = definition.name, visible(explanation.user.user_id or explanation.user.person_id)
    if definition.kind == "audience":
        yield f'{user} is {"in" if explanation.is_in else "not in"} "{name}".'
    elif explanation.value is None:
        yield f'{user} has no value of "{name}".'
    else:
        yield f'{user} has {visible(explanation.value)} as "{name}".'
    if not explanation.conditions:
        yield "  It is defined by SQL, so only its result is known: see engine archive query."
    for each in explanation.conditions:
        yield from _condition_lines(each)
    if explanation.changes_at is not None:
        yield f"  {_change(definition, explanation)} on {utc(explanation.changes_at)} UTC unless events change that."


def _change(definition: Definition, explanation: MembershipReason) -> str:
    if definition.kind != "audience":
        return "Its oldest event stops counting"
    return "Leaves" if explanation.is_in else "Enters"


def _condition_lines(condition: Explained) -> Iterator[str]:
    from engine.language.texts import visible

    indent = "  " * (condition.depth + 1)
    count = condition.matching
    events = "" if count is None else f" ({count} event{'' if count == 1 else 's'})"
    yield f"{indent}{'holds' if condition.holds else 'does not hold'}: {visible(condition.text)}{events}"
    for each in condition.events:
        yield f"{indent}  {utc(each.at)}  {visible(each.event)}  {visible(each.message_id)}"
    if count is not None and count > len(condition.events):
        yield f"{indent}  ... and {count - len(condition.events)} earlier ones"


def _explanation_json(
    definition: Definition, explanation: MembershipReason, sent: SentUser | None
) -> dict[str, object]:
    return {
        "key": definition.key,
        "person_id": explanation.user.person_id,
        "user_id": explanation.user.user_id,
        "in": explanation.is_in,
        "value": None if explanation.value is None else json.loads(explanation.value),
        "sent": None if sent is None else json.loads(sent.value),
        "conditions": [_condition_json(each) for each in explanation.conditions],
        "changes_at": iso_or_none(explanation.changes_at),
    }


def _condition_json(condition: Explained) -> dict[str, object]:
    events = [
        {"at": iso_or_none(each.at), "event": each.event, "messageId": each.message_id} for each in condition.events
    ]
    return {
        "depth": condition.depth,
        "condition": condition.text,
        "holds": condition.holds,
        "events": condition.matching,
        "newest": events,
    }
