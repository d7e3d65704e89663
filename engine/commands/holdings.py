"""What the emulated vendors hold after a run, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from engine.commands.layout import Paint, visible
from engine.records import Json

if TYPE_CHECKING:
    from engine.sandbox.server import Sandbox

SHOWN = 4
WIDTH = 118


def holdings_text(paint: Paint, sandbox: Sandbox) -> str:
    """Give, for each vendor that was asked anything, how much it holds and the newest of each kind."""
    lines: list[str] = []
    for vendor, counts in sandbox.counts().items():
        if isinstance(counts, dict) and counts.get("requests"):
            numbers = [
                f"{count} {name.replace('_', ' ')}"
                for name, count in counts.items()
                if isinstance(count, int) and count
            ]
            lines += ["", paint(f"{vendor} (sandbox)", "title"), f"  {', '.join(numbers)}"]
            lines += _newest(paint, sandbox, vendor)
    return "\n".join(lines)


def _newest(paint: Paint, sandbox: Sandbox, vendor: str) -> Iterator[str]:
    for kind, held in sandbox.state(vendor, SHOWN).items():
        if held and isinstance(held, list):
            yield paint(f"  newest {kind.replace('_', ' ')}:", "place")
            for entry in held[-SHOWN:]:
                yield f"    {_short(entry)}"


def _short(entry: Json) -> str:
    text = visible(orjson.dumps(entry).decode())
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
