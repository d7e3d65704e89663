"""Which users a command is about: given one by one, or in a file of IDs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from engine.errors import UsageError
from engine.events.ids import id_of_number, is_id_text
from engine.language.texts import visible
from engine.records import Json

MOST_USERS = 1_000_000
"""Users of one file."""
MOST_BYTES = 256 * 1024 * 1024
"""Bytes of a file."""

NO_USER = "Name users: --user ID, or --file FILE with an ID per line."


def users_of(given: Sequence[str], file: Path | None) -> list[str]:
    """Return the IDs of users, each once; raises UsageError for what is no ID, with its place."""
    found = [_checked(each, "--user") for each in given]
    if file is not None:
        found += _read(file)
    users = list(dict.fromkeys(found))
    if not users:
        raise UsageError(
            f"{file} names no user." if file else "Name users: --user ID, or --file FILE with an ID per line."
        )
    return users


def _read(file: Path) -> list[str]:
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise UsageError(f"{file} has {size:,} bytes; at most {MOST_BYTES:,} are read. Split it.")
    content = file.read_bytes()
    values = _json(file, content) if content.lstrip()[:1] == b"[" else _lines(file, content)
    if len(values) > MOST_USERS:
        raise UsageError(f"{file} names {len(values):,} users; at most {MOST_USERS:,} are deleted at once. Split it.")
    return [_checked(value, place) for value, place in values]


def _lines(file: Path, content: bytes) -> list[tuple[Json, str]]:
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 (byte {error.start}).") from error
    return [(line.strip(), f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _json(file: Path, content: bytes) -> list[tuple[Json, str]]:
    try:
        values = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{file}:{error.lineno}:{error.colno}: {error.msg}.") from error
    return [
        (each.get("userId") if type(each) is dict else each, f"{file}: [{number}]")
        for number, each in enumerate(values)
    ]


def _checked(value: Json, place: str) -> str:
    text = value if type(value) is str else id_of_number(value)
    if text is None or not is_id_text(text):
        shown = f'"{visible(text)}"' if text is not None else "this"
        raise UsageError(f"{place}: {shown} is no user's ID.")
    return text
