"""docs/commands.md, made from the commands themselves.

Made from the options and not from `--help`, whose line breaks differ from version to version of click.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from engine.commands import COMMANDS, engine
from engine.commands.shared import FOUND, INTERNAL, INTERRUPTED, OUTBOX, USAGE, WAITING

_OPENING = f"""\
# Commands

<!-- Made by `make docs` from engine/commands. -->

The command is installed as `engine` and as `waybill`; in a checkout, `python cli.py` is the same.
`validate-mappings` is also installed as a command of its own.

| exit code | means |
|---|---|
| 0 | fine |
| {FOUND} | something was found wrong: problems in mappings, invalid events, events that could not be read |
| {USAGE} | wrong usage: no such mapping or file, invalid settings, unknown options |
| {WAITING} | `engine send`: some events are waiting or held |
| {OUTBOX} | `engine send`, `outbox`, `import`, `serve`: the outbox is damaged, locked, full, or of a newer version |
| {INTERNAL} | internal error; `WAYBILL_DEBUG=1` shows the traceback |
| {INTERRUPTED} | interrupted |

| environment variable | means |
|---|---|
| `WAYBILL_MAPPINGS` | folders of own mappings, separated as in `PATH`; before those that ship (default: `mappings`) |
| `WAYBILL_DEBUG` | if set, an internal error shows its traceback |
| `WAYBILL_ADMIN_TOKEN` | the token of `engine serve --admin-token` |
| `NO_COLOR` | if set, no colors |
| `COLUMNS` | the width of the terminal, where it does not report the right one |

`ENGINE_MAPPINGS` and `ENGINE_DEBUG`, the former names of the first two, are deprecated.
"""


def commands_markdown() -> str:
    """Return the text of docs/commands.md."""
    context = click.Context(engine, info_name="engine")
    commands = [engine.get_command(context, name) for name in COMMANDS]
    contents = [f"- [`engine {name}`](#engine-{name}): {about}" for name, (_, about) in COMMANDS.items()]
    sections = [line for command in commands if command is not None for line in _section(command, "engine")]
    return "\n".join([_OPENING, *contents, "", *sections])


def _section(command: click.Command, before: str) -> Iterator[str]:
    name = f"{before} {command.name}"
    inner = list(command.commands.values()) if isinstance(command, click.Group) else []
    arguments = [_argument(each) for each in command.params if isinstance(each, click.Argument)]
    usage = [name, *arguments, *(["COMMAND"] if inner else []), "[OPTIONS]"]
    yield f"## {name}\n"
    yield f"```console\n$ {' '.join(usage)}\n```\n"
    yield "\n".join(" ".join(paragraph.split()) + "\n" for paragraph in (command.help or "").split("\n\n"))
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield "| option | means |"
        yield "|---|---|"
        yield from (_row(each) for each in options)
        yield ""
    for each in inner:
        yield from _section(each, name)


def _argument(argument: click.Argument) -> str:
    if argument.metavar:
        return argument.metavar
    name = (argument.name or "").upper()
    return f"[{name}]..." if argument.nargs == -1 else name


def _row(option: click.Option) -> str:
    takes = "" if option.is_flag else f" {_metavar(option)}"
    means = [option.help or "", *_remarks(option)]
    names = [*option.opts, *option.secondary_opts]
    return f"| `{'` `'.join(names)}`{takes and f' `{takes.strip()}`'} | {' '.join(filter(None, means))} |"


def _metavar(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "/".join(option.type.choices)
    return option.metavar or option.type.name.upper()


def _remarks(option: click.Option) -> Iterator[str]:
    if option.required:
        yield "Required."
    if option.secondary_opts:
        yield f"Default: `{(option.opts if option.default else option.secondary_opts)[0]}`."
    elif isinstance(option.default, str | int | Path) and str(option.default) and not option.is_flag:
        yield f"Default: `{option.default}`."
