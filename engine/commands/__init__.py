"""The command line: one file a command, imported only when that command runs, because start-up counts.

Exit codes: 0 fine; 1 something was found wrong (problems in mappings, invalid or broken events); 2 wrong usage
(no such mapping, settings that do not fit, unknown options); 3 some events wait (`engine send`); 4 the outbox cannot
be used; 70 an error of the engine itself; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import click

from engine.errors import UsageError, WaybillError

FOUND, USAGE, OUTBOX, INTERNAL, INTERRUPTED = 1, 2, 4, 70, 130

COMMANDS: dict[str, tuple[str, str]] = {
    "validate-mappings": (
        "engine.commands.validate",
        "Check mapping files; says what is wrong, where, and what to do.",
    ),
    "run": ("engine.commands.run", "Show what events become: the planned requests, sending nothing."),
    "send": ("engine.commands.send", "Deliver events through a durable outbox, to the vendors or into the sandbox."),
    "serve": ("engine.commands.serve", "Receive events from Segment's libraries and deliver them."),
    "import": ("engine.commands.import_events", "Add events of files to the outbox, as if a source had sent them."),
    "outbox": ("engine.commands.outbox", "Look into an outbox: what ended how and why; send it again, go on, tidy up."),
    "connections": ("engine.commands.connections_check", "Check a file of connections, with --live at the vendors."),
    "sandbox": ("engine.commands.sandbox", "Emulate the vendors on a port, to try everything without an account."),
    "show": ("engine.commands.show", "Print a mapping: its file, what extends and include make of it, or its code."),
}


class Commands(click.Group):
    """A group that knows its commands by name and loads the module of the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command's module and give the command."""
        from importlib import import_module

        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one gets a suggestion."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from engine.mapping.suggest import closest

            guess = closest(args[0], list(COMMANDS))
            advice = f"Did you mean {guess}?" if guess else f"There are: {', '.join(COMMANDS)}."
            raise click.UsageError(f'There is no command "{args[0]}". {advice}', ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name=None, version="0.1.0", prog_name="engine")
def engine() -> None:
    """Turn Segment-spec events into vendors' HTTP requests, as mapping files say.

    Start with: engine run NAME --events samples/documents.ndjson --example-settings
    """


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `engine`; never shows a traceback."""
    _run(engine, argv)


def validate_mappings(argv: Sequence[str] | None = None) -> None:
    """Run the command `validate-mappings`, installed alone for pre-commit and CI."""
    from engine.commands.validate import command

    _run(command, argv)


def _run(command: click.Command, argv: Sequence[str] | None) -> None:
    """Run a command and turn whatever it raises into a message and an exit code.

    Not called `run`: importing the module of that command would put itself in its place.
    """
    sys.exit(_guarded(lambda: command.main(args=None if argv is None else list(argv), standalone_mode=False)))


def _guarded(work: Callable[[], object]) -> int:
    try:
        result = work()
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
    except WaybillError as error:
        click.echo(str(error), err=True)
        return _code(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else "The output could not be written: "
        click.echo(f"{where}{error.strerror or error}.", err=True)
        return FOUND
    except Exception as error:  # noqa: BLE001  no traceback ever reaches a user
        return _internal(error)
    return result if isinstance(result, int) else 0


def _code(error: WaybillError) -> int:
    from engine.delivery.outbox.base import OutboxError

    if isinstance(error, OutboxError):
        return OUTBOX
    return USAGE if isinstance(error, UsageError) else FOUND


def _quiet_pipe() -> int:
    """`engine run ... | head` is no error; what is still buffered has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _internal(error: Exception) -> int:
    if os.environ.get("ENGINE_DEBUG"):
        raise error
    from engine.delivery.supervisor import WITH

    place = f"({type(error).__name__})"
    place = " ".join([place, *(note for note in getattr(error, "__notes__", ()) if note.startswith(WITH))])
    click.echo(f"An error of the engine itself {place}. ENGINE_DEBUG=1 shows where; please report it.", err=True)
    return INTERNAL
