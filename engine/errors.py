"""Every error waybill raises on purpose, as one tree.

    WaybillError
    ├── UsageError            the caller asked for something that is not there (exit code 2)
    │   ├── MappingNotFound   no mapping of that name or path
    │   └── SettingsError     settings that do not fit the mapping's `settings`
    ├── MappingError          a mapping file with problems; carries them all
    └── PathError             a text that is no JMESPath, with the column

Problems *in mappings* are collected as `Problem` records and only become a `MappingError` when somebody
tries to run the mapping.  Events never raise: whatever is wrong with one is its outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.mapping.problems import Problem


class WaybillError(Exception):
    """Something a person can put right; the text says how."""


class UsageError(WaybillError):
    """The command or call names something that does not exist or does not fit."""


class MappingNotFound(UsageError):  # noqa: N818  reads as what happened
    """No mapping of that name or path."""


class SettingsError(UsageError):
    """Settings that do not fit; `problems` holds one sentence each and never a secret's value, `names` whose it is."""

    def __init__(self, destination: str, problems: Sequence[str], names: Sequence[str] = ()) -> None:
        self.destination = destination
        self.problems = tuple(problems)
        self.names = tuple(names)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"The settings of {destination} do not fit:\n{lines}")


class MappingError(WaybillError):
    """A mapping that cannot run; `problems` are those `validate-mappings` would print."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PathError(WaybillError):
    """A text that is no JMESPath expression; `column` counts from 1 inside the text."""

    def __init__(self, message: str, column: int) -> None:
        self.column = column
        super().__init__(message)
