"""Everything in one table.

make bench                  (or: .venv/bin/python -m benchmarks)
make bench ROWS=plan        plan, peers, npm, run, delivery, serve, audiences, start; several by commas
make bench-page             also the curves; writes the figures and pictures of docs/performance.md
"""

from __future__ import annotations

import argparse

from benchmarks import plan, programs
from benchmarks._table import Measured, table

PLANS = ("plan", "peers", "npm")
GROUPS = (*PLANS, *programs.GROUPS)


def measured(groups: list[str], rounds: int, events: int) -> list[Measured]:
    """Measure the rows of these groups: those of planning first, then the programs."""
    found = []
    rows = plan.chosen([], [name for name in groups if name in PLANS])
    if rows:
        found += plan.run(rows, rounds)
    others = [name for name in groups if name in programs.GROUPS]
    if others:
        found += programs.run(others, max(1, rounds // 3), events)
    return found


def main() -> None:
    """Measure and print; with --page, also write the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", default="", help="groups of rows, by commas; default: all")
    options.add_argument("--rounds", type=int, default=plan.ROUNDS)
    options.add_argument("--events", type=int, default=200_000, help="events of `engine run`")
    options.add_argument("--page", action="store_true", help="write docs/performance.md and its pictures")
    options.add_argument("--endless", type=int, default=5_000_000, help="events that one process plans, for the page")
    given = options.parse_args()
    groups = [name for name in given.rows.split(",") if name] or list(GROUPS)
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        options.error(f"no such rows: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    found = measured(groups, given.rounds, given.events)
    print("\n".join(table(found)))
    if given.page:
        from benchmarks import page

        page.write(found, rounds=given.rounds, events=given.endless)


if __name__ == "__main__":
    main()
