"""Which path of a value won, and which were tried before it; for everyone who shows an explanation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from engine.records import Json, JsonObject


def only_path(details: Sequence[JsonObject], value: Json) -> str | None:
    """Return the path whose value was sent as it is, where nothing else happened."""
    leaves = list(leaf_paths(details))
    if not leaves or any(each["kind"] != "path" for each in leaves):
        return None
    last = leaves[-1]
    return str(last["text"]) if last["value"] == value and last["value"] is not None else None


def leaf_paths(details: Iterable[JsonObject]) -> Iterator[JsonObject]:
    """Return what happened, in place of a part what happened inside it."""
    for each in details:
        inner = cast("list[JsonObject]", each["inner"])
        if inner and each["kind"] == "path":
            yield from leaf_paths(inner)
        else:
            yield each


def losers(details: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the paths that were tried before the one that won."""
    return [each for each in leaf_paths(details) if each["value"] is None]
