"""How long an audience takes to be computed and sent, and what the archive costs the collector.

    python -m benchmarks.audiences [--events 20000000] [--users 1000000] [--days 90] [--members 100000]
    python -m benchmarks.audiences --only recompute|sync|ingest       one part; --archive DIR uses the archive in DIR
    python -m benchmarks.audiences --row sync                         a small part as JSON, for benchmarks/programs.py

recompute   members of an audience over 30 days, and what else is computed, from an archive made by DuckDB; each in a
            process of its own, so that its peak memory is seen
sync        an audience of so many members, from nothing to the last response of a vendor that costs nothing; beside it
            as many identify calls that come in by themselves, in turns
ingest      `serve` under load with and without --archive, in turns
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import _archive

ROOT = Path(__file__).resolve().parent.parent
NOW = _archive.END.timestamp()
PARTS = ("recompute", "sync", "ingest")
DEFINITIONS = """\
audiences:
  - name: Order Completed Last 30days
    did: Order Completed
    within: 30d
  - name: Big Spenders
    all:
      - {did: Order Completed, times: ">= 2", within: 30d, where: properties.total > 100}
      - {traits: {plan: pro}}
  - name: Lapsed
    did_not: Order Completed
    within: 60d
computed_traits:
  - name: Total Spent 30days
    sum: properties.total
    did: Order Completed
    within: 30d
  - name: Last Category
    last: properties.category
    did: Product Viewed
    within: 30d
"""
