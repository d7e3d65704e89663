"""A worker in its own process, made to be killed: `python -m tests.delivery.killed OUTBOX MAPPING URL`."""

from __future__ import annotations

import sys

from engine.delivery.configured_connection import ConfiguredConnection, into_sandbox
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.delivery.process import run
from engine.delivery.supervisor import Delivery
from engine.delivery.worker import Options
from engine.plan import load


def main(outbox_file: str, mapping: str, url: str) -> None:
    target = load(mapping)
    connection = target.connect(target.example_settings())
    # Strict order needs it: when a response is lost, an item refused at first may be accepted when the batch is resent.
    configured = into_sandbox(ConfiguredConnection(name="shop", connection=connection, ordered_batches=True), url)
    outbox = SqliteOutbox(outbox_file)
    options = Options(lease=0.3, patience=20.0, poll=0.02)
    try:
        print("ready", flush=True)  # noqa: T201
        run(lambda: Delivery(outbox, [configured], options))
    finally:
        outbox.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
