"""`engine audiences follow`: syncs definitions when they are due, beside `engine serve`, which starts it. Hidden."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.commands.archive.shared import check_extra
from engine.commands.audiences.shared import AudienceFiles, audience_options, chosen, opened_state
from engine.commands.options import OUTBOX_FILE
from engine.commands.shared import FOUND
from engine.delivery.outbox.base import DEFAULT_FILE

if TYPE_CHECKING:
    from engine.audiences.model import Definitions

outbox_option = click.option(
    "--outbox", "outbox_file", type=OUTBOX_FILE, metavar="FILE", default=DEFAULT_FILE, show_default=True
)


@click.command("follow", hidden=True)
@outbox_option
@audience_options
def command(outbox_file: Path, files: AudienceFiles) -> int:
    """Sync definitions when they are due, until standard input ends or a signal comes."""
    check_extra()
    import sys

    from engine.audiences.follower import AudienceFollower, FollowedFiles
    from engine.collector.companions import until_stopped
    from engine.delivery import logs

    def load(path: Path) -> Definitions:
        return files._replace(audiences=path).definitions()

    handler = logs.start(sys.stderr, ())
    followed = FollowedFiles(files.audiences, files.archive, files.connections, files.directories, outbox_file, load)
    try:
        with until_stopped() as stop, opened_state(files.archive) as state:
            AudienceFollower(state, followed).run(stop)
    finally:
        logs.stop(handler)
    return 0


@click.command("run", hidden=True)
@click.argument("key")
@outbox_option
@audience_options
def run_one(key: str, outbox_file: Path, files: AudienceFiles) -> int:
    """Sync one definition for `follow`, in a process of its own, so that a crash of the database ends only this."""
    check_extra()
    from engine.audiences.state import FAILED, SYNC_PATIENCE
    from engine.collector.companions import until_stopped
    from engine.commands.audiences.sync import syncer_of
    from engine.commands.options import open_outbox

    definition = chosen(files.definitions(), key, files.audiences)
    with ExitStack() as stack:
        stop = stack.enter_context(until_stopped())
        state = stack.enter_context(opened_state(files.archive))
        stack.enter_context(state.lock(SYNC_PATIENCE, stop.wait))
        outbox = stack.enter_context(open_outbox(outbox_file, create=True))
        syncer = syncer_of(state, files, lambda _run: None, stop.is_set, stop.wait)
        run = syncer.sync(definition, outbox, files.now)
    return FOUND if run.state == FAILED else 0
