"""`engine audiences follow`: syncs definitions when they are due, beside `engine serve`, which starts it. Hidden."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import check_extra
from engine.commands.audiences.shared import AudienceFiles, audience_options, chosen, opened_state
from engine.commands.options import outbox_option
from engine.commands.shared import FOUND
from engine.delivery.outbox.base import DEFAULT_FILE
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.audiences.model import Definitions
    from engine.audiences.state import AudienceState
    from engine.delivery.outbox.location import Location

NOT_GUARDED = "Run {number} is no longer the one that the guard stopped, so nothing was sent. Look at the last run."

CHECKED_WITHIN = 300.0
"""Seconds that the check of a file of definitions may take."""
MOST_WORDS = 1000

followed_outbox_option = outbox_option(default=DEFAULT_FILE)


@click.command("follow", hidden=True)
@followed_outbox_option
@audience_options
def command(outbox_file: Location, files: AudienceFiles) -> int:
    """Sync definitions when they are due, until standard input ends or a signal comes."""
    check_extra()
    import sys

    from engine.audiences.follower import AudienceFollower, FollowedFiles
    from engine.collector.companions import until_stopped
    from engine.delivery import logs

    def load(path: Path) -> Definitions:
        return definitions_apart(files._replace(audiences=path))

    handler = logs.start(sys.stderr, ())
    followed = FollowedFiles(files.audiences, files.archive, files.connections, files.directories, outbox_file, load)
    try:
        with until_stopped() as stop, opened_state(files.archive) as state:
            AudienceFollower(state, followed).run(stop)
    finally:
        logs.stop(handler)
    return 0


def definitions_apart(files: AudienceFiles) -> Definitions:
    """Read the definitions after another process has done so and lived; raises UsageError.

    The check of a query may crash the database, or be ended, and must not end who follows with it.
    """
    import subprocess
    import sys

    from engine.language.texts import visible_lines

    arguments = ["audiences", "list", "--json"]
    for name in ("audiences", "archive", "connections"):
        arguments += [f"--{name}", str(getattr(files, name))]
    code, words = -1, f"It takes more than {CHECKED_WITHIN:g} seconds."
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603  the engine itself
            [sys.executable, "-m", "engine", *arguments], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=CHECKED_WITHIN, check=False,
        )  # fmt: skip
        code, words = done.returncode, done.stderr[-MOST_WORDS:].decode(errors="replace")
    if code < 0 or code == FOUND:
        raise UsageError(
            f"{files.audiences}: the check of its queries ended the process. {visible_lines(words)}".strip()
        )
    return files.definitions()


@click.command("run", hidden=True)
@click.argument("key")
@click.option("--approve", type=int, help="Send although the guard stopped this run, if it is still the last one.")
@followed_outbox_option
@audience_options
def run_one(key: str, approve: int | None, outbox_file: Location, files: AudienceFiles) -> int:
    """Sync one definition for `follow`, in a process of its own, so that a crash of the database ends only this."""
    check_extra()
    from engine.audiences.feeding import in_turns
    from engine.audiences.state import FAILED, SYNC_PATIENCE
    from engine.collector.companions import until_stopped
    from engine.commands.audiences.sync import syncer_of
    from engine.commands.options import open_outbox

    definition = chosen(files.definitions(), key, files.audiences)
    with ExitStack() as stack:
        stop = stack.enter_context(until_stopped())
        state = stack.enter_context(opened_state(files.archive))
        stack.enter_context(state.lock(SYNC_PATIENCE, stop.wait))
        if approve is not None:
            _check_approved(state, definition.key, approve)
        outbox = stack.enter_context(open_outbox(outbox_file, create=True))
        stopped = in_turns(stop.is_set, time.monotonic)
        syncer = syncer_of(state, files, lambda _run: None, stopped, stop.wait)
        run = syncer.sync(definition, outbox, files.now, yes=approve is not None)
    return FOUND if run.state == FAILED else 0


def _check_approved(state: AudienceState, key: str, number: int) -> None:
    """Raise UsageError unless a run is the last one of its definition and guarded: an approval counts once."""
    from engine.audiences.state import GUARDED

    last = next(iter(state.runs(key, 1)), None)
    if last is None or last.number != number or last.state != GUARDED:
        raise UsageError(NOT_GUARDED.format(number=number))
