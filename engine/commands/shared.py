"""What all commands share: exit codes, groups of commands, counts and advice.

Imports nothing but click, because `engine --help` loads this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import click

FOUND, USAGE, WAITING, OUTBOX, INTERNAL, INTERRUPTED = 1, 2, 3, 4, 70, 130

HELP_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


def counted(number: int, noun: str) -> str:
    """Return `1 event` or `2 events`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return advice on a mistyped word: the nearest known one, or all of them."""
    from engine.language.suggest import closest

    names = list(known)
    if guess := closest(word, names):
        return f"Did you mean {guess}?"
    return f"Available: {', '.join(names) or 'none'}."


class CommandGroup(click.Group):
    """A group whose unknown commands get a suggestion."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one gets a suggestion."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            raise click.UsageError(f'There is no command "{name}". {self._suggestion(ctx, name, known)}', ctx)
        return super().resolve_command(ctx, args)

    def _suggestion(self, ctx: click.Context, name: str, known: list[str]) -> str:
        for command in known:
            if len(name) > 2 and command.startswith(name.lower()):  # `validate` for `validate-mappings`
                return f"Did you mean {command}?"
        for command in known:
            with suppress(ImportError):  # a command may need an extra that is not installed
                group = self.get_command(ctx, command)
                if isinstance(group, click.Group) and name in group.commands:
                    return f"Did you mean {command} {name}?"
        return did_you_mean(name, known)
