"""The command line: one module a command, imported only when that command runs, because start-up counts.

Exit codes: 0 fine; 1 something was found wrong (problems in mappings, invalid or broken events); 2 wrong usage
(no such mapping, invalid settings, unknown options); 3 some events are waiting (`engine send`); 4 the outbox or the
archive cannot be used; 70 internal error; 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Sequence

import click

from engine.commands.shared import FOUND, HELP_SETTINGS, INTERNAL, INTERRUPTED, OUTBOX, USAGE, CommandGroup
from engine.errors import MappingError, UsageError, WaybillError

COMMANDS: dict[str, tuple[str, str]] = {
    "validate-mappings": ("engine.commands.validate", "Check mapping files: what is wrong, where, and how to fix it."),
    "new": ("engine.commands.new", "Write the mapping of a new destination, from answers, curl or OpenAPI."),
    "test": ("engine.commands.test", "Run the examples of mappings as tests, with snapshots of whole requests."),
    "run": ("engine.commands.run", "Show which requests events become, without sending them."),
    "explain": ("engine.commands.explain", "Explain one event: each output field, what is absent, what is never read."),
    "fmt": ("engine.commands.fmt", "Write mapping files in the canonical layout, comments kept."),
    "diff": (
        "engine.commands.diff",
        "Show what a change of a mapping does to traffic: which fields differ, and how often.",
    ),
    "send": ("engine.commands.send", "Deliver events through a durable outbox, to the vendors or into the sandbox."),
    "serve": ("engine.commands.serve", "Receive events from Segment's libraries and deliver them."),
    "reload": ("engine.commands.reload", "Have a running `engine serve` load its mappings and connections again."),
    "import": ("engine.commands.import_events", "Add events of files to the outbox, as if a source had sent them."),
    "backfill": ("engine.commands.backfill", "Plan history with Spark, then feed it into the outbox; can be resumed."),
    "audiences": (
        "engine.commands.audiences",
        "Compute audiences and computed traits; send vendors who entered and who left.",
    ),
    "outbox": ("engine.commands.outbox", "Inspect an outbox; replay events, resume connections, purge old events."),
    "archive": ("engine.commands.archive", "Keep all events as Parquet files by day; import, inspect, compact, check."),
    "delete": ("engine.commands.delete", "Remove users everywhere, here and at the vendors; see what became of it."),
    "console": ("engine.commands.console", "Serve the web console: look at an outbox, or try mappings, in a browser."),
    "connections": ("engine.commands.connections", "Check a file of connections; with --live, also its credentials."),
    "sandbox": ("engine.commands.sandbox", "Emulate the vendors on a port, to try everything without an account."),
    "show": ("engine.commands.show", "Print a mapping: its file, its resolved form, or its compiled code."),
    "fields": ("engine.commands.fields", "List which fields of events go where: in the clear, hashed, or not at all."),
    "lsp": ("engine.commands.lsp", "Serve an editor: problems while you type, completion, hover, rename."),
    "mcp": ("engine.commands.mcp", "Serve an assistant: tools that check, run, explain and test mappings."),
    "docs": ("engine.commands.docs", "Print a page of the documentation, or a page made from a mapping."),
}
NOT_UTF8 = re.compile("[\ud800-\udfff]")
DEPRECATED = {"ENGINE_MAPPINGS": "WAYBILL_MAPPINGS", "ENGINE_DEBUG": "WAYBILL_DEBUG"}


class Commands(CommandGroup):
    """Knows its commands by name and loads the module of the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands, in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command's module and return the command."""
        from importlib import import_module

        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=Commands, context_settings=HELP_SETTINGS)
@click.version_option("0.1.0", message="waybill %(version)s")
def engine() -> None:
    """Turn Segment-spec events into vendors' HTTP requests, as mapping files describe.

    Start with: engine run NAME --events FILE --example-settings
    """


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `engine`, also installed as `waybill`; never shows a traceback."""
    _run(engine, argv)


def validate_mappings(argv: Sequence[str] | None = None) -> None:
    """Run `validate-mappings`, which is also installed as a command of its own, for pre-commit and CI."""
    from engine.commands.validate import command

    _run(command, argv)


def _run(command: click.Command, argv: Sequence[str] | None) -> None:
    """Run a command and turn any error into a message and an exit code.

    Not called `run`: importing the module of that command would replace it.
    """
    _open_standard_streams()
    for old, new in DEPRECATED.items():
        if old in os.environ and new not in os.environ:
            click.echo(f"The environment variable {old} is deprecated; use {new}.", err=True)
    code = _guarded(lambda: command.main(args=None if argv is None else list(argv), standalone_mode=False))
    if argv is None:
        gc.freeze()  # Python ends now and need not look for cycles in all that is left: 4 % of a `validate-mappings`
    sys.exit(code)


def _open_standard_streams() -> None:
    """Open those that the caller closed (`>&-`), or the next file or socket would take their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _guarded(work: Callable[[], object]) -> int:
    try:
        result = work()
        if not sys.stdout.closed:  # a server on standard output closes it
            sys.stdout.flush()  # a pipe that is closed is found out here, not when Python ends
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet_pipe()
    except SystemExit:  # the end of click where it meets a closed pipe, and only there: no command of ours exits
        return _quiet_pipe()
    except MappingError as error:
        from engine.commands.output.events import problem_texts
        from engine.commands.output.text import Display

        click.echo("\n".join(problem_texts(error.problems, Display(sys.stderr))), err=True)
        return FOUND
    except WaybillError as error:
        click.echo(_visible(str(error)), err=True)
        return _code(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else "Cannot write output: "
        click.echo(_visible(f"{where}{error.strerror or error}."), err=True)
        return FOUND
    except UnicodeEncodeError as error:
        if not any(map(NOT_UTF8.search, sys.argv)):
            return _internal(error)
        click.echo("A name or an ID on the command line is not valid UTF-8.", err=True)
        return USAGE
    except Exception as error:  # noqa: BLE001  no traceback ever reaches a user
        return _internal(error)
    return result if isinstance(result, int) else 0


def _visible(message: str) -> str:
    from engine.language.texts import visible_lines

    return visible_lines(message)


def _code(error: WaybillError) -> int:
    from engine.archive.catalog import ArchiveError
    from engine.delivery.outbox.base import OutboxError

    if isinstance(error, (OutboxError, ArchiveError)):
        return OUTBOX
    return USAGE if isinstance(error, UsageError) else FOUND


def _quiet_pipe() -> int:
    """Treat `engine run ... | head` as success; the output still buffered has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _internal(error: Exception) -> int:
    if os.environ.get("WAYBILL_DEBUG") or os.environ.get("ENGINE_DEBUG"):
        raise error
    from engine.delivery.supervisor import WITH

    notes = " ".join(note for note in getattr(error, "__notes__", ()) if note.startswith(WITH))
    place = f"{type(error).__name__} {notes}".rstrip()
    click.echo(f"Internal error ({place}). WAYBILL_DEBUG=1 shows the traceback; please report it.", err=True)
    return INTERNAL
