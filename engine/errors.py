"""Every error that waybill raises on purpose, as one tree.

    WaybillError
    ├── UsageError            the caller asked for something that does not exist or fit (exit code 2)
    │   ├── MappingNotFound   no mapping of that name or path
    │   └── SettingsError     settings that do not fit the mapping's `settings`
    ├── MappingError          a mapping file with problems; carries them all
    └── PathError             an invalid JMESPath expression, with the column

Problems *in mappings* are collected as `Problem` records and become a `MappingError` only when the mapping is to
run.  Events never raise: an invalid event is an outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.mapping.problems import Problem


class WaybillError(Exception):
    """Something a person can fix; the text says how."""


class UsageError(WaybillError):
    """The command or call names something that does not exist or does not fit."""


class MappingNotFound(UsageError):  # noqa: N818  it says what happened
    """No mapping of that name or path."""


class SettingsError(UsageError):
    """Settings that do not fit; `problems` is one sentence each, without secret values, `names` the settings."""

    def __init__(self, destination: str, problems: Sequence[str], names: Sequence[str] = ()) -> None:
        self.destination = destination
        self.problems = tuple(problems)
        self.names = tuple(names)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"Invalid settings for {destination}:\n{lines}")


class MappingError(WaybillError):
    """A mapping that cannot run; `problems` are those `validate-mappings` would print."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PathError(WaybillError):
    """An invalid JMESPath expression; `column` counts from 1 inside the text."""

    def __init__(self, message: str, column: int) -> None:
        self.column = column
        super().__init__(message)
