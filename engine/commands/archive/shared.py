"""What the commands of `engine archive` share: which archive, and the extra that they need."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import click

from engine.commands.options import keep_option
from engine.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
ARCHIVE = click.Path(path_type=Path)  # what is wrong with it is for the catalog to say
DEFAULT_ARCHIVE = Path("archive")
MISSING = "The archive needs packages that are not installed ({name}): pip install 'waybill[audiences]'."


def check_extra() -> None:
    """Raise UsageError if DuckDB or pyarrow is not installed."""
    for name in ("duckdb", "pyarrow"):
        if find_spec(name) is None:
            raise UsageError(MISSING.format(name=name))


def with_archive(command: Callable[P, R]) -> Callable[P, R]:
    """Pass the directory of the archive to a command, as `directory`."""

    @click.option(
        "--archive",
        "own_directory",
        type=ARCHIVE,
        metavar="DIR",
        help="The directory of the archive; may also precede the command's name.",
    )
    @wraps(command)
    def with_directory(*args: P.args, **kwargs: P.kwargs) -> R:
        own = cast("Path | None", kwargs.pop("own_directory"))
        kwargs["directory"] = own or click.get_current_context().obj
        check_extra()
        return command(*args, **kwargs)

    return with_directory


def keep_seconds(option: str, keep: str | None) -> float | None:
    """Read how long an archive keeps events; raises UsageError."""
    return keep_option(option, keep, "whole days are removed")


def size_text(size: float) -> str:
    """Return a number of bytes as people read it: `12.3 MB`."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    for unit in units:
        if size < 1000 or unit == units[-1]:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


def time_text(microseconds: int | None) -> str:
    """Return a time of the archive as text, to the second; `-` where there is none."""
    from engine.language.times import iso_text, moment_at

    moment = None if microseconds is None else moment_at(microseconds // 1_000_000)
    return "-" if moment is None else iso_text(moment)
