"""`engine delete`: remove users everywhere, and see what became of it. One module a command."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.delete import resume, status, unsuppress
from engine.commands.delete.shared import advance, archive_option, code_of, counts_of, elsewhere, held_of, in_file
from engine.commands.options import FILE, mappings_option, open_outbox, outbox_option
from engine.commands.shared import CommandGroup, counted
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.errors import UsageError
from engine.language.texts import visible

if TYPE_CHECKING:
    from engine.deletion.archived import ArchivedPersons
    from engine.delivery.configured_connection import ConfiguredConnection
    from engine.delivery.outbox.location import Location
    from engine.delivery.outbox.sqlite import SqliteOutbox

DEFAULT_CONNECTIONS = Path("connections.yaml")
SHOWN = 10
"""Users whose deletions are shown one by one."""
NO_CONNECTIONS = (
    "No delete events are sent to vendors: name the connections with --connections FILE (their part of this deletion "
    "is then not done)."
)
NEEDS_YES = "This removes users for good, and asks before it does so on a terminal; elsewhere add --yes."
EMAIL = "{email} is taken as an ID here. It is the email of {user}: use --user {user} to delete that user."
SEND = "Delete events wait: a running `engine serve` sends them, or `engine send --connections {file}`."
STEPS = ("IDs found", "suppression written", "removed", "delete events queued", "", "ended")


class DeleteGroup(CommandGroup):
    """Says of an unknown command, which may be meant as a user, how users are named."""

    def _suggestion(self, ctx: click.Context, name: str, known: list[str]) -> str:
        return f"{super()._suggestion(ctx, name, known)} Users are named with --user ID."


@click.group("delete", cls=DeleteGroup, invoke_without_command=True)
@click.option("--user", "users", multiple=True, metavar="ID", help="A user ID, or an anonymous ID. Repeatable.")
@click.option("--file", "file", type=FILE, help="One ID a line, or a JSON list of IDs or of objects with userId.")
@click.option("--suppress", is_flag=True, help="Also discard later events of these users.")
@click.option(
    "--connections", "connections_file", type=FILE, help="Send delete events to the connections of this file."
)
@mappings_option
@outbox_option("location", default=DEFAULT_FILE)
@archive_option
@click.option("--dry-run", is_flag=True, help="Say what would be removed, but remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def command(  # noqa: PLR0913, PLR0917  the options are what they are
    context: click.Context,
    users: tuple[str, ...],
    file: Path | None,
    suppress: bool,
    connections_file: Path | None,
    directories: tuple[Path, ...],
    location: Location,
    archive: Path | None,
    dry_run: bool,
    yes: bool,
) -> int | None:
    """Remove users everywhere: outbox, archive, audiences, and at each vendor whose mapping has a delete call.

    Users merged by alias, their anonymous IDs and their emails are found and removed too. Doing it again does no harm.

    Exit code 0: done; 1: a person has to do something, the report says what; 2: wrong usage; 3: delete events wait to
    be sent; 4: the outbox or the archive cannot be used.
    """
    context.obj = path = in_file(location)
    if context.invoked_subcommand is not None:
        return None
    from engine.commands.delete.users import users_of

    found = users_of(users, file)
    if connections_file is None and DEFAULT_CONNECTIONS.exists():
        connections_file = DEFAULT_CONNECTIONS
    _warn_of_emails(found, elsewhere(archive))  # a wrong archive is refused before anything is changed
    connections = _connections(connections_file, directories)
    with open_outbox(path) as outbox:
        if dry_run:
            _show_what_would_be(outbox, found, archive, connections)
            return 0
        _ask(found, path, len(connections), yes=yes)
        code = _delete(outbox, found, connections, archive, suppress=suppress)
        if connections_file is None:
            click.echo(NO_CONNECTIONS, err=True)
        elif code == 3 and not any(row.owner for row in outbox.connections()):
            click.echo(SEND.format(file=connections_file), err=True)
        return code


def _connections(file: Path | None, directories: Sequence[Path]) -> list[ConfiguredConnection]:
    if file is None:
        return []
    import os

    from engine.delivery.connections import load

    return list(load(file, os.environ, directories).connections)


def _warn_of_emails(users: Sequence[str], places: Sequence[ArchivedPersons]) -> None:
    """Say of emails, which are no IDs, whose they are."""
    emails = {user.lower(): user for user in users if "@" in user}
    for place in places if emails else ():
        for email, user in place.users_with([*emails]):
            if emails[email] != user:
                click.echo(EMAIL.format(email=visible(emails[email]), user=visible(user)), err=True)


def _ask(users: Sequence[str], path: Path, connections: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(NEEDS_YES)
    who = visible(users[0]) if len(users) == 1 else counted(len(users), "user")
    where = f"{path} and {counted(connections, 'connection')}" if connections else str(path)
    click.confirm(f"Delete {who} for good, in {where}?", abort=True)


def _delete(
    outbox: SqliteOutbox,
    users: Sequence[str],
    connections: Sequence[ConfiguredConnection],
    archive: Path | None,
    *,
    suppress: bool,
) -> int:
    from engine.commands.output.deletions import report_text, summary_text
    from engine.commands.output.text import Display
    from engine.deletion.beginning import begin_by_command
    from engine.deletion.vendors import parts_of
    from engine.delivery.outbox import deletions

    numbers = begin_by_command(outbox, users, parts_of(connections), time.time(), suppress=suppress)
    advance(outbox, archive, _progress if len(users) > SHOWN else None)
    found = outbox.look(lambda db: [each for number in numbers for each in deletions.listed(db, number=number)])
    counts = counts_of(outbox, found)
    if len(found) > SHOWN:
        click.echo(summary_text(found, counts))
        return code_of(found)
    held, display = held_of(outbox), Display(sys.stdout)
    for each in found:
        click.echo(report_text(display, each, counts_of(outbox, [each]), held))
    return code_of(found)


def _progress(step: int, users: int) -> None:
    click.echo(f"{counted(users, 'user')}: {STEPS[step]}", err=True)


def _show_what_would_be(
    outbox: SqliteOutbox, users: Sequence[str], archive: Path | None, connections: Sequence[ConfiguredConnection]
) -> None:
    from engine.commands.output.deletions import would_be_text
    from engine.deletion.steps import all_ids, one_person
    from engine.deletion.vendors import expected_parts
    from engine.delivery.outbox import removal
    from engine.events.persons import asked_for

    places, given = elsewhere(archive), [asked_for(user) for user in users]
    found = [one_person(*each) for each in zip(given, all_ids(outbox, given, places), strict=True)]
    ids = [each for each, _ in found]
    for user, (_, reason) in zip(users, found, strict=True):
        if reason:
            click.echo(f"{visible(user)}: {reason}.", err=True)
    counts = removal.count_of(outbox, removal.RemovedPersons(enumerate(ids, 1)))
    archived = [sum(each) for each in zip(*(place.counts(ids) for place in places), strict=True)]
    click.echo(would_be_text(users, ids, counts, archived, expected_parts(connections, users[0])))


for each in (status, resume, unsuppress):
    command.add_command(each.command)
