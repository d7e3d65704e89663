"""The clock of SQL in a definition: `now()`, `current_date` and the like are the moment of the computation.

So an example with `at` is computed as of then, and so is a run that is late. DuckDB finds a macro before its own
function of the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.archive.queries import ArchiveConnection

MOMENTS = {
    "now": "{moment}",
    "get_current_timestamp": "{moment}",
    "transaction_timestamp": "{moment}",
    "current_localtimestamp": "CAST({moment} AT TIME ZONE 'UTC' AS TIMESTAMP)",
    "current_date": "CAST({moment} AT TIME ZONE 'UTC' AS DATE)",
    "today": "CAST({moment} AT TIME ZONE 'UTC' AS DATE)",
    "get_current_time": "CAST({moment} AT TIME ZONE 'UTC' AS TIME)",
    "current_localtime": "CAST({moment} AT TIME ZONE 'UTC' AS TIME)",
}


def set_clock(connection: ArchiveConnection, now: float) -> None:
    """Make the clock of a connection stand at a moment, in seconds since 1970."""
    moment = f"to_timestamp({now!r}::DOUBLE)"
    for name, value in MOMENTS.items():
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {name}() AS {value.format(moment=moment)}")
