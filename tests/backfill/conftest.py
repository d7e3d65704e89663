"""The Spark that the slow tests share."""

from __future__ import annotations

from tests.spark.conftest import spark

__all__ = ["spark"]
