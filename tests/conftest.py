"""What holds for all tests: property tests are the same each time, a slow machine fails none, ids are readable."""

from __future__ import annotations

import gc

import prometheus_client  # noqa: F401  # here, before a server sets the variable that has its counters outlive a test
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

settings.register_profile("waybill", max_examples=40, deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("all", settings.get_profile("waybill"), max_examples=300)  # make test-all
settings.load_profile("waybill")

SHOWN = 0.005
"""Seconds of a setup from which `--durations` shows it."""

gc.disable()  # until all is collected: looking for cycles among ten thousand tests that stay took a seventh of the time


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave the tests themselves out of each later search for cycles."""
    gc.freeze()
    gc.enable()


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Send from a worker what somebody reads: pytest-xdist sends six messages for a test, at 3 ms of CPU together."""
    if not hasattr(item.config, "workerinput"):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed or report.duration >= SHOWN:
            report.keywords = {}  # a dozen names that nobody reads
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: gzip puts the time into them, and two workers must collect the same tests."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
