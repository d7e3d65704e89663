"""A worker in its own process, made to be stopped: `python -m tests.delivery.stalled OUTBOX MAPPING URL LEASE`."""

from __future__ import annotations

import sys

from engine.delivery.configured_connection import ConfiguredConnection, rebased
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.process import run
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.plan import load


def main(outbox_file: str, mapping: str, url: str, lease: str) -> None:
    target = load(mapping)
    connection = rebased(target.connect(target.example_settings()), url)
    # Requests that wait for the rate limit are those that go out as soon as a stopped process wakes.
    configured = ConfiguredConnection(name="shop", connection=connection, rate_limit="100/s")
    outbox = SqliteOutbox(outbox_file)
    try:
        run(lambda: Delivery(outbox, [configured], Options(lease=float(lease), poll=0.02)))
    finally:
        outbox.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
