"""The outbox as pages see it: whatever is wrong with it becomes a page that says so and what to do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starlette.exceptions import HTTPException

from engine.delivery.outbox.base import OutboxError
from engine.delivery.outbox.reading import OutboxFile
from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.console.site import Site
    from engine.delivery.outbox.sqlite import SqliteOutbox

T = TypeVar("T")


async def looked(path: Path, function: Callable[[sqlite3.Connection], T]) -> T:
    """Return what a function of `looking` finds, in a thread; raises HTTPException where the outbox cannot be read."""
    return await asyncio.to_thread(_look, path, function)


async def changed(site: Site, function: Callable[[SqliteOutbox], T]) -> T:
    """Return what a function does to the outbox, in a thread; raises HTTPException where it cannot be written."""
    return await asyncio.to_thread(change, site, function)


def look(path: Path, function: Callable[[sqlite3.Connection], T]) -> T:
    """Return what a function of `looking` finds; raises OutboxError or UsageError."""
    return OutboxFile(path).look(function)


def _look(path: Path, function: Callable[[sqlite3.Connection], T]) -> T:
    try:
        return look(path, function)
    except (OutboxError, UsageError) as error:
        raise HTTPException(503, str(error)) from error


def change(site: Site, function: Callable[[SqliteOutbox], T]) -> T:
    """Return what a function does to the outbox; raises HTTPException where it cannot be written."""
    try:
        with site.opened() as outbox:
            return function(outbox)
    except OutboxError as error:
        raise HTTPException(503, str(error)) from error
