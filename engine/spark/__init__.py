"""Plans of events as a step of a Spark job: `plan_events`.

    from engine.spark import plan_events

    planned = plan_events(spark.read.text("s3a://bucket/events/"), "my_destination", {"api_key": "${env:API_KEY}"})

Importing this needs no Spark: executors import `engine.spark.batches`, which needs pyarrow alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.spark.planning import plan_events

__all__ = ["plan_events"]

MISSING = "plan_events needs packages that are not installed ({name}): pip install 'waybill[spark]'"


def __getattr__(name: str) -> object:
    """Import `plan_events` on first use; raises UsageError where the extra is missing."""
    if name != "plan_events":
        raise AttributeError(f"module 'engine.spark' has no attribute {name!r}")
    from importlib.util import find_spec

    from engine.errors import UsageError

    for package in ("pyspark", "pyarrow", "pandas"):  # mapInArrow asks for the last one
        if find_spec(package) is None:
            raise UsageError(MISSING.format(name=package))
    from engine.spark.planning import plan_events

    return plan_events
