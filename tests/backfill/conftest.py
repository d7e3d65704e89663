"""The Spark that the slow tests share, and a NATS server."""

from __future__ import annotations

from tests.spark.conftest import spark
from tests.stream.conftest import nats_server, new_address

__all__ = ["nats_server", "new_address", "spark"]
