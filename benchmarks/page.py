"""Writes the figures and pictures of docs/performance.md, so that nobody types a figure.

    make bench-page                                     measures everything, then this
    python -m benchmarks.page repairs shapes fields     measures these curves alone, and writes their figures

A figure stands between `<!-- figures: NAME -->` and `<!-- end -->`; the words around it are written by hand.
"""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import audiences, curves, repairs
from benchmarks._svg import chart
from benchmarks._table import Measured, line, markdown, table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/performance.md"
BLOCK = re.compile(r"(<!-- figures: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PICTURES = {
    "sizes": ("The cost of an event of a size", "KB of JSON"),
    "fields": ("The cost of a mapping's fields", "fields of the mapping"),
    "connections": ("The cost of an event for each of its connections", "connections"),
}
UP = "x reading and writing its JSON"


def write(found: list[Measured], *, rounds: int, events: int, page: Path = PAGE) -> None:
    """Measure the curves and write the page and its pictures."""
    blocks = {"machine": [machine()], "table": table(found), "peers": peers(found)}
    write_curves([*PICTURES, *FIGURES], rounds=rounds, events=events, page=page, blocks=blocks)


def write_curves(
    names: Iterable[str], *, rounds: int, events: int, page: Path = PAGE, blocks: dict[str, list[str]] | None = None
) -> None:
    """Measure some curves and write their pictures and figures, and `blocks` of what was measured before."""
    blocks = dict(blocks or {})
    for name in names:
        if name in FIGURES:
            blocks[name] = FIGURES[name](rounds, events)
            continue
        title, across = PICTURES[name]
        (page.parent / "performance").mkdir(exist_ok=True)
        (page.parent / f"performance/{name}.svg").write_text(chart(title, across, UP, curves.CURVES[name](rounds)))
    page.write_text(filled(page.read_text(), blocks))
    print(f"wrote {page} and its pictures")


def filled(text: str, blocks: dict[str, list[str]]) -> str:
    """Put lines into the blocks of a page; a block of which nothing was measured stays."""

    def put(match: re.Match[str]) -> str:
        lines = blocks.get(match[2])
        return match[0] if not lines else match[1] + "\n".join(lines) + "\n" + match[3]

    return BLOCK.sub(put, text)


def machine() -> str:
    """Say what the figures are of."""
    import orjson

    day = datetime.now(UTC).date()
    system = f"{platform.system()} on {platform.machine()}"
    return f"Measured on {day}: Python {platform.python_version()}, orjson {orjson.__version__}, {system}."


def peers(found: Iterable[Measured]) -> list[str]:
    """Return how many times as long as the engine its peers take."""
    rows = {row.key: row for row in found}
    if "plan_json/all" not in rows:
        return []
    lines = []
    for row in rows.values():
        name, _, given = row.key.partition("/")
        against = rows.get({"all": "plan_json/all", "bodies": "batch/bodies"}.get(given, ""))
        if against is not None and ":" not in name and name not in {"plan_json", "plan", "batch", "orjson-loads"}:
            cells = line(row)
            lines.append((row.title, cells[1], cells[2], f"{row.ratio / against.ratio:.2f}"))
    return markdown(("peer", "x reference", "10-90 %", "x the engine"), lines)


def stages(found: curves.Points) -> list[str]:
    """Return the stages of a track call, each with its share."""
    ratios = {name: points[0][1] for name, points in found.items()}
    whole = sum(ratios.values())
    rows = [(name, f"{ratio:.2f}", f"{ratio / whole:.0%}") for name, ratio in ratios.items()]
    return markdown(("stage", "x reference", "share"), [*rows, ("all", f"{whole:.2f}", "100%")])


def memory(found: curves.Points) -> list[str]:
    """Return what is held for an event."""
    return markdown(("held", "bytes an event"), [(name, f"{points[0][1]:,.0f}") for name, points in found.items()])


def flat(seen: Iterable[curves.Tenth]) -> list[str]:
    """Return the memory of a process as it plans events, and its time."""
    head = ("events planned", "MB", "x reference")
    return markdown(head, [(f"{each.events:,}", f"{each.megabytes:.1f}", f"{each.ratio:.2f}") for each in seen])


FIGURES: dict[str, Callable[[int, int], list[str]]] = {
    "stages": lambda rounds, _: stages(curves.stages(rounds)),
    "repairs": lambda rounds, _: markdown(REPAIRS, repairs.summary(repairs.measured(rounds))),
    "memory": lambda rounds, _: memory(curves.memory(rounds)),
    "endless": lambda _, events: flat(curves.endless(events)),
    "audiences": audiences.figures,
    "shapes": lambda _, events: flat(curves.endless(events, curves.own_shape)),
}
REPAIRS = ("what is repaired", "cases", "median", "worst", "which that is")


def main() -> None:
    """Measure and write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="+", choices=[*PICTURES, *FIGURES])
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--events", type=int, default=500_000)
    given = options.parse_args()
    write_curves(given.names, rounds=given.rounds, events=given.events)


if __name__ == "__main__":
    main()
