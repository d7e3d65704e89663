"""The noun of a setting, which is also that of a field of rows."""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Any

from engine.mapping.keys import Holds, declare, keys_of, plain
from engine.noun import Noun
from engine.records import Json


def _row_fields(written: dict[str, dict[str, Any]]) -> Table[str, Setting]:
    return {name: Setting.of(name, raw) for name, raw in written.items()}


class Setting(Noun):
    """What a person fills in; also a field of the rows of one."""

    name: str
    title: str = declare(Holds.PLAIN)
    type: str = declare(Holds.PLAIN)
    about: str = plain("")
    default: Json = plain()
    optional: bool = plain(default=False)
    secret: bool = plain(default=False)
    sent_in: str | None = plain()
    choices: tuple[Json, ...] = plain((), convert=tuple)
    pattern: str | None = plain()
    example: Json = plain()
    many: bool = plain(default=False)
    fields: Table[str, Setting] = plain(default={}, convert=_row_fields)
    format: str = plain("text")
    escape: str = plain("none")
    missing: str = plain("empty")
    personal: tuple[str, ...] = plain((), convert=tuple)

    @staticmethod
    def of(name: str, raw: dict[str, Any]) -> Setting:
        """Read a setting, or a field of rows."""
        keys = [key for key in keys_of(Setting) if raw.get(key.word) is not None]
        known: dict[str, Any] = {
            key.attribute: key.convert(raw[key.word]) if key.convert else raw[key.word] for key in keys
        }
        return Setting(name=name, **known)

    @property
    def holds_template(self) -> bool:
        """Whether its value is a template, or has templates in its rows."""
        return self.type == "template" or any(each.holds_template for each in self.fields.values())
